"""A projection artifact, opened."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from helpers.networks import chain

from pixelgrad.errors import ArtifactError, DivergedError
from pixelgrad.exporters import Projection, load_network, write_projection
from pixelgrad.exporters.projections import PROJECTION_RULES
from pixelgrad.runtime import Artifact, Box, Projector, verify


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("projection")
    network = load_network(chain(place / "net.onnx"), preprocess="rgb")
    return write_projection(network, Projection("r2", watched=("r1", "r3")), place / "r2")


@pytest.fixture
def projector(folder: Path) -> Projector:
    return Projector(folder, device="cpu")


def picture(seed: int = 0, count: int = 1, size: tuple[int, int] = (20, 24)) -> np.ndarray:
    return np.random.default_rng(seed).random((count, 3, *size), dtype=np.float32)


def test_the_manifest_follows_the_published_schema(folder: Path) -> None:
    manifest = json.loads((folder / "artifact.json").read_text())
    schema = json.loads((resources.files("pixelgrad.exporters") / "artifact.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(manifest, schema)
    assert sorted(p.name for p in folder.iterdir()) == sorted([*manifest["files"], "artifact.json"])
    assert manifest["objective"] == {"kind": "projection", "settings": {"layer": "r2", "rule": "deconvnet"}}
    for key, value in (("terms", [{}]), ("self_check", {}), ("files", {"weights.bin": {}})):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**manifest, key: value}, schema)


def test_strongest_and_features_agree(projector: Projector) -> None:
    images = picture(count=3)
    values, positions = projector.strongest(images)
    (features,) = projector.features(images)
    flat = features.reshape(3, 12, -1)
    np.testing.assert_array_equal(values, flat.max(2))
    np.testing.assert_array_equal(positions, flat.argmax(2))
    assert projector.grid((20, 24)) == (10, 12)
    r1, r3 = projector.features(images, ("r1", "r3"))
    assert (r1.shape, r3.shape) == ((3, 8, 20, 24), (3, 16, 5, 6))


def test_half_precision_keeps_to_the_exact_projection(tmp_path: Path, folder: Path) -> None:
    network = load_network(chain(tmp_path / "net.onnx"), preprocess="rgb")
    half = write_projection(network, Projection("r2", watched=("r1", "r3")), tmp_path / "half", precision="fp16")
    image = picture()
    exact, rounded = Projector(folder, device="cpu"), Projector(half, device="cpu")
    values, positions = exact.strongest(image)
    np.testing.assert_allclose(rounded.strongest(image)[0], values, rtol=5e-3)
    assert not np.array_equal(rounded.strongest(image)[0], values)
    channel = int(values[0].argmax())
    projections = [p.project_one(image, channel, int(positions[0, channel])) for p in (exact, rounded)]
    assert np.linalg.norm(projections[0] - projections[1]) < 2e-2 * np.linalg.norm(projections[0])
    assert [value.dtype for value in rounded.features(image, ("r1", "r3"))] == [np.float32] * 2
    assert all(check.passed for check in verify(rounded))


def test_a_projection_beyond_half_precision_is_made_smaller_and_scaled_back(tmp_path: Path) -> None:
    network = load_network(chain(tmp_path / "net.onnx"), preprocess="rgb")
    exact, rounded = (
        Projector(write_projection(network, Projection("r2"), tmp_path / p, precision=p), device="cpu")
        for p in ("fp32", "fp16")
    )
    image = picture()
    large = np.zeros((1, 12, 10, 12), np.float32)
    large[0, int(exact.strongest(image)[0][0].argmax()), 5, 6] = 6e4
    wanted, made = exact.project(image, large * 10), rounded.project(image, large * 10)
    assert np.isfinite(made).all()
    assert np.linalg.norm(made - wanted) < 2e-2 * np.linalg.norm(wanted)
    with pytest.raises(DivergedError, match="use --precision fp32"):
        rounded.project(image, np.full_like(large, np.inf))


def test_one_activation_stays_in_its_field(projector: Projector) -> None:
    """r2: 3x3, pool, 3x3: eight pixels, two apart."""
    image = picture()
    values, positions = projector.strongest(image)
    channel = int(values[0].argmax())
    row, column = divmod(int(positions[0, channel]), 12)
    projection = projector.project_one(image, channel, int(positions[0, channel]), float(values[0, channel]))
    field = projector.field(row, column, (20, 24))
    assert (field.top, field.left, *field.size) == (2 * row - 3, 2 * column - 3, 8, 8)
    outside = projection.copy()
    outside[:, :, max(0, field.top) : field.bottom, max(0, field.left) : field.right] = 0
    assert not outside.any()
    assert projection.any()
    np.testing.assert_allclose(
        projector.project_one(image, channel, int(positions[0, channel]), 2 * float(values[0, channel])),
        2 * projection,
        rtol=1e-5,
    )


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        (Box(2, 3, 8, 9), Box(2, 3, 8, 9)),
        (Box(-3, 3, 3, 9), Box(0, 3, 6, 9)),
        (Box(2, 8, 8, 14), Box(2, 4, 8, 10)),
        (Box(-5, -5, 40, 40), Box(0, 0, 12, 10)),
    ],
)
def test_boxes_are_moved_inside(box: Box, expected: Box) -> None:
    assert box.inside((10, 12)) == expected


@pytest.mark.parametrize("rule", PROJECTION_RULES)
def test_verify(tmp_path: Path, rule: str) -> None:
    network = load_network(chain(tmp_path / "net.onnx"))
    folder = write_projection(network, Projection("r3", rule), tmp_path / "p")
    checks = list(verify(Artifact(folder, device="cpu")))
    names = ["files", "maxima norm", "positions", "projection norm", "twice the activation"]
    assert [check.name for check in checks] == [*names, *(["finite difference"] if rule == "gradient" else [])]
    assert all(check.passed for check in checks), checks


def test_verify_finds_another_projection(folder: Path, tmp_path: Path) -> None:
    """The graphs of one rule under the manifest of another."""
    import hashlib
    import shutil

    network = load_network(chain(tmp_path / "net.onnx"), preprocess="rgb")
    other = write_projection(network, Projection("r2", "gradient", ("r1", "r3")), tmp_path / "other")
    mixed = Path(shutil.copytree(folder, tmp_path / "mixed"))
    shutil.copy(other / "training_model.onnx", mixed)
    manifest = json.loads((mixed / "artifact.json").read_text())
    content = (mixed / "training_model.onnx").read_bytes()
    manifest["files"]["training_model.onnx"] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (mixed / "artifact.json").write_text(json.dumps(manifest))
    failed = [check.name for check in verify(Artifact(mixed, device="cpu")) if not check.passed]
    assert failed == ["projection norm"]


def test_another_kind_of_artifact_is_refused(style_artifact: Path) -> None:
    with pytest.raises(ArtifactError, match="is of kind 'style', not a projection; pixelgrad export deconv makes one"):
        Projector(style_artifact, device="cpu")
