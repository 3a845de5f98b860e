"""Sizes from coarse to fine, and steps shared among them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixelgrad.errors import SettingsError
from pixelgrad.runtime.scales import reference_size, scale_sizes, share_steps


def test_sizes_grow_by_the_root_of_two() -> None:
    assert scale_sizes(600, 400, 512) == [(128, 85), (181, 121), (256, 171), (362, 241), (512, 341)]
    assert scale_sizes(400, 600, 256) == [(85, 128), (121, 181), (171, 256)]


def test_a_small_picture_has_one_scale() -> None:
    assert scale_sizes(50, 40, 100) == [(100, 80)]


def test_no_scale_is_too_small_for_the_network() -> None:
    assert scale_sizes(1000, 100, 512, minimum=32) == [(362, 36), (512, 51)]
    assert scale_sizes(1000, 10, 512, minimum=32) == [(512, 5)]


def test_a_strip_to_look_at_is_made_no_thinner_than_the_network_can_take() -> None:
    assert reference_size(1000, 500, 128, minimum=17) == (128, 64)
    assert reference_size(1000, 100, 128, minimum=17) == (170, 17)
    assert reference_size(100, 1000, 128, minimum=33) == (33, 330)
    assert reference_size(90, 60, 128, minimum=17) == (90, 60)


@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 2000), st.integers(1, 64))
def test_sizes_keep_proportions(width: int, height: int, edge: int, minimum: int) -> None:
    sizes = scale_sizes(width, height, edge, minimum=minimum)
    assert max(sizes[-1]) == edge
    assert sizes == sorted(sizes)
    for w, h in sizes:
        assert min(w, h) >= 1
        assert abs(w * height - h * width) <= max(width, height)
    for w, h in sizes[:-1]:
        assert min(w, h) >= minimum
        assert max(w, h) >= 128


@given(st.integers(1, 2000), st.integers(1, 9))
def test_steps_are_shared_out_completely(steps: int, scales: int) -> None:
    shares = share_steps(steps, scales)
    assert len(shares) == scales
    assert sum(shares) == steps
    assert shares[-1] >= 1
    if steps >= 3 * scales:
        assert shares[0] == max(shares)
        assert min(shares) >= 1


def test_no_steps_is_an_error() -> None:
    with pytest.raises(SettingsError, match="steps is 0; it must be at least 1"):
        share_steps(0, 3)
