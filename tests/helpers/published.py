"""A catalogue with one small network in it, whose publisher is a server on this computer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from helpers.networks import chain
from helpers.server import Server, digest, serving
from pixelgrad.models import CATALOGUE, Download, Entry


@dataclass
class Published:
    """A row of the catalogue called ``tiny``, and the server that its file comes from."""

    server: Server
    content: bytes
    entry: Entry


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PIXELGRAD_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PIXELGRAD_OFFLINE", raising=False)
    return tmp_path / "home"


@pytest.fixture
def tiny(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Published]:
    content = chain(tmp_path / "published.onnx", classes=1000).read_bytes()
    with serving(files={"/files/tiny-net.onnx": content}) as server:
        entry = Entry(
            name="tiny",
            title="a small network",
            preprocessing="rgb255",
            licence="MIT",
            files=(Download(f"{server.url}/files/tiny-net.onnx", sha256=digest(content)[:8], size=len(content)),),
            aliases={"first": "r1"},
            labels="imagenet",
            input_size=32,
        )
        monkeypatch.setitem(CATALOGUE, "tiny", entry)
        yield Published(server, content, entry)
