"""The CUDA provider itself, on a CUDA that has no GPU behind it: where it puts nodes, and what a step asks of it.

PIXELGRAD_CUDA_STUB_PYTHON names a Python with NumPy, Pillow and onnxruntime-gpu (docs/devices.md). Kernels compute
nothing there, so no number is compared; tests/benchmarks/gpu.py does that where there is a GPU.
"""

from __future__ import annotations

import os
import subprocess
import warnings
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from helpers import cuda_run, cuda_stub, elsewhere
from helpers.artifacts import write_kinds
from onnx import TensorProto, defs, helper

from pixelgrad.exporters.profiles.providers import providers, unsupported

pytestmark = pytest.mark.slow

CUDA = "CUDAExecutionProvider"
Run = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return [str(path) for path in write_kinds(tmp_path_factory.mktemp("kinds"), ("fp32", "fp16"))]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    python = os.environ.get("PIXELGRAD_CUDA_STUB_PYTHON")
    if not python:
        pytest.skip("PIXELGRAD_CUDA_STUB_PYTHON names no Python with onnxruntime-gpu")
    if cuda_stub.missing():
        pytest.skip(f"the stub of CUDA is built with {cuda_stub.missing()}, which is not there")
    where = "import onnxruntime, pathlib; print(pathlib.Path(onnxruntime.__file__).parent / 'capi')"
    place = subprocess.run([python, "-c", where], capture_output=True, text=True, check=True).stdout.strip()
    library = cuda_stub.build(Path(place) / "libonnxruntime_providers_cuda.so", tmp_path_factory.mktemp("cuda"))
    tree = elsewhere.plant(tmp_path_factory.mktemp("tree"))

    def on_the_stub(*arguments: str, **environment: str) -> list[dict[str, Any]]:
        environment = {"LD_LIBRARY_PATH": str(library), **environment}
        return elsewhere.reports(python, cuda_run.__file__, *arguments, tree=tree, **environment)

    return on_the_stub


@pytest.fixture(scope="module")
def reports(run: Run, artifacts: list[str]) -> list[dict[str, Any]]:
    found = run("artifacts", "cuda", *artifacts)
    assert [report["artifact"] for report in found] == [Path(path).name for path in artifacts]
    return found


def test_every_node_is_on_the_gpu(reports: list[dict[str, Any]]) -> None:
    assert {report["artifact"]: report["left"] for report in reports if report["left"]} == {}


def test_a_step_brings_its_scalars_to_the_host_and_nothing_else(reports: list[dict[str, Any]]) -> None:
    """A copy to the host in the middle of a step would have the GPU wait for the CPU and back."""
    steps = [report for report in reports if "steps" in report]
    assert len(steps) > 20
    for report in steps:
        name = report["artifact"]
        assert report["resident"], name
        for kind, step in report["steps"].items():
            update = report["updates"][kind]
            assert step["to_host"] == report["scalars"], (name, kind)
            # Of L-BFGS the inner products, their slope, and whether the trial is taken.
            assert update["to_host"] == {"adam": 0, "lbfgs": 3}[kind], (name, kind)
            # Counts of pixels: one or two a term, and for fp16 its loss scale.
            assert step["to_device"] <= 2 * report["scalars"], (name, kind)
            assert step["synchronizations"] <= 2, (name, kind)
            assert step["allocations"] == update["allocations"] == 0, (name, kind)
            assert step["launches"] > 20, (name, kind)


def test_projections_come_out_in_their_shapes(reports: list[dict[str, Any]]) -> None:
    projections = [report for report in reports if report["artifact"].startswith("projection")]
    assert len(projections) == 6
    for report in projections:
        assert report["shapes"] == [[2, 16], [2, 8, 40, 44], [2, 12, 20, 22], [1, 3, 40, 44]]


def test_no_artifact_passes_its_self_check_there(reports: list[dict[str, Any]]) -> None:
    for report in reports:
        expected = "maxima norm" if report["artifact"].startswith("projection") else "loss"
        assert expected in report["failed"], report["artifact"]


def test_steps_are_captured_as_cuda_graphs(run: Run, artifacts: list[str]) -> None:
    paths = [path for path in artifacts if "projection" not in Path(path).name]
    for report in run("artifacts", "cuda,enable_cuda_graph=1", *paths, PIXELGRAD_STRICT="1"):
        assert report["left"] == [], report["artifact"]
        assert report["resident"], report["artifact"]
        for step in report["steps"].values():
            assert step["replays"] == 1, report["artifact"]
            assert step["launches"] == step["captures"] == step["allocations"] == 0, report["artifact"]
            assert step["to_host"] == report["scalars"], report["artifact"]


def test_options_reach_the_provider(run: Run, artifacts: list[str]) -> None:
    wanted = [
        "cuda",
        "cuda,use_tf32=0",
        "cuda,gpu_mem_limit=6GB",
        "cuda,cudnn_conv_algo_search=EXHAUSTIVE,cudnn_conv_use_max_workspace=0",
        "cuda,cudnn_conv_algo_search=DEFAULT",
        "cuda,arena_extend_strategy=kNextPowerOfTwo",
        "cuda,prefer_nhwc=1",
    ]
    found = {report["device"]: report for report in run("devices", artifacts[0], *wanted) if "device" in report}
    defaults = {
        "arena_extend_strategy": "kSameAsRequested",
        "cudnn_conv_algo_search": "HEURISTIC",
        "use_tf32": "1",
    }
    for name in wanted:
        given = dict(pair.split("=") for pair in name.split(",")[1:])
        if "gpu_mem_limit" in given:
            given["gpu_mem_limit"] = str(6 * 10**9)
        assert found[name].get("options") == defaults | given, found[name]


