"""Views of an image: what they show, and that the adjoint is the transpose."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixelgrad.runtime.transforms import Robustness, warp

EDGES = st.integers(1, 12)


@given(
    source=st.tuples(EDGES, EDGES),
    size=st.tuples(EDGES, EDGES),
    shift=st.tuples(st.floats(-20, 20), st.floats(-20, 20)),
    scale=st.floats(0.3, 3),
    degrees=st.floats(-180, 180),
    seed=st.integers(0, 99),
    torus=st.booleans(),
)
@settings(max_examples=60)
def test_the_adjoint(
    source: tuple[int, int],
    size: tuple[int, int],
    shift: tuple[float, float],
    scale: float,
    degrees: float,
    seed: int,
    torus: bool,
) -> None:
    """<Ax, y> = <x, A'y>."""
    rng = np.random.default_rng(seed)
    view = warp(source, size, shift=shift, scale=scale, degrees=degrees, torus=torus)
    x = rng.standard_normal((2, 3, *source)).astype(np.float32)
    y = rng.standard_normal((2, 3, *size)).astype(np.float32)
    forward, back = view.forward(x), view.adjoint(y)
    assert forward.shape == y.shape
    assert back.shape == x.shape
    assert float((forward * y).sum()) == pytest.approx(
        float((x * back).sum()), abs=1e-4 * float(np.linalg.norm(x) * np.linalg.norm(y))
    )
    np.testing.assert_allclose(view.weights.sum(0), 1, atol=1e-5)


def test_the_identity_is_exact() -> None:
    x = np.random.default_rng(0).random((1, 3, 7, 9), dtype=np.float32)
    np.testing.assert_array_equal(warp((7, 9), (7, 9)).forward(x), x)


def test_whole_shifts_move_and_reflect() -> None:
    x = np.arange(5, dtype=np.float32).reshape(1, 1, 1, 5)
    view = warp((1, 5), (1, 5), shift=(0, 2))
    np.testing.assert_array_equal(view.forward(x)[0, 0, 0], [2, 3, 4, 3, 2])


def test_on_a_torus_what_leaves_comes_in_again() -> None:
    x = np.arange(15, dtype=np.float32).reshape(1, 1, 3, 5)
    view = warp((3, 5), (3, 5), shift=(1, 2), torus=True)
    np.testing.assert_array_equal(view.forward(x), np.roll(x, (-1, -2), (2, 3)))
    seen = Robustness(jitter=7, torus=True).draw(np.random.default_rng(0), (3, 5)).forward(x)
    np.testing.assert_array_equal(np.sort(seen, axis=None), x.ravel())  # nothing twice, nothing missing


def test_a_quarter_turn_is_clockwise() -> None:
    x = np.arange(9, dtype=np.float32).reshape(1, 1, 3, 3)
    turned = warp((3, 3), (3, 3), degrees=90).forward(x)[0, 0]
    np.testing.assert_allclose(turned, np.rot90(x[0, 0], -1), atol=1e-5)


def test_magnification_makes_things_larger() -> None:
    x = np.zeros((1, 1, 21, 21), np.float32)
    x[..., 8:13, 8:13] = 1
    assert warp((21, 21), (21, 21), scale=2).forward(x).sum() == pytest.approx(4 * 25, rel=0.1)


def test_views_stay_within_what_is_allowed() -> None:
    """Recovered from where each view has its middle and its neighbour."""
    robust, rng = Robustness(jitter=3, scale=(0.5, 2.0), rotate=20), np.random.default_rng(0)
    rows, columns = np.mgrid[:41, :41].astype(np.float32)
    places = np.stack([rows, columns])[None]
    shifts, scales, turns = [], [], []
    for _ in range(100):
        seen = robust.draw(rng, (41, 41)).forward(places)[0]
        shifts.append(seen[:, 20, 20] - 20)
        step = seen[:, 20, 21] - seen[:, 20, 20]  # one pixel to the right
        scales.append(1 / np.hypot(*step))
        turns.append(np.degrees(np.arctan2(-step[0], step[1])))
    assert np.abs(shifts).max() == pytest.approx(3, abs=1e-3)
    assert 0.5 <= min(scales) + 1e-3 < 0.6
    assert 1.8 < max(scales) - 1e-3 <= 2.0
    assert 15 < np.abs(turns).max() <= 20.01


def test_no_change_at_all() -> None:
    x = np.random.default_rng(0).random((1, 3, 8, 8), dtype=np.float32)
    np.testing.assert_array_equal(Robustness().draw(np.random.default_rng(1), (8, 8)).forward(x), x)


def test_the_same_seed_draws_the_same_views() -> None:
    robust = Robustness(jitter=3, scale=(0.5, 2.0), rotate=20)
    one, other = (robust.draw(np.random.default_rng(5), (9, 9)) for _ in range(2))
    np.testing.assert_array_equal(one.indices, other.indices)
    np.testing.assert_array_equal(one.weights, other.weights)
