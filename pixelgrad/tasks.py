"""Tasks from start to finish: export what is needed, run it, return the picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from pixelgrad.cache import cached_artifact
from pixelgrad.errors import DeviceError, NetworkError
from pixelgrad.models import BUNDLED, bundled_network
from pixelgrad.runtime import Artifact, Picture, StepEvent, StyleSettings, read_image, style
from pixelgrad.runtime.images import ImageSource

__all__ = ["find_network", "style_artifact", "stylize"]

Layers = Sequence[str] | Mapping[str, float]


def find_network(model: str | Path | None) -> Path:
    """The file of a network: the bundled one for ``None`` or its name, else a path to an ONNX file.

    Raises :class:`NetworkError` where there is no such file.
    """
    if model is None or str(model) == BUNDLED:
        bundled = bundled_network()
        if bundled is None:
            raise NetworkError("this installation has no bundled network; name a network file: --model PATH.onnx")
        return bundled
    path = Path(model).expanduser()
    if not path.exists():
        raise NetworkError(
            f"there is no network {str(model)!r}: neither a file nor a name that is known. Known: {BUNDLED} (bundled); "
            "else give the path of an .onnx file"
        )
    return path


def style_artifact(
    model: str | Path | None = None,
    *,
    content_layers: Layers | None = None,
    style_layers: Layers | None = None,
    pool: str = "max",
    preprocess: str | None = None,
) -> Path:
    """The folder of an artifact for style transfer, exported if it is not in the cache yet.

    Arguments as of :func:`pixelgrad.exporters.load_network` and :func:`pixelgrad.exporters.style_objective`, which
    also say what is raised.
    """
    exporters = _exporters()
    path = find_network(model)
    layers = {"content_layers": _plain(content_layers), "style_layers": _plain(style_layers)}
    key = {
        "objective": "style",
        "network": exporters.read_onnx(path)[1],
        "preprocess": preprocess,
        "pool": pool,
        **layers,
    }

    def write(folder: Path) -> None:
        network = exporters.load_network(path, preprocess=preprocess, pool=pool)
        objective = exporters.style_objective(network, content_layers=content_layers, style_layers=style_layers)
        exporters.write_artifact(network, objective, folder)

    return cached_artifact(key, write)


def stylize(
    content: ImageSource,
    style_images: ImageSource | Sequence[ImageSource],
    /,
    *,
    model: str | Path | None = None,
    device: str = "auto",
    content_layers: Layers | None = None,
    style_layers: Layers | None = None,
    pool: str = "max",
    preprocess: str | None = None,
    on_step: Callable[[StepEvent], object] | None = None,
    **settings: Any,
) -> Picture:
    """Give a picture the style of one or more others (Gatys, Ecker & Bethge 2016).

    >>> pixelgrad.stylize("photo.jpg", "painting.jpg", size=512).save("out.png")

    content, style_images: paths, file objects, bytes, Pillow images, NumPy arrays or pictures; a list for several
        styles.
    model: an ONNX file; the bundled network by default.
    device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``directml``, ``webgpu``, ``openvino`` or ``coreml``.
    content_layers, style_layers: layer names, or names with relative weights.
    pool: ``avg`` to replace max pooling by average pooling.
    preprocess: how the network wants its input, where that is not known (``pixelgrad.models.PREPROCESSINGS``).
    on_step: called with a :class:`StepEvent` after every step.
    settings: fields of :class:`StyleSettings`: ``size``, ``steps``, ``seed``, ``init``, ``style_weights``,
        ``style_scale``, ``content_weight``, ``style_weight``, ``tv_weight``, ``optimizer``, ``learning_rate``, ...

    Returns a picture that shows itself in a notebook; ``save``, ``to_pil()`` and ``numpy.asarray`` take it
    elsewhere. Raises :class:`PixelgradError`; see ``pixelgrad.errors``.
    """
    known = {field.name for field in fields(StyleSettings)}
    unknown = sorted(set(settings) - known)
    if unknown:
        raise TypeError(
            f"stylize() got an unexpected keyword argument {unknown[0]!r}; settings are {', '.join(sorted(known))}"
        )
    chosen = StyleSettings(**settings)
    several = isinstance(style_images, list | tuple)
    sources: Sequence[Any] = style_images if several else [style_images]  # type: ignore[assignment]
    chosen.check(len(sources))
    picture = read_image(content)
    pictures = [read_image(source) for source in sources]
    folder = style_artifact(
        model, content_layers=content_layers, style_layers=style_layers, pool=pool, preprocess=preprocess
    )
    event: StepEvent | None = None
    for event in style(Artifact(folder, device=device), picture, pictures, chosen):
        if on_step is not None:
            on_step(event)
    assert event is not None  # there is at least one step
    return event.picture()


def _plain(layers: Layers | None) -> Any:
    return dict(layers) if isinstance(layers, Mapping) else None if layers is None else list(layers)


def _exporters() -> Any:
    try:
        import pixelgrad.exporters as exporters
    except ImportError as error:
        raise DeviceError(
            f"exporting a network needs more than running an artifact does ({error}): pip install 'pixelgrad[export]'"
        ) from error
    return exporters
