"""Which colours a stylised picture has: its style's, or those of the content."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pixelgrad.runtime.images import Picture, lab_from_srgb, match_histogram, srgb_from_lab

__all__ = ["KEEP_COLOR", "recoloured", "with_colours_of", "with_histogram_of"]

Array = np.ndarray[Any, Any]
KEEP_COLOR = ("luminance", "histogram")
# L* of a flat style picture is stretched no further than this.
_STEEPEST = 10.0


def recoloured(content: Picture, styles: Sequence[Picture], how: str | None) -> tuple[Picture, list[Picture]]:
    """Content and styles as they go into the transfer, without alpha (Gatys et al. 2016, Preserving color).

    how: ``luminance`` leaves only L* of all of them, that of the styles shifted and scaled to the mean and deviation
    of the content's; ``histogram`` gives the styles the content's histograms of L*, a* and b*; ``None`` changes
    nothing.
    """
    content, styles = content.flattened(), [style.flattened() for style in styles]
    if how is None:
        return content, styles
    own = lab_from_srgb(content.pixels)
    if how == "histogram":
        return content, [Picture(srgb_from_lab(match_histogram(lab_from_srgb(s.pixels), own))) for s in styles]
    return _grey(own[..., 0]), [_grey(_like(lab_from_srgb(style.pixels)[..., 0], own[..., 0])) for style in styles]


def with_colours_of(content: Picture) -> Callable[[Array], Array]:
    """Takes a* and b* of ``content`` for those of pixels [H, W, 3]."""

    def colour(pixels: Array) -> Array:
        height, width = pixels.shape[:2]
        lab = lab_from_srgb(content.resized(width, height).pixels)
        lab[..., 0] = lab_from_srgb(pixels)[..., 0]
        return srgb_from_lab(lab)

    return colour


def with_histogram_of(pictures: Sequence[Picture], shares: Sequence[float]) -> Callable[[Array], Array]:
    """Gives each channel of pixels [H, W, 3] the histogram that it has in all of ``pictures`` together.

    shares: how much each picture counts, however large it is; they sum to one.
    """
    flat = [picture.pixels.reshape(1, -1, 3) for picture in pictures]
    counted = [np.full(each.shape[:2], share / each.shape[1]) for each, share in zip(flat, shares, strict=True)]
    colours, weights = np.concatenate(flat, axis=1), np.concatenate(counted, axis=1)
    return lambda pixels: match_histogram(pixels, colours, weights)


def _like(lightness: Array, wanted: Array) -> Array:
    deviation = max(float(lightness.std()), float(wanted.std()) / _STEEPEST, 1e-6)
    moved: Array = (lightness - lightness.mean()) * (wanted.std() / deviation) + wanted.mean()
    return moved


def _grey(lightness: Array) -> Picture:
    lightness = np.clip(lightness, 0, 100)
    return Picture(srgb_from_lab(np.stack([lightness, *[np.zeros_like(lightness)] * 2], axis=-1)))
