"""The second gradient builder: against the first, in an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from helpers.data import ROOT
from helpers.gradcheck import runtime
from helpers.networks import chain

from pixelgrad.errors import DeviceError, SettingsError, UnsupportedOperatorError
from pixelgrad.exporters import (
    dream_objective,
    load_network,
    style_objective,
    visualize_objective,
    write_artifact,
)
from pixelgrad.exporters.autodiff import finish
from pixelgrad.exporters.opset18 import infer_shapes
from pixelgrad.exporters.ort_training import environment, training_python, write_ort_training_artifact
from pixelgrad.exporters.ort_training.lowering import lower
from pixelgrad.runtime import Artifact, StyleSettings, read_image, style


def test_the_message_says_how_to_set_it_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(environment.VARIABLE, raising=False)
    with pytest.raises(DeviceError, match=r"onnxruntime-training-cpu==1\.19\.2.*PIXELGRAD_ORT_TRAINING_PYTHON"):
        training_python()
    monkeypatch.setenv(environment.VARIABLE, str(tmp_path / "none"))
    with pytest.raises(DeviceError, match="which is no file"):
        training_python()
    monkeypatch.setenv(environment.VARIABLE, sys.executable)
    with pytest.raises(DeviceError, match="has no working onnxruntime-training"):
        training_python()


@pytest.mark.parametrize("mode", ["edge", "reflect"])
def test_padding_becomes_a_gather(mode: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.random((1, 2, 5, 7), dtype=np.float32)
    image = ir.Value(name="x", shape=ir.Shape([1, 2, "H", "W"]), type=ir.TensorType(ir.DataType.FLOAT))
    graph = ir.Graph([image], [], nodes=[], opset_imports={"": 18}, name="pad")
    from pixelgrad.exporters.autodiff import Emitter

    op = Emitter(graph)
    padded = op.Pad(image, [0, 0, 2, 1, 0, 0, 3, 4], None, mode=mode)
    padded.name, padded.dtype = "y", ir.DataType.FLOAT
    graph.outputs.append(padded)
    model = ir.Model(graph, ir_version=8)
    infer_shapes(model)
    lower(model)
    assert "Pad" not in {node.op_type for node in graph}
    expected = np.pad(x, [(0, 0), (0, 0), (2, 3), (1, 4)], mode=mode)  # type: ignore[call-overload]
    np.testing.assert_array_equal(runtime(finish(model))({"x": x})["y"], expected)


@pytest.fixture
def python(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The environment of onnxruntime-training, where there is one."""
    if environment.VARIABLE not in os.environ:
        pytest.skip(f"{environment.VARIABLE} names no environment with onnxruntime-training")
    return training_python()


_RUN = """
import json, sys
from pixelgrad.runtime import Artifact, StyleSettings, read_image, style, verify
folder, photo, painting = sys.argv[1:]
artifact = Artifact(folder, device="cpu")
failed = [check.name for check in verify(artifact) if not check.passed]
settings = StyleSettings(size=96, steps=20, optimizer="adam")
events = style(artifact, read_image(photo), [read_image(painting)], settings)
print(json.dumps({"failed": failed, "losses": [event.loss for event in events]}))
"""

_NATIVE = """
import json, sys
import numpy as np
import onnxruntime as ort
from onnxruntime.capi import _pybind_state as native
folder = sys.argv[1]
data = dict(np.load(sys.argv[2]))
state = native.load_checkpoint(folder + "/checkpoint")
place = native.OrtDevice(native.OrtDevice.cpu(), native.OrtDevice.default_memory(), 0)
options = ort.SessionOptions()
module = native.Module(folder + "/training_model.onnx", state, folder + "/eval_model.onnx", place, options)
optimizer = native.Optimizer(folder + "/optimizer_model.onnx", state, place, options)
optimizer.set_learning_rate(0.02)
image = ort.OrtValue.ortvalue_from_numpy(data["image"])
state.get_parameter("image").copy_from(state, image._ortvalue)
losses = []
for _ in range(20):
    fetched = native.OrtValueVector()
    module.train_step([data[name] for name in module.input_names(True)], fetched)
    losses.append(float(fetched[0].numpy()))
    optimizer.optimizer_step()
    module.lazy_reset_grad()
print(json.dumps(losses))
"""


def _there(python: Path, code: str, *arguments: Path) -> Any:
    """Run code in that environment, with this checkout's runtime importable; pillow is all it lacks."""
    packages = arguments[0].parent / "packages"
    subprocess.run([sys.executable, ROOT / ".ci" / "link_types.py", packages], check=True, capture_output=True)
    environ = {**os.environ, "PYTHONPATH": str(packages)}
    command = [str(python), "-c", code, *map(str, arguments)]
    found = subprocess.run(command, capture_output=True, text=True, check=False, env=environ, cwd=packages)
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout)


