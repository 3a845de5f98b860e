"""Opening artifacts and evaluating them, and every way in which one can be unusable."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from helpers.networks import chain

from pixelgrad.errors import ArtifactError, ImageError
from pixelgrad.exporters import load_network, style_objective, write_artifact
from pixelgrad.runtime import Artifact, Choice, Evaluation, verify
from pixelgrad.runtime.devices import DEVICES


@pytest.fixture
def copy(style_artifact: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(style_artifact, tmp_path / "copy"))


def image(height: int = 24, width: int = 32, seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).random((1, 3, height, width), dtype=np.float32)


def test_evaluate(style_artifact: Path) -> None:
    artifact = Artifact(style_artifact, device="cpu")
    targets = artifact.targets(image(seed=1))
    assert sorted(targets) == [f"target.{name}" for name in ("content.r3", "style.r1", "style.r2", "style.r3")]
    found = artifact.evaluate(image(), targets)
    assert found.gradient.shape == (1, 3, 24, 32)
    weighted = sum(term.weight * found.losses[term.name] for term in artifact.terms)
    assert found.loss == pytest.approx(weighted, rel=1e-5)
    only_tv = artifact.evaluate(image(), targets, {term.name: 0.0 for term in artifact.terms if term.name != "tv"})
    (weight,) = [term.weight for term in artifact.terms if term.name == "tv"]
    assert only_tv.loss == pytest.approx(weight * found.losses["tv"], rel=1e-5)


def test_missing_and_damaged_folders(copy: Path, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no artifact folder"):
        Artifact(tmp_path / "nowhere")
    with pytest.raises(ArtifactError, match=r"holds no artifact\.json"):
        Artifact(tmp_path)
    (copy / "weights.bin").unlink()
    with pytest.raises(ArtifactError, match=r"lacks weights\.bin"):
        Artifact(copy)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read"),
        ("[]", "not that of a pixelgrad artifact"),
        ('{"format": "other"}', "not that of a pixelgrad artifact"),
        (
            '{"format": "pixelgrad-artifact", "format_version": 2}',
            "format version 2 and this pixelgrad reads version 1",
        ),
        ('{"format": "pixelgrad-artifact", "format_version": 1}', "lacks 'network'"),
    ],
)
def test_manifests_that_cannot_be_used(copy: Path, content: str, message: str) -> None:
    (copy / "artifact.json").write_text(content)
    with pytest.raises(ArtifactError, match=message):
        Artifact(copy)


#: What a field of ``artifact.json`` is not, whatever it is.
WRONG = (-1.5, 1e400, "?" * 9, [[]], {"": []}, [None, None], 10**30)
# Any text names a network, a layer or a kind of term; settings are shown, and of no use to the runtime but for these.
FREE = ("network", "objective.settings", "operators", "pixelgrad_version", "opset", "image.layout", "image.order")


def _fields(value: Any, where: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value in the manifest, containers first."""
    if where:
        yield where
    if isinstance(value, dict | list):
        for key, child in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _fields(child, (*where, key))


def test_any_field_may_be_anything(style_artifact: Path, tmp_path: Path) -> None:
    """Or be missing. Each is refused, or used for what it says; nothing else goes wrong, and nothing huge is made."""
    plain = json.loads((style_artifact / "artifact.json").read_text())
    folder = tmp_path / "copy"
    shutil.copytree(style_artifact, folder)
    fields = [way for way in _fields(plain) if not ".".join(map(str, way)).startswith(FREE)]
    assert len(fields) > 60
    refused = 0
    for way in fields:
        for wrong in (*WRONG, None, "missing"):
            manifest = json.loads(json.dumps(plain))
            holder = manifest
            for key in way[:-1]:
                holder = holder[key]
            if wrong == "missing":
                del holder[way[-1]]
            else:
                holder[way[-1]] = wrong
            (folder / "artifact.json").write_text(json.dumps(manifest))
            try:
                Artifact(folder, device="cpu").check_files()
            except ArtifactError:
                refused += 1
    assert refused > 4 * len(fields)


