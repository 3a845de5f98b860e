"""A classifier's errors: counts against a plain loop, and what is shown of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.folders import draw
from helpers.networks import chain

from pixelgrad.errors import SettingsError
from pixelgrad.exporters import Projection, load_network, write_projection
from pixelgrad.runtime import MistakesEvent, MistakesResult, MistakesSettings, Picture, Projector, ScanEvent, mistakes
from pixelgrad.runtime.scanning import LabelledImages, labelled_folders, load_pixels, to_batch

CLASSES = 6


@pytest.fixture(scope="module")
def projector(tmp_path_factory: pytest.TempPathFactory) -> Projector:
    place = tmp_path_factory.mktemp("projection")
    network = load_network(chain(place / "net.onnx", classes=CLASSES), preprocess="rgb")
    return Projector(write_projection(network, Projection("logits"), place / "logits"), device="cpu")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> LabelledImages:
    folder = tmp_path_factory.mktemp("images")
    for number in range(18):
        draw(folder / f"c{number % CLASSES}" / f"{number:02}.png", number)
    return labelled_folders(folder, {f"c{index}": index for index in range(CLASSES)})


def run(projector: Projector, images: LabelledImages, index: Path, **values: Any) -> MistakesResult:
    believe = values.pop("believe", None)
    names = values.pop("names", "class {}".format)
    settings = MistakesSettings(**{"size": 40, **values})
    *_, last = mistakes(projector, images, index, settings, names=names, believe=believe)
    assert isinstance(last, MistakesEvent)
    assert last.result is not None
    return last.result


def plainly(projector: Projector, images: LabelledImages) -> list[tuple[str, int, Any]]:
    """(path, truth, probabilities), one image at a time."""
    rows = []
    for path, _, _ in sorted(images.files()):
        (scores,) = projector.features(to_batch([load_pixels(path, (40, 40))]))
        weights = np.exp(scores[0].astype(np.float64))
        rows.append((path, images.truth(path), weights / weights.sum()))
    return rows


def test_counts(projector: Projector, images: LabelledImages, tmp_path: Path) -> None:
    result, rows = run(projector, images, tmp_path / "i", most=100), plainly(projector, images)
    predictions = [int(p.argmax()) for _, _, p in rows]
    assert result.readable == 18
    assert result.correct == sum(p == t for p, (_, t, _) in zip(predictions, rows, strict=True))
    assert result.in_five == sum(int(t in np.argsort(-p)[:5]) for _, t, p in rows)
    assert sum(count for count, _ in result.of_class.values()) == 18
    assert sum(right for _, right in result.of_class.values()) == result.correct
    assert sum(count for _, _, count in result.pairs) == 18 - result.correct
    counts = [count for _, _, count in result.pairs]
    assert counts == sorted(counts, reverse=True)
    facts = result.facts()
    assert facts["accuracy"] == result.correct / 18
    assert len(facts["errors"]) == 18 - result.correct


def test_the_most_confident_errors_come_first(projector: Projector, images: LabelledImages, tmp_path: Path) -> None:
    errors = [(float(p.max()), path, t, p) for path, t, p in plainly(projector, images) if p.argmax() != t]
    errors.sort(key=lambda row: (-row[0], row[1]))
    result = run(projector, images, tmp_path / "i", most=4)
    assert [error.path for error in result.wrong] == [path for _, path, _, _ in errors[:4]]
    for error, (confidence, _, truth, p) in zip(result.wrong, errors, strict=False):
        assert error.confidence == pytest.approx(confidence, rel=1e-4)
        assert error.truth_probability == pytest.approx(p[truth], rel=1e-4)
        assert error.truth_rank == 1 + int((p > p[truth]).sum())
        assert (error.predicted, error.truth) == (int(p.argmax()), truth)


def test_the_projection_is_that_of_the_wrong_class(
    projector: Projector, images: LabelledImages, tmp_path: Path
) -> None:
    error = run(projector, images, tmp_path / "i", most=1).wrong[0]
    image = to_batch([load_pixels(error.path, (40, 40))])
    cotangent = np.zeros((1, CLASSES), np.float32)
    cotangent[0, error.predicted] = 1
    expected = projector.project(image, cotangent)[0].transpose(1, 2, 0)
    np.testing.assert_allclose(error.projection, expected, rtol=1e-5, atol=1e-9)
    np.testing.assert_array_equal(error.image, image[0].transpose(1, 2, 0))


def test_pictures_of_classes_are_asked_for_once(projector: Projector, images: LabelledImages, tmp_path: Path) -> None:
    asked: list[list[int]] = []

    def believe(classes: Any) -> Any:
        asked.append(list(classes))
        return ((one, Picture(np.full((50, 50, 3), one / CLASSES, np.float32))) for one in classes)

    result = run(projector, images, tmp_path / "i", most=3, believe=believe)
    (classes,) = asked
    assert sorted(classes) == sorted({one for error in result.wrong for one in (error.predicted, error.truth)})
    assert len(set(classes)) == len(classes)
    picture, without = result.picture(60), run(projector, images, tmp_path / "i", most=3).picture(60)
    assert picture is not None
    assert without is not None
    assert picture.size != without.size
    assert picture.recipe is not None
    assert picture.recipe["task"] == "mistakes"


def test_events(projector: Projector, images: LabelledImages, tmp_path: Path) -> None:
    events = list(mistakes(projector, images, tmp_path / "i", MistakesSettings(most=3, size=40, batch=10)))
    assert [type(event) for event in events] == [ScanEvent] * 3 + [MistakesEvent] * 4
    assert [e.result is None for e in events if isinstance(e, MistakesEvent)] == [True, True, True, False]
    again = list(
        mistakes(
            projector,
            images,
            tmp_path / "i",
            MistakesSettings(most=1, size=40),
            believe=lambda classes: [(one, Picture(np.zeros((9, 9, 3), np.float32))) for one in classes],
        )
    )
    assert isinstance(again[0], ScanEvent)
    stages = [(e.stage, e.done, e.total) for e in again[1:] if isinstance(e, MistakesEvent)]
    assert stages == [("project", 1, 1), ("believe", 1, 2), ("believe", 2, 2), ("done", 1, 1)]
    progress = [e.progress for e in again[1:]]
    assert progress == sorted(progress)


def test_no_errors(projector: Projector, images: LabelledImages, tmp_path: Path) -> None:
    right = {path: int(p.argmax()) for path, _, p in plainly(projector, images)}
    agreed = LabelledImages("agreed", images.files, right.__getitem__)
    result = run(projector, agreed, tmp_path / "i")
    assert (result.correct, result.wrong, result.picture()) == (18, (), None)
    assert result.summary.endswith("18 of 18 right (100.0%), 18 among the first five")


def test_names(projector: Projector, images: LabelledImages, tmp_path: Path) -> None:
    result = run(projector, images, tmp_path / "i", names=lambda one: "abcdef"[one])
    assert result.facts()["errors"][0]["predicted"]["name"] in "abcdef"
    assert all(result.names[one] == "abcdef"[one] for one in result.names)


def test_a_map_is_no_list_of_classes(images: LabelledImages, tmp_path: Path) -> None:
    network = load_network(chain(tmp_path / "net.onnx"), preprocess="rgb")
    projector = Projector(write_projection(network, Projection("r3"), tmp_path / "r3"), device="cpu")
    with pytest.raises(SettingsError, match="gives a map at 40x40, not one score for each class"):
        mistakes(projector, images, tmp_path / "i", MistakesSettings(size=40))
    with pytest.raises(SettingsError, match="most is 0"):
        mistakes(projector, images, tmp_path / "i", MistakesSettings(most=0))
