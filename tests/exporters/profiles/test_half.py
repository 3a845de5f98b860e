"""Networks in float16 under losses in float32."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from helpers.artifacts import OBJECTIVES, network_for
from helpers.networks import chain
from onnx import TensorProto
from onnx.reference import ReferenceEvaluator

from pixelgrad.errors import DivergedError, NetworkError, SettingsError
from pixelgrad.exporters import load_network, style_objective, write_artifact
from pixelgrad.exporters.objectives import build_loss_graphs
from pixelgrad.runtime import Artifact, Evaluation, verify
from pixelgrad.runtime.engine import Evaluator, Finish, Plan, descend
from pixelgrad.runtime.optimizers import LBFGS
from pixelgrad.runtime.verify import pattern
from pixelgrad.runtime.windows import Windows
from pixelgrad.runtime.wrapping import Wrapped


class Reference:
    """ONNX's reference implementation in place of a session: ONNX Runtime computes float16 as float32 on a CPU."""

    def __init__(self, artifact: Artifact) -> None:
        self._evaluator = ReferenceEvaluator(onnx.load(artifact.path / "training_model.onnx"))

    def run(self, names: list[str], feeds: dict[str, Any], options: Any = None) -> list[Any]:
        with np.errstate(all="ignore"):
            return list(self._evaluator.run(names, feeds))


def opened(path: Path) -> Artifact:
    artifact = Artifact(path, device="cpu")
    artifact.__dict__["training"] = Reference(artifact)
    return artifact


def gradients(kind: str, pool: str, folder: Path) -> dict[str, Any]:
    network, found = network_for(kind, folder, pool), {}
    for precision in ("fp32", "fp16"):
        path = write_artifact(network, OBJECTIVES[kind](network), folder / precision, precision=precision)
        artifact = Artifact(path, device="cpu")
        shape = (int(artifact.manifest["image"]["batch"]), 3, 32, 28)
        given = {name: pattern(shape, 3) for name, shape in artifact.given.items()}
        artifact = opened(path)
        found[precision] = artifact.evaluate(pattern(shape, 1), artifact.targets(pattern(shape, 2)) | given)
    return found


@pytest.mark.parametrize("pool", ["AveragePool", "MaxPool"])
@pytest.mark.parametrize("kind", list(OBJECTIVES))
def test_losses_and_gradient_are_those_of_float32(kind: str, pool: str, tmp_path: Path) -> None:
    found = gradients(kind, pool, tmp_path)
    exact, half = found["fp32"], found["fp16"]
    assert half.gradient.dtype == np.float32
    assert abs(half.loss / exact.loss - 1) < 2e-3
    # A unit that is barely open in one precision is shut in the other, so single pixels differ by more: most where few
    # units have a say, or where the best match of a guide's places is another one.
    allowed = {"dream-guide": 0.1, "dream-channels": 0.1, "visualize": 0.15}.get(kind, 0.04)
    assert np.linalg.norm(half.gradient - exact.gradient) < allowed * np.linalg.norm(exact.gradient)
    assert not np.array_equal(half.gradient, exact.gradient)


def test_small_gradients_survive_and_would_not_without_scaling(tmp_path: Path) -> None:
    network = load_network(chain(tmp_path / "net.onnx", pool="AveragePool"), preprocess="imagenet")
    path = write_artifact(network, style_objective(network, tv_weight=0), tmp_path / "half", precision="fp16")
    artifact = opened(path)
    image, targets = pattern((1, 3, 24, 24), 1), artifact.targets(pattern((1, 3, 24, 24), 2))
    # As small as at 2000 x 2000 pixels: a gradient's elements go down as their number goes up.
    weights = {term.name: 1e-4 * term.weight for term in artifact.terms}
    exact = artifact.evaluate(image, targets).gradient * 1e-4
    scaled = artifact.evaluate(image, targets, weights).gradient
    assert artifact._scale is not None
    artifact._scale.value = 1.0
    unscaled = artifact.evaluate(image, targets, weights).gradient

    def lost(gradient: Any) -> float:
        return float(np.linalg.norm(gradient - exact) / np.linalg.norm(exact))

    assert lost(scaled) < 0.01
    assert lost(unscaled) > 0.1


def test_overflow_lowers_the_scale_and_computes_again(tmp_path: Path) -> None:
    network = load_network(chain(tmp_path / "net.onnx"), preprocess="imagenet")
    path = write_artifact(network, style_objective(network), tmp_path / "half", precision="fp16")
    artifact = opened(path)
    image, targets = pattern((1, 3, 32, 32), 1), artifact.targets(pattern((1, 3, 32, 32), 2))
    expected = artifact.evaluate(image, targets)
    assert artifact._scale is not None
    artifact._scale.value = 2.0**40
    found = artifact.evaluate(image, targets)
    assert artifact._scale.value < 2.0**30
    assert found.finite
    np.testing.assert_allclose(found.norm, expected.norm, rtol=0.02)


