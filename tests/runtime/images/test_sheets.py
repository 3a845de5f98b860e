"""Contact sheets: every picture whole, every text in its place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixelgrad.errors import SettingsError
from pixelgrad.runtime.images import Picture, sheet


def flat(width: int, height: int, colour: tuple[float, float, float]) -> Picture:
    return Picture(np.broadcast_to(np.float32(colour), (height, width, 3)).copy())


RED, BLUE = (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)


def places(image: Picture, colour: tuple[float, float, float]) -> tuple[int, int, int, int]:
    """Left, top, width, height of what has exactly this colour."""
    ys, xs = np.nonzero((image.pixels == np.float32(colour)).all(axis=2))
    return int(xs.min()), int(ys.min()), int(np.ptp(xs)) + 1, int(np.ptp(ys)) + 1


def ink(image: Picture) -> Any:
    """Where there is text: grey that is not the paper."""
    pixels = image.pixels
    return (pixels[..., 0] < 0.7) & (np.ptp(pixels, axis=2) == 0)


def test_pictures_keep_their_samples_and_their_places() -> None:
    page = sheet([[flat(30, 20, RED), flat(10, 40, BLUE)]], gutter=5, margin=7)
    assert page.size == (7 + 30 + 5 + 10 + 7, 7 + 40 + 7)
    assert places(page, RED) == (7, 7, 30, 20)
    assert places(page, BLUE) == (42, 7, 10, 40)
    assert not ink(page).any()


@given(
    st.lists(
        st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=4), min_size=1, max_size=4
    )
)
@settings(max_examples=25)
def test_no_picture_covers_another(sizes: list[list[tuple[int, int]]]) -> None:
    colour = iter(np.linspace(0.1, 0.9, 16))
    rows = [[flat(*size, (float(next(colour)), 0.0, 0.0)) for size in row] for row in sizes]
    page = sheet(rows, captions=[["a caption"] * len(row) for row in rows], title="A title")
    for row in rows:
        for picture in row:
            shown = (page.pixels == picture.pixels[0, 0]).all(axis=2).sum()
            assert shown == picture.size[0] * picture.size[1]


def test_every_text_is_drawn_and_none_over_a_picture() -> None:
    rows = [[flat(120, 60, RED), flat(120, 60, BLUE)]]
    bare = sheet(rows, margin=10)
    texts = {
        "title": "Above all",
        "columns": ["left", "right"],
        "row_names": ["first"],
        "captions": [["one", "two"]],
    }
    for name, text in texts.items():
        page = sheet(rows, margin=10, **{name: text})  # type: ignore[arg-type]
        assert ink(page).sum() > 20, name
        assert page.size > bare.size or page.size[1] > bare.size[1], name
        assert places(page, RED)[2:] == (120, 60)
        x, y, _, height = places(page, RED)
        rows_of_ink, columns_of_ink = np.nonzero(ink(page))
        if name in ("title", "columns"):
            assert rows_of_ink.max() < y
        elif name == "captions":
            assert rows_of_ink.min() >= y + height
        else:
            assert columns_of_ink.max() < x


def test_long_texts_stay_within_their_place() -> None:
    wide = sheet([[flat(60, 30, RED)]], captions=[["inception_3a/a_name_without_any_spaces_that_is_much_too_long"]])
    assert wide.size[0] == 60 + 24
    assert not ink(wide)[:, :12].any()
    assert not ink(wide)[:, -12:].any()
    wrapped = sheet([[flat(60, 30, RED)]], captions=[["one two three four five six seven"]])
    short = sheet([[flat(60, 30, RED)]], captions=[["one"]])
    assert wrapped.size[1] > short.size[1]


def test_pictures_fit_their_cells() -> None:
    large = sheet([[flat(100, 50, RED)]], cell=40, margin=0)
    assert large.size == (40, 20)
    small = sheet([[flat(6, 3, RED)]], cell=40, margin=0)
    assert small.size == (36, 18)
    rng = np.random.default_rng(0)
    noise = Picture(rng.random((8, 8, 3), dtype=np.float32))
    np.testing.assert_array_equal(sheet([[noise]], cell=16, margin=0).pixels[::2, ::2], noise.pixels)


def test_cells_may_be_empty_and_sheets_nest() -> None:
    inner = sheet([[flat(9, 9, RED), None], [None, flat(9, 9, BLUE)]], margin=0, gutter=1)
    assert inner.size == (19, 19)
    page = sheet([[inner, None], [None]], columns=["patches", "nothing"])
    assert places(page, RED)[2:] == (9, 9)
    transparent = Picture(np.zeros((4, 4, 3), np.float32), np.zeros((4, 4), np.float32))
    assert (sheet([[transparent]]).pixels == 1).all()


def test_the_recipe_is_kept() -> None:
    assert sheet([[flat(9, 9, RED)]], recipe={"task": "texture"}).recipe == {"task": "texture"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rows": []}, "needs at least one picture"),
        ({"rows": [[None]]}, "needs at least one picture"),
        ({"columns": ["a", "b"]}, "1 columns and 2 headings"),
        ({"row_names": []}, "1 rows and 0 names"),
        ({"captions": [["a", "b"]]}, "the captions are not as many"),
    ],
)
def test_texts_that_do_not_match_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        sheet(**{"rows": [[flat(9, 9, RED)]], **arguments})
