"""Texture synthesis as a stream of events."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from helpers.watching import shapes_seen

import pixelgrad
from pixelgrad.errors import ImageError, SettingsError
from pixelgrad.exporters import load_network, texture_objective, write_artifact
from pixelgrad.runtime import Artifact, Picture, TextureSettings, read_image, texture, texture_row
from pixelgrad.runtime.artifact import Evaluation
from pixelgrad.runtime.wrapping import Wrapped, border


@pytest.fixture(scope="module")
def artifact(small_network: Path, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    network = load_network(small_network)
    objective = texture_objective(network, layers=["relu1_1", "pool1", "pool2"])
    return Artifact(write_artifact(network, objective, tmp_path_factory.mktemp("texture") / "a"), device="cpu")


@pytest.fixture(scope="module")
def source(painting: Path) -> Picture:
    return read_image(painting)


def settings(**values: Any) -> TextureSettings:
    return TextureSettings(**{"size": (56, 48), "steps": 12, "coarsest": 40, **values})


def last(artifact: Artifact, source: Picture, **values: Any) -> Picture:
    return list(texture(artifact, source, settings(**values)))[-1].picture()


def test_events(artifact: Artifact, source: Picture) -> None:
    events = list(texture(artifact, source, settings()))
    assert [e.step for e in events] == list(range(1, 13))
    assert [(e.scale, e.width, e.height) for e in (events[0], events[-1])] == [(1, 40, 34), (2, 56, 48)]
    assert set(events[0].losses) == {"texture.r1", "texture.p1", "texture.p2", "texture.grain"}
    assert events[-1].progress == pytest.approx(1.0)
    result = events[-1].picture()
    assert result.size == (56, 48)
    recipe = result.recipe
    assert recipe is not None
    assert (recipe["task"], recipe["settings"]["size"], len(recipe["source"])) == ("texture", [56, 48], 64)


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_the_loss_goes_down(artifact: Artifact, source: Picture, optimizer: str) -> None:
    events = list(texture(artifact, source, settings(steps=40, coarsest=64, optimizer=optimizer)))
    assert events[-1].loss < 0.1 * events[0].loss


def test_the_size_is_free_and_the_source_s_by_default(artifact: Artifact, source: Picture) -> None:
    assert last(artifact, source, size=(130, 33), steps=2).size == (130, 33)
    assert last(artifact, source, size=None, steps=2).size == source.size == (80, 70)
    assert last(artifact, source, size=None, source_size=40, steps=2).size == (40, 35)
    assert last(artifact, source, size=None, source_size=400, steps=2).size == (80, 70)


def test_it_starts_from_noise_in_the_colours_of_the_source(artifact: Artifact) -> None:
    two = np.zeros((64, 64, 3), np.float32)
    two[:, :16] = (1.0, 0.5, 0.0)
    events = texture(artifact, Picture(two), settings(steps=1, optimizer="adam", learning_rate=1e-6))
    pixels = next(events).picture().pixels
    orange = (np.abs(pixels - np.float32([1, 0.5, 0])) < 1e-4).all(axis=2)
    black = (pixels < 1e-4).all(axis=2)
    assert (orange | black).all()
    assert orange.mean() == pytest.approx(0.25, abs=0.05)


def test_the_same_seed_gives_the_same_picture(artifact: Artifact, source: Picture) -> None:
    assert last(artifact, source, seed=3) == last(artifact, source, seed=3)
    assert last(artifact, source, seed=3) != last(artifact, source, seed=4)


def test_the_source_s_own_loss_is_zero(artifact: Artifact, source: Picture) -> None:
    """Its own statistics are the target; half of it, rearranged in place, is nearly as good."""
    image = source.to_nchw()
    targets = artifact.targets(image)
    assert artifact.evaluate(image, targets).loss < 1e-9
    noise = np.random.default_rng(0).random(image.shape, dtype=np.float32)
    assert artifact.evaluate(np.roll(image, 24, 3), targets).loss < 0.05 * artifact.evaluate(noise, targets).loss


def test_histograms_match_where_asked(artifact: Artifact, source: Picture) -> None:
    found = last(artifact, source, size=None, steps=3, match_histogram=True)
    for channel in range(3):
        a, b = (np.sort(p.pixels[..., channel], axis=None) for p in (found, source))
        assert np.abs(a - b).mean() < 2e-3
    plain = last(artifact, source, size=None, steps=3)
    assert np.abs(np.sort(plain.pixels, axis=None) - np.sort(source.pixels, axis=None)).mean() > 5e-3


def seam(picture: Picture) -> float:
    """How much larger the step across the wrapped edges is than the usual step between neighbours."""
    x = picture.pixels.astype(np.float64)
    across = np.abs(x[:, 0] - x[:, -1]).mean() + np.abs(x[0] - x[-1]).mean()
    usual = np.abs(np.diff(x, axis=1)).mean() + np.abs(np.diff(x, axis=0)).mean()
    return float(across / usual)


def test_a_tileable_texture_has_no_seams(artifact: Artifact, source: Picture) -> None:
    plain = last(artifact, source, steps=60, coarsest=64)
    tiles = last(artifact, source, steps=60, coarsest=64, tileable=True)
    assert seam(tiles) < 1.3 < seam(plain)


def test_whoever_asks_for_a_tile_gets_an_artifact_for_it(
    source: Picture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[Any] = []
    evaluate = Artifact.evaluate

    def spy(self: Artifact, image: Any, targets: Any, weights: Any = None) -> Evaluation:
        counted.append(targets["mask.1"])
        return evaluate(self, image, targets, weights)

    monkeypatch.setenv("PIXELGRAD_HOME", str(tmp_path))
    monkeypatch.setattr(Artifact, "evaluate", spy)
    pixelgrad.texture(source, size=(32, 48), steps=1, tileable=True)
    (mask,) = counted
    assert mask.sum() == 32 * 48 < mask.size


class Linear:
    """In an artifact's place: a loss that weighs every pixel it is shown, so that its gradient is exact."""

    manifest: ClassVar[dict[str, Any]] = {"layers": {"a": {"receptive_field": 25}}, "image": {"alignment": 4}}
    terms = ()

    def evaluate(self, image: Any, targets: Any, weights: Any = None) -> Evaluation:
        assert image.shape[2] % 4 == image.shape[3] % 4 == 0
        ramp = np.arange(image.size, dtype=np.float64).reshape(image.shape) / image.size
        return Evaluation(float((image * ramp).sum()), {}, ramp)