def test_only_the_network_is_float16(tmp_path: Path) -> None:
    network = load_network(chain(tmp_path / "net.onnx"), preprocess="caffe")
    graphs = build_loss_graphs(network, style_objective(network), precision="fp16")
    for model in (graphs.training, graphs.evaluation):
        assert model is not None
        onnx.checker.check_model(model, full_check=True)
        types = {v.name: v.type.tensor_type.elem_type for v in [*model.graph.value_info, *model.graph.input]}
        types |= {t.name: t.data_type for t in model.graph.initializer}
        for node in model.graph.node:
            kind = types.get(node.input[0])
            if node.op_type == "Conv":
                inside = node.input[1] not in {"preprocess/weight"} and "preprocessed" not in node.name
                inside = inside and node.name != "preprocess" and not node.name.startswith("tv/")
                assert kind == (TensorProto.FLOAT16 if inside else TensorProto.FLOAT), node.name
            if node.op_type in {"MatMul", "ReduceSum"} and not node.name.startswith("gradient/"):
                assert kind == TensorProto.FLOAT, node.name
        assert all(v.type.tensor_type.elem_type == TensorProto.FLOAT for v in [*model.graph.input, *model.graph.output])
    # The exporter leaves the network as it was.
    assert all(
        t.data_type != TensorProto.FLOAT16
        for t in build_loss_graphs(network, style_objective(network)).training.graph.initializer
    )


def test_verify_holds_it_to_exact_arithmetic(tmp_path: Path) -> None:
    network = load_network(chain(tmp_path / "net.onnx"), preprocess="imagenet")
    paths = {
        precision: write_artifact(network, style_objective(network), tmp_path / precision, precision=precision)
        for precision in ("fp32", "fp16")
    }
    manifests = {p: json.loads((path / "artifact.json").read_text()) for p, path in paths.items()}
    assert manifests["fp16"]["precision"] == "fp16"
    assert manifests["fp16"]["self_check"]["loss"] == manifests["fp32"]["self_check"]["loss"]
    assert (paths["fp16"] / "weights.bin").stat().st_size < 0.6 * (paths["fp32"] / "weights.bin").stat().st_size
    assert [check.name for check in verify(Artifact(paths["fp16"], device="cpu")) if not check.passed] == []


def test_errors(tmp_path: Path) -> None:
    network = load_network(chain(tmp_path / "net.onnx"), preprocess="imagenet")
    with pytest.raises(SettingsError, match="the precision is 'half'; it must be one of fp32, fp16"):
        build_loss_graphs(network, style_objective(network), precision="half")
    with pytest.raises(SettingsError, match="fp16 is for GPUs and the profile 'fast' for CPUs"):
        build_loss_graphs(network, style_objective(network), "fast", "fp16")
    model = onnx.load(tmp_path / "net.onnx")
    weight = next(t for t in model.graph.initializer if t.name == "w2")
    array = onnx.numpy_helper.to_array(weight) * np.float32(1e6)
    weight.CopyFrom(onnx.numpy_helper.from_array(array, "w2"))
    onnx.save(model, tmp_path / "large.onnx")
    network = load_network(tmp_path / "large.onnx", preprocess="imagenet")
    with pytest.raises(NetworkError, match=r"weight 'w2' goes up to .* and float16 to 65504; use --precision fp32"):
        build_loss_graphs(network, style_objective(network), precision="fp16")


@pytest.mark.parametrize(("precision", "says"), [("fp16", True), ("fp32", False)])
def test_a_run_that_diverges_in_float16_says_what_to_try(tmp_path: Path, precision: str, says: bool) -> None:
    network = load_network(chain(tmp_path / "net.onnx"), preprocess="imagenet")
    path = write_artifact(network, style_objective(network), tmp_path / "artifact", precision=precision)
    artifact = Artifact(path, device="cpu")
    artifact.evaluate = lambda image, *_: Evaluation(float("nan"), {}, np.zeros_like(image))  # type: ignore[method-assign]
    evaluators: list[Evaluator] = [artifact, Windows(artifact, np.random.default_rng(0), jitter=0, tile=64)]
    evaluators += [Wrapped(artifact)]
    for evaluator in evaluators:
        optimizer = LBFGS(np.zeros((1, 3, 16, 16), np.float32))
        steps = descend(evaluator, optimizer, Plan([(16, 16, 2)]), 1, Finish({}), {})
        with pytest.raises(DivergedError, match="try other layers") as raised:
            next(steps)
        assert ("or --precision fp32: float16 ends at 65504" in str(raised.value)) == says
