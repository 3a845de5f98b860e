"""Operators that ONNX's reference implementation gets wrong, or does not do in full."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx.reference.op_run import OpRun
from onnx.reference.ops import op_conv_transpose
from onnx.reference.ops.op_pad import Pad_18

__all__ = ["CORRECTED"]


class LRN(OpRun):
    """Local response normalisation; onnx 1.23 loops over the batch where it means the channels."""

    op_domain = ""

    def _run(self, x: Any, alpha: float, beta: float, bias: float, size: int) -> tuple[Any]:
        squares = np.zeros((x.shape[0], x.shape[1] + size - 1, *x.shape[2:]), dtype=x.dtype)
        before = (size - 1) // 2
        squares[:, before : before + x.shape[1]] = x * x
        total = sum(squares[:, offset : offset + x.shape[1]] for offset in range(size))
        return ((x / (bias + alpha / size * total) ** beta).astype(x.dtype),)


class Pad(Pad_18):
    """NumPy, which this is written in, knows no negative padding: the gradient of a padding that is worked out."""

    op_domain = ""

    def _run(self, data: Any, pads: Any, constant_value: Any = None, axes: Any = None, mode: Any = None) -> tuple[Any]:
        kept = [slice(None)] * data.ndim
        for place, axis in enumerate(range(data.ndim) if axes is None else axes):
            before, behind = (max(0, -int(pads[at])) for at in (place, place + len(pads) // 2))
            kept[axis] = slice(before, data.shape[axis] - behind)
        whole: Any = super()
        found: tuple[Any] = whole._run(data[tuple(kept)], np.maximum(pads, 0), constant_value, axes, mode)
        return found


class ConvTranspose(op_conv_transpose.ConvTranspose):
    """onnx 1.23 mixes up the channels of groups where there is more than one in each."""

    op_domain = ""

    def _run(self, x: Any, w: Any, b: Any = None, group: Any = None, **attributes: Any) -> Any:  # type: ignore[override]
        reference: Any = super()
        groups = zip(np.split(x, group or 1, axis=1), np.split(w, group or 1, axis=0), strict=True)
        result = np.concatenate([reference._run(*pair, None, group=1, **attributes)[0] for pair in groups], axis=1)
        if b is not None:
            result += b.reshape(-1, *[1] * (result.ndim - 2))
        return (result.astype(x.dtype),)


CORRECTED: list[type[OpRun]] = [ConvTranspose, LRN, Pad]
