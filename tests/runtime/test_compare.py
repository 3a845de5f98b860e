"""Networks side by side: each measure against something known."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.networks import chain

from pixelgrad.errors import SettingsError
from pixelgrad.exporters import features_objective, load_network, visualize_objective, write_artifact
from pixelgrad.runtime import Artifact, CompareSettings, Picture, Subject, compare
from pixelgrad.runtime.comparing import (
    CHANGES,
    Features,
    Responses,
    Spectrum,
    aliased_share,
    comparison_sheet,
    filter_spectrum,
    filters_picture,
    open_features,
    response_spectrum,
)
from pixelgrad.runtime.comparing.drawing import spectrum_picture

LAYERS = ["c1", "r2", "r3", "logits"]


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Features:
    path = chain(tmp_path_factory.mktemp("net") / "net.onnx", classes=6)
    network = load_network(path, preprocess="rgb")
    folder = write_artifact(network, features_objective(network, LAYERS), tmp_path_factory.mktemp("a") / "features")
    return open_features(Artifact(folder, device="cpu"), 40)


def picture(seed: int, width: int = 60, height: int = 50) -> Picture:
    rng = np.random.default_rng(seed)
    coarse = rng.random((-(-height // 5), -(-width // 5), 3), dtype=np.float32)
    return Picture.from_array(coarse.repeat(5, 0).repeat(5, 1)[:height, :width])


def subject(features: Features, **values: Any) -> Subject:
    filters = np.random.default_rng(0).standard_normal((8, 3, 3, 3)).astype(np.float32)
    facts: dict[str, Any] = {"layers": ["r2", "r3"], "layer": "r2", "scores": "logits", "stride": 2}
    return Subject(name="net", features=features, first="c1", filters=filters, **{**facts, **values})


@pytest.mark.parametrize(("width", "height"), [(60_000, 1), (1, 60_000)])
def test_a_line_is_not_enlarged_whole(features: Features, width: int, height: int) -> None:
    """At 40 pixels it would be 2.4 million long: 1 GB."""
    line = np.zeros((height, width, 3), np.float32)
    line[height // 2 :, width // 2 :] = 1  # black on the left or above, white on the other side
    tracemalloc.start()
    fitted = features.fitted(Picture.from_array(line))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8_000_000
    assert fitted.shape == (1, 3, 40, 40)
    across = fitted[0, 0].mean(axis=0 if width > height else 1)
    assert across[0] < 0.1
    assert across[-1] > 0.9


def test_nothing_answers_to_one_colour(features: Features) -> None:
    """Their spectra are zero all over, and still a picture, without a division by zero."""
    flat = [Picture.from_array(np.full((50, 50), level, np.float32)) for level in (0.2, 0.8)]
    settings = CompareSettings(size=40, pictures=2, channels=0)
    (*_, last) = compare([subject(features)], flat, settings)
    assert np.isfinite(comparison_sheet(last.found).pixels).all()
    assert np.isfinite(spectrum_picture(np.zeros((40, 40)), 2, 60).pixels).all()


def test_features_are_those_of_the_middle_square(features: Features) -> None:
    fitted = features.fitted(picture(1, width=100, height=40))
    assert fitted.shape == (1, 3, 40, 40)
    np.testing.assert_allclose(fitted[0].transpose(1, 2, 0), picture(1, 100, 40).pixels[:, 30:70], atol=1e-6)
    found = features(fitted)
    assert {name: values.shape[1] for name, values in found.items()} == {"c1": 8, "r2": 12, "r3": 16, "logits": 6}
    assert found["r2"].min() >= 0


def test_dead_units_and_the_strongest() -> None:
    responses = Responses()
    first, second = np.zeros((2, 1, 4, 2, 2), np.float32)
    first[0, 0, 0, 0], second[0, 2] = 1.0, 5.0
    responses.add({"r": first})
    assert responses.dead("r") == 0.75
    responses.add({"r": second})
    assert responses.dead("r") == 0.5
    assert responses.strongest("r", 2) == [2, 0]
    assert responses.images == 2


def test_the_spectrum_of_a_wave_is_one_ring() -> None:
    wave = np.cos(2 * np.pi * 8 / 64 * np.arange(64))[None].repeat(64, 0)
    spectrum = Spectrum.of(np.abs(np.fft.fft2(wave)) ** 2)
    at = int(np.argmax(spectrum.power))
    assert spectrum.power[at] == pytest.approx(1)
    assert spectrum.frequency[at] == pytest.approx(8 / 64, abs=1 / 64)
    assert sum(spectrum.power) == pytest.approx(1)


@pytest.mark.parametrize(
    ("cycles", "stride", "share"), [(8, 2, 0.0), (20, 2, 1.0), (20, 1, 0.0), (10, 4, 1.0), (6, 4, 0.0)]
)
def test_what_a_stride_folds_back(cycles: int, stride: int, share: float) -> None:
    """64 pixels hold 16 cycles at a stride of 2, 8 at a stride of 4."""
    wave = np.cos(2 * np.pi * cycles / 64 * np.arange(64))[None].repeat(64, 0)
    assert aliased_share(np.abs(np.fft.fft2(wave)) ** 2, stride) == pytest.approx(share, abs=1e-9)


def test_a_blur_aliases_less_than_a_difference() -> None:
    blur = np.ones((1, 3, 5, 5), np.float32)
    edge = np.zeros((1, 3, 5, 5), np.float32)
    edge[:, :, 2, 1:4] = [-1, 2, -1]
    assert aliased_share(filter_spectrum(blur), 2) < 0.2 < 0.6 < aliased_share(filter_spectrum(edge), 2)


def test_responses_are_those_of_a_convolution(features: Features) -> None:
    """The share of power by direct convolution of a windowed image, every position."""
    rng = np.random.default_rng(2)
    filters = rng.standard_normal((2, 3, 3, 3)).astype(np.float32)
    image = features.fitted(picture(3))
    window = np.hanning(40)[:, None] * np.hanning(40)[None]
    windowed = (image[0] - image[0].mean((1, 2), keepdims=True)) * window
    expected = np.zeros((40, 40))
    for filter_ in filters:
        answer = sum(
            filter_[c, y, x] * np.roll(windowed[c], (y, x), (0, 1))
            for c in range(3)
            for y in range(3)
            for x in range(3)
        )
        power = np.abs(np.fft.fft2(answer)) ** 2
        power[0, 0] = 0
        expected += power / power.sum() / 2
    np.testing.assert_allclose(response_spectrum(filters, [image]), expected, atol=1e-9)


def test_a_comparison(features: Features) -> None:
    pictures = [picture(seed) for seed in range(3)]
    settings = CompareSettings(size=40, channels=0, pictures=2)
    events = list(compare([subject(features), subject(features)], pictures, settings))
    assert all(a.progress <= b.progress for a, b in pairwise(events))
    assert events[-1].progress == pytest.approx(1)
    assert [len(event.found) for event in events].count(2) == 1
    found = events[-1].found[0]
    facts = found.facts()
    assert set(facts["distances"]) == {"vertical shift", "scale", "rotation"}
    for change in CHANGES:
        unchanged = next(i for i, v in enumerate(change.values) if abs(v - (change.name == "scale")) < 1e-9)
        for layer in ("c1", "r3"):
            curve = facts["distances"][change.name][layer]
            assert curve[unchanged] == pytest.approx(0, abs=1e-6)
            assert max(curve) > 0.1
        assert len(facts["certainty"][change.name]) == len(change.values)
        assert max(facts["certainty"][change.name]) <= 1
    assert set(found.dead) == {"r2", "r3"}
    assert facts["first_layer"]["stride"] == 2
    assert comparison_sheet(events[-1].found).size[0] > 800


def test_distances_are_relative_to_those_between_pictures(features: Features) -> None:
    """A picture that is changed into the other one is as far away as the other one."""
    images = [features.fitted(picture(seed)) for seed in (0, 1)]
    from pixelgrad.runtime.comparing import invariance

    *_, curves = invariance(features, images, ["c1"], None)
    assert curves is not None
    still = [features(image)["c1"].astype(np.float64) for image in images]
    turned = features(np.ascontiguousarray(np.rot90(images[0], 2, (2, 3))))["c1"]
    turned_other = features(np.ascontiguousarray(np.rot90(images[1], 2, (2, 3))))["c1"]
    expected = (np.linalg.norm(turned - still[0]) + np.linalg.norm(turned_other - still[1])) / 2
    expected /= np.linalg.norm(still[0] - still[1])
    half = CHANGES[2].values.index(180.0)
    assert curves.distances["rotation"]["c1"][half] == pytest.approx(expected, rel=1e-3)
    assert curves.certainty == {}


def test_the_strongest_channels_are_shown(features: Features, tmp_path: Path) -> None:
    network = load_network(chain(tmp_path / "net.onnx", classes=6), preprocess="rgb")
    visual = Artifact(write_artifact(network, visualize_objective(network, "r2"), tmp_path / "v"), device="cpu")
    settings = CompareSettings(size=40, channels=3, steps=2, edge=24, pictures=2)
    *before, event = compare([subject(features, visual=visual)], [picture(0), picture(1)], settings)
    assert len(event.found[0].seen) == 3
    assert event.found[0].facts()["top_channels"] == [seen.unit.index for seen in event.found[0].seen]
    shares = {e.doing.partition(" ")[0]: e.progress for e in before}  # where each kind of work ends
    assert shares["invariance"] < 0.4  # else the time that is left would be told far too short
    assert shares["channels"] == pytest.approx(1)


def test_filters_as_tiles() -> None:
    filters = np.zeros((5, 3, 2, 2), np.float32)
    filters[4, 0] = [[1, -2], [0, 0]]
    tiles = filters_picture(filters, 60).pixels
    assert max(tiles.shape[:2]) <= 61
    assert np.abs(tiles[1:3, 1:3] - 0.5).max() == 0  # the first filter is zero: grey
    assert np.abs(tiles[..., 0] - 0.75).min() < 1e-6  # half as strong as the strongest
    assert np.abs(tiles[..., 0]).min() == 0


def test_the_square_in_the_spectrum() -> None:
    power = np.ones((64, 64))
    coloured = [np.ptp(spectrum_picture(power, stride, 20).pixels, axis=-1).astype(bool) for stride in (1, 2, 4)]
    edges = [np.flatnonzero(picture.any(1)) for picture in coloured]
    assert edges[0].size == 0
    assert edges[1][-1] - edges[1][0] == pytest.approx(128, abs=2)
    assert edges[2][-1] - edges[2][0] == pytest.approx(64, abs=2)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"size": 4}, "size is 4; it must be a whole number from 8 to 65535"),
        ({"pictures": 1}, "pictures is 1; it must be a whole number from 2 up"),
        ({"channels": -1}, "channels is -1"),
        ({"steps": 0}, "steps is 0"),
    ],
)
def test_bad_settings(features: Features, values: dict[str, int], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        compare([subject(features)], [picture(0), picture(1)], CompareSettings(**values))


def test_too_little_to_compare(features: Features) -> None:
    with pytest.raises(SettingsError, match="pictures: 1; distances between them"):
        compare([subject(features)], [picture(0)])
    with pytest.raises(SettingsError, match="name at least one network"):
        compare([], [picture(0), picture(1)])


def test_an_artifact_for_something_else(style_artifact: Path) -> None:
    with pytest.raises(SettingsError, match="the artifact is for style, not for features"):
        open_features(Artifact(style_artifact, device="cpu"), 64)
