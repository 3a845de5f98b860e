"""What a deconvnet shows of a layer: data, and a sheet as in the paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from pixelgrad.runtime.images import Picture, fit_size, resize, sheet
from pixelgrad.runtime.projector import Box

__all__ = ["ChannelHits", "DeconvResult", "Hit", "relief"]

Array = np.ndarray[Any, Any]
# Of the values of a patch, all but these are within its contrast: single pixels at the seams of strided filters
# would else leave the rest grey.
_WITHIN = 99.8
_ALONG = 3  # patches along an edge of a channel's block, as in the paper
_PIXELS = 96


@dataclass(frozen=True)
class Hit:
    """One of a channel's strongest activations.

    path: the image file. value: the activation. row, column: its place in the channel's map.
    field: the receptive field in the image as scanned; it may reach over the edge. shown: the part that is shown.
    crop: float32 [h, w, 3] in [0, 1], what was seen in ``shown``.
    projection: float32 [h, w, 3], the activation carried down to these pixels: any range, zero where there is nothing.
    """

    path: str
    value: float
    row: int
    column: int
    field: Box
    shown: Box
    crop: Array
    projection: Array

    def facts(self) -> dict[str, Any]:
        """All but the pixels, as JSON has it."""
        return {
            "path": self.path,
            "value": self.value,
            "row": self.row,
            "column": self.column,
            "field": asdict(self.field),
            "shown": asdict(self.shown),
        }


@dataclass(frozen=True)
class ChannelHits:
    """A channel and its strongest activations above zero, best first; fewer where it is silent on the other images."""

    channel: int
    hits: tuple[Hit, ...]

    def picture(self, pixels: int = _PIXELS) -> Picture | None:
        """The projections in a square block, and beside it the parts of the images that they answer to.

        pixels: the edge of a patch. ``None`` where the channel is silent.
        """
        if not self.hits:
            return None
        blocks = (
            [relief(hit.projection, pixels) for hit in self.hits],
            [Picture(np.clip(hit.crop, 0, 1)) for hit in self.hits],
        )
        along = min(_ALONG, len(self.hits)) if len(self.hits) <= _ALONG**2 else int(np.ceil(np.sqrt(len(self.hits))))
        return sheet([[_block(block, along, pixels) for block in blocks]], gutter=8, margin=0)


@dataclass(frozen=True)
class DeconvResult:
    """network, layer, rule: by their names. size: (width, height) that the images were scanned at. channels: those that
    were chosen, with what they answer to. images, unreadable: how many there were, and how many of them are no images.
    failures: some of these, with the reason. recipe: what it takes to make it again.
    """

    network: str
    layer: str
    rule: str
    size: tuple[int, int]
    channels: tuple[ChannelHits, ...]
    images: int
    unreadable: int
    failures: tuple[tuple[str, str], ...]
    recipe: dict[str, Any] = field(default_factory=dict)

    def picture(self, pixels: int = _PIXELS) -> Picture:
        """A labelled sheet: of every channel the projections beside the images. pixels: the edge of a patch."""
        pairs = [(channel, channel.picture(pixels)) for channel in self.channels]
        silent = Picture(np.full((pixels, pixels, 3), 0.5, np.float32))
        readable = self.images - self.unreadable
        abreast = 1 if len(pairs) <= 2 else 2
        lines = [pairs[start : start + abreast] for start in range(0, len(pairs), abreast)]
        return sheet(
            [[picture or silent for _, picture in line] for line in lines],
            captions=[[_caption(channel) for channel, _ in line] for line in lines],
            title=f"{self.network} {self.layer}: {_RULES[self.rule]}, {readable} images",
            gutter=16,
            text_size=max(12, round(pixels / 6)),
            recipe=self.recipe,
        )

    def facts(self) -> dict[str, Any]:
        """All but the pixels, as JSON has it."""
        return {
            "network": self.network,
            "layer": self.layer,
            "rule": self.rule,
            "width": self.size[0],
            "height": self.size[1],
            "images": self.images,
            "unreadable": self.unreadable,
            "failures": [{"path": path, "reason": reason} for path, reason in self.failures],
            "channels": [
                {"channel": channel.channel, "hits": [hit.facts() for hit in channel.hits]} for channel in self.channels
            ],
        }


_RULES = {"deconvnet": "deconvnet", "gradient": "gradients", "guided": "guided backprop"}


def relief(projection: Array, pixels: int | None = None) -> Picture:
    """A projection [h, w, 3] to look at: zero is grey, and the patch's own largest values are black and white.

    pixels: its longer edge at most. It is shrunk before it gets its contrast, because thin lines fade.
    """
    height, width = projection.shape[:2]
    if pixels is not None and max(height, width) > pixels:
        projection = resize(projection.astype(np.float32), fit_size(width, height, pixels))
    within = float(np.percentile(np.abs(projection), _WITHIN))
    contrast = within or float(np.abs(projection).max()) or 1.0
    return Picture(np.clip(0.5 + 0.5 * projection / contrast, 0, 1).astype(np.float32))


def _block(patches: Sequence[Picture], along: int, pixels: int) -> Picture:
    fitted = [_fitted(patch, pixels) for patch in patches]
    rows = [fitted[start : start + along] for start in range(0, len(fitted), along)]
    return sheet(rows, gutter=2, margin=0)


def _fitted(patch: Picture, pixels: int) -> Picture:
    """At the size of a patch; smoothly, as a receptive field of a few pixels is to be looked at from afar."""
    width, height = patch.size
    longest = max(width, height)
    return patch.resized(max(1, round(width * pixels / longest)), max(1, round(height * pixels / longest)))


def _caption(channel: ChannelHits) -> str:
    if not channel.hits:
        return f"channel {channel.channel}: silent on all images"
    values = f"{channel.hits[0].value:.4g}"
    if len(channel.hits) > 1:
        values += f" to {channel.hits[-1].value:.4g}"
    return f"channel {channel.channel}: activation {values}"
