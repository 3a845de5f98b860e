"""What every sample picture starts from: a size that can be drawn, and random numbers of its own."""

from numbers import Integral

import numpy as np

from pixelgrad.errors import SettingsError

SMALLEST = 16  # Below this many pixels a side there is no scene left to see.


def check(width: int, height: int, seed: int) -> None:
    """Raise SettingsError unless all three are integers, the picture has at least 16 pixels each way and the seed is
    not negative.
    """
    given: dict[str, object] = {"width": width, "height": height, "seed": seed}
    for name, value in given.items():
        if not isinstance(value, Integral):
            raise SettingsError(f"{name} is {value!r}; it must be an integer")
    if width < SMALLEST or height < SMALLEST:
        raise SettingsError(
            f"a sample picture of {width}x{height} pixels is too small; give at least {SMALLEST}x{SMALLEST}"
        )
    if seed < 0:
        raise SettingsError(f"seed {seed} is negative; give 0 or a larger integer")


def stream(seed: int, part: int) -> np.random.Generator:
    """Random numbers of one part of a picture, the same however often the part is drawn."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, part])))