def test_a_gpu_that_computes_nothing_is_found_out(run: Run, artifacts: list[str]) -> None:
    auto, second, *rest = run("devices", artifacts[0], "auto", "cuda:1")
    assert auto["name"] == "cpu"
    assert auto["rejected"]["cuda"] == "device 'cuda' computes that the positive part of 2 is 0.0"
    assert second["failure"].startswith("device 'cuda:1' failed to start: ")
    assert "Invalid device ID: 1" in second["failure"]
    assert "/onnxruntime_src" not in second["failure"]
    (doctor,) = [report["doctor"] for report in rest if "doctor" in report]
    assert (doctor["cuda"]["state"], doctor["cpu"]["state"]) == ("wrong", "works")
    assert doctor["cuda"]["left"] == {}
    (problems,) = [report["problems"] for report in rest if "problems" in report]
    assert problems[0].startswith("device cuda computes a wrong gradient")


def _node(operator: str, *types: int, **attributes: Any) -> onnx.ModelProto:
    """A graph of one node, of images [1, 3, 8, 8]."""
    names = [f"x{index}" for index in range(len(types))]
    graph = helper.make_graph(
        [helper.make_node(operator, names, ["y"], name="subject", **attributes)],
        "one",
        [helper.make_tensor_value_info(n, kind, [1, 3, 8, 8]) for n, kind in zip(names, types, strict=True)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def test_a_node_that_cuda_has_not_is_reported(run: Run, tmp_path: Path) -> None:
    unpool = _node("MaxUnpool", TensorProto.FLOAT, TensorProto.INT64, kernel_shape=[2, 2], strides=[2, 2])
    onnx.save(unpool, tmp_path / "unpool.onnx")
    (left,) = run("operators", str(tmp_path))
    assert left["places"] == [["MaxUnpool", "CPUExecutionProvider"]]
    (refused,) = run("operators", str(tmp_path), PIXELGRAD_STRICT="1")
    assert "does not run all of 'unpool.onnx': 1 of 1 nodes run on the CPU: 1 MaxUnpool" in refused["failure"]


def _cases(folder: Path) -> dict[str, onnx.ModelProto]:
    """ONNX's own test of each operator, of one node, as far as opset 18 has it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from onnx.backend.test.case.node import collect_testcases

        models = [case.model for case in collect_testcases(None)]
    found = {}
    for index, model in enumerate(models):
        if len(model.graph.node) != 1 or model.graph.node[0].domain:
            continue
        operator = model.graph.node[0].op_type
        if operator in _RECURRENT:
            continue
        adapted = onnx.ModelProto()
        adapted.CopyFrom(model)
        del adapted.opset_import[:]
        adapted.opset_import.append(helper.make_opsetid("", 18))
        adapted.ir_version = 8
        try:
            defs.get_schema(operator, 18)
            onnx.checker.check_model(adapted)
        except (onnx.checker.ValidationError, defs.SchemaError):
            continue
        found[f"{operator}-{index}"] = adapted
        onnx.save(adapted, folder / f"{operator}-{index}.onnx")
    return found


def _is_ordinary(graph: onnx.GraphProto) -> bool:
    """Whether it makes numbers of the common types from float32."""
    given, made = ({value.type.tensor_type.elem_type for value in values} for values in (graph.input, graph.output))
    return given == {TensorProto.FLOAT} and made <= {TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL}


# Their kernels ask cuDNN for the size of their weights when they are made, which the stub does not know: some start and
# some do not, by what happens to be in memory.
_RECURRENT = {"GRU", "LSTM", "RNN"}
# Not of the kind that a graph of pixels has: subgraphs, sequences, quantised numbers.
_OTHERS = {"If", "Loop", "Scan", "SequenceInsert", "DequantizeLinear", "QuantizeLinear"}
# ONNX tests it with a depth and values in floating point only, which CUDA does not take.
_UNTESTED = {"OneHot"}


def test_the_table_of_operators_is_the_providers(run: Run, tmp_path: Path) -> None:
    """``providers.json`` against the kernels that are registered: an operator that it has is run, any other is not."""
    models = _cases(tmp_path)
    taken: dict[str, set[bool]] = defaultdict(set)
    for report in run("operators", str(tmp_path)):
        operator = report["case"].partition("-")[0]
        for node, provider in report.get("places", []):
            if node == operator:  # else it was written as a function of others
                taken[operator].add(provider == CUDA)
                known = not unsupported(models[report["case"]], CUDA)
                if _is_ordinary(models[report["case"]].graph) and operator not in _OTHERS | _UNTESTED:
                    assert known == (provider == CUDA), report["case"]
    assert len(taken) > 120
    rows = set(providers()[CUDA].operators or {})
    assert {name for name in rows & set(taken) if True not in taken[name]} == _UNTESTED
    assert {name for name, places in taken.items() if True in places} - rows == _OTHERS & set(taken)
