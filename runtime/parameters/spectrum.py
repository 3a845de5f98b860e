"""The two-dimensional Fourier transform of real images, with its adjoint."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["embedded", "frequencies", "image_of", "spectrum_of"]

Array = np.ndarray[Any, Any]


def frequencies(height: int, width: int) -> Array:
    """|f| in cycles per pixel of each coefficient of ``rfft2``: [H, W // 2 + 1]; one cycle per image for zero."""
    f = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    f[0, 0] = 1 / max(height, width)
    result: Array = f.astype(np.float32)
    return result


def image_of(spectrum: Array, height: int, width: int) -> Array:
    """The real inverse transform in orthonormal scaling: complex [..., H, W // 2 + 1] -> real [..., H, W]."""
    image: Array = np.fft.irfft2(spectrum, s=(height, width), norm="ortho").astype(np.float32)
    return image


def embedded(coarse: Array, fine: Array, widths: tuple[int, int]) -> Array:
    """``fine`` [..., H, W // 2 + 1, ...] with ``coarse``, of fewer frequencies, at their places in it.

    widths: those of the two images. The frequencies stand on the axes -2 and -1 of complex values, one further to the
    left in pairs of reals. Waves of just two pixels, which have no phase, are left out.
    """
    pairs = coarse.ndim == 5
    rows, columns = (2, 3) if pairs else (coarse.ndim - 2, coarse.ndim - 1)
    height = coarse.shape[rows]
    above, below = (height + 1) // 2, (height - 1) // 2
    across = (widths[0] + 1) // 2
    result = fine.copy()
    at, taken = [slice(None)] * fine.ndim, [slice(None)] * fine.ndim
    at[columns] = taken[columns] = slice(across)
    for part_of_fine, part in ((slice(above), slice(above)), (slice(-below, None), slice(height - below, None))):
        if part.start is None or below:
            at[rows], taken[rows] = part_of_fine, part
            result[tuple(at)] = coarse[tuple(taken)]
    return result


def spectrum_of(cotangent: Array) -> Array:
    """The adjoint of :func:`image_of` over real and imaginary parts: real [..., H, W] -> complex [..., H, W // 2 + 1].

    A coefficient stands for its mirror image too, except in the columns of zero and of the Nyquist frequency.
    """
    spectrum = np.fft.rfft2(cotangent, norm="ortho")
    spectrum[..., 1 : (cotangent.shape[-1] + 1) // 2] *= 2
    result: Array = spectrum.astype(np.complex64)
    return result
