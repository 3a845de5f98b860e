"""The networks on this computer: one folder each under ``PIXELGRAD_HOME/networks``, with a record of what is in it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pixelgrad.cache import home
from pixelgrad.errors import DownloadError, NetworkError, SettingsError
from pixelgrad.models import BUNDLED, CATALOGUE, Entry, plain_name
from pixelgrad.networks.files import Fetched, OnProgress, Progress, hashes, mismatch, writing

__all__ = [
    "Check",
    "Record",
    "StoredFile",
    "is_offline",
    "leftovers",
    "pull",
    "pulled",
    "record_of",
    "records",
    "register",
    "remove_files",
    "verify",
]

_RECORD = "record.json"
_FORMAT = 1
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")


@dataclass(frozen=True)
class StoredFile:
    """name: within the network's folder. source: the address or path that it came from."""

    name: str
    sha256: str
    size: int
    source: str = ""


@dataclass(frozen=True)
class Record:
    """A network that is here.

    kind: ``pulled`` from its publisher, or ``added`` by hand.
    files: what it consists of, the one to open first.
    folder: where they are; for an added network that was linked and not copied, where its owner keeps them.
    preprocess, labels, licence: what was said of it when it was added. labels is a label set's name or a text with a
        class per line.
    """

    name: str
    kind: str
    files: tuple[StoredFile, ...]
    folder: Path
    preprocess: str | None = None
    labels: str | None = None
    licence: str | None = None

    @property
    def path(self) -> Path:
        return self.folder / self.files[0].name

    @property
    def entry(self) -> Entry | None:
        """Its row in the catalogue, for a network that was pulled."""
        return CATALOGUE.get(self.name) if self.kind == "pulled" else None

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)

    @property
    def linked(self) -> bool:
        return self.folder != _folder(self.name)


@dataclass(frozen=True)
class Check:
    """file: what was looked at. passed, detail: whether it is what it should be, and how that was seen."""

    file: str
    passed: bool
    detail: str


def is_offline(asked: bool = False) -> bool:
    """Whether nothing may be fetched: asked for, or ``PIXELGRAD_OFFLINE`` is set to anything but 0."""
    return asked or os.environ.get("PIXELGRAD_OFFLINE", "0").lower() not in ("", "0", "false", "no", "off")


def records() -> dict[str, Record]:
    """Every network that is here, by name; folders without a readable record are passed over.

    Raises :class:`NetworkError` where the folder of all cannot be read.
    """
    try:
        folders = sorted(_networks().iterdir())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise NetworkError(
            f"{_networks()} cannot be read ({error.strerror or error}); set PIXELGRAD_HOME to a folder that can"
        ) from error
    found = (_read(folder) for folder in folders)
    return {record.name: record for record in found if record is not None}


def leftovers() -> list[str]:
    """Names of networks of which there is no readable record: most often a pull that was interrupted."""
    try:
        names = sorted(entry.name for entry in _networks().iterdir() if entry.is_dir())
    except OSError:
        return []
    return [name for name in names if _NAME.fullmatch(name) and record_of(name) is None]


def record_of(name: str) -> Record | None:
    """The network of that name, if it is here."""
    return _read(_folder(name)) if _NAME.fullmatch(name) else None


def pulled(name: str) -> Record | None:
    """A network that was pulled, if its files have the size that they had; their content is for ``verify``."""
    record = record_of(name)
    try:
        complete = record is not None and all(
            (record.folder / file.name).stat().st_size == file.size for file in record.files
        )
    except OSError:
        return None
    return record if complete and record is not None and record.kind == "pulled" else None


def pull(
    name: str,
    *,
    source: str | None = None,
    offline: bool = False,
    force: bool = False,
    on_progress: OnProgress | None = None,
    patience: float = 1.0,
) -> Record:
    """Fetch a network of the catalogue, or return the record of one that is here already.

    source: a mirror's address or a folder to take the files from, instead of their publisher.
    force: fetch it again; what is here stays until the new one is verified.
    on_progress: called with a :class:`Progress` as bytes come.

    Two pulls of one network at once: the second waits for the first and then finds its work done.
    Raises :class:`DownloadError`, :class:`OutputError`, and :class:`SettingsError` for a network that is not to be had.
    """
    row = CATALOGUE.get(name)
    if row is None:
        raise SettingsError(f"the catalogue has no network {name!r}; pixelgrad models list shows what there is")
    if not row.files:
        raise SettingsError(f"{name} cannot be pulled: its publisher offers no file; pixelgrad models add takes yours")
    if not force and (there := pulled(name)) is not None:  # without a lock, which a read-only folder would not take
        return there
    fetch = _fetcher()
    folder = _folder(name)
    with _locked(name, on_progress):
        if not force and (there := pulled(name)) is not None:
            return there
        from_network = source is None or source.startswith(("http://", "https://"))
        if from_network and is_offline(offline):
            raise DownloadError(
                f"{name} is not here, and nothing is fetched while offline (--offline, PIXELGRAD_OFFLINE): fetch "
                f"{' and '.join(download.url for download in row.files)} elsewhere, then pixelgrad models pull {name} "
                "--from FOLDER"
            )
        stored = []
        for download in row.files:
            fetched = fetch(
                download,
                folder / download.filename,
                source=source,
                again=force,
                on_progress=on_progress,
                patience=patience,
            )
            stored.append(StoredFile(download.filename, fetched.sha256, fetched.size, source or download.url))
        record = Record(name, "pulled", tuple(stored), folder)
        _write(record)
        return record


