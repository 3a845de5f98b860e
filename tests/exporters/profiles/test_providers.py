"""The portable profile against what each execution provider is documented to run."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from helpers.artifacts import OBJECTIVES, network_for
from onnx import TensorProto, defs, helper, numpy_helper

from pixelgrad.exporters import Projection, can_tile
from pixelgrad.exporters.lbfgs import lbfgs_models
from pixelgrad.exporters.objectives import build_loss_graphs, build_tile_graphs
from pixelgrad.exporters.optimizer import adam_model
from pixelgrad.exporters.profiles.providers import Gap, providers, unsupported
from pixelgrad.exporters.projections import PROJECTION_RULES, build_projection_graphs
from pixelgrad.exporters.size_nodes import PREFIX

_GRAPHS: dict[tuple[str, str], list[onnx.ModelProto]] = {}


KINDS = [*OBJECTIVES, *PROJECTION_RULES]


def graphs(kind: str, pool: str, folder: Path) -> list[onnx.ModelProto]:
    if (kind, pool) not in _GRAPHS:
        network = network_for(kind, folder, pool)
        if kind in PROJECTION_RULES:
            projects = build_projection_graphs(network, Projection("r3", kind, watched=("r1", "r2")))
            _GRAPHS[kind, pool] = [projects.training, projects.evaluation]
        else:
            objective = OBJECTIVES[kind](network)
            built = build_loss_graphs(network, objective)
            _GRAPHS[kind, pool] = [built.training, *([built.evaluation] if built.evaluation else [])]
            if can_tile(network, objective):
                tiles = build_tile_graphs(network, objective)
                _GRAPHS[kind, pool] += [tiles.sums, tiles.training]  # what is of sums runs on the host
    return _GRAPHS[kind, pool]


@pytest.mark.parametrize("provider", list(providers()))
@pytest.mark.parametrize("pool", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize("kind", KINDS)
def test_portable_artifacts_stay_on_the_device(kind: str, pool: str, provider: str, tmp_path: Path) -> None:
    known = providers()[provider].gaps
    for model in graphs(kind, pool, tmp_path):
        new = [gap for gap in unsupported(model, provider) if gap.operator not in known]
        assert new == [], f"{model.graph.name} on {provider}"


@pytest.mark.parametrize("provider", list(providers()))
def test_the_optimizer_stays_on_the_device(provider: str) -> None:
    assert unsupported(adam_model(), provider) == []


@pytest.mark.parametrize("provider", ["CUDAExecutionProvider", "DmlExecutionProvider", "WebGpuExecutionProvider"])
def test_lbfgs_stays_on_devices_with_memory_of_their_own(provider: str) -> None:
    for name, model in lbfgs_models().items():
        assert unsupported(model, provider) == [], name


def test_gaps_are_no_longer_than_needed(tmp_path: Path) -> None:
    """A gap that nothing meets any more is taken off the list."""
    models = [model for kind in KINDS for pool in ("MaxPool", "AveragePool") for model in graphs(kind, pool, tmp_path)]
    for name, provider in providers().items():
        met = {gap.operator for model in models for gap in unsupported(model, name)}
        assert met == set(provider.gaps), name


@pytest.mark.parametrize("pool", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_computes_sizes_is_named_so(kind: str, pool: str, tmp_path: Path) -> None:
    """ONNX Runtime runs it on the CPU, on any device; a count that is known is a number, not computed from one."""
    for model in graphs(kind, pool, tmp_path):
        constants = {tensor.name for tensor in model.graph.initializer} - {value.name for value in model.graph.input}
        sizes: set[str] = set()
        for node in model.graph.node:
            inputs = {name for name in node.input if name and name not in constants}
            if node.op_type == "Shape" or (inputs and inputs <= sizes):
                sizes.update(node.output)
            assert node.name.startswith(PREFIX) == bool(sizes & set(node.output)), node.name
            assert inputs or node.op_type not in {"Cast", "ReduceProd"}, node.name


def test_every_row_is_an_operator_with_a_source() -> None:
    known = {schema.name for schema in defs.get_all_schemas() if schema.domain == ""}
    for provider in providers().values():
        assert provider.source
        assert set(provider.operators or {}) <= known | {"Gelu", "SimplifiedLayerNormalization"}
    assert set(providers()) >= {
        "CPUExecutionProvider",
        "CUDAExecutionProvider",
        "DmlExecutionProvider",
        "WebGpuExecutionProvider",
        "browser",
        "OpenVINOExecutionProvider",
        "CoreMLExecutionProvider",
    }


def _one(operator: str, inputs: int = 1, constants: int = 0, **attributes: object) -> onnx.ModelProto:
    names = [f"x{index}" for index in range(inputs)] + [f"c{index}" for index in range(constants)]
    node = helper.make_node(operator, names, ["y"], name="subject", **attributes)
    graph = helper.make_graph(
        [node],
        "one",
        [helper.make_tensor_value_info(f"x{i}", TensorProto.FLOAT, [1, 2, 3, 4]) for i in range(inputs)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.zeros(1, np.float32), f"c{i}") for i in range(constants)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])


@pytest.mark.parametrize(
    ("provider", "model", "reason"),
    [
        ("WebGpuExecutionProvider", _one("Sign"), "it has no such operator"),
        ("CUDAExecutionProvider", _one("ConvTranspose", 1, 1, pads=[0, 0, 1, 1]), r"pads \[0, 0, 1, 1\] differ"),
        ("CUDAExecutionProvider", _one("ConvTranspose", 1, 1, auto_pad="SAME_UPPER"), "follow from auto_pad"),
        ("CUDAExecutionProvider", _one("Conv", 1, 1, pads=[0, 0, 1, 1]), ""),
        ("CUDAExecutionProvider", _one("MaxUnpool", 2), "no such operator"),
        ("CUDAExecutionProvider", _one("ArgMax"), ""),
        ("CUDAExecutionProvider", _one("ArgMax", select_last_index=1), "select_last_index must be absent"),
        ("CoreMLExecutionProvider", _one("Gemm", 2), "input 1 must be a constant"),
        (
            "CoreMLExecutionProvider",
            _one("ConvTranspose", 1, 1, output_padding=[1, 1]),
            "output_padding must be absent",
        ),
        ("OpenVINOExecutionProvider", _one("HardSigmoid", beta=0.0), "beta must not be 0"),
        ("browser", _one("MaxPool", kernel_shape=[2, 2]), ""),
        ("browser", _one("Conv", 1, 1), "attribute kernel_shape must be there"),
        ("browser", _one("Conv", 1, 1, kernel_shape=[1, 1]), ""),
    ],
)
def test_constraints(provider: str, model: onnx.ModelProto, reason: str) -> None:
    found = unsupported(model, provider)
    if not reason:
        assert found == []
        return
    (gap,) = found
    assert isinstance(gap, Gap)
    assert re.search(reason, gap.reason)


def test_a_kernel_of_another_opset_does_not_count() -> None:
    """A registration without an end matches its own version only: the trap that Pad-19 is on CUDA."""
    model = _one("Pad", 1, 1)
    model.opset_import[0].version = 19
    (gap,) = unsupported(model, "CUDAExecutionProvider")
    assert gap.reason == "its kernel is registered for opset 18 and opset 19 has version 19"
    model.opset_import[0].version = 18
    assert unsupported(model, "CUDAExecutionProvider") == []


def test_nodes_that_compute_sizes_do_not_count() -> None:
    model = _one("Sign")
    model.graph.node[0].name = "shape/subject"
    assert unsupported(model, "WebGpuExecutionProvider") == []
