"""Feature visualisation as a stream of events."""

from __future__ import annotations

import hashlib
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.breaking import break_at
from helpers.networks import chain

from pixelgrad.errors import SettingsError
from pixelgrad.exporters import load_network, visualize_objective, write_artifact
from pixelgrad.runtime import Artifact, Unit, VisualizeSettings, visualize

CLASSES = 5


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return chain(tmp_path_factory.mktemp("net") / "net.onnx", classes=CLASSES)


@pytest.fixture(scope="module")
def make(network: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """An artifact of the small classifier, by the arguments of ``visualize_objective``; each is written once."""
    made: dict[str, Artifact] = {}

    def artifact(layer: str | None = None, **values: Any) -> Artifact:
        key = repr((layer, sorted(values.items())))
        if key not in made:
            loaded = load_network(network, preprocess="rgb")
            folder = tmp_path_factory.mktemp("artifact") / "visualize"
            write_artifact(loaded, visualize_objective(loaded, layer, **values), folder)
            made[key] = Artifact(folder, device="cpu")
        return made[key]

    return artifact


def settings(**values: Any) -> VisualizeSettings:
    return VisualizeSettings(**{"size": 32, "coarsest": 16, "steps": 12, "jitter": 2, **values})


def units(*indices: int) -> list[Unit]:
    return [Unit(index, f"unit {index}") for index in indices]


def test_events(make: Any) -> None:
    events = list(visualize(make(unit="class"), units(0, 3), settings()))
    assert [event.step for event in events] == list(range(1, 25))
    assert [(e.scale, e.width) for e in events if e.step in (1, 7, 10, 13, 24)] == [
        (1, 16),
        (2, 23),
        (3, 32),
        (1, 16),
        (3, 32),
    ]
    assert {event.scales for event in events} == {3}
    assert all(a.progress < b.progress for a, b in pairwise(events))
    assert events[-1].progress == pytest.approx(1)
    assert [seen.unit.index for seen in events[3].seen()] == [0]
    assert [seen.unit.index for seen in events[-1].seen()] == [0, 3]
    assert events[11].seen()[0].picture == events[-1].seen()[0].picture
    assert events[-1].picture().size[0] > 64


@pytest.mark.parametrize(
    ("channels", "unit", "coarse"),
    [((4,) * 3, "class", False), ((4,) * 7, "class", True), ((4,) * 3, "channel", True)],
    ids=["sees less than a thing", "sees all", "is no class"],
)
def test_coarse_scales_are_for_those_who_see_all_of_a_thing(
    tmp_path: Path, channels: tuple[int, ...], unit: str, coarse: bool
) -> None:
    """Three blocks see 22 pixels, seven 382."""
    network = load_network(chain(tmp_path / "net.onnx", channels=channels, classes=CLASSES), preprocess="rgb")
    objective = visualize_objective(network, None if unit == "class" else "r3", unit=unit)
    artifact = Artifact(write_artifact(network, objective, tmp_path / "artifact"), device="cpu")
    first = next(visualize(artifact, units(0), VisualizeSettings(size=224, steps=3)))
    assert (first.scales > 1) == coarse
    asked = next(visualize(artifact, units(0), VisualizeSettings(size=224, steps=3, coarsest=112)))
    assert asked.scales > 1


@pytest.mark.parametrize("parameters", ["fourier", "maco", "pixels"])
@pytest.mark.parametrize("unit", ["channel", "neuron", "class"])
def test_the_unit_responds_more_than_at_the_start(make: Any, unit: str, parameters: str) -> None:
    artifact = make(None if unit == "class" else "r3", unit=unit)
    rate = {"fourier": 0.1, "maco": 0.3, "pixels": 0.1}[parameters]
    how = settings(steps=40, coarsest=32, jitter=1, parameters=parameters, learning_rate=rate)
    events = list(visualize(artifact, units(2), how))
    kind = next(name for name in events[0].losses if name.startswith(unit))
    before, after = (np.mean([event.losses[kind] for event in part]) for part in (events[:5], events[-5:]))
    assert after < before - 0.02 * abs(before)


def test_the_picture_is_of_the_unit_that_was_asked_for(make: Any) -> None:
    """Each class scores higher on its own picture than any other picture does."""
    artifact = make(unit="class", rivals_weight=0.0)
    how = settings(steps=60, coarsest=32, jitter=0, scale=(1.0, 1.0), rotate=0.0, learning_rate=0.1)
    pictures = [seen.picture for seen in list(visualize(artifact, units(*range(CLASSES)), how))[-1].seen()]
    (target,) = artifact.given
    scores = np.empty((CLASSES, CLASSES))
    for row, picture in enumerate(pictures):
        for column in range(CLASSES):
            direction = np.eye(CLASSES, dtype=np.float32)[column : column + 1]
            scores[row, column] = -artifact.evaluate(picture.to_nchw(), {target: direction}).loss
    np.testing.assert_array_equal(scores.argmax(0), np.arange(CLASSES))


def test_a_batch_gives_the_same_pictures_as_one_after_the_other(make: Any) -> None:
    how = settings(steps=6)
    single = list(visualize(make(unit="class"), units(0, 3, 1), how))[-1].seen()
    batch = list(visualize(make(unit="class", batch=2), units(0, 3, 1), how))[-1].seen()
    assert [seen.unit for seen in batch] == [seen.unit for seen in single]
    for one, other in zip(single, batch, strict=True):
        np.testing.assert_allclose(one.picture.pixels, other.picture.pixels, atol=2e-3)


def test_the_pictures_of_a_batch_that_is_not_full_are_the_same(make: Any) -> None:
    """Its empty places, which have no gradient, take nothing from the noise of the others."""
    artifact, how = make("r3", unit="channel", batch=2), settings(steps=6)
    full = list(visualize(artifact, units(0, 1), how))[-1].seen()
    alone = list(visualize(artifact, units(0), how))[-1].seen()
    assert alone[0].picture == full[0].picture


def test_the_seed_decides(make: Any) -> None:
    def last(seed: int) -> Any:
        return list(visualize(make(unit="class"), units(1), settings(seed=seed)))[-1].picture()

    assert last(3) == last(3)
    assert last(3) != last(4)


def test_diversity_makes_pictures_of_one_unit_differ(make: Any) -> None:
    """The cosine between their Gram matrices is less with the term than without its weight."""
    artifact = make("r3", batch=3, diversity_weight=1.0)
    how = {"steps": 40, "coarsest": 32, "learning_rate": 0.1}
    plain, diverse = (
        list(visualize(artifact, units(2), settings(**how, diversity_weight=weight)))[-1] for weight in (0.0, 10.0)
    )
    assert diverse.losses["diversity.r3"] < 0.95 * plain.losses["diversity.r3"]
    seen = diverse.seen()
    assert [(s.unit.index, s.number) for s in seen] == [(2, 1), (2, 2), (2, 3)]
    assert seen[0].picture != seen[1].picture


def test_priors_smooth_and_soften(make: Any) -> None:
    def pixels(layer: str, kind: str, weight: float) -> Any:
        artifact = make(layer, **{f"{kind}_weight": 1.0})
        how = settings(steps=40, coarsest=32, learning_rate=0.2, parameters="pixels", **{f"{kind}_weight": weight})
        return list(visualize(artifact, units(2), how))[-1].picture().pixels

    def roughness(picture: Any) -> float:
        return float(np.abs(np.diff(picture, axis=0)).mean())

    def glare(picture: Any) -> float:
        return float((np.abs(2 * picture - 1) ** 6).mean())

    assert roughness(pixels("r3", "tv", 300.0)) < 0.7 * roughness(pixels("r3", "tv", 0.0))
    assert glare(pixels("r3", "norm", 300.0)) < 0.7 * glare(pixels("r3", "norm", 0.0))


def test_views_are_averaged(make: Any) -> None:
    """With two views a step, the picture changes at every second gradient only."""
    events = list(visualize(make(unit="class"), units(0), settings(steps=4, coarsest=32, views=2)))
    pictures = [event.picture().pixels for event in events]
    np.testing.assert_array_equal(pictures[1], pictures[2])
    assert np.abs(pictures[0] - pictures[1]).max() > 0


def test_maco_has_defaults_of_its_own_and_a_mask(make: Any) -> None:
    """One scale, and transparent where nothing was asked for; each can be had otherwise."""
    how = {"parameters": "maco", "coarsest": None}
    events = list(visualize(make(unit="class"), units(0), settings(**how)))
    assert {event.scales for event in events} == {1}
    last = events[-1].picture()
    assert last.alpha is not None
    assert last.alpha.min() == 0
    assert last.alpha.max() == 1
    assert last.recipe is not None
    assert last.recipe["settings"]["learning_rate"] == 0.6
    opaque = list(visualize(make(unit="class"), units(0), settings(**how, fade=False)))[-1].picture()
    assert opaque.alpha is None
    np.testing.assert_array_equal(opaque.pixels, last.pixels)
    faded = list(visualize(make(unit="class"), units(0), settings(fade=True)))[-1].picture()
    assert faded.alpha is not None


def test_the_defaults_of_maco_are_crops() -> None:
    """Of 58 to 97% of the picture's edge; what is given wins."""
    manner = VisualizeSettings(parameters="maco").manner(384, 224)
    assert [224 / (384 * scale) for scale in manner.scale] == pytest.approx([0.97, 0.58])
    assert (manner.jitter, manner.rotate, manner.noise) == (96, 0, 0.05)
    given = VisualizeSettings(parameters="maco", jitter=0, scale=(1.0, 2.0), rotate=5.0, noise=0.0).manner(384, 224)
    assert (given.jitter, given.scale, given.rotate, given.noise) == (0, (1, 2), 5, 0)
    others = VisualizeSettings().manner(384, 224)
    assert (others.jitter, others.scale, others.rotate) == (16, (0.95, 1.25), 5)


def test_maco_looks_at_crops_around_the_middle(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The network sees views of their own size, and what is in the corners of the picture hardly ever."""
    artifact, shapes = make(unit="class"), set()
    evaluate = artifact.evaluate

    def watched(image: Any, *rest: Any) -> Any:
        shapes.add(image.shape)
        return evaluate(image, *rest)

    monkeypatch.setattr(artifact, "evaluate", watched)
    how = VisualizeSettings(parameters="maco", size=64, view=40, steps=60)
    picture = list(visualize(artifact, units(0), how))[-1].picture()
    assert shapes == {(1, 3, 40, 40)}
    assert picture.size == (64, 64)
    assert picture.alpha is not None
    corners = [
        picture.alpha[down, across].mean()
        for down in (slice(12), slice(52, 64))
        for across in (slice(12), slice(52, 64))
    ]
    assert np.mean(corners) < 0.3 * picture.alpha[20:44, 20:44].mean()


def test_a_network_that_takes_one_size(tmp_path: Path) -> None:
    path = chain(tmp_path / "fixed.onnx", classes=4, size=32, flatten=True)
    network = load_network(path, preprocess="rgb")
    artifact = Artifact(
        write_artifact(network, visualize_objective(network, unit="class"), tmp_path / "a"), device="cpu"
    )
    assert artifact.fixed_size == (32, 32)
    event = list(visualize(artifact, units(1), settings(size=None, steps=4)))[-1]
    assert event.picture().size == (32, 32)
    assert event.scales == 1


def test_the_recipe_names_the_unit_and_no_paths(make: Any) -> None:
    recipe = list(visualize(make(unit="class"), units(1), settings(steps=2)))[-1].picture().recipe
    assert recipe is not None
    assert recipe["task"] == "visualize"
    assert recipe["unit"] == {"index": 1, "name": "unit 1", "number": 1}
    assert recipe["settings"]["steps"] == 2
    assert "/" not in recipe["network"]["name"]


def test_divergence_is_reported(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from pixelgrad.errors import DivergedError

    break_at(monkeypatch, 1)
    with pytest.raises(DivergedError, match=r"stopped being a number at step 1 of 12 \(16x16\); try a lower"):
        list(visualize(make(unit="class"), units(0), settings()))


BAD: list[tuple[dict[str, Any], str]] = [
    ({"size": 4}, "size is 4; it must be a whole number from 8 to 65535"),
    ({"steps": 0}, "steps is 0"),
    ({"jitter": -1}, "jitter is -1"),
    ({"jitter": 1.5}, "jitter is 1.5; it must be a whole number"),
    ({"parameters": "wavelet"}, "the parameters is 'wavelet'; it must be one of fourier, maco, pixels"),
    ({"parameters": "maco", "cut": 0.0}, "cut is of the parameters fourier, and these are maco; leave it out"),
    ({"parameters": "pixels", "decay": 2.0}, "decay is of the parameters fourier and maco, and these are pixels"),
    ({"learning_rate": 0.0}, "learning_rate is 0.0; it must be a number above 0"),
    ({"scale": (1.2, 0.8)}, r"scale is \(1.2, 0.8\); it must be the least and the most magnification"),
    ({"scale": (0.0, 1.0)}, r"scale is \(0.0, 1.0\)"),
    ({"rotate": float("nan")}, "rotate is nan"),
    ({"noise": -0.1}, "noise is -0.1"),
    ({"views": 0}, "views is 0"),
    ({"views": 13}, "views is 13 and there are 12 steps"),
    ({"tv_weight": -1.0}, "tv_weight is -1.0"),
    ({"tv_weight": 1.0}, "the artifact has no tv term, so its weight cannot be 1.0; export it with one"),
]


@pytest.mark.parametrize(("values", "message"), BAD, ids=[f"{next(iter(v))}-{i}" for i, (v, _) in enumerate(BAD)])
def test_bad_settings(make: Any, values: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        visualize(make(unit="class"), units(0), settings(**values))


def test_units_that_are_not_there(make: Any) -> None:
    with pytest.raises(SettingsError, match="there is no class 5: 'logits' of net has class 0 to 4"):
        visualize(make(unit="class"), units(5), settings())
    with pytest.raises(SettingsError, match="there is no channel 99"):
        visualize(make("r1"), units(99), settings())
    with pytest.raises(SettingsError, match="name at least one class"):
        visualize(make(unit="class"), [], settings())


def test_directions_are_followed(make: Any) -> None:
    """Of a mixture of channels the picture has both; a length makes no difference; the recipe tells them apart."""
    artifact = make("r2", unit="direction")
    mixture = np.zeros(12, np.float32)
    mixture[[2, 5]] = 3.0, 4.0
    asked = [Unit(0, "both", mixture), Unit(1, "one", np.eye(12)[2]), Unit(2, "both again", list(mixture / 7))]
    how = settings(steps=60, coarsest=32, jitter=0, scale=(1.0, 1.0), rotate=0.0)
    seen = list(visualize(artifact, asked, how))[-1].seen()
    assert seen[0].picture.pixels == pytest.approx(seen[2].picture.pixels, abs=1e-4)
    (target,) = artifact.given
    losses = [artifact.evaluate(one.picture.to_nchw(), {target: mixture[None]}).loss for one in seen]
    assert losses[0] < losses[1] < 0
    recipes = [one.picture.recipe for one in seen]
    assert all(recipe is not None for recipe in recipes)
    hashes = [recipe["unit"]["direction"] for recipe in recipes if recipe is not None]
    assert len(set(hashes)) == 3
    assert hashes[0] == hashlib.sha256(mixture.tobytes()).hexdigest()


@pytest.mark.parametrize(
    ("direction", "message"),
    [
        (None, "north is 0 numbers; it must be 12, one for each channel of 'r2' of net"),
        (np.ones(8), "north is 8 numbers; it must be 12"),
        (np.ones((1, 12)), "north is 1x12 numbers; it must be 12"),
        (np.zeros(12), "north leads nowhere; its numbers must be finite, and not all of them zero"),
        ([np.nan] * 12, "north leads nowhere"),
    ],
)
def test_directions_that_are_none(make: Any, direction: Any, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        visualize(make("r2", unit="direction"), [Unit(0, "north", direction)], settings())


def test_an_artifact_for_something_else(style_artifact: Path) -> None:
    with pytest.raises(SettingsError, match="the artifact is for style; export one with pixelgrad export visualize"):
        visualize(Artifact(style_artifact, device="cpu"), units(0), settings())
