"""Reading an ONNX file, with one clear message for each way in which it can be unusable."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
from google.protobuf.message import DecodeError

from pixelgrad.errors import NetworkError


def read_onnx(path: Path) -> tuple[ir.Model, str]:
    """The model in ``path`` with its weights in memory, and the SHA-256 of the file and its external data.

    Raises :class:`NetworkError` where the file is missing, empty, no ONNX, or lacks its external data, or holds
    weights that are not finite numbers.
    """
    if path.is_dir():
        raise NetworkError(f"{path.name!r} is a folder; name the .onnx file inside it")
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise NetworkError(f"there is no network file {path.name!r} in {str(path.parent)!r}") from None
    except OSError as error:
        raise NetworkError(f"the network file {path.name!r} cannot be read: {error.strerror or error}") from error
    if not content:
        raise NetworkError(f"the network file {path.name!r} is empty; download or export it again")
    digest = hashlib.sha256(content)
    try:
        proto = onnx.ModelProto.FromString(content)
    except DecodeError:
        raise _not_onnx(path) from None
    if not proto.ir_version or not proto.graph.node:
        raise _not_onnx(path)
    _load_external_data(proto, path, digest)
    model = ir.from_proto(proto)
    _check_finite(model, path)
    return model, digest.hexdigest()


def _not_onnx(path: Path) -> NetworkError:
    return NetworkError(
        f"{path.name!r} is not an ONNX network. Other formats are exported to ONNX first, for PyTorch by "
        "torch.onnx.export(network, example_image, 'network.onnx')"
    )


def _load_external_data(proto: onnx.ModelProto, path: Path, digest: hashlib._Hash) -> None:
    locations = sorted(
        {
            entry.value
            for tensor in proto.graph.initializer
            if tensor.data_location == onnx.TensorProto.EXTERNAL
            for entry in tensor.external_data
            if entry.key == "location"
        }
    )
    missing = [name for name in locations if not (path.parent / name).is_file()]
    if missing:
        raise NetworkError(
            f"the weights of {path.name!r} are in a separate file that is not there: {', '.join(missing)}; put it "
            "beside the .onnx file"
        )
    for name in locations:
        digest.update((path.parent / name).read_bytes())
    if locations:
        try:
            onnx.load_external_data_for_model(proto, str(path.parent))
        except Exception as error:  # onnx raises bare exceptions of several kinds here
            raise NetworkError(f"the external weights of {path.name!r} cannot be read: {error}") from error


def _check_finite(model: ir.Model, path: Path) -> None:
    for name, value in model.graph.initializers.items():
        tensor = value.const_value
        if tensor is None or not tensor.dtype.is_floating_point():
            continue
        try:
            finite = bool(np.isfinite(np.asarray(tensor.numpy(), dtype=np.float32)).all())
        except (ValueError, TypeError) as error:
            raise NetworkError(f"the weights {name!r} of {path.name!r} are damaged: {error}") from error
        if not finite:
            raise NetworkError(
                f"the weights {name!r} of {path.name!r} hold NaN or infinity, so no picture can come of it; use an "
                "earlier checkpoint, or export it again"
            )
