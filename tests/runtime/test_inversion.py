"""Reconstruction from features as a stream of events."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.data import shared
from helpers.networks import chain

from pixelgrad.errors import ImageError, SettingsError
from pixelgrad.exporters import inversion_objective, load_network, write_artifact
from pixelgrad.runtime import Artifact, InversionSettings, Picture, invert, invert_depth, read_image

Array = np.ndarray[Any, Any]


def artifact_at(network: Path, layer: str, folder: Path, **objective: Any) -> Artifact:
    loaded = load_network(network, preprocess="rgb")
    return Artifact(write_artifact(loaded, inversion_objective(loaded, layer, **objective), folder), device="cpu")


@pytest.fixture(scope="module")
def artifact(small_network: Path, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return artifact_at(small_network, "relu2_1", tmp_path_factory.mktemp("inversion") / "a")


@pytest.fixture(scope="module")
def original(photo: Path) -> Picture:
    return read_image(photo)


def settings(**values: Any) -> InversionSettings:
    return InversionSettings(**{"size": 48, "steps": 24, **values})


def test_events(artifact: Artifact, original: Picture) -> None:
    events = list(invert(artifact, original, settings()))
    assert [e.step for e in events] == list(range(1, 25))
    assert set(events[0].losses) == {"content.r2", "alpha", "tv"}
    assert all(not e.measures for e in events[:-1])
    assert events[-1].progress == pytest.approx(1.0)
    assert events[-1].picture().size == (48, 32)


def test_the_error_is_that_of_the_picture(artifact: Artifact, original: Picture) -> None:
    """||phi(x) - phi0||^2 / ||phi0||^2, from the features themselves."""
    event = list(invert(artifact, original, settings()))[-1]
    picture = event.picture()
    (mine,), (wanted,) = (
        artifact.targets(image).values() for image in (picture.to_nchw(), original.resized(48, 32).to_nchw())
    )
    expected = float(((mine - wanted) ** 2).sum() / (wanted**2).sum())
    assert event.measures == {"error.r2": pytest.approx(expected, rel=1e-3)}
    assert event.losses["content.r2"] == event.measures["error.r2"]
    recipe = picture.recipe
    assert recipe is not None
    assert (recipe["task"], recipe["error"]) == ("inversion", event.measures["error.r2"])


def test_a_shallow_layer_gives_the_picture_back(small_network: Path, original: Picture, tmp_path: Path) -> None:
    shallow = artifact_at(small_network, "relu1_1", tmp_path / "a")
    event = list(invert(shallow, original, settings(steps=200, tv_weight=0.01)))[-1]
    assert event.measures["error.r1"] < 0.03
    wanted = original.resized(48, 32).pixels
    assert np.corrcoef(event.picture().pixels.ravel(), wanted.ravel())[0, 1] > 0.85


def test_no_dots_behind_pooling(tmp_path: Path) -> None:
    """A strong alpha-norm greys the picture by fine waves, which a layer behind pooling hardly sees."""
    photo = read_image(shared("images/photos/coffee.png")).flattened()
    wanted = photo.resized(96, 64).to_nchw()
    network = load_network(shared("weights/vgg19_slim16x.onnx"))
    artifact = Artifact(write_artifact(network, inversion_objective(network, "relu2_1"), tmp_path / "a"), device="cpu")
    waves = np.hypot(np.fft.fftfreq(64)[:, None], np.fft.rfftfreq(96))

    def fine(image: Array) -> float:
        return float((np.abs(np.fft.rfft2(image[0])) ** 2)[:, waves > 0.25].sum())

    def found(**values: Any) -> tuple[float, float, float]:
        """The fine waves that are wrong, as a share of the photo's; PSNR; and the error at the layer."""
        event = list(invert(artifact, photo, settings(size=96, steps=60, **values)))[-1]
        away = event.picture().to_nchw() - wanted
        psnr = -10 * np.log10(float(np.square(away).mean()))
        return fine(away) / fine(wanted), psnr, event.measures["error.relu2_1"]

    (dots, psnr, error), (published_dots, published_psnr, published_error) = found(), found(alpha_weight=0.001)
    assert dots < 0.3 < 0.6 < published_dots
    assert published_psnr + 6 < 28 < psnr
    assert error < 0.1 * published_error


