"""Dreams as a stream of events."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.breaking import break_at
from helpers.networks import chain

from pixelgrad.errors import DivergedError, ImageError, SettingsError
from pixelgrad.exporters import dream_objective, load_network, write_artifact
from pixelgrad.runtime import Artifact, DreamSettings, Picture, dream, read_image
from pixelgrad.runtime.artifact import Evaluation
from pixelgrad.runtime.scales import octave_sizes
from pixelgrad.runtime.tasks.dream import references


@pytest.fixture
def artifact(dream_artifact: Path) -> Artifact:
    return Artifact(dream_artifact, device="cpu")


@pytest.fixture(scope="module")
def channels(small_network: Path, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    objective = dream_objective(load_network(small_network), enhance="channels", layers=["relu2_1"])
    folder = write_artifact(load_network(small_network), objective, tmp_path_factory.mktemp("a") / "channels")
    return Artifact(folder, device="cpu")


@pytest.fixture(scope="module")
def guided(small_network: Path, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    objective = dream_objective(load_network(small_network), enhance="guide", layers=["relu2_1"])
    folder = write_artifact(load_network(small_network), objective, tmp_path_factory.mktemp("a") / "guide")
    return Artifact(folder, device="cpu")


@pytest.fixture(scope="module")
def source(photo: Path) -> Picture:
    return read_image(photo)


def settings(**values: Any) -> DreamSettings:
    return DreamSettings(**{"steps": 3, "octaves": 3, "jitter": 4, **values})


def last(artifact: Artifact, picture: Picture | None, chosen: DreamSettings, **given: Any) -> Picture:
    return list(dream(artifact, picture, chosen, **given))[-1].picture()


def test_octaves_grow_to_the_size_of_the_picture() -> None:
    assert octave_sizes(1024, 768, 4, 1.4) == [(373, 280), (522, 392), (731, 549), (1024, 768)]
    assert octave_sizes(100, 60, 5, 2.0, minimum=30) == [(50, 30), (100, 60)]
    assert octave_sizes(20, 10, 3, 1.4, minimum=64) == [(20, 10)]


def test_events(artifact: Artifact, source: Picture) -> None:
    events = list(dream(artifact, source, settings()))
    assert [e.step for e in events] == list(range(1, 10))
    assert [(e.scale, e.width, e.height) for e in events if e.step in (1, 4, 9)] == [
        (1, 49, 33),
        (2, 69, 46),
        (3, 96, 64),
    ]
    assert all(a.progress < b.progress for a, b in pairwise(events))
    assert events[-1].progress == pytest.approx(1.0)
    assert set(events[0].losses) == {"energy.r2", "energy.r3"}
    assert events[-1].picture().size == source.size


def test_a_class_has_its_rivals_held_against_it(tmp_path: Path, source: Picture) -> None:
    """Minus the score, and nine tenths of log sum exp of all scores."""
    network = load_network(chain(tmp_path / "net.onnx", classes=5))
    objective = dream_objective(network, enhance="class")
    artifact = Artifact(write_artifact(network, objective, tmp_path / "a"), device="cpu")
    image, scores = source.to_nchw(), []
    (target,) = artifact.given
    (rivals,) = (term.name for term in artifact.terms if term.kind == "rivals")
    for index in range(5):
        direction = np.eye(5, dtype=np.float32)[index : index + 1]
        found = artifact.evaluate(image, {target: direction})
        scores.append(found.losses[rivals] * 0.9 - found.loss)
    assert found.losses[rivals] == pytest.approx(np.log(np.sum(np.exp(scores))), rel=1e-4)


def test_what_the_layers_see_grows(artifact: Artifact, source: Picture) -> None:
    """From once what they see in the picture itself."""
    events = list(dream(artifact, source, settings(octaves=1, steps=12, jitter=0)))
    assert events[0].loss == pytest.approx(-1, rel=1e-4)
    assert all(a.loss > b.loss for a, b in pairwise(events))
    assert events[-1].loss < -2


def test_the_detail_of_the_picture_is_kept(artifact: Artifact, source: Picture) -> None:
    """A dream of no strength is the picture, whatever size it began at."""
    result = last(artifact, source, settings(strength=1e-6, octaves=4))
    assert np.abs(result.pixels - source.pixels).max() < 1e-5


def test_strength_and_fade_set_the_step(artifact: Artifact, source: Picture) -> None:
    even = Picture.from_array(np.random.default_rng(0).uniform(0.4, 0.6, (64, 64, 3)))

    def steps(**values: Any) -> list[float]:
        pictures = [even, *(e.picture() for e in dream(artifact, even, settings(octaves=1, **values)))]
        return [float(np.abs(b.pixels - a.pixels).mean()) * 255 for a, b in pairwise(pictures)]

    np.testing.assert_allclose(steps(strength=2.0), [2.0] * 3, rtol=1e-3)
    np.testing.assert_allclose(steps(strength=2.0, fade=0.5), [2.0, 1.5, 1.0], rtol=1e-3)


def test_the_same_seed_gives_the_same_picture(artifact: Artifact, source: Picture) -> None:
    for picture in (source, None):
        chosen = settings(size=48)
        assert last(artifact, picture, chosen) == last(artifact, picture, chosen)
        assert last(artifact, picture, chosen) != last(artifact, picture, settings(size=48, seed=1))


def test_noise_gets_a_preset_of_its_own(artifact: Artifact) -> None:
    events = list(dream(artifact, None, DreamSettings(size=64, steps=2)))
    assert {(e.width, e.height) for e in events} == {(64, 64)}  # no octave is needed
    recipe = events[-1].picture().recipe
    assert recipe is not None
    assert recipe["settings"]["strength"] == 4
    assert recipe["picture"] is None
    assert DreamSettings().filled(None).octaves == 2
    whole = next(dream(artifact, None, DreamSettings(size=32, octaves=2)))
    assert (whole.scales, whole.steps) == (2, 256)  # shared among the octaves
    assert DreamSettings(octaves=1, strength=0.5).filled(None).strength == 0.5


def test_noise_grows_by_its_spectrum(artifact: Artifact) -> None:
    """As visualisations do: what the layers see grows, in waves of many pixels, and the picture wraps around."""
    chosen = settings(size=64, octaves=2, steps=20)
    events = list(dream(artifact, None, chosen))
    assert events[-1].loss < 2 * events[0].loss < 0
    pixels = events[-1].picture().pixels
    seams = [np.abs(pixels[0] - pixels[-1]).mean(), np.abs(pixels[:, 0] - pixels[:, -1]).mean()]
    inside = [np.abs(np.diff(pixels, axis=axis)).mean() for axis in (0, 1)]
    assert all(seam < 2 * other for seam, other in zip(seams, inside, strict=True))
    weaker = last(artifact, None, settings(size=64, octaves=2, steps=20, strength=0.5))
    assert weaker.pixels.std() < 0.7 * pixels.std()


@pytest.mark.parametrize("name", ["smoothing", "blur", "fade", "natural_color", "momentum"])
def test_noise_has_no_use_for_what_shapes_a_step(artifact: Artifact, name: str) -> None:
    with pytest.raises(SettingsError, match=f"only a dream of a picture has {name}; leave that out for one of noise"):
        dream(artifact, None, settings(**{name: 1}))


def test_size_is_the_pictures_own_up_to_1024(source: Picture) -> None:
    assert DreamSettings().filled(source).size == 96
    assert DreamSettings().filled(Picture.from_array(np.zeros((10, 3000, 3)))).size == 1024
    assert DreamSettings(size=2000).filled(source).size == 2000


def test_tiles_bound_what_the_network_sees(
    artifact: Artifact, source: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: set[tuple[int, ...]] = set()
    evaluate = Artifact.evaluate

    def watch(self: Artifact, image: Any, *arguments: Any) -> Evaluation:
        seen.add(image.shape[2:])
        return evaluate(self, image, *arguments)

    monkeypatch.setattr(Artifact, "evaluate", watch)
    result = last(artifact, source, settings(size=150, tile=64))
    assert result.size == (150, 100)
    assert max(max(shape) for shape in seen) <= 64


def test_references_do_not_grow_with_the_picture(artifact: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are computed without windows, so they must stay small."""
    seen: list[tuple[int, ...]] = []
    monkeypatch.setattr(Artifact, "targets", lambda self, image: seen.append(image.shape[2:]) or {})
    large = np.broadcast_to(np.float32(0.5), (1, 3, 900, 1200))
    references(artifact, large, (1200, 900), None)
    references(artifact, large, (1200, 900), Picture(np.zeros((900, 1200, 3))))
    assert seen == [(384, 512), (192, 256)]


