"""Real photographs and paintings, from the folder that PIXELGRAD_TEST_DATA names."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixelgrad.runtime.images import fit_size, read_image

DATA = Path(os.environ.get("PIXELGRAD_TEST_DATA", Path(__file__).parents[3].parent / "shared")) / "images"
PICTURES = ["photos/chelsea.png", "photos/camera.png", "paintings/starry_night.jpg", "kodak/kodim23.png"]


@pytest.mark.parametrize("name", PICTURES)
def test_real_pictures(name: str, tmp_path: Path) -> None:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"no {path}; set PIXELGRAD_TEST_DATA to the folder of test data")
    picture = read_image(path)
    with Image.open(path) as image:
        expected = np.asarray(image.convert("RGB")) / np.float32(255)
    assert picture.warnings == ()
    assert np.abs(picture.pixels - expected).max() <= 1 / 255
    size = fit_size(*picture.size, long_edge=64)
    small = picture.resized(*size)
    assert abs(float(small.pixels.mean()) - float(picture.pixels.mean())) < 0.005
    for suffix in (".png", ".jpg", ".webp", ".tiff"):
        saved = small.save(tmp_path / f"small{suffix}")
        assert saved is not None
        again = read_image(saved)
        assert again.size == size
        # WebP halves the colour resolution, which shows in a painting of 64 pixels.
        assert np.abs(again.pixels - small.pixels).mean() < (0.04 if suffix == ".webp" else 0.02)
