"""Networks quantised by ONNX Runtime's own quantiser."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

Array = np.ndarray[Any, Any]

# What the quantiser offers: format, type of activations and weights, scales per channel.
WAYS = [
    "QDQ int8", "QDQ int8 channels", "QDQ uint8", "QDQ uint8 channels", "QOperator int8", "QOperator int8 channels",
    "QOperator uint8", "dynamic int8", "dynamic uint8",
]  # fmt: skip


class _Given(CalibrationDataReader):
    def __init__(self, name: str, images: Iterable[Array]) -> None:
        self._feeds = iter([{name: image} for image in images])

    def get_next(self) -> dict[str, Array] | None:
        return next(self._feeds, None)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without its advice, which it gives by way of the root logger."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)


def quantised(source: Path, target: Path, way: str, images: Iterable[Array], **options: Any) -> Path:
    """``source`` quantised in one of ``WAYS`` into ``target``; ``images`` are of the network's own input.

    Old files are brought to opset 17 and their constants folded first, as the quantiser asks for.
    """
    form, kind, *channels = way.split()
    wanted = QuantType.QInt8 if kind == "int8" else QuantType.QUInt8
    model = onnx.load(source)
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    if model.opset_import[0].version < 17:
        model.ir_version = 8
        model = onnx.version_converter.convert_version(model, 17)
    prepared = target.with_suffix(".prepared.onnx")
    onnx.save(model, prepared)
    with _quiet():
        quant_pre_process(prepared, prepared, skip_symbolic_shape=True)
        if form == "dynamic":
            quantize_dynamic(prepared, target, weight_type=wanted)
        else:
            quantize_static(
                prepared, target, _Given(inputs[0].name, images), quant_format=QuantFormat[form],
                per_channel=bool(channels), weight_type=wanted, activation_type=wanted, extra_options=options,
            )  # fmt: skip
    prepared.unlink()
    return target
