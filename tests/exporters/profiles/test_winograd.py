"""Convolutions in half the multiplications against ONNX Runtime's direct ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from pixelgrad.exporters.autodiff import append_value_and_gradient
from pixelgrad.exporters.opset18 import from_opset18, to_opset18
from pixelgrad.exporters.profiles.winograd import use_winograd

Array = np.ndarray[Any, Any]


def convolution(kernel: Array, bias: Array | None, **attributes: Any) -> onnx.ModelProto:
    """A convolution with free batch, height and width, and the sum of its squares as ``loss``."""
    tensors = [numpy_helper.from_array(kernel, "kernel")]
    if bias is not None:
        tensors.append(numpy_helper.from_array(bias, "bias"))
    nodes = [
        helper.make_node("Conv", ["x", *(t.name for t in tensors)], ["y"], **attributes),
        helper.make_node("Mul", ["y", "y"], ["squares"]),
        helper.make_node("ReduceSum", ["squares"], ["loss"], keepdims=0),
    ]
    inputs = attributes.get("group", 1) * kernel.shape[1]
    graph = helper.make_graph(
        nodes,
        "convolution",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", inputs, "H", "W"])],
        [helper.make_tensor_value_info("loss", TensorProto.FLOAT, [])],
        tensors,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def compiled(model: onnx.ModelProto, fewest_channels: int | None) -> Any:
    """A session for loss and gradient; ``None``: with direct convolutions."""
    graph = to_opset18(model, primitives=())
    x, (loss,) = graph.graph.inputs[0], list(graph.graph.outputs)
    append_value_and_gradient(graph.graph, loss, [x])
    if fewest_channels is not None:
        use_winograd(graph, fewest_channels)
    return ort.InferenceSession(from_opset18(graph).SerializeToString(), providers=["CPUExecutionProvider"])


def close(found: Array, wanted: Array) -> None:
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() <= 2e-5 * max(np.abs(wanted).max(), 1e-3)


@settings(max_examples=40)
@given(
    st.integers(1, 2),
    st.sampled_from([16, 32]),
    st.sampled_from([16, 48]),
    st.integers(3, 14),
    st.integers(3, 11),
    st.tuples(*[st.integers(0, 2)] * 4),
    st.booleans(),
)
def test_value_and_gradient_are_those_of_the_direct_convolution(
    batch: int, inputs: int, outputs: int, height: int, width: int, pads: tuple[int, ...], biased: bool
) -> None:
    rng = np.random.default_rng(batch + inputs + height * width)
    kernel = rng.normal(size=(outputs, inputs, 3, 3)).astype(np.float32) / 12
    bias = rng.normal(size=outputs).astype(np.float32) if biased else None
    x = rng.normal(size=(batch, inputs, height, width)).astype(np.float32)
    model = convolution(kernel, bias, pads=list(pads))
    (wanted_loss, wanted), (loss, gradient) = (compiled(model, channels).run(None, {"x": x}) for channels in (None, 1))
    close(gradient, wanted)
    assert abs(loss - wanted_loss) <= 2e-5 * abs(wanted_loss)


@pytest.mark.parametrize(
    ("shape", "attributes", "gains"),
    [
        ((32, 32, 3, 3), {}, True),
        ((32, 16, 3, 3), {}, False),  # fewer than asked for: the harmonic mean is 21
        ((32, 24, 3, 3), {}, False),  # not whole blocks
        ((32, 32, 1, 1), {}, False),
        ((32, 32, 3, 3), {"strides": [2, 2]}, False),
        ((32, 32, 3, 3), {"dilations": [2, 2]}, False),
        ((64, 32, 3, 3), {"group": 2}, False),
    ],
)
def test_only_wide_plain_3x3_convolutions_are_rewritten(
    shape: tuple[int, ...], attributes: dict[str, Any], gains: bool
) -> None:
    model = to_opset18(convolution(np.ones(shape, np.float32), None, pads=[1] * 4, **attributes), primitives=())
    use_winograd(model, 24)
    assert ("Einsum" in {node.op_type for node in model.graph}) is gains


def test_both_directions_are_rewritten() -> None:
    counts = []
    for channels in (None, 1):
        graph = to_opset18(convolution(np.ones((16, 16, 3, 3), np.float32), None, pads=[1] * 4), primitives=())
        append_value_and_gradient(graph.graph, graph.graph.outputs[0], [graph.graph.inputs[0]])
        if channels is not None:
            use_winograd(graph, channels)
        counts.append(sum(node.op_type == "Einsum" for node in graph.graph))
    assert counts == [0, 2]
