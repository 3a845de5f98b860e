"""Reading an ONNX file, with one clear message for each way in which it can be unusable."""

from __future__ import annotations

import hashlib
from pathlib import Path, PurePath

import onnx
import onnx_ir as ir
from google.protobuf.message import DecodeError

from pixelgrad.errors import NetworkError
from pixelgrad.exporters.networks.readers.layout import channels_first
from pixelgrad.exporters.networks.readers.precision import drop_conversions, to_float32
from pixelgrad.exporters.networks.readers.quantised import to_floating_point
from pixelgrad.exporters.networks.readers.reading import Reading
from pixelgrad.exporters.networks.readers.scopes import module_aliases
from pixelgrad.exporters.networks.readers.source import Source, digest
from pixelgrad.exporters.networks.readers.wiring import put_in_order


def read_onnx(source: Source) -> Reading:
    """The model in an ONNX file with its weights in memory; the hash covers its external data too.

    What comes out computes in float32 from an image with channels first, whatever the file does. Raises
    :class:`NetworkError` where the file is damaged or lacks its external data.
    """
    path, content = source.path, source.read()
    try:
        proto = onnx.ModelProto.FromString(content)
    except DecodeError:
        raise not_onnx(path.name) from None
    if not proto.ir_version or not proto.graph.node:
        raise not_onnx(path.name)
    external = _load_external_data(proto, path)
    sha256 = digest(path, *external) if external else hashlib.sha256(content).hexdigest()
    return model_reading(proto, sha256)


def model_reading(proto: onnx.ModelProto, sha256: str) -> Reading:
    """A model in memory, as :func:`read_onnx` reads one from a file."""
    put_in_order(proto.graph)
    notes = to_float32(proto)
    model = ir.from_proto(proto)
    notes += to_floating_point(model)
    drop_conversions(model.graph)
    notes += channels_first(model.graph)
    return Reading(model, "ONNX", sha256, aliases=module_aliases(model.graph), notes=tuple(notes))


def not_onnx(name: str) -> NetworkError:
    return NetworkError(f"{name!r} is not an ONNX network, or it is damaged; download or export it again")


def _load_external_data(proto: onnx.ModelProto, path: Path) -> list[Path]:
    """Weights from the files that hold them, which are returned."""
    locations = sorted(
        {
            entry.value
            for tensor in proto.graph.initializer
            if tensor.data_location == onnx.TensorProto.EXTERNAL
            for entry in tensor.external_data
            if entry.key == "location"
        }
    )
    outside = [name for name in locations if PurePath(name).is_absolute() or ".." in PurePath(name).parts]
    if outside:
        raise NetworkError(
            f"{path.name!r} looks for its weights outside its own folder ({outside[0]!r}); export it again"
        )
    missing = [name for name in locations if not (path.parent / name).is_file()]
    if missing:
        raise NetworkError(
            f"the weights of {path.name!r} are in a separate file that is not there: {', '.join(missing)}; put it "
            "beside the .onnx file"
        )
    if locations:
        try:
            onnx.load_external_data_for_model(proto, str(path.parent))
        except Exception as error:  # onnx raises bare exceptions of several kinds here
            raise NetworkError(f"the external weights of {path.name!r} cannot be read: {error}") from error
    return [path.parent / name for name in locations]
