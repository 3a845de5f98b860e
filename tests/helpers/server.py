"""A web server on this computer that serves bytes, and misbehaves as it is told to."""

from __future__ import annotations

import gzip
import hashlib
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType


@dataclass
class Behaviour:
    """What the server does; numbers of bytes count from where an answer starts.

    files: content by path. tag: the entity tag; ``None`` sends none.
    drop_after: close the connection after so many bytes of a body, as often as ``drops`` says.
    ranges: whether ``Range`` is honoured. claim: a Content-Length to claim instead of the true one; 0 sends none.
    statuses: codes to answer the first requests with, and ``headers`` with them. slow: seconds to wait before every
    16 KiB. shift: how far what it sends is from what was asked for. slices: the most that a part of a file has.
    heeds: whether it sends all of a file that is not the version that ``If-Range`` names. gzips: whether it compresses.
    encoding: what to say that the body is compressed by, whatever it is.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    tag: str | None = '"one"'
    drop_after: int = 0
    drops: int = 1_000_000
    ranges: bool = True
    claim: int | None = None
    statuses: list[int] = field(default_factory=list)
    content_type: str = "application/octet-stream"
    slow: float = 0.0
    shift: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    slices: int | None = None
    heeds: bool = True
    gzips: bool = False
    encoding: str | None = None


@dataclass
class Server:
    """A running server. requests: (path, headers) of each that came. sent: bytes of bodies in all."""

    url: str
    behaviour: Behaviour
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    sent: int = 0

    @property
    def ranges(self) -> list[str | None]:
        """The Range header of each request."""
        return [headers.get("Range") for _, headers in self.requests]


@contextmanager
def serving(**behaviour: object) -> Iterator[Server]:
    """A server that behaves as given (fields of :class:`Behaviour`)."""
    state = Server("", Behaviour(**behaviour))  # type: ignore[arg-type]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            _answer(self, state)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _answer(handler: BaseHTTPRequestHandler, state: Server) -> None:
    does = state.behaviour
    state.requests.append((handler.path, dict(handler.headers.items())))
    if does.statuses:
        _short(handler, does.statuses.pop(0), does.headers)
        return
    path = re.sub(r"^https?://[^/]+", "", handler.path)  # a proxy is asked for the whole address
    content = does.files.get(path)
    if content is None:
        _short(handler, 404)
        return
    start = _start(handler, does)
    if start and start >= len(content):
        handler.send_response(416)
        handler.send_header("Content-Range", f"bytes */{len(content)}")
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return
    if does.gzips:
        content = gzip.compress(content)
    end = len(content) if does.slices is None or not start else min(len(content), start + does.slices)
    body = content[start:end]
    handler.send_response(206 if start else 200)
    if does.gzips or does.encoding is not None:
        handler.send_header("Content-Encoding", does.encoding or "gzip")
    if start:
        handler.send_header("Content-Range", f"bytes {start + does.shift}-{end - 1}/{len(content)}")
    if does.claim != 0:
        handler.send_header("Content-Length", str(len(body) if does.claim is None else does.claim))
    else:
        handler.send_header("Connection", "close")
    handler.send_header("Content-Type", does.content_type)
    if does.tag is not None:
        handler.send_header("ETag", does.tag)
    handler.end_headers()
    dropping = does.drop_after > 0 and does.drops > 0
    does.drops -= dropping
    for at in range(0, len(body), 1 << 14):
        piece = body[at : at + (1 << 14)]
        if dropping:
            piece = piece[: max(0, does.drop_after - at)]
        time.sleep(does.slow)
        state.sent += len(piece)  # before who asked has all of it, and looks
        try:
            handler.wfile.write(piece)
        except OSError:
            break
    handler.close_connection = True


def _start(handler: BaseHTTPRequestHandler, does: Behaviour) -> int:
    wanted = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
    unchanged = not does.heeds or handler.headers.get("If-Range") in (None, does.tag)
    return int(wanted[1]) if wanted and does.ranges and unchanged else 0


def _short(handler: BaseHTTPRequestHandler, code: int, headers: Mapping[str, str] = MappingProxyType({})) -> None:
    handler.send_response(code)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def digest(content: bytes, kind: Callable[..., hashlib._Hash] = hashlib.sha256) -> str:
    return kind(content).hexdigest()
