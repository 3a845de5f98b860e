"""The middle of any image file, fast: the same as the careful reader's."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.folders import draw
from PIL import Image, ImageCms

from pixelgrad.errors import ImageError
from pixelgrad.runtime import read_image
from pixelgrad.runtime.scanning import find_images, load_pixels, to_batch


def careful(path: Path, size: tuple[int, int]) -> Any:
    picture = read_image(path).flattened()
    width, height = picture.size
    edge = min(width / size[0], height / size[1])
    left, top = (width - edge * size[0]) / 2, (height - edge * size[1]) / 2
    box = (left, top, left + edge * size[0], top + edge * size[1])
    return np.asarray(picture.to_pil().resize(size, Image.Resampling.BICUBIC, box=box))


@pytest.mark.parametrize("size", [(24, 24), (20, 30), (64, 64)])
@pytest.mark.parametrize("kind", ["png", "bmp", "jpg", "webp", "L", "P", "RGBA", "icc", "orientation"])
def test_as_the_careful_reader(tmp_path: Path, kind: str, size: tuple[int, int]) -> None:
    image = Image.open(draw(tmp_path / "source.png", 3, (90, 64)))
    options: dict[str, Any] = {}
    suffix = kind if kind in {"bmp", "jpg", "webp"} else "png"
    if kind in {"L", "P", "RGBA"}:
        image = image.convert(kind)
    if kind == "RGBA":
        image.putalpha(128)
    if kind == "icc":
        options["icc_profile"] = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    if kind == "orientation":
        exif = Image.Exif()
        exif[0x0112] = 6
        options["exif"] = exif.tobytes()
    path = tmp_path / f"image.{suffix}"
    image.save(path, **options)
    found = load_pixels(path, size)
    assert (found.dtype, found.shape) == (np.uint8, (size[1], size[0], 3))
    assert np.abs(found.astype(int) - careful(path, size)).max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_of_a_jpeg(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "photo.jpg"
    Image.open(draw(tmp_path / "source.png", 4, (96, 64))).save(path, quality=95, exif=exif.tobytes())
    assert np.abs(load_pixels(path, (32, 32)).astype(int) - careful(path, (32, 32))).max() <= 1


def test_a_large_jpeg_is_scaled_down_while_it_is_decoded(tmp_path: Path) -> None:
    """With little difference to the eye."""
    rng = np.random.default_rng(0)
    smooth = Image.fromarray(rng.integers(0, 255, (6, 9, 3), dtype=np.uint8)).resize((1800, 1200), Image.BICUBIC)
    path = tmp_path / "large.jpg"
    smooth.save(path, quality=95)
    difference = np.abs(load_pixels(path, (64, 64)).astype(int) - careful(path, (64, 64)))
    assert difference.mean() < 1.5
    assert difference.max() < 12


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "webp"])
def test_no_photo_takes_the_slow_way_for_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    """16 in its width is not 16 bits."""

    def slow(*_: Any, **__: Any) -> None:
        raise AssertionError("read with all care")

    Image.open(draw(tmp_path / "source.png", 3, (160, 116))).save(path := tmp_path / f"photo.{suffix}")
    monkeypatch.setattr("pixelgrad.runtime.scanning.loading.read_image", slow)
    assert load_pixels(path, (24, 24)).shape == (24, 24, 3)


def test_sixteen_bits_are_rounded_not_cut(tmp_path: Path) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    row = b"\0" + np.full((8, 3), 200, ">u2").tobytes()
    header = struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(8 * row)), chunk(b"IEND", b""))
    path = tmp_path / "deep.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    assert 200 >> 8 == 0
    assert (load_pixels(path, (8, 8)) == 1).all()


def test_to_batch(tmp_path: Path) -> None:
    pixels = [load_pixels(draw(tmp_path / f"{seed}.png", seed), (12, 10)) for seed in (1, 2)]
    batch = to_batch(pixels)
    assert (batch.dtype, batch.shape) == (np.float32, (2, 3, 10, 12))
    np.testing.assert_allclose(batch[1], pixels[1].transpose(2, 0, 1) / 255, rtol=1e-6)


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n cut short"])
def test_what_is_no_image(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.png"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=r"broken\.png"):
        load_pixels(path, (8, 8))
    with pytest.raises(ImageError, match="cannot be read"):
        load_pixels(tmp_path / "missing.png", (8, 8))


def test_a_truncated_photo(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    Image.open(draw(tmp_path / "source.png", 5, (200, 200))).save(path)
    path.write_bytes(path.read_bytes()[:-800])
    with pytest.raises(ImageError, match="cut short or damaged"):
        load_pixels(path, (32, 32))


def test_find_images(tmp_path: Path) -> None:
    for name in ("a.png", "b.JPG", "sub/c.webp", "sub/deeper/d.gif", ".hidden.png", ".git/e.png", "notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 7)
    found = sorted(find_images(tmp_path))
    assert [Path(path).name for path, _, _ in found] == ["a.png", "b.JPG", "c.webp", "d.gif"]
    assert found[0][1:] == (7, (tmp_path / "a.png").stat().st_mtime_ns)
    with pytest.raises(ImageError, match="is not there"):
        list(find_images(tmp_path / "nowhere"))
    with pytest.raises(ImageError, match="is a file; give the folder"):
        list(find_images(tmp_path / "a.png"))
