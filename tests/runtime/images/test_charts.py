"""Curves in a picture: where the lines are, and what the axes say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixelgrad.errors import SettingsError
from pixelgrad.runtime.images.charts import COLOURS, Curve, chart, ticks


def colour(number: int) -> tuple[float, ...]:
    text = COLOURS[number]
    return tuple(int(text[i : i + 2], 16) / 255 for i in (1, 3, 5))


def places(picture: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    """Rows and columns of the pixels in a curve's own colour."""
    rows, columns = np.nonzero(np.abs(picture - colour(number)).max(-1) < 0.02)
    return rows, columns


@given(low=st.floats(-1e6, 1e6), width=st.floats(1e-6, 1e6), most=st.integers(2, 9))
def test_ticks_are_round_and_cover_the_range(low: float, width: float, most: int) -> None:
    found = ticks(low, low + width, most)
    steps = np.diff(found)
    assert found[0] <= low + 1e-6 * (abs(low) + width)
    assert found[-1] >= low + width - 1e-6 * (abs(low) + width)
    assert 2 <= len(found) <= most + 3
    mantissa = steps[0] / 10 ** np.floor(np.log10(steps[0]) + 1e-9)
    assert min(abs(mantissa - round_number) for round_number in (1, 2, 5, 10)) < 1e-3 * (1 + abs(low) / width)


def test_a_rising_curve_rises() -> None:
    picture = chart([Curve("up", [0, 1, 2], [0, 5, 10])], size=(300, 200)).pixels
    rows, columns = places(picture, 0)
    assert columns.min() < 80
    assert columns.max() > 270
    assert rows[columns.argmin()] > 150
    assert rows[columns.argmax()] < 50


def test_every_curve_has_its_colour_and_a_name() -> None:
    one = [Curve("first", [0, 1], [0, 1])]
    two = [*one, Curve("second", [0, 1], [1, 0])]
    assert places(chart(one).pixels, 1)[0].size == 0
    both = chart(two).pixels
    assert all(places(both, number)[0].size > 50 for number in (0, 1))
    # The legend takes room above the axes.
    assert places(both, 1)[0].min() < 25


def test_what_is_not_a_number_leaves_a_gap() -> None:
    nan = float("nan")
    whole = places(chart([Curve("c", range(9), [1.0] * 9)]).pixels, 0)[1]
    broken = places(chart([Curve("c", range(9), [1.0] * 3 + [nan] * 3 + [1.0] * 3)]).pixels, 0)[1]
    assert np.diff(np.unique(whole)).max() == 1
    assert np.diff(np.unique(broken)).max() > 50


def test_a_flat_curve_and_a_single_point_can_be_drawn() -> None:
    assert chart([Curve("c", [1.0], [3.0])]).size == (420, 280)
    assert chart([Curve("c", [0, 1], [3.0, 3.0])], size=(200, 150)).size == (200, 150)


def test_nothing_to_draw() -> None:
    with pytest.raises(SettingsError, match="no curve to draw"):
        chart([Curve("c", [0, 1], [float("nan")] * 2)])
    with pytest.raises(SettingsError, match="no curve to draw"):
        chart([])
    with pytest.raises(SettingsError, match="as many x as y"):
        chart([Curve("c", [0, 1], [0])])


def test_the_last_number_is_not_cut() -> None:
    """A wide label at the right end of the axis ends inside the picture."""
    curve = Curve("a", [10_000.0, 70_000.0], [0.0, 1.0])
    assert (np.asarray(chart([curve], size=(420, 200)))[:, -1] > 0.99).all()