def register(
    name: str,
    paths: Sequence[Path],
    *,
    link: bool = False,
    force: bool = False,
    preprocess: str | None = None,
    labels: str | None = None,
    licence: str | None = None,
) -> Record:
    """Keep a network of one's own under ``name``: a copy of its files, or with ``link`` only where they are.

    paths: its files, all in one folder, the one to open first.
    Raises :class:`SettingsError` for a name that is no name or is taken, :class:`OutputError` where it cannot be kept.
    """
    check_name(name, force=force)
    folder = _folder(name)
    with _locked(name, None):
        place = paths[0].resolve().parent if link else folder
        stored = []
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            for path in paths:
                if not link and path.resolve() != (folder / path.name).resolve():
                    _copy(path, folder / path.name)
                stored.append(StoredFile(path.name, hashes(path)[0], path.stat().st_size, str(path.resolve())))
        record = Record(name, "added", tuple(stored), place, preprocess, labels, licence)
        _write(record)
        _forget_others(record)
        return record


def check_name(name: str, *, force: bool = False) -> None:
    """Raise :class:`SettingsError` unless a network of one's own may be called so."""
    if not _NAME.fullmatch(name):
        raise SettingsError(
            f"{name!r} cannot be a network's name; letters, digits and . _ + - can, up to 64, a letter or digit first "
            "(--name)"
        )
    wanted = plain_name(name)
    if any(wanted == plain_name(known) for known in (BUNDLED, *CATALOGUE)):
        raise SettingsError(f"{name!r} is the name of a network that pixelgrad knows; choose another (--name)")
    for taken in records():
        if wanted == plain_name(taken) and not (force and taken == name):
            raise SettingsError(f"there is a network {taken!r} already; choose another --name, or replace it: --force")


def remove_files(name: str) -> int:
    """Remove a network that was pulled or added, and what is left of an interrupted pull; the bytes that this freed.

    The files of a network that was linked stay where they are. Raises :class:`NetworkError` where there is none, or
    where it is just being fetched or added.
    """
    folder = _folder(name)
    if not _NAME.fullmatch(name) or not folder.is_dir():
        raise NetworkError(f"{name!r} is not here, so it cannot be removed")
    with _locked(name, None, waits=False), writing(folder):
        freed = sum(entry.stat().st_size for entry in folder.rglob("*") if entry.is_file())
        shutil.rmtree(folder)
    return freed


def verify(record: Record) -> Iterator[Check]:
    """Look at every file of a network: is it there, what it was, and what its publisher says it is?"""
    downloads = {download.filename: download for download in (record.entry.files if record.entry else ())}
    for file in record.files:
        path = record.folder / file.name
        try:
            sha256, sha1 = hashes(path)
            size = path.stat().st_size
        except OSError as error:
            yield Check(file.name, False, f"cannot be read: {error.strerror or error}")
            continue
        download = downloads.get(file.name)
        wrong = mismatch(download, sha256, sha1, size) if download is not None else None
        if wrong is None and (sha256, size) != (file.sha256, file.size):
            wrong = f"it has changed since it was {record.kind}: its sha256 is {sha256} instead of {file.sha256}"
        published = f", {download.published}" if download is not None else ""
        yield Check(file.name, wrong is None, wrong or f"{size:,} bytes, as it was {record.kind}{published}")


def _networks() -> Path:
    return home() / "networks"


def _folder(name: str) -> Path:
    return _networks() / name


def _read(folder: Path) -> Record | None:
    try:
        data = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
        if data.pop("format") != _FORMAT:
            return None
        files = tuple(StoredFile(**file) for file in data.pop("files"))
        place = data.pop("folder")
        record = Record(**data, files=files, folder=Path(place) if place else folder)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return record if record.files and record.name == folder.name else None


def _write(record: Record) -> None:
    """Put the record in place, whole or not at all; the caller holds the network's lock."""
    folder = _folder(record.name)
    data = {**asdict(record), "format": _FORMAT, "folder": str(record.folder) if record.linked else None}
    beside = folder / f".{_RECORD}"
    with writing(folder):
        beside.write_text(json.dumps(data, indent=1, sort_keys=True, default=str), encoding="utf-8")
        beside.replace(folder / _RECORD)


def _copy(origin: Path, target: Path) -> None:
    beside = target.with_name(f"{target.name}.part")
    try:
        shutil.copyfile(origin, beside)
        beside.replace(target)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def _forget_others(record: Record) -> None:
    """Remove what a network of that name consisted of before."""
    kept = {_RECORD} if record.linked else {_RECORD, *(file.name for file in record.files)}
    for entry in _folder(record.name).iterdir():
        if entry.is_file() and entry.name not in kept:
            with contextlib.suppress(OSError):
                entry.unlink()


@contextlib.contextmanager
def _locked(name: str, on_progress: OnProgress | None, *, waits: bool = True) -> Iterator[None]:
    """One process at a time works on a network's folder."""
    from filelock import FileLock, Timeout

    folder = _networks()
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f".{name}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if not waits:
                raise NetworkError(
                    f"another pixelgrad is just fetching or adding {name!r}; wait until it has, or end it"
                ) from None
            if on_progress is not None:
                on_progress(Progress(name, 0, None, "waiting"))
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _fetcher() -> Callable[..., Fetched]:
    try:
        from pixelgrad.networks.downloads import fetch
    except ImportError as error:
        raise DownloadError(
            f"fetching needs more than running does ({error}): pip install 'pixelgrad[export]'"
        ) from error
    return fetch