def test_channels(channels: Artifact, source: Picture) -> None:
    def response(picture: Picture, channel: int) -> float:
        direction = np.eye(12, dtype=np.float32)[channel : channel + 1]
        return -channels.evaluate(picture.to_nchw(), {"target.activation.r2": direction}).loss

    for channel, other in ((1, 4), (4, 1)):
        dreamed = last(channels, source, settings(), channels=[channel])
        growth = [response(dreamed, c) / response(source, c) for c in (channel, other)]
        assert growth[0] > max(1.2, growth[1])
    assert last(channels, source, settings(), channels=[1, 4]) != last(channels, source, settings(), channels=[1])


def test_a_guide(guided: Artifact, source: Picture, painting: Path) -> None:
    guide = read_image(painting)
    events = list(dream(guided, source, settings(octaves=1, steps=8, jitter=0), guide=guide))
    assert events[-1].loss < events[0].loss
    other = last(guided, source, settings(), guide=source)
    assert other != last(guided, source, settings(), guide=guide)
    recipe = other.recipe
    assert recipe is not None
    assert recipe["guide"] == recipe["picture"]


def test_a_class_of_a_network_of_one_size(tmp_path: Path, source: Picture) -> None:
    network = load_network(chain(tmp_path / "net.onnx", size=32, classes=5, flatten=True))
    artifact = Artifact(write_artifact(network, dream_objective(network, enhance="class"), tmp_path / "a"))
    events = list(dream(artifact, source, settings(), channels=[3]))
    assert events[-1].loss < events[0].loss
    assert events[-1].picture().size == source.size


