"""Graphs written so that every provider runs them whole."""

from __future__ import annotations

import numpy as np
import onnx
import onnx.reference
import onnx.shape_inference
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper

from pixelgrad.exporters import value_and_gradient
from pixelgrad.exporters.autodiff.lowering import (
    drop_identities,
    keep_dimensions,
    sizes_from_inputs,
    write_kernel_shapes,
)


def graph(nodes: str, outputs: str, shape: str = "N,C,H,W") -> ir.Model:
    """nodes: ``y = Relu x`` and the like, by semicolons. outputs: names, with a shape behind a colon."""
    parts = [node.replace("=", "").split() for node in nodes.split(";")]
    made = [helper.make_node(op, inputs, [out], name=out) for out, op, *inputs in parts]
    values = [name.partition(":")[::2] for name in outputs.split()]
    proto = helper.make_model(
        helper.make_graph(
            made,
            "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape.split(","))],
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, dims.split(",") if dims else None)
                for name, dims in values
            ],
        ),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=8,
    )
    return ir.from_proto(onnx.shape_inference.infer_shapes(proto))


def run(model: ir.Model, *names: str) -> list[np.ndarray]:  # type: ignore[type-arg]
    proto = ir.to_proto(model)
    onnx.checker.check_model(proto)
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype(np.float32)
    return list(onnx.reference.ReferenceEvaluator(proto).run(list(names), {"x": x}))


@pytest.mark.parametrize(
    ("nodes", "outputs", "left"),
    [
        ("r = Relu x; i = Identity r; y = Neg i", "y", 0),
        ("r = Relu x; y = Identity r", "y", 0),
        ("r = Relu x; y = Identity r; z = Neg r", "y z", 0),
        # A name would be lost.
        ("y = Identity x", "y", 1),
        ("r = Relu x; y = Identity r", "y r", 1),
        ("r = Relu x; y = Identity r; z = Identity r", "y z", 1),
    ],
)
def test_identities_go_where_no_name_is_lost(nodes: str, outputs: str, left: int) -> None:
    expected = run(graph(nodes, outputs), *outputs.split())
    model = graph(nodes, outputs)
    drop_identities(model.graph)
    assert sum(node.op_type == "Identity" for node in model.graph) == left
    assert [value.name for value in model.graph.outputs] == outputs.split()
    for ours, theirs in zip(run(model, *outputs.split()), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_reduction_to_a_scalar_keeps_its_dimensions() -> None:
    def build() -> ir.Model:
        model = graph("m = ReduceMean x; y = Neg m; r = Relu x; s = ReduceMax r", "y s")
        for node in model.graph:
            if node.op_type.startswith("Reduce"):
                node.attributes["keepdims"] = ir.AttrInt64("keepdims", 0)
        for value in [*model.graph.outputs, *(node.outputs[0] for node in model.graph if node.op_type == "ReduceMean")]:
            value.shape = ir.Shape([])
        return model

    model = build()
    keep_dimensions(model.graph)
    assert [node.op_type for node in model.graph] == ["ReduceMean", "Squeeze", "Neg", "Relu", "ReduceMax", "Squeeze"]
    for ours, theirs in zip(run(model, "y", "s"), run(build(), "y", "s"), strict=True):
        assert ours.shape == theirs.shape == ()
        assert ours == theirs


def test_sizes_come_from_the_input() -> None:
    """The shape of a tensor in between is asked of the image; one whose sizes no formula tells stays."""
    model = graph("r = Relu x; s = Shape r; f = Cast s; n = Neg r; t = Shape n; g = Cast t", "f:4 g:4")
    for node in model.graph:
        if node.op_type == "Cast":
            node.attributes["to"] = ir.AttrInt64("to", 1)
        if node.op_type == "Neg":
            node.outputs[0].shape = ir.Shape([None] * 4)
    expected = run(model, "f", "g")
    sizes_from_inputs(model.graph)
    asked = {node.inputs[0].name for node in model.graph if node.op_type == "Shape" and node.outputs[0].uses()}  # type: ignore[union-attr]
    assert asked == {"x", "n"}
    for ours, theirs in zip(run(model, "f", "g"), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_gradients_of_other_peoples_losses_have_no_scalar_reductions() -> None:
    proto = ir.to_proto(graph("r = Relu x; y = ReduceMean r", "y", "1,3,8,8"))
    proto.graph.node[1].attribute.append(helper.make_attribute("keepdims", 0))
    del proto.graph.output[0].type.tensor_type.shape.dim[:]
    found = value_and_gradient(proto, "y", ["x"])
    kinds = [
        (node.op_type, helper.get_attribute_value(node.attribute[0]) if node.attribute else 1)
        for node in found.graph.node
    ]
    assert ("ReduceMean", 0) not in kinds
    assert "Squeeze" in {kind for kind, _ in kinds}


def test_reductions_without_a_name_are_no_two_of_one() -> None:
    proto = ir.to_proto(graph("a = ReduceMean x; b = ReduceMax x; y = Add a b", "y", "1,3,8,8"))
    for node in proto.graph.node[:2]:
        node.name = ""
        node.attribute.append(helper.make_attribute("keepdims", 0))
    del proto.graph.output[0].type.tensor_type.shape.dim[:]
    names = [node.name for node in value_and_gradient(proto, "y", ["x"]).graph.node if node.name]
    assert len(names) == len(set(names))


def test_every_convolution_says_the_size_of_its_kernel() -> None:
    """Those of the network and those of its gradient; without it, WebGPU's kernels in JavaScript see no strides."""
    rng = np.random.default_rng(0)
    weights = {"a": (4, 3, 3, 2), "b": (4, 2, 2, 2)}
    nodes = [
        helper.make_node("Conv", ["x", "a"], ["c"]),
        helper.make_node("ConvTranspose", ["c", "b"], ["t"], strides=[2, 2]),
        helper.make_node("ReduceSum", ["t"], ["y"], keepdims=0),
    ]
    made = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, "H", "W"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [])],
        [numpy_helper.from_array(rng.normal(size=s).astype(np.float32), n) for n, s in weights.items()],
    )
    written = value_and_gradient(helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=8))
    found = [
        [list(attribute.ints) for attribute in node.attribute if attribute.name == "kernel_shape"]
        for node in written.graph.node
        if node.op_type == "Conv"
    ]
    assert sorted(found) == [[[2, 2]], [[3, 2]], [[3, 2]]]


def test_a_kernel_of_unknown_size_stays_unsaid() -> None:
    model = graph("y = Conv x k", "y")
    kernel = model.graph.node(0).inputs[1]
    for shape in (None, ir.Shape([4, 3, "h", 3])):
        if kernel is not None:
            kernel.shape = shape
        write_kernel_shapes(model.graph)
        assert "kernel_shape" not in model.graph.node(0).attributes
