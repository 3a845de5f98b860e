"""The sample pictures: what their callers rely on, and that none of them has gone flat or lost its scene."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from PIL import Image

from pixelgrad.errors import SettingsError
from pixelgrad.runtime.samples import SAMPLES, landscape, mosaic, strokes
from pixelgrad.runtime.samples.brush import Painting, Strokes
from pixelgrad.runtime.samples.camera import Camera
from pixelgrad.runtime.samples.canvas import Layer
from pixelgrad.runtime.samples.noise import Noise
from pixelgrad.runtime.samples.tesserae import cells, relax

NAMES = sorted(SAMPLES)
SMALL = (120, 80)


@cache
def drawn(name: str, width: int = SMALL[0], height: int = SMALL[1], seed: int = 0) -> np.ndarray:
    """One drawing, made once for all tests."""
    return SAMPLES[name](width=width, height=height, seed=seed)


def generator(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def shrunk(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The picture averaged down to (width, height), its values laid in a row."""
    image = Image.fromarray(np.uint8(np.round(picture * 255)))
    return np.asarray(image.resize(size, Image.Resampling.BOX), np.float64).ravel()


def edge_energy(picture: np.ndarray) -> float:
    """Mean step of luminance between neighbouring pixels."""
    grey = picture.mean(axis=2)
    return float(np.abs(np.diff(grey, axis=0)).mean() + np.abs(np.diff(grey, axis=1)).mean()) / 2


def test_the_names_are_those_of_the_functions() -> None:
    assert list(SAMPLES) == ["landscape", "strokes", "mosaic"]
    assert list(SAMPLES.values()) == [landscape, strokes, mosaic]


@pytest.mark.parametrize("function", [landscape, strokes, mosaic])
def test_the_default_is_768_by_512(function: Callable[..., np.ndarray]) -> None:
    assert function.__defaults__ == (768, 512, 0)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [SMALL, (40, 60), (90, 20)])
def test_shape_type_and_range(name: str, size: tuple[int, int]) -> None:
    picture = drawn(name, *size)
    assert picture.shape == (size[1], size[0], 3)
    assert picture.dtype == np.float32
    assert np.isfinite(picture).all()
    assert picture.min() >= 0.0
    assert picture.max() <= 1.0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("settings", [(15, 80, 0), (80, 0, 0), (80, 80, -1)])
def test_what_cannot_be_drawn_is_refused(name: str, settings: tuple[int, int, int]) -> None:
    wrong = min(settings)
    with pytest.raises(SettingsError, match=str(wrong)):
        SAMPLES[name](*settings)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("settings", [(80.0, 80, 0), (80, 80.5, 0), (80, 80, 1.5), ("80", 80, 0)])
def test_sizes_and_seeds_are_integers(name: str, settings: tuple[int, int, int]) -> None:
    with pytest.raises(SettingsError, match=r"(width|height|seed) is .*; it must be an integer"):
        SAMPLES[name](*settings)


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_gives_the_same_bytes_again(name: str) -> None:
    first = drawn(name)
    state = repr(np.random.get_state())
    again = SAMPLES[name](*SMALL, 0)
    assert again.tobytes() == first.tobytes()
    assert repr(np.random.get_state()) == state, "the global random state was used"


@pytest.mark.parametrize("name", NAMES)
def test_another_seed_gives_another_picture(name: str) -> None:
    assert np.abs(drawn(name) - drawn(name, seed=1)).mean() > 0.03


