"""A site for examples/browser, and a Chromium to visit it with."""

from __future__ import annotations

import functools
import http.server
import importlib.util
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from helpers.data import ROOT

PAGE = ROOT / "examples" / "browser"
# Debian's, or Google's own.
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


def make_site(folder: Path, package: str | Path) -> None:
    """The page, its module, what tests do with it, and onnxruntime-web as ort/."""
    for path in [*PAGE.iterdir(), ROOT / "tests" / "helpers" / "browser.js"]:
        (folder / path.name).symlink_to(path)
    (folder / "ort").symlink_to((Path(package) / "dist").absolute())
    (folder / "blank.html").write_text("<!doctype html><title>blank</title>")


def isolated() -> type[http.server.SimpleHTTPRequestHandler]:
    """What examples/browser/serve.py serves with."""
    spec = importlib.util.spec_from_file_location("serve", PAGE / "serve.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    handler: type[http.server.SimpleHTTPRequestHandler] = module.Isolated
    return handler


@contextmanager
def serving(folder: Path, handler: type[http.server.SimpleHTTPRequestHandler]) -> Iterator[str]:
    """Serves a folder; its address, with a slash at the end."""
    quiet = type("Quiet", (handler,), {"log_message": lambda *_: None})
    with http.server.ThreadingHTTPServer(("localhost", 0), functools.partial(quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield f"http://localhost:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()