@pytest.mark.parametrize("name", ["../copy/weights.bin", "/etc/passwd", "..", "a/b", "..\\x", "x" * 5000, "nul\0", ""])
def test_no_file_but_those_in_the_folder(copy: Path, name: str) -> None:
    manifest = json.loads((copy / "artifact.json").read_text())
    manifest["files"][name] = {"sha256": "0" * 64, "bytes": 0}
    (copy / "artifact.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match=r"names a file .* which is not in the folder|lacks "):
        Artifact(copy)


@pytest.mark.parametrize(
    ("way", "value", "why"),
    [
        (("image", "batch"), 7, "it takes 1 images at once, not 7"),
        (("terms", 0, "name"), "weird", "there is no output 'loss.weird'"),
        (("terms", 0, "target"), "weird", "there is no output 'weird'"),
        (("terms", 0, "target"), None, "the input 'target.content.r3' is in one of them only"),
        (("terms", 1, "mask"), "weird", "the input 'weird' is in one of them only"),
        (("terms", 4, "given"), True, "nobody can give 'tv' its target"),
        (("terms",), [], "is in one of them only"),
    ],
    ids=str,
)
def test_a_manifest_of_another_graph(copy: Path, way: tuple[Any, ...], value: Any, why: str) -> None:
    manifest = holder = json.loads((copy / "artifact.json").read_text())
    for key in way[:-1]:
        holder = holder[key]
    holder[way[-1]] = value
    (copy / "artifact.json").write_text(json.dumps(manifest))
    artifact = Artifact(copy, device="cpu")
    with pytest.raises(ArtifactError, match=f"do not belong together: .*{why}; export the artifact again"):
        list(verify(artifact))


def test_targets_of_another_graph(copy: Path) -> None:
    manifest = json.loads((copy / "artifact.json").read_text())
    manifest["terms"][0]["target"] = "weird"
    (copy / "artifact.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match=r"'eval_model.onnx' .* do not belong together: there is no output 'weird'"):
        Artifact(copy, device="cpu").targets(image())


def external(copy: Path, key: str, value: str) -> None:
    """Say something else of where the weights are."""
    model = onnx.load(copy / "training_model.onnx", load_external_data=False)
    entries = [entry for tensor in model.graph.initializer for entry in tensor.external_data if entry.key == key]
    assert entries
    for entry in entries:
        entry.value = value
    (copy / "training_model.onnx").write_bytes(model.SerializeToString())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("location", "../../../../../etc/passwd"),
        ("location", "/etc/passwd"),
        ("location", "elsewhere.bin"),
        ("offset", "99999999999"),
        ("length", "99999999999"),
        ("offset", "-1"),
    ],
)
def test_weights_from_elsewhere(copy: Path, key: str, value: str, capfd: pytest.CaptureFixture[str]) -> None:
    """One error, and not a line of ONNX Runtime's log beside it."""
    external(copy, key, value)
    with pytest.raises(ArtifactError, match=r"ONNX Runtime cannot load 'training_model\.onnx'"):
        Artifact(copy, device="cpu").evaluate(image(), {})
    assert capfd.readouterr() == ("", "")


def test_a_graph_that_cannot_be_loaded(copy: Path) -> None:
    (copy / "training_model.onnx").write_bytes(b"nonsense")
    artifact = Artifact(copy, device="cpu")
    with pytest.raises(ArtifactError, match=r"ONNX Runtime cannot load 'training_model\.onnx'"):
        artifact.evaluate(image(), {})
    with pytest.raises(ArtifactError, match=r"'training_model\.onnx' .* is not the file that was exported"):
        artifact.check_files()


def test_too_small_an_image(tmp_path: Path) -> None:
    path = chain(tmp_path / "net.onnx")
    model = onnx.load(path)
    del model.graph.node[0].attribute[:]  # no padding: the map shrinks
    onnx.save(model, path)
    network = load_network(path)
    artifact = Artifact(write_artifact(network, style_objective(network), tmp_path / "style"), device="cpu")
    assert artifact.minimum_size > 1
    with pytest.raises(ImageError, match=r"32x2 and the layers in use need at least \d+ pixels"):
        artifact.targets(image(2, 32))


def test_a_fixed_size(tmp_path: Path) -> None:
    network = load_network(chain(tmp_path / "net.onnx", size=32, classes=4, flatten=True))
    objective = style_objective(network, content_layers=["logits"])
    artifact = Artifact(write_artifact(network, objective, tmp_path / "style"), device="cpu")
    assert artifact.fixed_size == (32, 32)
    with pytest.raises(ImageError, match="is 32x24 and the network takes 32x32 only"):
        artifact.targets(image(24, 32))
    assert artifact.targets(image(32, 32))


def test_incomplete_manifest(copy: Path) -> None:
    manifest = json.loads((copy / "artifact.json").read_text())
    del manifest["self_check"]
    (copy / "artifact.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match="lacks 'self_check'"):
        Artifact(copy)


def test_what_was_written_for_a_cpu_runs_on_nothing_else(small_network: Path, tmp_path: Path) -> None:
    network = load_network(small_network)
    folder = write_artifact(network, style_objective(network), tmp_path / "fast", profile="fast")
    with pytest.raises(ArtifactError, match=r"was written for a CPU .* and is to run on cuda; export it"):
        Artifact(folder, device=Choice(DEVICES["cuda"]))
    assert Artifact(folder, device="cpu").minimum_size >= 1


def test_a_device_that_computes_nothing_is_no_crash(style_artifact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every check is made and told of where loss and gradient are all zeros, as from kernels that do not run."""
    artifact = Artifact(style_artifact, device="cpu")
    right = [check.name for check in verify(artifact) if check.passed]

    def nothing(self: Artifact, picture: Any, *_: Any) -> Evaluation:
        return Evaluation(0.0, {term.name: 0.0 for term in self.terms}, np.zeros_like(np.asarray(picture)), 0.0)

    monkeypatch.setattr(Artifact, "evaluate", nothing)
    found = {check.name: check.passed for check in verify(artifact)}
    assert list(found) == right
    assert not any(found[name] for name in ("loss", "loss.tv", "gradient norm", "optimizer"))
