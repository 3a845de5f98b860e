"""L-BFGS as two graphs, so that on a GPU the image, the gradient and the history stay there."""

from __future__ import annotations

import onnx
import onnx_ir as ir

from pixelgrad.exporters.autodiff import Emitter, finish
from pixelgrad.exporters.size_nodes import name_size_nodes

_FLOAT = ir.TensorType(ir.DataType.FLOAT)
_PIXELS = ("N", 3, "H", "W")
# Rows of pixels, 2 m vectors, pixels of a row.
_HISTORY = ("rows", "pairs", "W")


def lbfgs_models() -> dict[str, onnx.ModelProto]:
    """By file name, the graphs of limited-memory BFGS (Nocedal & Wright 2006, algorithm 7.4) in the box [0, 1].

    The direction is a combination of the steps s, the changes y of the gradient and the gradient g itself, and to find
    its coefficients takes their inner products alone (Chen, Wang & Zhou 2014, algorithm 3): so a host needs no more
    than those, 3 (2 m + 1) numbers a step for m pairs. Pixels at a bound that g pushes outwards are left out of g.

    ``lbfgs_accept_model.onnx``, when a trial has become the best image. Inputs: ``image`` and ``gradient``, the trial
    and its gradient, ``best`` and ``best_gradient``, those before, all [N, 3, H, W]; ``history`` [N 3 H, 2 m, W]: for
    each row of pixels, s of the m last pairs, oldest first, then y. Outputs: ``new_history``, the oldest pair
    replaced; ``products`` [2 m + 1, 3], the inner products of s, y and g with the newest s, the newest y and g;
    ``magnitude``, the mean of |g|.

    ``lbfgs_propose_model.onnx``, for the next trial. Inputs: ``best``, ``best_gradient``, ``history``;
    ``coefficients`` [1, 2 m + 1] of s, y and g; ``length``. Outputs: ``trial``, the best image moved by so much along
    the direction and clipped to [0, 1]; ``slope``, the inner product of the gradient with what it moved.
    """
    return {"lbfgs_accept_model.onnx": _accept(), "lbfgs_propose_model.onnx": _propose()}


def _accept() -> onnx.ModelProto:
    image, gradient, best, before = (_input(name) for name in ("image", "gradient", "best", "best_gradient"))
    history = _input("history", _HISTORY)
    graph = ir.Graph(
        [image, gradient, best, before, history], [], nodes=[], opset_imports={"": 18}, name="pixelgrad L-BFGS accept"
    )
    op = Emitter(graph)
    with op.named("lbfgs"):
        free = op.Mul(gradient, _is_free(op, image, gradient))
        moved, changed, free = (_rows(op, v) for v in (op.Sub(image, best), op.Sub(gradient, before), free))
        middle = op.Div(op.Shape(history, start=1, end=2), 2)
        kept_moves = op.Slice(history, [1], middle, [1])
        kept_changes = op.Slice(history, op.Add(middle, 1), op.Shape(history, start=1, end=2), [1])
        renewed = op.Concat(kept_moves, moved, kept_changes, changed, axis=1)
        newest = op.Transpose(op.Concat(moved, changed, free, axis=1), perm=[0, 2, 1])
        products = op.ReduceSum(op.MatMul(op.Concat(renewed, free, axis=1), newest), [0], keepdims=0)
        magnitude = op.Squeeze(op.ReduceMean(op.Abs(free), keepdims=1))
    _output(graph, renewed, "new_history", _HISTORY)
    _output(graph, products, "products", ("vectors", 3))
    _output(graph, magnitude, "magnitude", ())
    return _finished(graph)


def _propose() -> onnx.ModelProto:
    best, gradient, history = _input("best"), _input("best_gradient"), _input("history", _HISTORY)
    coefficients, length = _input("coefficients", (1, "vectors")), _input("length", ())
    graph = ir.Graph(
        [best, gradient, history, coefficients, length],
        [],
        nodes=[],
        opset_imports={"": 18},
        name="pixelgrad L-BFGS propose",
    )
    op = Emitter(graph)
    with op.named("lbfgs"):
        free = _is_free(op, best, gradient)
        combined = op.MatMul(coefficients, op.Concat(history, _rows(op, op.Mul(gradient, free)), axis=1))
        direction = op.Mul(op.Reshape(combined, op.Shape(best)), free)
        trial = op.Clip(op.Add(best, op.Mul(direction, length)), 0.0, 1.0)
        slope = op.Squeeze(op.ReduceSum(op.Mul(gradient, op.Sub(trial, best)), keepdims=1))
    _output(graph, trial, "trial", _PIXELS)
    _output(graph, slope, "slope", ())
    return _finished(graph)


def _finished(graph: ir.Graph) -> onnx.ModelProto:
    model = ir.Model(graph, ir_version=8, producer_name="pixelgrad")
    name_size_nodes(model)
    return finish(model)


def _rows(op: Emitter, pixels: ir.Value) -> ir.Value:
    """[N, 3, H, W] as [N 3 H, 1, W]: sums over one row at a time keep more digits, and keep a GPU busier."""
    return op.Reshape(pixels, op.Concat(op.value([-1, 1]), op.Shape(pixels, start=3), axis=0))


def _is_free(op: Emitter, image: ir.Value, gradient: ir.Value) -> ir.Value:
    """1 for each pixel that is not at a bound which minus the gradient points beyond, else 0."""

    def number(condition: ir.Value) -> ir.Value:
        return op.Cast(condition, to=int(ir.DataType.FLOAT))

    low = op.Mul(number(op.LessOrEqual(image, 0.0)), number(op.Greater(gradient, 0.0)))
    high = op.Mul(number(op.GreaterOrEqual(image, 1.0)), number(op.Less(gradient, 0.0)))
    return op.Sub(1.0, op.Add(low, high))


def _input(name: str, shape: tuple[str | int, ...] = _PIXELS) -> ir.Value:
    return ir.Value(name=name, shape=ir.Shape(shape), type=_FLOAT)


def _output(graph: ir.Graph, value: ir.Value, name: str, shape: tuple[str | int, ...]) -> None:
    value.name, value.shape, value.dtype = name, ir.Shape(shape), ir.DataType.FLOAT
    graph.outputs.append(value)
