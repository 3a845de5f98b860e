"""Checking a gradient against something that is not us.

The forward graph is evaluated by ONNX's own reference implementation in float64 and differentiated numerically;
the backward graph must agree there to 1e-6, and again in float32 on ONNX Runtime.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from pixelgrad.exporters import vjp

ort.set_default_logger_severity(3)

_TYPES = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.float64): TensorProto.DOUBLE}


@dataclass
class Case:
    """One row: an operator in one form.

    inputs: arrays that vary, by name. constants: weights. wrt: which inputs to differentiate, all by default.
    unasked: outputs behind those, whole numbers that are not the model's.
    free: spatial sizes are left open in the model, as they are in a network that takes any image.
    on_runtime: the reference implementation lacks or misreads this form; take differences on ONNX Runtime, float32.
    """

    op: str
    inputs: Mapping[str, np.ndarray[Any, Any]]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    constants: Mapping[str, np.ndarray[Any, Any]] = field(default_factory=dict)
    order: Sequence[str] | None = None
    wrt: Sequence[str] | None = None
    outputs: int = 1
    unasked: int = 0
    free: bool = False
    opset: int = 18
    on_runtime: bool = False
    label: str = ""
    tolerance: float = 1e-6
    runtime_tolerance: float = 2e-5

    @property
    def id(self) -> str:
        return f"{self.op}-{self.label}" if self.label else self.op


def make_model(case: Case, dtype: type = np.float64) -> onnx.ModelProto:
    def cast(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return array.astype(dtype) if array.dtype.kind == "f" else array

    names = case.order or [*case.inputs, *case.constants]
    outputs = [f"y{i}" if i else "y" for i in range(case.outputs)]
    unasked = [f"unasked{i}" for i in range(case.unasked)]
    node = helper.make_node(case.op, list(names), [*outputs, *unasked], name="node", **case.attributes)

    def info(name: str, array: np.ndarray[Any, Any]) -> onnx.ValueInfoProto:
        shape: list[Any] = list(array.shape)
        if case.free and array.ndim > 2 and not name.startswith("w"):
            shape = [*shape[:2], *(f"{name}_{axis}" for axis in range(2, array.ndim))]
        kind = _TYPES.get(cast(array).dtype) or helper.np_dtype_to_tensor_dtype(array.dtype)
        return helper.make_tensor_value_info(name, kind, shape)

    graph = helper.make_graph(
        [node],
        "case",
        [info(name, array) for name, array in case.inputs.items()],
        [helper.make_tensor_value_info(name, _TYPES[np.dtype(dtype)], None) for name in outputs],
        [numpy_helper.from_array(_scale(name, cast(array)), name) for name, array in case.constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", case.opset)], ir_version=10)
    if case.opset > 18:
        model.ir_version = max(10, helper.find_min_ir_version_for(model.opset_import, True))
    return model


def _scale(name: str, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The scales and regions of Resize are float32 whatever the data are."""
    return array.astype(np.float32) if name in {"scales", "roi"} else array


def assert_close(actual: Any, expected: Any, tolerance: float, what: str) -> None:
    actual, expected = np.asarray(actual, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    assert actual.shape == expected.shape, f"{what}: shape {actual.shape}, expected {expected.shape}"
    assert np.isfinite(actual).all(), f"{what} is not finite"
    error = np.linalg.norm(actual - expected) / max(np.linalg.norm(expected), 1e-3)
    assert error <= tolerance, f"{what}: relative error {error:.3g} above {tolerance:g}"


Run = Callable[[Mapping[str, Any]], dict[str, np.ndarray[Any, Any]]]


def reference(model: onnx.ModelProto) -> Run:
    """A function that evaluates ``model`` on ONNX's reference implementation."""
    session = ReferenceEvaluator(model)
    return lambda feeds: dict(zip(session.output_names, session.run(None, dict(feeds)), strict=True))


def runtime(model: onnx.ModelProto) -> Run:
    """A function that evaluates ``model`` on ONNX Runtime."""
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda feeds: dict(zip(names, session.run(None, dict(feeds)), strict=True))


def numerical_vjp(
    run: Run, feeds: Mapping[str, Any], cotangents: Mapping[str, Any], name: str, step: float
) -> np.ndarray[Any, Any]:
    """Central differences, element by element, of cotangent . output."""

    def value() -> float:
        results = run(varied)
        return float(sum((results[key].astype(np.float64) * ct).sum() for key, ct in cotangents.items()))

    x = np.array(feeds[name])
    varied = {**feeds, name: x}
    gradient = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        before = x[index]
        x[index] = before + step
        high, above = float(x[index]), value()
        x[index] = before - step
        low, below = float(x[index]), value()
        x[index] = before
        gradient[index] = (above - below) / (high - low)
    return gradient


def as_type(feeds: Mapping[str, Any], dtype: type) -> dict[str, np.ndarray[Any, Any]]:
    return {key: array.astype(dtype) if array.dtype.kind == "f" else array for key, array in feeds.items()}


def check(case: Case) -> None:
    """Assert that the vjp of ``case`` is right in float64 on the reference and in float32 on ONNX Runtime."""
    rng = np.random.default_rng(7)
    wrt = list(case.wrt or [name for name, array in case.inputs.items() if array.dtype.kind == "f"])
    dtype = np.float32 if case.on_runtime else np.float64
    evaluate, step = (runtime, 1e-2) if case.on_runtime else (reference, 1e-6)
    model, feeds = make_model(case, dtype), as_type(case.inputs, dtype)
    forward = evaluate(model)
    results = forward(feeds)
    cotangents = {name: rng.normal(size=result.shape).astype(dtype) for name, result in results.items()}
    given = {**feeds, **{f"cotangent_{name}": ct for name, ct in cotangents.items()}}

    pulled = vjp(model, wrt=wrt)
    assert pulled.opset_import[0].version == 18
    gradients = evaluate(pulled)(given)
    for name in wrt:
        expected = numerical_vjp(forward, feeds, cotangents, name, step)
        tolerance = 2e-3 if case.on_runtime else case.tolerance
        assert_close(gradients[f"gradient_{name}"], expected, tolerance, f"gradient of {name}")
    if case.on_runtime:
        return
    single = runtime(vjp(make_model(case, np.float32), wrt=wrt))(as_type(given, np.float32))
    for key in [*results, *(f"gradient_{name}" for name in wrt)]:
        assert_close(single[key], gradients[key], case.runtime_tolerance, f"ONNX Runtime's {key}")