def test_alpha_is_kept(artifact: Artifact, source: Picture) -> None:
    alpha = np.linspace(0, 1, 96, dtype=np.float32)[None].repeat(64, 0)
    result = last(artifact, Picture(source.pixels, alpha), settings())
    assert result.alpha is not None
    np.testing.assert_array_equal(result.alpha, alpha)


def test_divergence_stops_with_the_last_good_image(
    artifact: Artifact, source: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_at(monkeypatch, 5)
    seen = []
    with pytest.raises(DivergedError, match=r"step 5 of 9 \(69x46\); try a lower --strength") as caught:
        seen.extend(dream(artifact, source, settings()))
    assert caught.value.image.shape == (1, 3, 46, 69)
    np.testing.assert_array_equal(Picture.from_nchw(caught.value.image).pixels, seen[-1].picture().pixels)


BAD: list[tuple[dict[str, Any], str]] = [
    ({"size": 4}, "size is 4; it must be a whole number from 8 to 65535"),
    ({"steps": 0}, "steps is 0; it must be a whole number from 1 up"),
    ({"octaves": 0}, "octaves is 0"),
    ({"octave_scale": 1.0}, "octave_scale is 1.0; it must be a number from 1.05 to 4"),
    ({"octave_scale": float("nan")}, "octave_scale is nan"),
    ({"strength": 0}, "strength is 0; it must be a number above 0"),
    ({"strength": float("inf")}, "strength is inf"),
    ({"smoothing": 0}, "smoothing is 0"),
    ({"blur": -1}, "blur is -1; it must be a number of pixels from 0 to 100"),
    ({"fade": 1.5}, "fade is 1.5; it must be a number from 0 to 1"),
    ({"natural_color": 2}, "natural_color is 2; it must be a number from 0 to 1"),
    ({"jitter": -1}, "jitter is -1"),
    ({"tile": 10}, "tile is 10; it must be a whole number from 64 up"),
    ({"seed": 1.5}, "seed is 1.5"),
]


@pytest.mark.parametrize(("values", "message"), BAD, ids=[f"{next(iter(v))}-{i}" for i, (v, _) in enumerate(BAD)])
def test_bad_settings(artifact: Artifact, source: Picture, values: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        dream(artifact, source, settings(**values))


def test_what_does_not_fit_the_artifact(
    artifact: Artifact, channels: Artifact, guided: Artifact, source: Picture, style_artifact: Path
) -> None:
    def refused(message: str, wanted: Artifact, **given: Any) -> None:
        with pytest.raises(SettingsError, match=message):
            dream(wanted, source, settings(), **given)

    refused("not made for single channels", artifact, channels=[1])
    refused("not made for a guide", artifact, guide=source)
    refused("dreams of chosen channels; name some from 0 to 11", channels)
    refused("there is no channel 12 in 'r2': it has channels 0 to 11", channels, channels=[3, 12])
    refused("there is no channel -1", channels, channels=[-1])
    refused("dreams towards a guide; give a picture", guided)
    refused("made for style, not for dreams", Artifact(style_artifact, device="cpu"))


def test_a_channel_that_sees_nothing_says_so(
    channels: Artifact, source: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dead(self: Artifact, image: Any, *_: Any) -> Evaluation:
        return Evaluation(0.0, {"activation.r2": 0.0}, np.zeros_like(image))

    monkeypatch.setattr(Artifact, "evaluate", dead)
    with pytest.raises(SettingsError, match="nothing in the picture excites what is to be made stronger"):
        list(dream(channels, source, settings(blur=1.0), channels=[3]))
    with pytest.raises(SettingsError, match="nothing in the picture excites what is to be made stronger"):
        list(dream(channels, None, settings(size=32), channels=[3]))


def test_a_guide_too_small_for_the_layers_is_named(guided: Artifact, source: Picture) -> None:
    deep = Artifact(guided.path, device="cpu")
    deep.manifest["image"]["minimum_size"] = 33
    strip = Picture(np.zeros((20, 40, 3), np.float32))
    with pytest.raises(ImageError, match="the guide is 40x20 pixels and the layers in use need at least 33"):
        dream(deep, source, settings(), guide=strip)


def test_pictures_of_a_few_pixels(artifact: Artifact, guided: Artifact, source: Picture) -> None:
    dot = Picture.from_array(np.zeros((1, 1, 3), np.uint8))
    with pytest.raises(ImageError, match="the photo is 1x1 pixels"):
        dream(artifact, dot, settings())
    with pytest.raises(ImageError, match="the guide is 1x1 pixels"):
        dream(guided, source, settings(), guide=dot)
