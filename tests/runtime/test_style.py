"""Style transfer as a stream of events."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.breaking import break_at
from helpers.watching import shapes_seen

from pixelgrad.errors import DivergedError, ImageError, SettingsError
from pixelgrad.exporters import load_network, style_objective, write_artifact
from pixelgrad.runtime import Artifact, Picture, StyleSettings, read_image, style


@pytest.fixture
def artifact(style_artifact: Path) -> Artifact:
    return Artifact(style_artifact, device="cpu")


@pytest.fixture(scope="module")
def content(photo: Path) -> Picture:
    return read_image(photo)


@pytest.fixture(scope="module")
def painted(painting: Path) -> Picture:
    return read_image(painting)


def settings(**values: Any) -> StyleSettings:
    return StyleSettings(**{"size": 64, "steps": 12, "coarsest": 32, **values})


def test_events(artifact: Artifact, content: Picture, painted: Picture) -> None:
    events = list(style(artifact, content, [painted], settings()))
    assert [e.step for e in events] == list(range(1, 13))
    assert [(e.scale, e.width, e.height) for e in events if e.step in (1, 7, 12)] == [
        (1, 32, 21),
        (2, 45, 30),
        (3, 64, 43),
    ]
    assert {(e.steps, e.scales) for e in events} == {(12, 3)}
    assert all(a.progress < b.progress for a, b in pairwise(events))
    assert events[-1].progress == pytest.approx(1.0)
    assert all(a.seconds <= b.seconds for a, b in pairwise(events))
    assert set(events[0].losses) == {term.name for term in artifact.terms}
    assert events[0].losses["content.r3"] == pytest.approx(0, abs=1e-6)
    assert events[-1].picture().size == (64, 43)


def test_the_network_sees_multiples_of_its_stride_only(
    artifact: Artifact, content: Picture, painted: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though 64 x 43 is none: what a graph puts behind the last row would count among the statistics."""
    step = artifact.manifest["image"]["alignment"]
    assert step > 1
    shapes = shapes_seen(monkeypatch, artifact)
    events = list(style(artifact, content, [painted], settings(init="noise")))
    assert events[-1].picture().size == (64, 43)
    assert (44, 64) in shapes
    assert all(edge % step == 0 for shape in shapes for edge in shape)


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_the_loss_goes_down(artifact: Artifact, content: Picture, painted: Picture, optimizer: str) -> None:
    events = list(style(artifact, content, [painted], settings(steps=30, coarsest=64, optimizer=optimizer)))
    assert events[-1].loss < 0.5 * events[0].loss


def test_an_event_keeps_its_own_picture(artifact: Artifact, content: Picture, painted: Picture) -> None:
    events = list(style(artifact, content, [painted], settings(coarsest=64)))
    assert events[0].picture() != events[-1].picture()
    assert events[0].picture() == events[0].picture()


def test_the_same_seed_gives_the_same_picture(artifact: Artifact, content: Picture, painted: Picture) -> None:
    def last(seed: int) -> Picture:
        return list(style(artifact, content, [painted], settings(init="noise", seed=seed)))[-1].picture()

    assert last(3) == last(3)
    assert last(3) != last(4)


def test_starting_points(artifact: Artifact, content: Picture, painted: Picture) -> None:
    """One step of Adam moves a pixel by at most the learning rate."""
    one = settings(steps=1, coarsest=64, optimizer="adam", learning_rate=0.001)
    for init, start in (("content", content), (painted, painted)):
        first = next(style(artifact, content, [painted], settings(**{**one.__dict__, "init": init}))).picture()
        expected = start.resized(64, 43).pixels
        assert np.abs(first.pixels - expected).max() < 0.0015
    noise = next(style(artifact, content, [painted], settings(**{**one.__dict__, "init": "noise"}))).picture()
    assert noise.pixels.std() > 0.2


def test_several_styles_are_weighted(artifact: Artifact, content: Picture, painted: Picture) -> None:
    """All the weight on one style is that style alone."""
    other = Picture.from_array(np.random.default_rng(5).random((60, 60, 3), dtype=np.float32))
    alone = list(style(artifact, content, [painted], settings()))[-1].picture().pixels
    both = list(style(artifact, content, [painted, other], settings(style_weights=[1, 0])))[-1].picture().pixels
    np.testing.assert_array_equal(alone, both)
    mixed = list(style(artifact, content, [painted, other], settings()))[-1].picture().pixels
    assert np.abs(alone - mixed).max() > 0.05


def test_weights_of_a_kind_replace_the_artifacts_own(artifact: Artifact, content: Picture, painted: Picture) -> None:
    """Without style there is nothing to change but the smoothness."""
    plain = next(style(artifact, content, [painted], settings(coarsest=64)))
    still = next(style(artifact, content, [painted], settings(coarsest=64, style_weight=0, content_weight=0)))
    assert still.loss == pytest.approx(0.2 * still.losses["tv"], rel=1e-5)
    double = next(style(artifact, content, [painted], settings(coarsest=64, style_weight=2.0)))
    assert double.loss - plain.loss == pytest.approx(plain.loss - 0.2 * plain.losses["tv"], rel=1e-4)


