"""Whose colours a stylised picture has, and where which style goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pixelgrad.errors import ImageError, SettingsError
from pixelgrad.exporters import load_network, style_objective, write_artifact
from pixelgrad.runtime import Artifact, Picture, StyleSettings, read_image, style
from pixelgrad.runtime.colours import recoloured
from pixelgrad.runtime.images import lab_from_srgb


@pytest.fixture
def artifact(style_artifact: Path) -> Artifact:
    return Artifact(style_artifact, device="cpu")


@pytest.fixture(scope="module")
def masked(small_network: Path, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    network = load_network(small_network)
    objective = style_objective(network, loss="gram", masks=2, style_layers=["relu1_1", "relu2_1"])
    return Artifact(write_artifact(network, objective, tmp_path_factory.mktemp("masked") / "a"), device="cpu")


@pytest.fixture(scope="module")
def content(photo: Path) -> Picture:
    return read_image(photo)


@pytest.fixture(scope="module")
def painted(painting: Path) -> Picture:
    return read_image(painting)


def run(artifact: Artifact, content: Picture, styles: list[Picture], masks: Any = None, **values: Any) -> Picture:
    settings = StyleSettings(**{"size": 48, "steps": 10, "coarsest": 48, **values})
    return list(style(artifact, content, styles, settings, masks=masks))[-1].picture()


def flat(colour: tuple[float, float, float]) -> Picture:
    return Picture(np.broadcast_to(np.float32(colour), (48, 48, 3)).copy())


def test_luminance_keeps_the_hues_of_the_content(artifact: Artifact, content: Picture, painted: Picture) -> None:
    found = lab_from_srgb(run(artifact, content, [painted], keep_color="luminance").pixels)
    own = lab_from_srgb(content.resized(48, 32).pixels)
    assert np.median(np.abs(found[..., 1:] - own[..., 1:])) < 1
    assert np.abs(found[..., 0] - own[..., 0]).mean() > 1


def test_what_goes_into_a_luminance_transfer_is_grey(content: Picture, painted: Picture) -> None:
    grey, (style_,) = recoloured(content, [painted], "luminance")
    for picture in (grey, style_):
        assert np.ptp(picture.pixels, axis=2).max() < 1e-3
    mine, theirs = (lab_from_srgb(p.pixels)[..., 0] for p in (grey, style_))
    assert theirs.mean() == pytest.approx(mine.mean(), abs=1.5)
    assert theirs.std() == pytest.approx(mine.std(), rel=0.1)
    _, (even,) = recoloured(content, [flat((0.9, 0.1, 0.1))], "luminance")
    assert np.isfinite(even.pixels).all()


def test_a_histogram_gives_the_style_the_colours_of_the_content(content: Picture, painted: Picture) -> None:
    same, (moved,) = recoloured(content, [painted], "histogram")
    assert same == content
    found, own = (np.sort(lab_from_srgb(p.pixels).reshape(-1, 3), axis=0) for p in (moved, content))
    quantiles = np.linspace(0.05, 0.95, 10)
    difference = np.quantile(found, quantiles, axis=0) - np.quantile(own, quantiles, axis=0)
    assert np.abs(difference).mean() < 3  # what sRGB does not have is clipped
    assert recoloured(content, [painted], None) == (content, [painted])


def test_the_result_may_get_the_histogram_of_the_style(artifact: Artifact, content: Picture, painted: Picture) -> None:
    found = run(artifact, content, [painted], match_histogram=True).pixels
    for channel in range(3):
        quantiles = np.linspace(0.05, 0.95, 10)
        a, b = (np.quantile(p[..., channel], quantiles) for p in (found, painted.pixels))
        assert np.abs(a - b).max() < 0.02


def speckled(edge: int, *, seed: int = 0) -> Picture:
    """Black and white pixels, which turn grey where the picture is shrunk."""
    pixels = np.random.default_rng(seed).integers(0, 2, (edge, edge, 1)).astype(np.float32)
    return Picture(np.repeat(pixels, 3, axis=2))


def test_the_matched_histogram_is_that_of_the_painting_as_it_is_used(artifact: Artifact, content: Picture) -> None:
    painted = speckled(192)
    found = run(artifact, content, [painted], match_histogram=True).pixels
    assert found.std() == pytest.approx(painted.resized(48, 48).pixels.std(), rel=0.05)


def test_a_painting_of_no_weight_gives_no_colours(artifact: Artifact, content: Picture) -> None:
    styles = [flat((0.8, 0.2, 0.4)), flat((0.1, 0.9, 0.3))]
    found = run(artifact, content, styles, style_weights=(1, 0), match_histogram=True, steps=2).pixels
    np.testing.assert_allclose(found, np.broadcast_to(np.float32((0.8, 0.2, 0.4)), found.shape), atol=1e-5)


def test_a_painting_gets_the_histogram_of_the_photo_as_it_is_used(artifact: Artifact, painted: Picture) -> None:
    found = run(artifact, speckled(192), [painted], keep_color="histogram").pixels
    assert found.std() < 0.15


def test_masks_put_each_style_in_its_place(masked: Artifact, content: Picture) -> None:
    """Red on the left, blue on the right; exchanged masks exchange them."""
    left = np.zeros((32, 48, 3), np.float32)
    left[:, :24] = 1
    masks = [Picture(left), Picture(1 - left)]
    styles = [flat((0.9, 0.1, 0.1)), flat((0.1, 0.1, 0.9))]
    values: dict[str, Any] = {"steps": 60, "content_weight": 0.0}
    found = run(masked, content, styles, masks, **values).pixels
    redness = found[..., 0] - found[..., 2]
    assert redness[:, 4:20].mean() > 0.3
    assert redness[:, 28:44].mean() < -0.3
    swapped = run(masked, content, styles, masks[::-1], **values).pixels
    assert (swapped[..., 0] - swapped[..., 2])[:, 4:20].mean() < -0.3


def test_style_weights_count_under_masks(masked: Artifact, content: Picture, painted: Picture) -> None:
    half = np.zeros((8, 8, 3), np.float32)
    half[:, :4] = 1
    masks = [Picture(half), Picture(1 - half)]
    settings = StyleSettings(size=48, steps=1, coarsest=48, style_weights=[1, 0])
    event = next(style(masked, content, [painted, painted], settings, masks=masks))
    weights = {term.name: term.weight for term in masked.terms}
    # All of the weight on the first, in proportion to its half of the picture.
    expected = sum(2 * weights[name] * event.losses[name] for name in weights if name.endswith(".1"))
    others = sum(weights[t.name] * event.losses[t.name] for t in masked.terms if t.mask is None)
    assert event.loss == pytest.approx(expected + others, rel=1e-4)


def test_content_only_and_style_only(artifact: Artifact, content: Picture, painted: Picture) -> None:
    only_content = run(artifact, content, [painted], style_weight=0.0, tv_weight=0.0, init="noise", steps=60)
    start = run(artifact, content, [painted], init="noise", steps=1)
    wanted = content.resized(48, 32).pixels
    assert np.abs(only_content.pixels - wanted).mean() < np.abs(start.pixels - wanted).mean()
    events = list(style(artifact, content, [painted], StyleSettings(size=48, steps=9, content_weight=0.0)))
    assert events[-1].losses["content.r3"] > 0.01


def test_bad_masks_and_colours(artifact: Artifact, masked: Artifact, content: Picture, painted: Picture) -> None:
    white, black = flat((1, 1, 1)), flat((0, 0, 0))
    with pytest.raises(SettingsError, match="style pictures: 2, masks: 1"):
        run(masked, content, [painted, painted], [white])
    with pytest.raises(SettingsError, match="made for 0 masks, not for 1"):
        run(artifact, content, [painted], [white])
    with pytest.raises(SettingsError, match="made for 2 masks, not for 0"):
        run(masked, content, [painted, painted])
    with pytest.raises(ImageError, match="mask 2 is black all over"):
        run(masked, content, [painted, painted], [white, black])
    with pytest.raises(SettingsError, match="the keep_color is 'hue'"):
        run(artifact, content, [painted], keep_color="hue")
    with pytest.raises(SettingsError, match="keep_color and match_histogram"):
        run(artifact, content, [painted], keep_color="luminance", match_histogram=True)