def test_the_alpha_norm_goes_by_the_layer_and_the_photo(tmp_path: Path, small_network: Path) -> None:
    """What the recipe says was used: (stride / 8)^3 of the artifact's, less where the photo is far from grey."""
    from_shallow = artifact_at(small_network, "relu2_1", tmp_path / "a")

    def used(artifact: Artifact, picture: Picture, **values: Any) -> float:
        recipe = list(invert(artifact, picture, settings(steps=1, **values)))[-1].picture().recipe
        assert recipe is not None
        return float(recipe["settings"]["alpha_weight"])

    grey = Picture(np.full((32, 48, 3), 0.5, np.float32))
    white = Picture(np.ones((32, 48, 3), np.float32))
    assert used(from_shallow, grey) == pytest.approx(0.001 / 4**3)
    away = (np.linalg.norm(1 - np.array([0.485, 0.456, 0.406])) * 255 / 80) ** 6
    assert used(from_shallow, white) == pytest.approx(0.001 / 4**3 / (away / 2), rel=1e-4)
    assert used(from_shallow, white, alpha_weight=0.001) == 0.001
    bare = artifact_at(small_network, "relu2_1", tmp_path / "bare", alpha_weight=0)
    recipe = list(invert(bare, grey, settings(steps=1)))[-1].picture().recipe
    assert recipe is not None
    assert recipe["settings"]["alpha_weight"] is None


@pytest.mark.parametrize(("layer", "shift"), [("r4", 0), ("r5", 4)], ids=["stride 8", "stride 16"])
def test_only_deep_layers_are_shifted(original: Picture, tmp_path: Path, layer: str, shift: int) -> None:
    artifact = artifact_at(chain(tmp_path / "net.onnx", channels=(4,) * 5), layer, tmp_path / "artifact")
    recipe = list(invert(artifact, original, settings(steps=1)))[-1].picture().recipe
    assert recipe is not None
    assert recipe["settings"]["jitter"] == shift


@pytest.mark.parametrize("values", [{"jitter": 2}, {"learning_rate": 0.05}, {}])
def test_the_error_goes_down(artifact: Artifact, original: Picture, values: dict[str, Any]) -> None:
    events = list(invert(artifact, original, settings(steps=60, **values)))
    assert events[-1].measures["error.r2"] < 0.7 * events[0].losses["content.r2"]


def test_the_same_seed_gives_the_same_picture(artifact: Artifact, original: Picture) -> None:
    def last(**values: Any) -> Picture:
        return list(invert(artifact, original, settings(**values)))[-1].picture()

    assert last(seed=3) == last(seed=3)
    assert last(seed=3) != last(seed=4)
    assert last(jitter=2) == last(jitter=2)
    assert last(jitter=2) != last(jitter=0)


def test_a_strip_over_depth(small_network: Path, original: Picture, tmp_path: Path) -> None:
    artifacts = {layer: artifact_at(small_network, layer, tmp_path / layer) for layer in ("relu1_1", "relu3_1")}
    events = list(invert_depth(artifacts, original, settings(steps=8)))
    assert [e.step for e in events] == list(range(1, 17))
    assert set(events[-1].measures) == {"error.r1", "error.r3"}
    page = events[-1].picture()
    assert page.size[0] == 12 + 48 + 2 * (8 + 48) + 12
    np.testing.assert_array_equal(page.pixels[12:44, 12:60], original.resized(48, 32).pixels)
    assert page.recipe is not None
    assert [row["layer"] for row in page.recipe["strip"]] == ["relu1_1", "relu3_1"]
    with pytest.raises(SettingsError, match="at least one artifact"):
        invert_depth({}, original)


