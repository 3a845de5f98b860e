"""The optimiser as a graph: one step of Adam on pixels, so that on a GPU pixels and moments stay there."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir

from pixelgrad.exporters.autodiff import Emitter, finish
from pixelgrad.exporters.opset18.weights import add_weight

_FLOAT = ir.TensorType(ir.DataType.FLOAT)


def adam_model() -> onnx.ModelProto:
    """Adam (Kingma & Ba 2015, algorithm 1) with clamping to [0, 1] and bias-corrected averaging of the iterates.

    Inputs, all float32: ``image``, ``gradient``, ``first_moment``, ``second_moment`` and ``average`` [1, 3, H, W];
    ``step``, the number of this step from 1; ``average_step``, the same since averaging (re)started;
    ``learning_rate``, in pixel values. With default values: ``beta1`` 0.9, ``beta2`` 0.99, ``epsilon`` 1e-8,
    ``average_decay`` 0.99.
    Outputs: ``new_image``, ``new_first_moment``, ``new_second_moment``, ``new_average``, and ``averaged_image``,
    the average divided by 1 - average_decay^average_step: the picture to look at, smoother than the last iterate.
    """
    pixels = ir.Shape(["N", 3, "H", "W"])
    names = ["image", "gradient", "first_moment", "second_moment", "average"]
    tensors = [ir.Value(name=name, shape=pixels, type=_FLOAT) for name in names]
    scalars = [
        ir.Value(name=name, shape=ir.Shape([]), type=_FLOAT) for name in ("step", "average_step", "learning_rate")
    ]
    graph = ir.Graph([*tensors, *scalars], [], nodes=[], opset_imports={"": 18}, name="pixelgrad adam")
    defaults = {"beta1": 0.9, "beta2": 0.99, "epsilon": 1e-8, "average_decay": 0.99}
    beta1, beta2, epsilon, decay = (
        add_weight(graph, name, np.asarray(value, np.float32), overridable=True) for name, value in defaults.items()
    )
    image, gradient, first, second, average = tensors
    step, average_step, rate = scalars

    op = Emitter(graph)
    with op.named("adam"):
        # m + (1 - beta) (g - m): one multiplication fewer than the textbook form.
        first = op.Add(first, op.Mul(op.Sub(gradient, first), op.Sub(1.0, beta1)))
        second = op.Add(second, op.Mul(op.Sub(op.Mul(gradient, gradient), second), op.Sub(1.0, beta2)))
        scale = op.Div(rate, op.Sub(1.0, op.Pow(beta1, step)))
        root = op.Sqrt(op.Div(second, op.Sub(1.0, op.Pow(beta2, step))))
        moved = op.Sub(image, op.Div(op.Mul(first, scale), op.Add(root, epsilon)))
        moved = op.Clip(moved, 0.0, 1.0)
        average = op.Add(average, op.Mul(op.Sub(moved, average), op.Sub(1.0, decay)))
        shown = op.Div(average, op.Sub(1.0, op.Pow(decay, average_step)))
        shown = op.Clip(shown, 0.0, 1.0)
    results = {"new_image": moved, "new_first_moment": first, "new_second_moment": second}
    for name, value in {**results, "new_average": average, "averaged_image": shown}.items():
        value.name, value.shape, value.dtype = name, pixels, ir.DataType.FLOAT
        graph.outputs.append(value)
    return finish(ir.Model(graph, ir_version=8, producer_name="pixelgrad"))
