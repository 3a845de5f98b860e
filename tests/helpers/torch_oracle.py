"""An ONNX network run by PyTorch in float64 or float32, so that autograd can tell its gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch.nn import functional

Tensor = torch.Tensor


def _pads(attributes: dict[str, Any], n: int = 2) -> list[int]:
    pads = attributes.get("pads", [0] * 2 * n)
    return [p for axis in reversed(range(n)) for p in (pads[axis], pads[axis + n])]


def _conv(a: dict[str, Any], x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
    x = functional.pad(x, _pads(a))
    return functional.conv2d(
        x, w, b, stride=a.get("strides", 1), dilation=a.get("dilations", 1), groups=a.get("group", 1)
    )


def _max_pool(a: dict[str, Any], x: Tensor) -> Tensor:
    x = functional.pad(x, _pads(a), value=float("-inf"))
    return functional.max_pool2d(x, a["kernel_shape"], a.get("strides", 1))


def _pad(a: dict[str, Any], x: Tensor, pads: Tensor) -> Tensor:
    amounts = _pads({"pads": pads.tolist()}, x.ndim)
    return functional.pad(x, amounts[: 2 * (x.ndim - 2)], mode=a["mode"])


def _lrn(a: dict[str, Any], x: Tensor) -> Tensor:
    return functional.local_response_norm(x, a["size"], a["alpha"], a["beta"], a["bias"])


OPERATORS: dict[str, Callable[..., Tensor]] = {
    "Conv": _conv,
    "Relu": lambda a, x: functional.relu(x),
    "MaxPool": _max_pool,
    "AveragePool": lambda a, x: functional.avg_pool2d(x, a["kernel_shape"], a["strides"]),
    "LRN": _lrn,
    "Pad": _pad,
    "Concat": lambda a, *x: torch.cat(x, dim=a["axis"]),
    "Dropout": lambda a, x: x,
    "Identity": lambda a, x: x,
    "GlobalAveragePool": lambda a, x: x.mean((2, 3), keepdim=True),
    "Flatten": lambda a, x: x.flatten(1),
    "Gemm": lambda a, x, w, b: x @ (w.T if a.get("transB") else w) + b,
    "Softmax": lambda a, x: x.softmax(1),
}


def torch_tensors(model: onnx.ModelProto, image: Tensor, upto: str) -> dict[str, Tensor]:
    """Every tensor of the network up to ``upto``, in the precision of ``image``."""
    known: dict[str, Tensor] = {
        t.name: torch.from_numpy(np.array(numpy_helper.to_array(t))) for t in model.graph.initializer
    }
    known = {k: v.to(image.dtype) if v.is_floating_point() else v for k, v in known.items()}
    (source,) = [i.name for i in model.graph.input if i.name not in known]
    known[source] = image
    for node in model.graph.node:
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        attributes = {k: v.decode() if isinstance(v, bytes) else v for k, v in attributes.items()}
        known[node.output[0]] = OPERATORS[node.op_type](attributes, *(known[name] for name in node.input))
        if node.output[0] == upto:
            return known
    raise KeyError(upto)