def test_no_weight_for_a_kind_that_the_artifact_lacks(
    small_network: Path, content: Picture, painted: Picture, tmp_path: Path
) -> None:
    """To leave out what is not there is nothing to complain of; to weigh it is."""
    network = load_network(small_network)
    write_artifact(network, style_objective(network, content_weight=0), tmp_path / "style")
    lacking = Artifact(tmp_path / "style", device="cpu")
    assert next(style(lacking, content, [painted], settings(content_weight=0.0))).loss > 0
    with pytest.raises(SettingsError, match=r"has no content term, so its weight cannot be 0\.5"):
        style(lacking, content, [painted], settings(content_weight=0.5))


def test_alpha_is_kept(artifact: Artifact, content: Picture, painted: Picture) -> None:
    alpha = np.linspace(0, 1, content.size[0], dtype=np.float32)[None].repeat(content.size[1], 0)
    seen = Picture(content.pixels, alpha)
    result = list(style(artifact, seen, [painted], settings(steps=2)))[-1].picture()
    assert result.alpha is not None
    assert result.alpha.shape == (43, 64)
    np.testing.assert_allclose(result.alpha[20], np.linspace(0, 1, 64), atol=0.03)


def test_the_recipe_tells_all_and_no_paths(artifact: Artifact, content: Picture, painted: Picture, photo: Path) -> None:
    picture = list(style(artifact, content, [painted], settings(init=painted)))[-1].picture()
    recipe = picture.recipe
    assert recipe is not None
    assert recipe["settings"]["steps"] == 12
    assert recipe["settings"]["init"] == "picture"
    assert recipe["init_picture"] == recipe["styles"][0]
    assert recipe["network"]["sha256"] == artifact.manifest["network"]["sha256"]
    assert str(photo.parent) not in repr(recipe)
    assert "photo" not in repr(recipe)


@pytest.mark.parametrize(("optimizer", "advice"), [("adam", "try a lower --learning-rate"), ("lbfgs", "try other")])
def test_divergence_stops_with_the_last_good_image(
    artifact: Artifact,
    content: Picture,
    painted: Picture,
    monkeypatch: pytest.MonkeyPatch,
    optimizer: str,
    advice: str,
) -> None:
    """With advice on what the run depends on: L-BFGS has no learning rate."""
    break_at(monkeypatch, 4)
    seen = []
    message = rf"stopped being a number at step 4 of 12 \(32x21\); {advice}"
    with pytest.raises(DivergedError, match=message) as caught:
        seen.extend(style(artifact, content, [painted], settings(optimizer=optimizer)))
    assert len(seen) == 3
    np.testing.assert_array_equal(Picture.from_nchw(caught.value.image).pixels, seen[-1].picture().pixels)


BAD: list[tuple[dict[str, Any], str]] = [
    ({"size": 0}, "size is 0; it must be a whole number from 1 to 65535"),
    ({"steps": 0}, "steps is 0"),
    ({"steps": 1.5}, "steps is 1.5; it must be a whole number"),
    ({"seed": -1}, "seed is -1"),
    ({"learning_rate": 0}, "learning_rate is 0; it must be a number above 0"),
    ({"learning_rate": float("inf")}, "learning_rate is inf"),
    ({"learning_rate": 0.5, "optimizer": "lbfgs"}, "learning_rate is 0.5, and lbfgs finds its own steps"),
    ({"style_scale": -1}, "style_scale is -1"),
    ({"init": "contents"}, "init is 'contents'; it must be content or noise, or a picture"),
    ({"optimizer": "sgd"}, "the optimizer is 'sgd'"),
    ({"style_weights": [1, 2]}, r"style pictures: 1, style weights: \[1, 2\]"),
    ({"style_weights": [0]}, "not all zero"),
    ({"content_weight": -1}, "content_weight is -1"),
]


@pytest.mark.parametrize(("values", "message"), BAD, ids=[next(iter(v)) + f"-{i}" for i, (v, _) in enumerate(BAD)])
def test_bad_settings(
    artifact: Artifact, content: Picture, painted: Picture, values: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        style(artifact, content, [painted], settings(**values))


def test_no_style_at_all(artifact: Artifact, content: Picture) -> None:
    with pytest.raises(SettingsError, match="at least one style picture"):
        style(artifact, content, [], settings())


def test_a_strip_too_thin_for_the_network(painted: Picture, tmp_path: Path) -> None:
    """What cannot be done is said before the first step."""
    from helpers.data import shared

    network = load_network(shared("weights/vgg19_slim16x.onnx"))
    artifact = Artifact(write_artifact(network, style_objective(network), tmp_path / "style"), device="cpu")
    strip = Picture.from_array(np.zeros((8, 400, 3), np.uint8))
    with pytest.raises(ImageError, match="the image is 512x10 and the layers in use need at least 17 pixels"):
        style(artifact, strip, [painted], StyleSettings())
    dot = Picture.from_array(np.zeros((1, 1, 3), np.uint8))
    with pytest.raises(ImageError, match="the photo is 1x1 pixels; there is too little in it"):
        style(artifact, dot, [painted], StyleSettings())
    with pytest.raises(ImageError, match="the painting 2 is 400x8 pixels and the layers in use need at least 17 along"):
        style(artifact, painted, [painted, strip], StyleSettings())
    # One that is large enough stays so at every scale.
    panorama = Picture.from_array(np.random.default_rng(2).random((20, 400, 3), dtype=np.float32))
    square = Picture.from_array(np.random.default_rng(3).random((40, 40, 3), dtype=np.float32))
    assert next(style(artifact, square, [panorama], StyleSettings(size=128, coarsest=32, steps=5))).loss > 0
    with pytest.raises(ImageError, match="painting 2 is 1x1"):
        style(artifact, painted, [painted, dot], StyleSettings())
