"""Makers of the image files that Pillow itself cannot write: deep PNG and TIFF, and ICC profiles."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

Array = npt.NDArray[Any]


def encoded(image: Image.Image, format: str, **options: Any) -> bytes:
    """The file that Pillow writes for ``image``."""
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def gradient(width: int = 24, height: int = 16, bands: int = 3) -> npt.NDArray[np.uint8]:
    """uint8 [H, W, bands], smooth, asymmetric, different in every channel; no two corners alike."""
    y, x = np.mgrid[0:height, 0:width]
    ramps = [
        x * 255 / (width - 1),
        y * 255 / (height - 1),
        (x + 2 * y) * 255 / (width + 2 * height - 3),
        255 - x * 7,
    ]
    return np.stack(ramps[:bands], axis=-1).clip(0, 255).astype(np.uint8)


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(samples: Array, colour_type: int, *, chunks: bytes = b"", interlaced: bool = False) -> bytes:
    """A PNG of uint8 or uint16 samples [H, W] or [H, W, C], written from the specification."""
    samples = samples if samples.ndim == 3 else samples[..., None]
    height, width, _ = samples.shape
    raw = samples.astype(samples.dtype.newbyteorder(">"))
    passes = [(0, 0, 1, 1)]
    if interlaced:  # Adam7: first row, first column, row step, column step
        passes = [
            (0, 0, 8, 8),
            (0, 4, 8, 8),
            (4, 0, 8, 4),
            (0, 2, 4, 4),
            (2, 0, 4, 2),
            (0, 1, 2, 2),
            (1, 0, 2, 1),
        ]
    rows = b"".join(b"\0" + row.tobytes() for y, x, dy, dx in passes for row in raw[y::dy, x::dx] if row.size)
    bits = 8 * samples.dtype.itemsize
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, int(interlaced))
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + chunks
        + png_chunk(b"IDAT", zlib.compress(rows))
        + png_chunk(b"IEND", b"")
    )


def png_header_only(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds almost no pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    chunks = (png_chunk(b"IHDR", header), png_chunk(b"IDAT", pixels), png_chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def tiff(
    samples: Array,
    photometric: int,
    *,
    big_endian: bool = False,
    deflate: bool = False,
    planar: bool = False,
    extra: Sequence[int] = (),
    orientation: int | None = None,
    bits: int | None = None,
    data: bytes | None = None,
) -> bytes:
    """A one-strip (or one-plane-per-channel) TIFF of [H, W] or [H, W, C] samples of any dtype.

    ``photometric``: 0 white is zero, 1 black is zero, 2 RGB. ``extra``: the ExtraSamples tag. ``data``
    replaces the strip, for packed samples of ``bits`` bits.
    """
    endian: Literal["<", ">"] = ">" if big_endian else "<"
    samples = samples if samples.ndim == 3 else samples[..., None]
    height, width, channels = samples.shape
    raw = samples.astype(samples.dtype.newbyteorder(endian))
    strips = [raw[..., c].tobytes() for c in range(channels)] if planar else [raw.tobytes()]
    strips = [data] if data is not None else strips
    strips = [zlib.compress(strip) for strip in strips] if deflate else strips
    out = bytearray((b"MM" if big_endian else b"II") + struct.pack(endian + "HI", 42, 0))
    offsets = []
    for strip in strips:
        offsets.append(len(out))
        out += strip
    sample_format = {"u": 1, "i": 2, "f": 3}[samples.dtype.kind]
    tags: list[tuple[int, str, Sequence[int]]] = [
        (256, "H", [width]),
        (257, "H", [height]),
        (258, "H", [bits or 8 * samples.dtype.itemsize] * channels),
        (259, "H", [8 if deflate else 1]),
        (262, "H", [photometric]),
        (273, "I", offsets),
        *([(274, "H", [orientation])] if orientation else []),
        (277, "H", [channels]),
        (278, "H", [height]),
        (279, "I", [len(strip) for strip in strips]),
        (284, "H", [2 if planar else 1]),
        *([(338, "H", extra)] if extra else []),
        (339, "H", [sample_format] * channels),
    ]
    entries = b""
    for tag, code, values in tags:
        value = struct.pack(endian + code * len(values), *values)
        if len(value) > 4:
            out += bytes(len(out) % 2)
            value, place = struct.pack(endian + "I", len(out)), value
            out += place
        entries += struct.pack(endian + "HHI", tag, {"H": 3, "I": 4}[code], len(values)) + value.ljust(4, b"\0")
    out += bytes(len(out) % 2)
    out[4:8] = struct.pack(endian + "I", len(out))
    return bytes(out + struct.pack(endian + "H", len(tags)) + entries + bytes(4))


# The D50-adapted primaries of the ICC specification's sRGB and of Adobe RGB (1998), columns R, G, B.
SRGB_TO_XYZ = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]])
ADOBE_TO_XYZ = np.array([[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]])
ADOBE_GAMMA = 563 / 256
_D50 = (0.9642, 1.0, 0.8249)


def rgb_profile(to_xyz: Array, gamma: float) -> bytes:
    """A version 2 matrix profile: ``to_xyz`` times the samples raised to ``gamma``."""
    tags = [(name, _xyz(column)) for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), to_xyz.T, strict=True)]
    return _profile(b"mntr", b"RGB ", b"XYZ ", tags + [(n, _curve(gamma)) for n in (b"rTRC", b"gTRC", b"bTRC")])


def grey_profile(gamma: float) -> bytes:
    return _profile(b"mntr", b"GRAY", b"XYZ ", [(b"kTRC", _curve(gamma))])


def cmyk_profile(lab: Callable[[int, int, int, int], tuple[float, float, float]]) -> bytes:
    """A printer profile with a 2 x 2 x 2 x 2 table: inks (each 0 or 1) to L (0 to 100), a and b."""
    table = bytearray()
    for corner in np.ndindex(2, 2, 2, 2):
        lightness, a, b = lab(*corner)
        table += bytes([round(lightness * 2.55), round(a) + 128, round(b) + 128])
    ramp = bytes(range(256))
    identity = struct.pack(">9i", *(65536 if i % 4 == 0 else 0 for i in range(9)))
    lut = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + identity + ramp * 4 + bytes(table) + ramp * 3
    return _profile(b"prtr", b"CMYK", b"Lab ", [(b"A2B0", lut)])


def _xyz(values: Sequence[float] | Array) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(float(v) * 65536) for v in values))


def _curve(gamma: float) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)


def _profile(kind: bytes, space: bytes, connection: bytes, tags: list[tuple[bytes, bytes]]) -> bytes:
    text = b"for tests\0"
    description = b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(78)
    tags = [(b"desc", description), (b"wtpt", _xyz(_D50)), (b"cprt", b"text" + bytes(4) + text), *tags]
    table, body = b"", b""
    start = 128 + 4 + 12 * len(tags)
    for name, data in tags:
        table += name + struct.pack(">II", start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    header = bytearray(128)
    header[0:4] = struct.pack(">I", start + len(body))
    header[8:12] = bytes([2, 0x40, 0, 0])
    header[12:24] = kind + space + connection
    header[36:40] = b"acsp"
    header[68:80] = struct.pack(">3i", *(round(v * 65536) for v in _D50))
    return bytes(header) + struct.pack(">I", len(tags)) + table + body