@pytest.mark.parametrize(("height", "width"), [(21, 30), (9, 64), (40, 8)])
def test_the_gradient_of_a_wrapped_picture(height: int, width: int) -> None:
    """Every copy of a pixel counts: along random directions, the gradient says by how much the loss changes."""
    eyes, rng = Wrapped(Linear()), np.random.default_rng(0)  # type: ignore[arg-type]
    image, way = rng.normal(size=(2, 1, 3, height, width))
    found = eyes.evaluate(image, {})
    assert found.gradient.shape == image.shape
    change = eyes.evaluate(image + way, {}).loss - found.loss
    assert change == pytest.approx(float(np.vdot(found.gradient, way)), rel=1e-6)


@pytest.mark.parametrize(("field", "pixels"), [(25, 16), (207, 104), (252, 128), (600, 128)])
def test_a_picture_is_continued_as_far_as_layers_look(field: int, pixels: int) -> None:
    """In whole strides; where that is very far, what lies there hardly counts."""
    linear = Linear()
    linear.manifest = {**Linear.manifest, "layers": {"a": {"receptive_field": field}}}  # type: ignore[misc]
    assert border(linear) == pixels  # type: ignore[arg-type]


@pytest.fixture(scope="module", params=["moments", "gram"])
def tile(request: pytest.FixtureRequest, small_network: Path, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    network = load_network(small_network)
    objective = texture_objective(network, loss=request.param, layers=["relu1_1", "pool1", "pool2"], tileable=True)
    return Artifact(write_artifact(network, objective, tmp_path_factory.mktemp("tile") / "a"), device="cpu")


def test_a_plane_of_tiles_begins_nowhere(tile: Artifact, source: Picture) -> None:
    """Wherever the tile is cut out of the plane, loss and gradient are the same: no edge of the copies counts."""
    eyes, targets = Wrapped(tile), tile.targets(source.resized(48, 48).to_nchw())
    image = np.random.default_rng(0).random((1, 3, 24, 32), dtype=np.float32)
    found = eyes.evaluate(image, targets)
    for shift in ((4, 0), (12, 20)):
        moved = eyes.evaluate(np.roll(image, shift, (2, 3)), targets)
        assert moved.loss == pytest.approx(found.loss, rel=1e-5)
        expected = np.roll(found.gradient, shift, (2, 3))
        np.testing.assert_allclose(moved.gradient, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def test_masks_lie_where_layers_look(source: Picture, tmp_path: Path) -> None:
    """The same of the bundled network, whose maps are larger than the image: they begin a position before it."""
    network = pixelgrad.load_network("pebble")
    objective = texture_objective(network, layers=["relu1_1", "relu2_1", "relu3_1"], tileable=True)
    artifact = Artifact(write_artifact(network, objective, tmp_path / "a"), device="cpu")
    eyes, targets = Wrapped(artifact), artifact.targets(source.resized(48, 48).to_nchw())
    image = np.random.default_rng(0).random((1, 3, 24, 32), dtype=np.float32)
    found, moved = eyes.evaluate(image, targets), eyes.evaluate(np.roll(image, (8, 12), (2, 3)), targets)
    assert moved.loss == pytest.approx(found.loss, rel=1e-5)
    expected = np.roll(found.gradient, (8, 12), (2, 3))
    assert np.linalg.norm(moved.gradient - expected) < 1e-3 * np.linalg.norm(expected)


@pytest.mark.parametrize("tileable", [False, True])
def test_a_network_sees_multiples_of_its_stride_only(
    artifact: Artifact, tile: Artifact, source: Picture, monkeypatch: pytest.MonkeyPatch, tileable: bool
) -> None:
    """Of any size, at every scale: what a graph puts behind the last row would count, and show as dots there."""
    chosen = tile if tileable else artifact
    step = chosen.manifest["image"]["alignment"]
    assert step == 4
    shapes = shapes_seen(monkeypatch, chosen)
    events = list(texture(chosen, source, settings(size=(57, 43), tileable=tileable)))
    assert events[-1].picture().size == (57, 43)
    assert len(shapes) >= 3
    assert all(edge % step == 0 for shape in shapes for edge in shape)


@pytest.mark.parametrize("size", [(24, 32), (23, 30)])
def test_a_tile_counts_as_it_does_amid_the_plane(tile: Artifact, source: Picture, size: tuple[int, int]) -> None:
    """The loss is that of a plane of tiles but for its edges, and for where poolings cut tiles of odd sizes."""
    eyes, targets = Wrapped(tile), tile.targets(source.resized(48, 48).to_nchw())
    image = source.resized(*size).to_nchw()
    way = np.random.default_rng(0).random(image.shape, dtype=np.float32)
    found, plane = eyes.evaluate(image, targets), tile.evaluate(np.tile(image, (1, 1, 30, 30)), targets)
    odd = 0.15 if tile.manifest["objective"]["settings"]["loss"] == "gram" else 0.2
    assert found.loss == pytest.approx(plane.loss, rel=0.03 if size == (24, 32) else odd)
    ahead, behind = (eyes.evaluate(image + step * way, targets).loss for step in (1e-3, -1e-3))
    assert (ahead - behind) / 2e-3 == pytest.approx(float(np.vdot(found.gradient, way)), rel=0.02)


def test_a_row_shows_the_source_and_one_texture_each(artifact: Artifact, source: Picture) -> None:
    events = list(texture_row({"relu1_1": artifact, "+ pool2": artifact}, source, settings(steps=4)))
    assert [e.step for e in events] == list(range(1, 9))
    assert {(e.scales, e.steps) for e in events} == {(4, 8)}
    across = round(source.size[0] * 48 / source.size[1])  # as high as the textures
    widths = [e.picture().size[0] for e in events]
    assert widths[0] == 12 + across + 8 + 40 + 12
    assert widths[-1] == 12 + across + 8 + 56 + 8 + 56 + 12
    single = last(artifact, source, steps=4)
    page = events[-1].picture()
    begins = 12 + across + 8
    np.testing.assert_array_equal(page.pixels[12:60, begins : begins + 56], single.pixels)
    np.testing.assert_array_equal(page.pixels[12:60, 12 : 12 + across], source.resized(across, 48).pixels)
    assert page.recipe is not None
    assert len(page.recipe["strip"]) == 2


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"size": (4, 300)}, "size is .4, 300.; it must be .width, height. in pixels, from 8 to 65535 each"),
        ({"size": (64.0, 64)}, "size is"),
        ({"source_size": 0}, "source_size is 0"),
        ({"steps": 0}, "steps is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"learning_rate": 0.0}, "learning_rate is 0"),
        ({"optimizer": "sgd"}, "the optimizer is 'sgd'"),
    ],
)
def test_bad_settings(artifact: Artifact, source: Picture, values: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        texture(artifact, source, settings(**values))


def test_bad_pictures(artifact: Artifact) -> None:
    dot = Picture(np.zeros((1, 1, 3), np.float32))
    with pytest.raises(ImageError, match="the texture is 1x1 pixels"):
        texture(artifact, dot)
    deep = Artifact(artifact.path, device="cpu")
    deep.manifest["image"]["minimum_size"] = 33
    strip = Picture(np.zeros((20, 40, 3), np.float32))
    with pytest.raises(ImageError, match="the texture is 40x20 pixels and the layers in use need at least 33"):
        texture(deep, strip, settings(size=(128, 128)))
    with pytest.raises(ImageError, match="the result is 128x16 pixels and the layers in use need at least 33"):
        texture(deep, Picture(np.zeros((40, 40, 3), np.float32)), settings(size=(128, 16)))
    with pytest.raises(SettingsError, match="at least one artifact"):
        texture_row({}, dot)
