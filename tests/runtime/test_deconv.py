"""The deconvnet as a stream of events, its result and its sheet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.folders import image_folder
from helpers.networks import chain
from PIL import Image

from pixelgrad.errors import ImageError, SettingsError
from pixelgrad.exporters import Projection, load_network, write_projection
from pixelgrad.runtime import Box, DeconvResult, DeconvSettings, Picture, ProjectEvent, Projector, ScanEvent, deconv
from pixelgrad.runtime.scanning import load_pixels, to_batch
from pixelgrad.runtime.tasks.cropping import crop_boxes
from pixelgrad.runtime.tasks.deconv import index_key
from pixelgrad.runtime.tasks.deconv_result import relief


def projector_of(place: Path, layer: str = "r2", rule: str = "deconvnet", **options: Any) -> Projector:
    network = load_network(chain(place / "net.onnx", **options), preprocess="rgb")
    return Projector(write_projection(network, Projection(layer, rule), place / f"{layer}-{rule}"), device="cpu")


@pytest.fixture(scope="module")
def projector(tmp_path_factory: pytest.TempPathFactory) -> Projector:
    return projector_of(tmp_path_factory.mktemp("projection"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return image_folder(tmp_path_factory.mktemp("images"), 12)


def run(projector: Projector, folder: Path, index: Path, **values: Any) -> DeconvResult:
    events = list(deconv(projector, folder, index, DeconvSettings(**{"size": 40, **values})))
    last = events[-1]
    assert isinstance(last, ProjectEvent)
    assert last.result is not None
    return last.result


def test_events(projector: Projector, folder: Path, tmp_path: Path) -> None:
    events = list(deconv(projector, folder, tmp_path / "i", DeconvSettings(channels=[1, 5], size=40, batch=5)))
    assert [type(event) for event in events] == [ScanEvent] * 4 + [ProjectEvent] * 2
    assert [(e.done, e.progress, e.result is None) for e in events if isinstance(e, ProjectEvent)] == [
        (1, 0.5, True),
        (2, 1.0, False),
    ]


def test_hits_are_what_they_say(projector: Projector, folder: Path, tmp_path: Path) -> None:
    result = run(projector, folder, tmp_path / "i", channels=[4], top=4)
    (channel,) = result.channels
    assert (result.images, result.unreadable, result.layer, result.rule) == (12, 0, "r2", "deconvnet")
    assert len({hit.path for hit in channel.hits}) == len(channel.hits) == 4
    assert [hit.value for hit in channel.hits] == sorted((hit.value for hit in channel.hits), reverse=True)
    for hit in channel.hits:
        image = to_batch([load_pixels(hit.path, (40, 40))])
        (features,) = projector.features(image)
        assert hit.value == pytest.approx(features[0, 4].max(), rel=1e-5)
        assert hit.value == pytest.approx(features[0, 4, hit.row, hit.column], rel=1e-5)
        assert hit.field == Box(2 * hit.row - 3, 2 * hit.column - 3, 2 * hit.row + 5, 2 * hit.column + 5)
        assert hit.shown == hit.field.inside((40, 40))
        box = hit.shown
        np.testing.assert_array_equal(
            hit.crop, image[0, :, box.top : box.bottom, box.left : box.right].transpose(1, 2, 0)
        )
        whole = projector.project_one(image, 4, hit.row * features.shape[3] + hit.column, hit.value)[0]
        np.testing.assert_allclose(
            hit.projection,
            whole[:, box.top : box.bottom, box.left : box.right].transpose(1, 2, 0),
            rtol=1e-4,
            atol=1e-6,
        )
        assert np.abs(hit.projection).sum() == pytest.approx(np.abs(whole).sum(), rel=1e-4)


def test_a_gradient_starts_from_one(tmp_path: Path) -> None:
    """d activation / d pixel: a small step along it raises the activation by its squared norm."""
    projector = projector_of(tmp_path, rule="gradient")
    folder = tmp_path / "noise"  # flat parts would tie at the poolings
    folder.mkdir()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(folder / "a.png")
    hit = run(projector, folder, tmp_path / "i", channels=[4], top=1, crop="field").channels[0].hits[0]
    image = to_batch([load_pixels(hit.path, (40, 40))])
    step = 1e-3 / np.linalg.norm(hit.projection)
    moved = image.copy()
    moved[0, :, hit.shown.top : hit.shown.bottom, hit.shown.left : hit.shown.right] += step * hit.projection.transpose(
        2, 0, 1
    )
    rise = projector.features(moved)[0][0, 4, hit.row, hit.column] - hit.value
    assert rise == pytest.approx(step * np.linalg.norm(hit.projection) ** 2, rel=0.05)


def test_another_channel_or_rule_costs_no_scan(folder: Path, tmp_path: Path) -> None:
    first = projector_of(tmp_path)
    run(first, folder, tmp_path / "i", channels=[1])
    for other in (first, projector_of(tmp_path, rule="guided")):
        events = list(deconv(other, folder, tmp_path / "i", DeconvSettings(channels=[2], size=40)))
        assert [type(event) for event in events] == [ScanEvent, ProjectEvent]
        assert events[0].known == 12
    assert index_key(first, (40, 40)) != index_key(first, (40, 48))


def test_the_same_twice(projector: Projector, folder: Path, tmp_path: Path) -> None:
    first, second = (run(projector, folder, tmp_path / name, channels=[0, 3]).picture() for name in ("a", "b"))
    assert first == second


def test_channels_are_chosen_by_their_response(projector: Projector, folder: Path, tmp_path: Path) -> None:
    every = run(projector, folder, tmp_path / "i", channels=list(range(12)), top=1)
    peaks = {c.channel: c.hits[0].value if c.hits else 0.0 for c in every.channels}
    chosen = [c.channel for c in run(projector, folder, tmp_path / "i", top=1).channels]
    assert chosen == sorted(sorted(peaks, key=lambda channel: -peaks[channel])[:6])


def test_the_sheet(projector: Projector, folder: Path, tmp_path: Path) -> None:
    """Projections on grey to the left, photographs to the right, and the recipe inside."""
    result = run(projector, folder, tmp_path / "i", channels=[4])
    picture = result.picture(30)
    assert picture.recipe is not None
    assert picture.recipe["task"] == "deconv"
    assert picture.recipe["images"] == 12
    assert str(folder) not in repr(picture.recipe)
    pair = result.channels[0].picture(30)
    assert pair is not None
    edge = 3 * 30 + 2 * 2
    assert pair.size == (2 * edge + 8, edge)
    best = result.channels[0].hits[0]
    np.testing.assert_array_equal(pair.pixels[:30, :30], relief(best.projection, 30).resized(30, 30).pixels)
    np.testing.assert_array_equal(pair.pixels[:30, edge + 8 : edge + 38], Picture(best.crop).resized(30, 30).pixels)
    facts = result.facts()
    assert facts["channels"][0]["hits"][0]["path"] == best.path
    assert len(facts["channels"][0]["hits"]) == 9


def test_fewer_images_than_asked_for(projector: Projector, tmp_path: Path) -> None:
    folder = image_folder(tmp_path / "two", 2)
    result = run(projector, folder, tmp_path / "i", channels=[5, 1])
    assert all(len(channel.hits) <= 2 for channel in result.channels)
    result.picture(20)


def test_a_silent_channel(tmp_path: Path) -> None:
    """Black images: what has no positive bias stays silent, and its sheet says so."""
    (tmp_path / "images").mkdir()
    Image.new("RGB", (40, 40)).save(tmp_path / "images" / "black.png")
    projector = projector_of(tmp_path, layer="r1")
    result = run(projector, tmp_path / "images", tmp_path / "i", channels=list(range(8)))
    silent = [channel for channel in result.channels if not channel.hits]
    assert 0 < len(silent) < 8
    assert silent[0].picture() is None
    result.picture(20)


def test_relief_is_grey_at_zero_and_fills_the_contrast() -> None:
    projection = np.zeros((9, 9, 3), np.float32)
    np.testing.assert_array_equal(relief(projection).pixels, 0.5)
    projection[2:5, 2:5] = 3e-7
    projection[6:8, 6:8, 1] = -3e-7
    pixels = relief(projection).pixels
    assert (pixels[0, 0] == 0.5).all()
    np.testing.assert_allclose(pixels[3, 3], 1)
    np.testing.assert_allclose(pixels[7, 7], (0.5, 0, 0.5))
    np.testing.assert_allclose(relief(projection * 1e6).pixels, pixels, rtol=1e-5)


def test_relief_has_its_contrast_at_the_size_that_is_shown() -> None:
    """Stripes of one pixel fade where they are shrunk, and are no paler for that."""
    projection = np.zeros((64, 64, 3), np.float32)
    projection[::2, 16:48], projection[1::2, 16:48] = 2.0, -1.0
    small = relief(projection, 16)
    assert small.size == (16, 16)
    assert small.pixels[8, 8].min() > 0.85
    assert relief(projection).resized(16, 16).pixels[8, 8].max() < 0.7


def test_crops() -> None:
    """A field as wide as the image shows where the projection is; a small one is shown as it is."""
    projection = np.zeros((100, 100, 3), np.float32)
    projection[20:41, 60:81] = 1
    wide, small = Box(-20, -20, 130, 130), Box(10, 50, 50, 90)
    (tight,) = crop_boxes([wide], [projection], "auto")
    assert tight.top <= 20
    assert tight.bottom >= 40
    assert tight.left <= 60
    assert tight.right >= 80
    assert tight.size[0] == tight.size[1] < 30
    assert crop_boxes([small], [projection], "auto") == [small]
    assert crop_boxes([wide], [projection], "field") == [Box(0, 0, 100, 100)]
    assert crop_boxes([small], [projection], "tight") == [tight]
    assert crop_boxes([], [], "auto") == []
    several = crop_boxes([wide] * 3, [projection, 0 * projection, np.roll(projection, 50, 0)], "tight")
    assert len({box.size for box in several}) == 1


BAD: list[tuple[dict[str, Any], str]] = [
    ({"top": 0}, "top is 0; it must be a whole number from 1 up"),
    ({"size": 4}, "size is 4; it must be a whole number from 8 to 65535"),
    ({"batch": 0}, "batch is 0"),
    ({"crop": "all"}, "the crop is 'all'; it must be one of auto, field, tight"),
    ({"channels": []}, "there are no channels to show"),
    ({"channels": [12]}, "the layer 'r2' has no channel 12; it has channels 0 to 11"),
    ({"channels": [-1]}, "has no channel -1"),
    ({"channels": [1.5]}, r"channels is \[1.5\]; it must be a list of whole numbers"),
]


@pytest.mark.parametrize(("values", "message"), BAD, ids=[next(iter(v)) + f"-{i}" for i, (v, _) in enumerate(BAD)])
def test_bad_settings(projector: Projector, folder: Path, tmp_path: Path, values: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        deconv(projector, folder, tmp_path / "i", DeconvSettings(**{"size": 40, **values}))
    assert not (tmp_path / "i").exists()


def test_a_layer_of_classes_has_no_places(folder: Path, tmp_path: Path) -> None:
    projector = projector_of(tmp_path, "logits", classes=5)
    with pytest.raises(SettingsError, match="'logits' has no spatial extent"):
        deconv(projector, folder, tmp_path / "i")


def test_images_too_small_for_the_layer(folder: Path, tmp_path: Path) -> None:
    from helpers.data import shared

    network = load_network(shared("weights/vgg19_slim16x.onnx"))
    projector = Projector(write_projection(network, Projection("relu5_1"), tmp_path / "p"), device="cpu")
    with pytest.raises(ImageError, match="need at least"):
        deconv(projector, folder, tmp_path / "i", DeconvSettings(size=8))
