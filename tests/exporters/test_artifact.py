"""The artifact on disk: whole or not at all, described truly, and the same weights never twice."""

from __future__ import annotations

import json
import os
import time
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import onnx
import pytest
from helpers.networks import chain

from pixelgrad.errors import OutputError
from pixelgrad.exporters import Objective, load_network, style_objective, write_artifact
from pixelgrad.exporters import artifact as module
from pixelgrad.exporters.objectives import Activation
from pixelgrad.exporters.self_check import pattern
from pixelgrad.runtime import Artifact, verify
from pixelgrad.runtime.verify import pattern as runtime_pattern


def write(path: Path, net: Path, **options: bool) -> Path:
    network = load_network(net)
    return write_artifact(network, style_objective(network), path, **options)


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return chain(tmp_path_factory.mktemp("net") / "net.onnx")


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory, net: Path) -> Path:
    return write(tmp_path_factory.mktemp("artifacts") / "style", net)


def schema() -> Any:
    return json.loads((resources.files("pixelgrad.exporters") / "artifact.schema.json").read_text())


def test_the_manifest_follows_the_published_schema(artifact: Path) -> None:
    manifest = json.loads((artifact / "artifact.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.validate(manifest, schema())
    assert sorted(p.name for p in artifact.iterdir()) == sorted([*manifest["files"], "artifact.json"])


def test_graphs_are_standard_onnx_of_opset_18(artifact: Path) -> None:
    for path in artifact.glob("*.onnx"):
        model = onnx.load(path)
        onnx.checker.check_model(model, full_check=True)
        assert [(o.domain, o.version) for o in model.opset_import] == [("", 18)]
        assert (model.ir_version, model.producer_name) == (8, "pixelgrad")


def test_weights_are_written_once_and_only_those_in_use(artifact: Path, net: Path) -> None:
    training = onnx.load(artifact / "training_model.onnx", load_external_data=False)
    evaluation = onnx.load(artifact / "eval_model.onnx", load_external_data=False)
    places = [
        {t.name: {e.key: e.value for e in t.external_data} for t in m.graph.initializer if t.external_data}
        for m in (training, evaluation)
    ]
    # Identity matrices of the widest layers, in the moment loss.
    identities = [{n: p for n, p in found.items() if n.startswith("constant/")} for found in places]
    weights_of = [{n: p for n, p in found.items() if not n.startswith("constant/")} for found in places]
    assert weights_of[0] == weights_of[1]
    assert set(weights_of[0]) == {"w2", "w3"}
    assert [place for found in identities for place in found.values()] == [*identities[0].values()] * 2
    assert len(identities[0]) <= 1
    weights = sum(np.prod(t.dims) * 4 for t in onnx.load(net).graph.initializer if t.name in places[0])
    extra = sum(int(place["length"]) for place in identities[0].values())
    assert (artifact / "weights.bin").stat().st_size < weights + extra + 200


def test_exporting_twice_gives_the_same_bytes(artifact: Path, net: Path, tmp_path: Path) -> None:
    again = write(tmp_path / "again", net)
    for path in artifact.iterdir():
        assert path.read_bytes() == (again / path.name).read_bytes(), path.name


def test_layers_and_network_are_described(artifact: Path) -> None:
    manifest = json.loads((artifact / "artifact.json").read_text())
    assert manifest["layers"]["r3"] == {"stride": 4, "receptive_field": 18}
    assert manifest["network"]["preprocessing"]["mean"] == [0.485, 0.456, 0.406]
    assert [t["name"] for t in manifest["terms"]] == ["content.r3", "style.r1", "style.r2", "style.r3", "tv"]
    assert manifest["image"]["alignment"] == 4


def test_verify_passes_on_a_sound_artifact(artifact: Path) -> None:
    checks = list(verify(Artifact(artifact, device="cpu")))
    assert [c.name for c in checks if not c.passed] == []
    assert {"files", "loss", "gradient norm", "finite difference", "optimizer"} <= {c.name for c in checks}


def test_verify_sees_a_wrong_gradient(artifact: Path, tmp_path: Path) -> None:
    """A graph whose gradient lacks one factor of two is found out by the norm and by finite differences."""
    broken = tmp_path / "broken"
    broken.mkdir()
    manifest = json.loads((artifact / "artifact.json").read_text())
    for path in artifact.iterdir():
        (broken / path.name).write_bytes(path.read_bytes())
    model = onnx.load(broken / "training_model.onnx", load_external_data=False)
    (last,) = (node for node in model.graph.node if node.output[0] == "gradient")
    last.output[0] = "half"
    model.graph.node.append(onnx.helper.make_node("Add", ["half", "half"], ["gradient"]))
    content = model.SerializeToString()
    (broken / "training_model.onnx").write_bytes(content)
    failed = [c.name for c in verify(Artifact(broken, device="cpu")) if not c.passed]
    assert failed == ["files"]
    manifest["files"]["training_model.onnx"] = {
        "sha256": __import__("hashlib").sha256(content).hexdigest(),
        "bytes": len(content),
    }
    (broken / "artifact.json").write_text(json.dumps(manifest))
    failed = [c.name for c in verify(Artifact(broken, device="cpu")) if not c.passed]
    assert failed == ["gradient norm", "finite difference"]


def test_both_rooms_draw_the_same_pattern() -> None:
    for seed in (1, 2, 17):
        np.testing.assert_array_equal(pattern((1, 3, 37, 41), seed), runtime_pattern((1, 3, 37, 41), seed))
    assert abs(float(np.corrcoef(pattern([768], 1), pattern([768], 2))[0, 1])) < 0.6


def test_an_artifact_is_replaced_only_when_forced(net: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "style", net)
    (path / "extra").write_text("kept until replaced")
    with pytest.raises(OutputError, match=r"artifact in .*style' already; --force"):
        write(path, net)
    write(path, net, force=True)
    assert not (path / "extra").exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["style"]


def test_what_a_killed_process_left_goes_after_a_day(net: Path, tmp_path: Path) -> None:
    def folder(name: str, *files: str, days: float = 2) -> str:
        (tmp_path / name).mkdir()
        for file in files:
            (tmp_path / name / file).write_bytes(b"")
        then = time.time() - days * 24 * 3600
        os.utime(tmp_path / name, (then, then))
        return name

    write(tmp_path / "style", net)
    folder(".style.abcd1234", "weights.bin", "training_model.onnx")
    folder(".style.old-4711", "artifact.json", "weights.bin")
    (tmp_path / ".style.filefile").write_bytes(b"")
    kept = {
        "style",
        ".style.filefile",
        folder(".style.efgh5678", "weights.bin", days=0.5),
        folder(".style.previous", "artifact.json", "weights.bin"),
        folder(".style.pictures", "cat.jpg"),
        folder(".other.abcd1234", "weights.bin"),
    }
    write(tmp_path / "style", net, force=True)
    assert {entry.name for entry in tmp_path.iterdir()} == kept


def test_other_folders_and_files_are_never_touched(net: Path, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "cat.jpg").write_text("a cat")
    with pytest.raises(OutputError, match="holds other files"):
        write(folder, net, force=True)
    with pytest.raises(OutputError, match="is a file; an artifact is a folder"):
        write(folder / "cat.jpg", net, force=True)
    assert (folder / "cat.jpg").read_text() == "a cat"
    empty = tmp_path / "empty"
    empty.mkdir()
    assert (write(empty, net) / "artifact.json").is_file()


def test_nothing_is_left_of_an_export_that_fails(net: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_write_models", full)
    with pytest.raises(OutputError, match=r"cannot be written: No space left on device"):
        write(tmp_path / "deep" / "style", net)
    assert list((tmp_path / "deep").iterdir()) == []


def test_a_failed_replacement_leaves_the_old_artifact(
    net: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "style", net)
    before = (path / "artifact.json").read_bytes()
    rename = Path.rename

    def fails(self: Path, target: Path) -> Path:
        if target == path and ".old-" not in self.name:
            raise OSError(5, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fails)
    with pytest.raises(OutputError, match="Input/output error"):
        write(path, net, force=True)
    assert (path / "artifact.json").read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["style"]


@pytest.mark.parametrize("empty", [False, True])
def test_who_finishes_second_leaves_the_artifact_of_the_first(
    net: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty: bool
) -> None:
    """Somebody may have opened it: it must not be gone even for the moment in which another takes its place."""
    place, write_models = tmp_path / "style", module._write_models
    if empty:
        place.mkdir()

    def slowly(*given: Any) -> None:
        monkeypatch.setattr(module, "_write_models", write_models)
        write(place, net)
        (place / "in use").touch()
        write_models(*given)

    monkeypatch.setattr(module, "_write_models", slowly)
    with pytest.raises(OutputError, match=r"there is an artifact in .* already"):
        write(place, net)
    assert (place / "in use").exists()
    assert [entry.name for entry in tmp_path.iterdir()] == ["style"]


def test_a_target_that_the_caller_brings(tmp_path: Path, small_network: Path) -> None:
    """The direction of an activation: no output of the other graph, and part of the self-check."""
    objective = Objective("dream", (Activation("activation.r3", "r3", 1.0),))
    folder = write_artifact(load_network(small_network), objective, tmp_path / "dream")
    artifact = Artifact(folder, device="cpu")
    jsonschema.validate(artifact.manifest, schema())
    channels = artifact.given["target.activation.r3"][1]
    assert [check.name for check in verify(artifact) if not check.passed] == []
    image = pattern((1, 3, 32, 40), 1)
    assert artifact.targets(image) == {}
    one = np.zeros((1, channels), np.float32)
    one[0, 2] = 1
    assert artifact.evaluate(image, {"target.activation.r3": one}).loss < 0
