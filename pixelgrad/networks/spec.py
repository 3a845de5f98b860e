"""Which network, and how it is read and run: said once, and taken by every task."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from pixelgrad.exporters.identity import fingerprint
from pixelgrad.networks.lookup import facts, load_network, locate

if TYPE_CHECKING:
    from pixelgrad.exporters import Network

__all__ = ["Model", "NetworkSpec"]


@dataclass(frozen=True)
class NetworkSpec:
    """A network, and how it is read and run. Every task takes one as its ``model``, in place of a bare name or file.

    >>> pixelgrad.stylize("photo.jpg", "painting.jpg", model=pixelgrad.NetworkSpec("vgg19.onnx", pool="max"))

    model: a network file, or a name (``pixelgrad models list``); the bundled network by default.
    pool: ``avg`` replaces max pooling by average pooling, ``max`` leaves it. By default as in the paper of the task:
        ``avg`` for style transfer and textures, ``max`` for all else.
    preprocess: how the network wants its input, where that is not known (``pixelgrad.models.PREPROCESSINGS``).
    prototxt: the description of a Caffe network, where it is not the one beside it.
    precision: ``fp32``, or ``fp16`` for the network in half precision, on a GPU.
    """

    model: str | Path | None = None
    pool: str | None = None
    preprocess: str | None = None
    prototxt: str | Path | None = None
    precision: str = "fp32"

    @classmethod
    def of(cls, model: Model, pool: str = "max") -> NetworkSpec:
        """``model`` in full; pool: what the task takes where nothing else is said."""
        spec = model if isinstance(model, cls) else cls(model)  # type: ignore[arg-type]
        return spec if spec.pool is not None else replace(spec, pool=pool)

    def load(self) -> Network:
        """The network; errors as of :func:`pixelgrad.load_network`."""
        return load_network(self.model, preprocess=self.preprocess, pool=self.pool or "max", prototxt=self.prototxt)

    def key(self) -> dict[str, Any]:
        """JSON-able, all of it that an artifact depends on: contents of files, and the network's name."""
        located = locate(self.model)
        described = {} if self.prototxt is None else {"prototxt": fingerprint(Path(self.prototxt))}
        return {
            "network": fingerprint(located.path),
            "name": located.path.stem,
            "known": facts(located),
            "preprocess": self.preprocess,
            "pool": self.pool,
            "precision": self.precision,
            **described,
        }


#: What the tasks take for a network.
Model: TypeAlias = str | Path | NetworkSpec | None
