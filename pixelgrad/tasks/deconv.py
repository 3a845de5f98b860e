"""What channels look for, from start to finish."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixelgrad.cache import home
from pixelgrad.networks import Model, NetworkSpec
from pixelgrad.runtime import DeconvResult, DeconvSettings, ProjectEvent, Projector, ScanEvent
from pixelgrad.runtime import deconv as run_deconv
from pixelgrad.runtime.tasks.deconv import image_size, index_key
from pixelgrad.tasks.common import check_paths, exporters, network_artifact, settings_of

if TYPE_CHECKING:
    from pixelgrad.exporters import Network

__all__ = ["deconv", "projection_artifact", "scan_index"]


def projection_artifact(
    model: Model = None,
    *,
    layer: str | None,
    rule: str = "deconvnet",
    watched: Sequence[str] = (),
) -> Path:
    """The folder of an artifact that projects a layer's activations, exported if it is not in the cache yet.

    layer: ``None`` for the one that scores the classes. rule: ``deconvnet``, ``gradient`` or ``guided``. watched:
    layers whose features it can put out, too. Raises what :func:`pixelgrad.load_network` and
    :func:`pixelgrad.exporters.write_projection` do.
    """
    spec = NetworkSpec.of(model)
    settings = {"layer": layer, "rule": rule, "watched": list(watched)}

    def write(network: Network, folder: Path) -> None:
        export = exporters()
        chosen = str(export.class_scores(network).name) if layer is None else layer
        projection = export.Projection(chosen, rule, tuple(watched))
        export.write_projection(network, projection, folder, precision=spec.precision)

    return network_artifact("projection", spec, write, settings)


def scan_index(projector: Projector, settings: Any) -> Path:
    """Where the scans of this layer, at the settings' size, are kept: below ``PIXELGRAD_HOME``."""
    text = json.dumps(index_key(projector, image_size(projector, settings)), sort_keys=True)
    return home() / "scans" / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.sqlite"


def deconv(
    images: str | Path,
    *,
    layer: str,
    rule: str = "deconvnet",
    model: Model = None,
    index: str | Path | None = None,
    device: str = "auto",
    on_event: Callable[[ScanEvent | ProjectEvent], object] | None = None,
    **settings: Any,
) -> DeconvResult:
    """What channels of a layer answer to in a folder of images, and what of it they saw (Zeiler & Fergus 2013).

    >>> pixelgrad.deconv("photos", layer="relu3_1", channels=[5, 17]).picture().save("relu3_1.png")

    images: a folder; what is below it counts. Its scan is kept, so that other channels and rules cost no second one.
    layer: a layer of maps. rule: ``deconvnet``, ``gradient`` (Simonyan et al. 2014) or ``guided`` (Springenberg et
        al. 2015).
    model, device: as of :func:`stylize`. index: the file to keep the scan in.
    on_event: called with every :class:`ScanEvent` and :class:`ProjectEvent`.
    settings: fields of :class:`DeconvSettings`: ``channels``, ``top``, ``size``, ``batch``.

    Raises :class:`PixelgradError`; see ``pixelgrad.errors``.
    """
    chosen = settings_of(DeconvSettings, "deconv", settings, on_event=on_event)
    chosen.check()
    check_paths("index", images=images, index=index)
    folder = projection_artifact(model, layer=layer, rule=rule)
    projector = Projector(folder, device=device)
    result: DeconvResult | None = None
    for event in run_deconv(projector, images, index or scan_index(projector, chosen), chosen):
        if on_event is not None:
            on_event(event)
        if isinstance(event, ProjectEvent):
            result = event.result
    assert result is not None  # there is at least one channel
    return result
