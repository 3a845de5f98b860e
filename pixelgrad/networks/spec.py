"""Which network, and how it is read and run: said once, and taken by every task."""

from __future__ import annotations

from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from pixelgrad.errors import NetworkError, SettingsError
from pixelgrad.exporters.identity import fingerprint
from pixelgrad.networks.lookup import exporters, facts, find_network, load_network, locate

if TYPE_CHECKING:
    from pixelgrad.exporters import Network

__all__ = ["Model", "NetworkSpec", "TorchModule", "is_model"]


class TorchModule(Protocol):
    """A ``torch.nn.Module``."""

    @property
    def named_modules(self) -> Any: ...


@dataclass(frozen=True)
class NetworkSpec:
    """A network, and how it is read and run. Every task takes one as its ``model``, in place of a bare name or file.

    >>> pixelgrad.stylize("photo.jpg", "painting.jpg", model=pixelgrad.NetworkSpec("vgg19.onnx", pool="max"))

    model: a network file, or a name (``pixelgrad models list``); the bundled network by default. Or what is in memory
        already: a ``torch.nn.Module``, or what :func:`pixelgrad.load_network` or
        :func:`pixelgrad.exporters.from_torch` returned.
    pool: ``avg`` replaces max pooling by average pooling, ``max`` leaves it. By default as in the paper of the task:
        ``avg`` for style transfer and textures, ``max`` for all else.
    preprocess: how the network wants its input, where that is not known (``pixelgrad.models.PREPROCESSINGS``).
    prototxt: the description of a Caffe network, where it is not the one beside it.
    precision: ``fp32``, or ``fp16`` for the network in half precision, on a GPU.
    """

    model: str | Path | Network | TorchModule | None = None
    pool: str | None = None
    preprocess: str | None = None
    prototxt: str | Path | None = None
    precision: str = "fp32"

    @classmethod
    def of(cls, model: Model, pool: str = "max") -> NetworkSpec:
        """``model`` in full, a module as a network; pool: what the task takes where nothing else is said."""
        spec = model if isinstance(model, cls) else cls(model)  # type: ignore[arg-type]
        if spec.is_live:
            network = spec._network(pool)
            return replace(spec, model=network, pool=network.pool, preprocess=None)
        return spec if spec.pool is not None else replace(spec, pool=pool)

    @property
    def is_live(self) -> bool:
        """Whether the network is in memory, and from no file that is known."""
        return not isinstance(self.model, str | PathLike | None)

    @property
    def file(self) -> Path:
        """The network's file; :class:`NetworkError` where there is none."""
        if self.is_live:
            raise NetworkError(f"a network in memory ({type(self.model).__name__}) has no file; save it, and name that")
        return find_network(self.model)  # type: ignore[arg-type]

    def load(self) -> Network:
        """The network; errors as of :func:`pixelgrad.load_network`."""
        if self.is_live:
            return self._network("max")
        return load_network(
            self.model,  # type: ignore[arg-type]
            preprocess=self.preprocess,
            pool="max" if self.pool is None else self.pool,
            prototxt=self.prototxt,
        )

    def _network(self, pool: str) -> Network:
        if self.prototxt is not None:
            raise SettingsError("a prototxt describes a network in a Caffe file, and this one is in memory already")
        network: Any = self.model
        if hasattr(network, "named_modules"):
            network = exporters().from_torch(network, preprocess=self.preprocess)
        elif not isinstance(network, exporters().Network):
            raise SettingsError(
                "a network is a file or a name, pixelgrad.NetworkSpec(...), what load_network returned, or a "
                f"torch.nn.Module; this is {type(network).__name__}"
            )
        elif self.preprocess is not None:
            raise SettingsError(
                f"{network.name!r} was read with preprocess={network.preprocessing.name!r}; say it where it is read "
                "(load_network, from_torch)"
            )
        averaged = self.pool is None and network.pool == "avg"  # as it was asked for
        found: Network = network if averaged else network.with_pool(pool if self.pool is None else self.pool)
        return found

    def key(self) -> dict[str, Any]:
        """JSON-able, all of it that an artifact depends on: contents of files, and the network's name."""
        if self.is_live:
            return {"network": self.load().contents(), "precision": self.precision}
        located = locate(self.model)  # type: ignore[arg-type]
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


def is_model(value: object) -> bool:
    """Whether it is one network, and no list of them."""
    if isinstance(value, str | PathLike | NetworkSpec) or hasattr(value, "named_modules"):
        return True
    return isinstance(value, exporters().Network)


#: What the tasks take for a network.
Model: TypeAlias = "str | Path | NetworkSpec | Network | TorchModule | None"