@pytest.mark.peer
@pytest.mark.parametrize("pool", ["MaxPool", "AveragePool"])
def test_both_builders_take_the_same_path(python: Path, tmp_path: Path, photo: Path, painting: Path, pool: str) -> None:
    """The same style transfer: the losses of its first 20 steps agree to 1e-4."""
    network = load_network(chain(tmp_path / "net.onnx", pool=pool))
    objective = style_objective(network, loss="gram")
    theirs = write_ort_training_artifact(network, objective, tmp_path / "theirs", size=(64, 96))
    # A graph of one size makes every picture that size.
    read_image(painting).resized(96, 64).save(tmp_path / "painting.png")
    painting = tmp_path / "painting.png"
    found = _there(python, _RUN, theirs, photo, painting)
    assert found["failed"] == []
    ours = Artifact(write_artifact(network, objective, tmp_path / "ours"), device="cpu")
    settings = StyleSettings(size=96, steps=20, coarsest=96, optimizer="adam")
    events = style(ours, read_image(photo), [read_image(painting)], settings)
    np.testing.assert_allclose(found["losses"], [event.loss for event in events], rtol=1e-4)


_CHANNELS = """
import json, sys
from pixelgrad.runtime import Artifact, DreamSettings, Unit, VisualizeSettings, dream, verify, visualize
dreams, units = (Artifact(folder, device="cpu") for folder in sys.argv[1:])
failed = [check.name for artifact in (dreams, units) for check in verify(artifact) if not check.passed]
*_, dreamt = dream(dreams, None, DreamSettings(size=64, steps=2, octaves=1), channels=[3])
*_, seen = visualize(units, [Unit(2, "two")], VisualizeSettings(size=64, steps=2))
print(json.dumps({"failed": failed, "steps": [dreamt.step, seen.step]}))
"""


@pytest.mark.peer
def test_what_is_asked_of_a_layers_channels_can_be_chosen_there_too(python: Path, tmp_path: Path) -> None:
    """Though the training API does not say what shape a direction has."""
    network = load_network(chain(tmp_path / "net.onnx"))
    dreams = dream_objective(network, enhance="channels", layers=["r2"])
    units = visualize_objective(network, "r2", unit="channel")
    folders = [
        write_ort_training_artifact(network, objective, tmp_path / objective.kind, size=(64, 64))
        for objective in (dreams, units)
    ]
    assert _there(python, _CHANNELS, *folders) == {"failed": [], "steps": [2, 2]}


@pytest.mark.peer
def test_onnx_runtimes_own_loop_takes_that_path_too(python: Path, tmp_path: Path) -> None:
    """Module and Optimizer as an application in C# or Java drives them: as Adam without clamping."""
    network = load_network(chain(tmp_path / "net.onnx"))
    objective = style_objective(network, loss="gram")
    folder = write_ort_training_artifact(network, objective, tmp_path / "theirs", size=(32, 48))
    ours = Artifact(write_artifact(network, objective, tmp_path / "ours"), device="cpu")
    rng = np.random.default_rng(0)
    image, reference = 0.25 + 0.5 * rng.random((2, 1, 3, 32, 48), dtype=np.float32)
    targets = ours.targets(reference)
    weights = {f"weight.{term.name}": np.asarray(term.weight, np.float32) for term in ours.terms}
    np.savez(tmp_path / "data.npz", image=image, **targets, **weights)
    found = _there(python, _NATIVE, folder, tmp_path / "data.npz")

    x, first, second, losses = image.astype(np.float64), 0.0, 0.0, []
    for step in range(1, 21):
        evaluation = ours.evaluate(x.astype(np.float32), targets)
        losses.append(evaluation.loss)
        gradient = evaluation.gradient.astype(np.float64)
        first = 0.9 * first + 0.1 * gradient
        second = 0.99 * second + 0.01 * gradient**2
        root = np.sqrt(second / (1 - 0.99**step)) + 1e-8
        x = x - 0.02 * first / (1 - 0.9**step) / root
    np.testing.assert_allclose(found, losses, rtol=1e-3)


@pytest.mark.peer
def test_what_it_cannot_do_points_to_the_standard_builder(python: Path, tmp_path: Path) -> None:
    model = onnx.load(chain(tmp_path / "relu.onnx"))
    for node in model.graph.node:
        node.op_type = "Elu" if node.op_type == "Relu" else node.op_type
    onnx.save(model, tmp_path / "elu.onnx")
    network = load_network(tmp_path / "elu.onnx")
    objective = style_objective(network, loss="gram", style_layers=["r1"], content_layers=["r2"])
    with pytest.raises(UnsupportedOperatorError, match=r"cannot differentiate the operator Elu.*--gradient standard"):
        write_ort_training_artifact(network, objective, tmp_path / "out", size=(64, 64))
    assert not (tmp_path / "out").exists()
    small = load_network(chain(tmp_path / "net.onnx"))
    with pytest.raises(SettingsError, match=r"needs a multiple of 4 for these layers, say 64x60"):
        write_ort_training_artifact(small, style_objective(small, loss="gram"), tmp_path / "out", size=(61, 63))


def test_another_onnx_runtime_refuses_it(tmp_path: Path, style_artifact: Path) -> None:
    import shutil

    folder = tmp_path / "theirs"
    shutil.copytree(style_artifact, folder)
    manifest = json.loads((folder / "artifact.json").read_text())
    (folder / "artifact.json").write_text(json.dumps({**manifest, "gradient": "ort-training"}))
    with pytest.raises(DeviceError, match=r"is not onnxruntime-training.*--gradient standard"):
        _ = Artifact(folder, device="cpu").training
