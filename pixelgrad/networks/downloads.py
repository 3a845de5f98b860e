"""Fetching a file over HTTP: resumed where it broke off, verified, and put in place whole or not at all.

Built on requests, which honours ``HTTPS_PROXY``, ``NO_PROXY`` and ``REQUESTS_CA_BUNDLE``. No well-kept library resumes
a download across runs of a program and verifies it too (pooch, the nearest, starts from nothing each time), so that
part is here: bytes gather in ``NAME.part``, the validator of the version that they are of in ``NAME.part.json``.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import time
from collections.abc import Generator, Iterable, Iterator
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path

import requests

from pixelgrad.errors import DownloadError, OutputError
from pixelgrad.models import Download
from pixelgrad.networks.files import Fetched, OnProgress, Progress, amount, hashes, mismatch, writing
from pixelgrad.version import __version__

__all__ = ["fetch"]

_CONNECT, _READ = 20.0, 60.0  # seconds
_TRIES = 4  # in a row without a byte
# The last incomplete chunk is lost when a connection breaks, so it is small.
_CHUNK = 1 << 14
_PASSING = {408, 425, 429, 500, 502, 503, 504}
_LONGEST_WAIT = 60.0  # seconds that a server may ask to wait before it is better to come back another time
# What comes in place of a file, by how it begins.
_INSTEAD = {
    b"version https://git-lfs": "it is only a pointer to the file, the publisher's large file storage did not answer",
    b"<!doctype html": "it is a web page; does the network that you are in ask to log in?",
    b"<html": "it is a web page; does the network that you are in ask to log in?",
}


class _BrokenError(Exception):
    """A transfer that broke off and is worth another try. wait: seconds that the server asks to wait before it."""

    def __init__(self, message: str, wait: float = 0.0) -> None:
        super().__init__(message)
        self.wait = wait


def fetch(
    download: Download,
    target: Path,
    *,
    source: str | None = None,
    again: bool = False,
    on_progress: OnProgress | None = None,
    patience: float = 1.0,
) -> Fetched:
    """Bring ``download`` to ``target``; a file that is there already and right is left alone.

    source: where to take it from instead of its publisher: the address of a folder on a mirror, or a folder here.
    again: fetch it even so; what is there stays until the new one is verified.
    patience: seconds to wait before the first retry; each further one waits twice as long, and longer where the server
        says so (``Retry-After``).

    What was received is kept when a transfer breaks off, and the next call goes on from there if the server still has
    the same version (``If-Range``) or a published hash can tell. Raises :class:`DownloadError` for whatever stops it
    for good and :class:`OutputError` where ``target`` cannot be written.
    """
    report = on_progress or (lambda _: None)
    with writing(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
    if not again and target.is_file():
        there = hashes(target)
        if mismatch(download, *there, target.stat().st_size) is None:
            return Fetched(there[0], target.stat().st_size)
    part = target.with_name(f"{target.name}.part")
    if source is not None and not re.match(r"https?://", source):
        _copy(_folder(source) / download.filename, part, report)
    else:
        url = download.url if source is None else f"{source.rstrip('/')}/{download.filename}"
        with requests.Session() as session:
            _with_retries(session, url, part, download, report, patience)
    return _accept(download, part, target, report)


def _accept(download: Download, part: Path, target: Path, report: OnProgress) -> Fetched:
    """Verify what was received and move it into place."""
    size = part.stat().st_size
    report(Progress(target.name, size, size, "verifying"))
    with part.open("rb") as stream:
        head = stream.read(64).lstrip().lower()
    sha256, sha1 = hashes(part)
    instead = next((what for beginning, what in _INSTEAD.items() if head.startswith(beginning)), None)
    wrong = "it is empty" if size == 0 else instead or mismatch(download, sha256, sha1, size)
    if wrong is not None:
        _discard(part)
        raise DownloadError(
            f"{target.name} is not the file that its publisher describes: {wrong}. It was thrown away; try again, and "
            "if it stays so, the publisher has changed the file or something between alters it"
        )
    with writing(target):
        part.replace(target)
        _state(part).unlink(missing_ok=True)
    return Fetched(sha256, size)


def _with_retries(
    session: requests.Session, url: str, part: Path, download: Download, report: OnProgress, patience: float
) -> None:
    failures, reached = 0, _size(part)
    while True:
        try:
            return _transfer(session, url, part, download, report)
        except _BrokenError as error:
            failures = 1 if _size(part) > reached else failures + 1
            reached = max(reached, _size(part))
            if failures >= _TRIES or error.wait > _LONGEST_WAIT:
                kept = f"; {amount(_size(part))} of it are kept, and the same command goes on from there"
                if not _of_use(part, download):
                    _discard(part)
                    kept = ""
                raise DownloadError(
                    f"{download.filename} could not be fetched from {_host(url)}: {error}{kept}"
                ) from error
            report(Progress(download.filename, _size(part), None, "reconnecting for"))
            time.sleep(max(error.wait, patience * 2 ** (failures - 1)))


def _transfer(session: requests.Session, url: str, part: Path, download: Download, report: OnProgress) -> None:
    """One request, whose body is added to ``part``; :class:`_BrokenError` where it ends early."""
    validator = _validator(part)
    start = _of_use(part, download)
    headers = {"User-Agent": f"pixelgrad/{__version__}", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if validator is not None:
            headers["If-Range"] = validator
    with (
        _requests_errors(url, download),
        session.get(url, headers=headers, stream=True, timeout=(_CONNECT, _READ)) as response,
    ):
        if response.status_code == 416 and start:
            if response.headers.get("Content-Range") == f"bytes */{start}":
                return  # all of it had come
            _discard(part)
            raise _BrokenError("the server has another version of the file than what had come of it")
        _check_answer(response, url, download)
        if response.status_code == 206:
            _check_continues(response, part, start, validator)
        else:
            start = 0
        total_size = _total(response, start)
        if None not in (total_size, download.size) and total_size != download.size:
            raise DownloadError(
                f"{download.filename} has {total_size:,} bytes at {_host(url)} instead of {download.size:,}: the "
                "publisher has changed it, or a page was sent in its place"
            )
        _check_space(part, (total_size or download.size or 0) - _size(part))
        if not start:
            with writing(part):
                part.write_bytes(b"")  # before the note of another version is there
                _keep_validator(part, response)
        with contextlib.closing(_written(response.iter_content(_CHUNK), part, start)) as sizes:
            for done in sizes:
                report(Progress(download.filename, done, total_size))
                if download.size is not None and done > download.size:
                    return  # what is wrong is said when it is verified
    if total_size is not None and done < total_size:
        raise _BrokenError(f"the connection ended after {amount(done)} of {amount(total_size)}")


def _written(chunks: Iterable[bytes], part: Path, start: int) -> Generator[int, None, None]:
    """Add ``chunks`` to the first ``start`` bytes of ``part``: its size, at once and after each of them."""
    with writing(part, resumes=True), part.open("ab" if start else "wb") as stream:
        yield start
        for chunk in chunks:
            stream.write(chunk)
            start += len(chunk)
            yield start


def _check_answer(response: requests.Response, url: str, download: Download) -> None:
    code, host = response.status_code, _host(url)
    if code in _PASSING:
        wait = _wait(response)
        later = f" and asks to wait {_minutes(wait)}" if wait > _LONGEST_WAIT else ""
        raise _BrokenError(f"the server answered {code} {response.reason}".rstrip() + later, wait)
    if code in (404, 410):
        raise DownloadError(
            f"{download.filename} is not at {_public(url)} any more (the server answered {code}); if you have the "
            "file, pixelgrad models pull NAME --from FOLDER takes it from there"
        )
    if code not in (200, 206):
        raise DownloadError(
            f"{download.filename} could not be fetched: {host} answered {code} {response.reason}".rstrip()
        )
    if response.headers.get("Content-Type", "").startswith("text/html"):
        raise DownloadError(
            f"{host} sent a web page instead of {download.filename}; does the network that you are in ask to log in?"
        )


def _wait(response: requests.Response) -> float:
    """Seconds that ``Retry-After`` asks for, which is a number of them or a date; 0 where it says nothing."""
    asked = response.headers.get("Retry-After", "").strip()
    if re.fullmatch("[0-9]{1,9}", asked):
        return float(asked)
    try:
        return max(0.0, parsedate_to_datetime(asked).timestamp() - time.time())
    except (ValueError, OverflowError):
        return 0.0


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds < 2 * 3600 else f"{seconds / 3600:.0f} hours"


def _check_continues(response: requests.Response, part: Path, start: int, validator: str | None) -> None:
    """Start anew unless a part of a file is the one that was asked for, and of the same version."""
    found = re.match(r"bytes ([0-9]+)-", response.headers.get("Content-Range", ""))
    # Of what is compressed on the way, the bytes are counted before it is expanded.
    if found is None or int(found[1]) != start or "Content-Encoding" in response.headers:
        _discard(part)
        raise _BrokenError("the server sent another part of the file than was asked for")
    if start and validator is not None and _version(response) not in (None, validator):  # it knows no If-Range
        _discard(part)
        raise _BrokenError("the server has another version of the file than what had come of it")


def _total(response: requests.Response, start: int) -> int | None:
    """Bytes of the whole file; ``None`` where the answer does not tell."""
    found = re.search(r"/([0-9]+)$", response.headers.get("Content-Range", ""))
    if response.status_code == 206 and found is not None:
        return int(found[1])
    length = response.headers.get("Content-Length", "")
    counts = re.fullmatch("[0-9]+", length) and "Content-Encoding" not in response.headers
    return start + int(length) if counts else None


@contextlib.contextmanager
def _requests_errors(url: str, download: Download) -> Iterator[None]:
    """Errors of the library as ours: for good, or worth another try."""
    where = f"{download.filename} could not be fetched from {_host(url)}"
    try:
        yield
    except requests.exceptions.ProxyError as error:
        raise DownloadError(f"{where}: the proxy does not answer or refuses; see HTTPS_PROXY and NO_PROXY") from error
    except requests.exceptions.SSLError as error:
        found = re.search(r"\[SSL[^'\"]*", str(error))
        reason = found[0].strip() if found else str(error)
        if "certificate" not in reason.lower():
            raise _BrokenError(f"the encrypted connection broke ({reason})") from error
        raise DownloadError(
            f"{where}: its certificate is not accepted ({reason}); behind a company's proxy, set REQUESTS_CA_BUNDLE"
        ) from error
    except requests.exceptions.ContentDecodingError as error:
        raise _BrokenError("what it sends is compressed and damaged") from error
    except (requests.exceptions.ConnectTimeout, requests.exceptions.ReadTimeout) as error:
        raise _BrokenError("the server does not answer in time") from error
    except requests.exceptions.ChunkedEncodingError as error:
        raise _BrokenError("the connection broke") from error
    except requests.exceptions.ConnectionError as error:
        dropped = "Connection aborted" in str(error) or "Read timed out" in str(error)
        raise _BrokenError(
            "the connection broke" if dropped else "it cannot be reached; is there a network?"
        ) from error
    except (requests.exceptions.RequestException, ValueError) as error:
        raise DownloadError(f"{where}: {error}") from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise DownloadError(f"{where}: {error}; see REQUESTS_CA_BUNDLE") from error


def _check_space(part: Path, wanted: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if wanted > free:
        raise OutputError(
            f"{amount(wanted)} are still to come and only {amount(free)} are free in {part.parent}: make room, or "
            "set PIXELGRAD_HOME to a folder on another disk"
        )


def _folder(source: str) -> Path:
    try:
        return Path(source).expanduser()
    except RuntimeError:
        raise DownloadError(f"there is no folder {source!r} to take files from: there is no such user") from None


def _copy(origin: Path, part: Path, report: OnProgress) -> None:
    if not origin.is_file():
        raise DownloadError(f"there is no {origin.name} in {origin.parent}")
    total = origin.stat().st_size
    _check_space(part, total)
    try:
        incoming = origin.open("rb")
    except OSError as error:
        raise DownloadError(f"{origin} cannot be read: {error.strerror or error}") from error
    with incoming, contextlib.closing(_written(iter(partial(incoming.read, 1 << 22), b""), part, 0)) as sizes:
        try:
            for done in sizes:
                report(Progress(part.name.removesuffix(".part"), done, total, "copying"))
        except BaseException:
            _discard(part)
            raise


def _state(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _validator(part: Path) -> str | None:
    """What tells the version that ``part`` is of: a strong entity tag, else the date of its last change."""
    try:
        validator = json.loads(_state(part).read_text(encoding="utf-8")).get("validator")
    except (OSError, ValueError, AttributeError):
        return None
    return validator if isinstance(validator, str) else None


def _version(response: requests.Response) -> str | None:
    """What tells the version that an answer is of, as :func:`_validator` keeps it."""
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified")


def _keep_validator(part: Path, response: requests.Response) -> None:
    _state(part).write_text(json.dumps({"validator": _version(response)}), encoding="utf-8")


def _discard(part: Path) -> None:
    part.unlink(missing_ok=True)
    _state(part).unlink(missing_ok=True)


def _of_use(part: Path, download: Download) -> int:
    """How many bytes of ``part`` the next try can go on from: none if nothing would tell that the rest is of another
    version.
    """
    tells = _validator(part) is not None or download.sha256 is not None or download.sha1 is not None
    return _size(part) if tells else 0


def _size(part: Path) -> int:
    try:
        return part.stat().st_size
    except OSError:
        return 0


def _host(url: str) -> str:
    return re.sub("^[a-z]+://|[/?#].*", "", _public(url))


def _public(url: str) -> str:
    """An address without the user and the password that may be in it."""
    return re.sub("(?<=://)[^/?#]*@", "", url)
