"""What a channel looks for: its strongest images, and what in them it answered to (Zeiler & Fergus 2013)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pixelgrad.errors import SettingsError
from pixelgrad.runtime.projector import Projector
from pixelgrad.runtime.recipe import make_recipe
from pixelgrad.runtime.scanning import Found, ScanEvent, ScanIndex, load_pixels, scan, to_batch
from pixelgrad.runtime.settings import check_channel_list, check_choice, check_edge, check_whole
from pixelgrad.runtime.tasks.cropping import CROPS, crop_boxes
from pixelgrad.runtime.tasks.deconv_result import ChannelHits, DeconvResult, Hit

__all__ = ["DeconvSettings", "ProjectEvent", "check_channels", "deconv", "image_size", "index_key", "project_channel"]

Array = np.ndarray[Any, Any]
#: Raised whenever images are read or numbers are stored in another way, so that no old index is taken for a new one.
_INDEX_VERSION = 1
_CHANNELS = 6


@dataclass(frozen=True)
class DeconvSettings:
    """channels: which; ``None`` for the six that respond most strongly to the images.
    top: how many images for each, one activation in each.
    size: edge in pixels of the square that the middle of every image is brought to; networks that take one size only
        ignore it.
    batch: images at a time.
    crop: what to show of an image: ``field``, the receptive field; ``tight``, where most of the projection is;
        ``auto``, the field where it is at most half as wide as the image.
    """

    channels: Sequence[int] | None = None
    top: int = 9
    size: int = 224
    batch: int = 16
    crop: str = "auto"

    def check(self) -> None:
        """Raise :class:`SettingsError` for a value that cannot be."""
        check_whole(self, 1, "top", "batch")
        check_edge(self, "size")
        check_choice("crop", self.crop, CROPS)
        check_channel_list(self)


@dataclass(frozen=True)
class ProjectEvent:
    """One more channel is projected. result: at the last one, all of it."""

    done: int
    total: int
    seconds: float
    progress: float
    result: DeconvResult | None


def image_size(projector: Projector, settings: Any) -> tuple[int, int]:
    """(width, height) to scan at: the settings' ``size`` squared, or what the network insists on."""
    fixed = projector.fixed_size
    return (fixed[1], fixed[0]) if fixed else (settings.size, settings.size)


def index_key(projector: Projector, size: tuple[int, int]) -> dict[str, Any]:
    """What the numbers in an index depend on, but for the files: JSON-able. The rule of the projection is not in it."""
    network = projector.manifest["network"]
    return {
        "version": _INDEX_VERSION,
        "network": {key: network[key] for key in ("sha256", "pool", "preprocessing")},
        "precision": projector.precision,
        "layer": projector.layer,
        "size": list(size),
    }


def check_channels(projector: Projector, channels: Sequence[int]) -> None:
    """Raise :class:`SettingsError` for a channel that the layer does not have."""
    for channel in channels:
        if isinstance(channel, bool) or not isinstance(channel, int) or not 0 <= channel < projector.channels:
            raise SettingsError(
                f"the layer {projector.layer!r} has no channel {channel}; it has channels 0 to {projector.channels - 1}"
            )


def deconv(
    projector: Projector, folder: str | Path, index: str | Path, settings: DeconvSettings | None = None
) -> Iterator[ScanEvent | ProjectEvent]:
    """Scan the images in ``folder``, as far as ``index`` does not know them, then project the strongest activations.

    Yields a :class:`ScanEvent` after every batch and a :class:`ProjectEvent` after every channel, the last with the
    result. An activation enters the projection with its value, as in the paper (section 2.1), under the rule
    ``deconvnet``, and with 1 under the others, so that these are d activation / d pixel.

    Raises :class:`SettingsError` before the first image for a layer or channels that cannot be, and what :func:`scan`
    and :class:`ScanIndex` raise.
    """
    settings = settings or DeconvSettings()
    settings.check()
    if not projector.spatial:
        raise SettingsError(
            f"the layer {projector.layer!r} has no spatial extent, so there is no part of an image that it answers to; "
            "choose a layer before the network's pooling and classifier"
        )
    check_channels(projector, settings.channels or ())
    size = image_size(projector, settings)
    projector.check_size(np.broadcast_to(np.float32(0), (1, 3, size[1], size[0])))
    return _run(projector, Path(folder), Path(index), settings, size)


def _run(
    projector: Projector, folder: Path, path: Path, settings: DeconvSettings, size: tuple[int, int]
) -> Iterator[ScanEvent | ProjectEvent]:
    with ScanIndex(path, index_key(projector, size)) as index:
        last: ScanEvent | None = None
        for last in scan(projector, folder, index, size, settings.batch):
            yield last
        assert last is not None
        channels = settings.channels
        if channels is None:
            channels = sorted(int(c) for c in np.argsort(-index.peaks(), kind="stable")[:_CHANNELS])
        strongest = index.strongest(channels, settings.top)
        failures = tuple(index.unreadable())
    result: list[ChannelHits] = []
    recipe = make_recipe("deconv", projector, settings, size, {}) | {"images": last.total - last.unreadable}
    for done, (channel, found) in enumerate(zip(channels, strongest, strict=True), 1):
        result.append(project_channel(projector, channel, found, size, settings.crop))
        finished = None
        if done == len(channels):
            finished = DeconvResult(
                network=projector.manifest["network"]["name"],
                layer=projector.layer,
                rule=projector.rule,
                size=size,
                channels=tuple(result),
                images=last.total,
                unreadable=last.unreadable,
                failures=failures,
                recipe=recipe,
            )
        yield ProjectEvent(done, len(channels), last.seconds, done / len(channels), finished)


def project_channel(
    projector: Projector, channel: int, found: Sequence[Found], size: tuple[int, int], crop: str
) -> ChannelHits:
    """A channel's strongest activations, projected and cropped. size: (width, height) that they were found at."""
    shape = (size[1], size[0])
    images, projections, fields = [], [], []
    for one in found:
        image = to_batch([load_pixels(one.path, size)])
        # The paper starts from the activation itself; a gradient is that of the activation.
        weight = one.value if projector.rule == "deconvnet" else 1.0
        projection = projector.project_one(image, channel, one.position, weight)
        fields.append(projector.field(*divmod(one.position, projector.grid(shape)[1]), shape))
        images.append(image[0].transpose(1, 2, 0))
        projections.append(projection[0].transpose(1, 2, 0))
    boxes = crop_boxes(fields, projections, crop)
    hits = []
    for one, field, box, image, projection in zip(found, fields, boxes, images, projections, strict=True):
        row, column = divmod(one.position, projector.grid(shape)[1])
        seen, part = (np.ascontiguousarray(box.cut(array)) for array in (image, projection))
        hits.append(Hit(one.path, one.value, row, column, field, box, seen, part))
    return ChannelHits(channel, tuple(hits))
