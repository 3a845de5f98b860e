"""A live PyTorch module -> :class:`Network`. PyTorch is there already: the caller made the module with it."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import re
import sys
import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

import onnx

from pixelgrad.errors import NetworkError, SettingsError
from pixelgrad.exporters.handlers import handlers_heard
from pixelgrad.exporters.networks.network import Network, network_of
from pixelgrad.exporters.networks.readers import model_reading
from pixelgrad.exporters.networks.readers.hub import normalisation
from pixelgrad.exporters.opset18 import OPSET
from pixelgrad.models import Preprocessing


@handlers_heard()
def from_torch(
    module: Any,
    *,
    size: tuple[int, int] | None = None,
    name: str | None = None,
    preprocess: str | Preprocessing | None = None,
    pool: str = "max",
) -> Network:
    """The network of a ``torch.nn.Module`` that takes images [1, 3, H, W], in evaluation mode.

    size: (height, width) to trace it at; others are possible where the module's code allows it. timm's networks say
        theirs; 224 x 224 for all else by default.
    name: what to call it; the module's class by default.
    preprocess, pool: as of :func:`load_network`; by default what timm's networks say, ``imagenet`` normalisation else.

    Layers are named by the module's own paths (``layer3.2``, ``features.11``). The module is left as it was.
    Raises :class:`SettingsError` for what is no module and :class:`NetworkError` where PyTorch cannot export it.
    """
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(module, torch.nn.Module):
        raise SettingsError(f"from_torch takes a torch.nn.Module; it got {type(module).__name__}")
    called, said = name or type(module).__name__, _configuration(module)
    size, preprocess = size or said.size, said.preprocess if preprocess is None else preprocess
    first = next(iter(module.parameters()), None)
    options = {} if first is None else {"device": first.device, "dtype": first.dtype}
    image = torch.rand(1, 3, *size, **options)
    training = [part for part in module.modules() if part.training]
    module.eval()
    try:
        proto = _export(torch, module, image, called)
    finally:
        for part in training:
            part.training = True
    sha256 = hashlib.sha256(proto.SerializeToString(deterministic=True)).hexdigest()
    return network_of(model_reading(proto, sha256), called, preprocess=preprocess, pool=pool, size=size)


class _Said(NamedTuple):
    size: tuple[int, int] = (224, 224)
    preprocess: str | Preprocessing | None = None


def _configuration(module: Any) -> _Said:
    """What timm notes in its networks: the size of image that they were trained for, and its normalisation."""
    found = getattr(module, "pretrained_cfg", None)
    if not isinstance(found, Mapping):
        return _Said()
    size = found.get("input_size")
    said = _Said(preprocess=normalisation("timm", found.get("mean"), found.get("std")))
    if isinstance(size, tuple | list) and [type(edge) for edge in size] == [int] * 3 and size[0] == 3:
        said = said._replace(size=(size[1], size[2]))
    return said


def _export(torch: Any, module: Any, image: Any, name: str) -> onnx.ModelProto:
    """By the exporter of PyTorch 2, which needs onnxscript, and by the one before it where that fails."""
    problems: dict[Any, Exception] = {}
    ways = [_by_trace, _by_trace_of_one_size]
    if importlib.util.find_spec("onnxscript") is not None:
        ways = [_by_program, *ways, _by_program_of_one_size]
    for way in ways:
        try:
            with warnings.catch_warnings(), torch.no_grad():
                warnings.simplefilter("ignore")
                return way(torch, module, image)
        except Exception as error:  # whatever the module and the exporter raise
            problems[way] = error
    # Where the older exporter fails it is in running the module, and in PyTorch's own words.
    raise NetworkError(
        f"PyTorch cannot export {name!r} for an image {list(image.shape)}: {_reason(problems[_by_trace])}"
    ) from problems[ways[0]]


def _reason(error: BaseException) -> str:
    """The first line of what went wrong in the first place; the exporter of PyTorch 2 writes in colours."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip().splitlines()
    return lines[0] if lines else repr(error)


def _by_program(torch: Any, module: Any, image: Any) -> onnx.ModelProto:
    return _program(torch, module, image, torch.export.Dim.AUTO)  # free where the module allows it


def _by_program_of_one_size(torch: Any, module: Any, image: Any) -> onnx.ModelProto:
    return _program(torch, module, image, torch.export.Dim.STATIC)


def _program(torch: Any, module: Any, image: Any, size: Any) -> onnx.ModelProto:
    program = torch.onnx.export(
        module,
        (image,),
        dynamo=True,
        dynamic_shapes=({2: size, 3: size},),
        opset_version=OPSET,
        verbose=False,
    )
    proto: onnx.ModelProto = program.model_proto
    return proto


def _by_trace(torch: Any, module: Any, image: Any, axes: Mapping[int, str] | None = None) -> onnx.ModelProto:
    stream = io.BytesIO()
    free = {2: "height", 3: "width"} if axes is None else axes
    options = {"input_names": ["input"], "dynamic_axes": {"input": free}, "opset_version": 17}
    # Attention in evaluation is one operator of PyTorch's own there, which this exporter does not know.
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        torch.onnx.export(module, (image,), stream, dynamo=False, **options)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    proto = onnx.ModelProto()
    proto.ParseFromString(stream.getvalue())
    return proto


def _by_trace_of_one_size(torch: Any, module: Any, image: Any) -> onnx.ModelProto:
    return _by_trace(torch, module, image, {})