@pytest.mark.parametrize("name", NAMES)
def test_twice_the_size_shows_the_same_scene(name: str) -> None:
    small, large = drawn(name), drawn(name, 2 * SMALL[0], 2 * SMALL[1])
    coarse = (SMALL[0] // 4, SMALL[1] // 4)
    assert np.corrcoef(shrunk(small, coarse), shrunk(large, coarse))[0, 1] > 0.97


@pytest.mark.parametrize("name", NAMES)
def test_a_square_shows_the_middle_of_the_scene(name: str) -> None:
    width, height = SMALL
    middle = drawn(name)[:, (width - height) // 2 : (width + height) // 2]
    square = drawn(name, height, height)
    assert np.corrcoef(shrunk(middle, (20, 20)), shrunk(square, (20, 20)))[0, 1] > 0.97


@pytest.mark.parametrize("name", NAMES)
def test_it_has_contrast_edges_and_colour(name: str) -> None:
    picture = drawn(name, 2 * SMALL[0], 2 * SMALL[1])
    dark, light = np.quantile(picture.mean(axis=2), (0.02, 0.98))
    assert light - dark > 0.5
    assert edge_energy(picture) > 0.025
    assert np.all(picture.std(axis=(0, 1)) > 0.12), "a colour channel hardly varies"


@pytest.mark.parametrize("name", NAMES)
def test_no_part_of_it_is_empty(name: str) -> None:
    grey = drawn(name, 2 * SMALL[0], 2 * SMALL[1]).mean(axis=2)
    blocks = grey.reshape(4, 40, 6, 40).transpose(0, 2, 1, 3).reshape(24, -1)
    assert blocks.std(axis=1).min() > 0.01


def test_the_evening_light_is_warm_towards_the_sun() -> None:
    picture = drawn("landscape")
    sky, sun = picture[5:20, 30:55].mean(axis=(0, 1)), picture[31:38, 85:100].mean(axis=(0, 1))
    assert sun[0] - sun[2] > sky[0] - sky[2] + 0.2


def test_a_mirrored_camera_sees_reflections() -> None:
    camera = Camera(300, 200)
    point, reflection = np.array([0.4, 0.7, 5.0]), np.array([0.4, -0.7, 5.0])
    column, row = camera.project(reflection)
    mirrored_column, mirrored_row = camera.mirrored().project(point)
    assert mirrored_column == pytest.approx(column, rel=1e-5)
    assert row - camera.horizon == pytest.approx(camera.horizon - mirrored_row, rel=1e-4)


def test_noise_has_the_slopes_that_it_says() -> None:
    noise = Noise(generator(3))
    x, y = generator(4).random((2, 500)) * 40.0
    step = 1e-5
    _, along_x, along_y = noise.slope(x, y)
    np.testing.assert_allclose((noise(x + step, y) - noise(x - step, y)) / (2 * step), along_x, atol=0.02)
    np.testing.assert_allclose((noise(x, y + step) - noise(x, y - step)) / (2 * step), along_y, atol=0.02)


def test_noise_is_the_same_for_any_grid_of_points() -> None:
    noise = Noise(generator(5))
    x, y = np.meshgrid(np.linspace(-9, 9, 171), np.linspace(-7, 7, 171))
    whole = noise.fractal(x, y, 4)
    np.testing.assert_array_equal(whole[20:31, 50:70], noise.fractal(x[20:31, 50:70], y[20:31, 50:70], 4))
    assert abs(whole.mean()) < 0.05
    assert 0.2 < whole.std() < 0.6


def test_relaxed_tesserae_are_even_and_follow_the_field() -> None:
    side, shape, angle = 10.0, (120, 120), 0.5
    rng = generator(6)
    field = lambda points: np.full(len(points), angle)  # noqa: E731
    seeds = (rng.random((144, 2)) * 120).astype(np.float32)
    before = np.bincount(cells(seeds, field, side, shape).owner.ravel(), minlength=144)
    seeds = relax(seeds, field, lambda points, part: points, side, shape, 25)
    tiles = cells(seeds, field, side, shape)
    after = np.bincount(tiles.owner.ravel(), minlength=144)
    assert after.std() < 0.5 * before.std()
    assert np.abs(tiles.along[tiles.edge > 1]).max() < side
    # The sides of the cells run along the field or across it: the fourth harmonic of their normals' bearings.
    down, right = np.gradient(tiles.edge)
    sides = (tiles.edge > 0.5) & (tiles.edge < 2.0)
    bearing = np.arctan2(down, right)[sides]
    assert np.cos(4 * (bearing - angle)).mean() > 0.15


@pytest.mark.parametrize("curvature", [0.0, 0.02, -0.02])
def test_a_stroke_lies_along_its_arc(curvature: float) -> None:
    painting = Painting(np.zeros((100, 100, 3), np.float32), generator(7))
    white = np.ones((1, 3), np.float32)
    one = np.ones(1, np.float32)
    middle = np.full((1, 2), 50.0, np.float32)
    painting.lay(Strokes(middle, 0 * one, curvature * one, 60 * one, 12 * one, white, white, 1.5))
    rows, columns = np.nonzero(painting.colour[..., 0] > 0.5)
    bent = 50 + 0.5 * curvature * (columns - 50.0) ** 2
    assert 250 < len(rows) < 800
    assert np.abs(rows - bent).max() < 9
    assert columns.max() - columns.min() > 40


def test_shapes_keep_their_area_and_radiance() -> None:
    layer = Layer(40, 30)
    layer.polygons([[(5.0, 5.0), (25.0, 5.0), (25.0, 20.0), (5.0, 20.0)]], (1.0, 0.25, 3.0))
    colour, cover = layer.resolve()
    assert cover.sum() == pytest.approx(300, rel=0.08)
    np.testing.assert_allclose(colour[12, 15], (1.0, 0.25, 3.0), rtol=0.03)
    assert cover[25, 35] == 0
    assert not colour[25, 35].any()