def test_a_network_of_one_size_sees_the_middle(tmp_path: Path, original: Picture) -> None:
    network = chain(tmp_path / "net.onnx", size=32, classes=5, flatten=True)
    artifact = artifact_at(network, "logits", tmp_path / "a")
    events = invert(artifact, original, settings(steps=2))
    assert [e.picture().size for e in events] == [(32, 32)] * 2
    strip = invert_depth({"logits": artifact}, original, settings(steps=1))
    page = next(strip).picture()
    middle = Picture(original.pixels[:, 16:80]).resized(32, 32)
    np.testing.assert_array_equal(page.pixels[12:44, 12:44], middle.pixels)


def test_stages(artifact: Artifact, original: Picture) -> None:
    """Shifted for a quarter of the steps, still for the rest; still all along without a shift."""
    assert {e.scales for e in invert(artifact, original, settings(jitter=0, steps=4))} == {1}
    assert [e.scale for e in invert(artifact, original, settings(jitter=2, steps=8))] == [1] * 2 + [2] * 6
    assert [e.scale for e in invert(artifact, original, settings(jitter=2, steps=1))] == [1]


@pytest.mark.slow
@pytest.mark.parametrize("layer", ["mixed3b", "mixed4c"])
def test_deep_layers_keep_contrast_and_colour(layer: str, tmp_path: Path) -> None:
    """Of GoogLeNet, which normalises its responses: there is nothing but the descent to find them."""
    network = load_network(shared("weights/googlenet.onnx"))
    artifact = Artifact(write_artifact(network, inversion_objective(network, layer), tmp_path / "a"), device="cpu")
    photo = read_image(shared("images/photos/chelsea.png")).flattened()
    event = list(invert(artifact, photo, InversionSettings(size=96, steps=80)))[-1]
    pixels = event.picture().pixels
    wanted = photo.resized(*event.picture().size).pixels
    assert dict(event.measures).popitem()[1] < 0.15
    assert pixels.std(axis=(0, 1)).mean() > 0.6 * wanted.std(axis=(0, 1)).mean()
    assert np.ptp(pixels, axis=2).mean() > 0.5 * np.ptp(wanted, axis=2).mean()


@pytest.mark.slow
def test_where_few_positions_are_left_the_alpha_norm_keeps_its_weight(tmp_path: Path) -> None:
    """Nothing else keeps the contrast from growing there; the photo's own norm, above 2, would lower it."""
    network = load_network(shared("weights/googlenet.onnx"))
    photo = read_image(shared("images/photos/coffee.png")).flattened()

    def used(layer: str) -> float:
        folder = write_artifact(network, inversion_objective(network, layer), tmp_path / layer)
        recipe = list(invert(Artifact(folder, device="cpu"), photo, settings(size=64, steps=1)))[-1].picture().recipe
        assert recipe is not None
        return float(recipe["settings"]["alpha_weight"])

    assert used("mixed5a") == 0.001
    assert used("mixed4c") < 0.0005


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"size": 4}, "size is 4; it must be a whole number from 8 to 65535"),
        ({"steps": 0}, "steps is 0"),
        ({"jitter": -1}, "jitter is -1"),
        ({"tv_weight": -1.0}, "tv_weight is -1"),
        ({"learning_rate": 0.0}, "learning_rate is 0"),
    ],
)
def test_bad_settings(artifact: Artifact, original: Picture, values: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        invert(artifact, original, settings(**values))


def test_bad_pictures_and_weights(small_network: Path, artifact: Artifact, original: Picture, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="the photo is 1x1 pixels"):
        invert(artifact, Picture(np.zeros((1, 1, 3), np.float32)))
    bare = artifact_at(small_network, "relu1_1", tmp_path / "bare", tv_weight=0)
    with pytest.raises(SettingsError, match="no tv term, so its weight cannot be 2"):
        invert(bare, original, settings(tv_weight=2))
