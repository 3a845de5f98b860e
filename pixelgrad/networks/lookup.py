"""From what a person calls a network to its file, and to the network itself."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pixelgrad.cache import conversions
from pixelgrad.errors import DeviceError, NetworkError, SettingsError
from pixelgrad.exporters.identity import companions, fingerprint
from pixelgrad.models import BUNDLED, CATALOGUE, Entry, bundled_network, close_names, plain_name
from pixelgrad.models.labels import LABEL_SETS, label_set, parse_labels
from pixelgrad.networks.store import Record, check_name, record_of, records, register, remove_files

if TYPE_CHECKING:
    from types import ModuleType

    from pixelgrad.exporters import Network

__all__ = ["Located", "add", "exporters", "facts", "find_network", "load_network", "locate", "remove"]


@dataclass(frozen=True)
class Located:
    """A network's file, and how it came here: ``record`` is ``None`` for the bundled one and for a plain file."""

    path: Path
    record: Record | None = None
    bundled: bool = False

    @property
    def entry(self) -> Entry | None:
        """Its row in the catalogue, where its name says which; a plain file may yet be recognised by its layers."""
        if self.record is not None:
            return self.record.entry
        return CATALOGUE.get(BUNDLED) if self.bundled else None


def locate(model: str | Path | None) -> Located:
    """The file that ``model`` means: the bundled network for ``None``, a known name, or a path.

    A name is taken however it is spelt (VGG-19, vgg_19); a file of the same name is ``./NAME``. Nothing is ever
    fetched. Raises :class:`NetworkError` for a known network that is not here, saying how to get it, and for what is
    neither a name nor a file, with the names that come close; :class:`SettingsError` for what is in memory.
    """
    if not isinstance(model, str | os.PathLike | None):
        raise SettingsError(
            f"a network is read from a file, given by its path or name, not from {type(model).__name__}; save it, and "
            "name the file (a torch.nn.Module is given to a task as it is)"
        )
    text = BUNDLED if model is None else str(model)
    if not text:
        raise NetworkError("the name of the network is empty; name a network or its file (pixelgrad models list)")
    is_name = not isinstance(model, Path) and re.search(r"[/\\]", text) is None and bool(plain_name(text))
    if is_name and plain_name(text) == plain_name(BUNDLED):
        bundled = bundled_network()
        if bundled is None:
            raise NetworkError("this installation has no bundled network; name a network file: --model FILE")
        return Located(bundled, bundled=True)
    here = records() if is_name else {}
    name = _known(text, here) if is_name else None
    if name is not None:
        record = here[name]
        if not record.path.is_file():
            lost = "pixelgrad models pull" if record.kind == "pulled" else "pixelgrad models add FILE --force --name"
            raise NetworkError(f"the file of {name}, {record.path}, is gone; {lost} {name} brings it back")
        return Located(record.path, record)
    path = Path(text).expanduser()
    if os.path.exists(path):  # noqa: PTH110 (pathlib raises for a name that is too long, or out of reach)
        return Located(path)
    name = _known(text, CATALOGUE) if is_name else None
    if name is not None:
        raise NetworkError(_not_here(CATALOGUE[name]))
    if not is_name or path.suffix.lower() in {".onnx", ".pth", ".pt", ".caffemodel", ".safetensors", ".h5", ".keras"}:
        raise NetworkError(f"there is no network file {path.name!r} in {str(path.parent)!r}")
    close = close_names(text, [BUNDLED, *here, *CATALOGUE])
    hint = f"did you mean {', '.join(close)}? " if close else ""
    raise NetworkError(
        f"there is no network {text!r}, neither by that name nor as a file; {hint}pixelgrad models list shows the names"
    )


def find_network(model: str | Path | None) -> Path:
    """The file of a network, as :func:`locate` finds it."""
    return locate(model).path


def load_network(
    model: str | Path | None,
    *,
    preprocess: str | None = None,
    pool: str = "max",
    prototxt: str | Path | None = None,
) -> Network:
    """A network by name or file, ready for an objective: :func:`pixelgrad.exporters.load_network` with what is known.

    What its name says (layers, labels, how it wants its input) holds, and the conversion of its file is kept, so that
    the next time is quick.

    model: a network file, or a name (``pixelgrad models list``); the bundled network for ``None``.
    preprocess: how it wants its input, where that is not known (``pixelgrad.models.PREPROCESSINGS``).
    pool: ``avg`` replaces max pooling by average pooling, ``max`` leaves it.
    prototxt: the description of a Caffe network, where it is not the one beside it.

    Raises :class:`NetworkError` for a network that is not here or cannot be used, :class:`SettingsError` for a setting.
    """
    located = locate(model)
    record = located.record
    entry = located.entry
    if preprocess is None and record is not None:
        preprocess = record.preprocess
    network = exporters().load_network(
        located.path, preprocess=preprocess, pool=pool, prototxt=prototxt, entry=entry, cache=conversions()
    )
    return network if record is None or entry is not None else _as_added(network, record)


def add(
    file: Path,
    name: str,
    *,
    preprocess: str | None = None,
    prototxt: Path | None = None,
    labels: str | None = None,
    licence: str | None = None,
    link: bool = False,
    force: bool = False,
) -> tuple[Record, Network]:
    """Register a network file of one's own under ``name``, once it is sure that it can be used; the loaded network too.

    preprocess: how it wants its input, where its file does not tell. prototxt: the description of a Caffe network, in
        place of those beside it, which are kept with it otherwise. labels: ``imagenet``, or a file with the name of
        a class per line. link: leave the file where it is. force: replace what was added under that name.

    Raises :class:`NetworkError` for a file that cannot be used, :class:`SettingsError` for a name that is taken or
    labels that do not fit, :class:`OutputError` where it cannot be kept.
    """
    check_name(name, force=force)
    if prototxt is not None and link and prototxt.resolve().parent != file.resolve().parent:
        raise SettingsError(
            f"{file.name} is to stay where it is (--link), so its description {prototxt.name} must lie beside it; "
            "leave --link out to have both copied"
        )
    network = exporters().load_network(file, preprocess=preprocess, prototxt=prototxt, cache=conversions())
    files = [file, *companions(file)]
    if prototxt is not None:
        files = [*(path for path in files if path.suffix != ".prototxt"), prototxt]
    text = _labels_text(labels)
    if text is not None:
        named = label_set(text) if text in LABEL_SETS else parse_labels(text, str(labels))
        if network.classes is not None and len(named) != network.classes:
            raise SettingsError(f"{labels} names {len(named)} classes, and {file.name} has {network.classes}")
    record = register(
        name,
        files,
        link=link,
        force=force,
        preprocess=preprocess,
        labels=text,
        licence=licence,
    )
    return record, _as_added(network, record)


def _labels_text(labels: str | None) -> str | None:
    if labels is None or labels in LABEL_SETS:
        return labels
    try:
        return Path(labels).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise SettingsError(
            f"the labels {labels!r} cannot be read ({reason}); they are {', '.join(LABEL_SETS)}, or a file with the "
            "name of a class per line"
        ) from error


def remove(name: str) -> int:
    """Remove a network that was pulled or added, with the conversion of it that was kept; the bytes that this freed.

    The files of a network that was linked stay where they are. Raises :class:`NetworkError` where it is not here.
    """
    record = record_of(name)
    conversion = None
    if record is not None and record.path.is_file():
        conversion = conversions() / f"{fingerprint(record.path)}.onnx"
    freed = remove_files(name)
    if conversion is not None and conversion.is_file():
        freed += conversion.stat().st_size
        conversion.unlink(missing_ok=True)
    return freed


def facts(located: Located) -> dict[str, str | None]:
    """What beside its file decides what :func:`load_network` makes of a network: part of an artifact's key."""
    record = located.record
    if record is None:
        return {}
    return {field: getattr(record, field) for field in ("name", "kind", "preprocess", "licence", "labels")}


def exporters() -> ModuleType:
    """The exporters; :class:`DeviceError` with the pip line where what they need is not installed."""
    try:
        import pixelgrad.exporters.artifact  # all that the package loads when it is needed
    except ImportError as error:
        raise DeviceError(
            f"exporting a network needs more than running an artifact does ({error}): pip install 'pixelgrad[export]'"
        ) from error
    return pixelgrad.exporters


def _as_added(network: Network, record: Record) -> Network:
    """``network`` under the name, licence and labels that its owner gave it."""
    base = network.entry or Entry(
        name=record.name, title=record.files[0].name, preprocessing=network.preprocessing.name, licence="unknown"
    )
    text = record.labels
    labels = base.labels if text is None else text if text in LABEL_SETS else parse_labels(text, record.name)
    licence = record.licence or network.licence
    entry = replace(base, name=record.name, labels=labels, licence=licence)
    return replace(network, name=record.name, licence=licence, entry=entry)


def _known(text: str, names: dict[str, object] | dict[str, Record] | dict[str, Entry]) -> str | None:
    if text in names:
        return text
    return next((name for name in names if plain_name(name) == plain_name(text)), None)


def _not_here(row: Entry) -> str:
    if not row.files:
        return f"{row.name} is known, but its publisher offers no file to fetch; give the path of yours"
    size = f" fetches it, {row.size / 1e6:.0f} MB" if row.size else " fetches it"
    return f"{row.name} is known but not here yet: pixelgrad models pull {row.name}{size}"
