"""A site for a headless Chromium: the page of examples/browser, ONNX Runtime Web and artifacts of every kind.

Needs chromium, playwright from PyPI, and PIXELGRAD_ORT_WEB: the folder of the npm package onnxruntime-web, unpacked.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.artifacts import KINDS, OBJECTIVES, network_for
from helpers.browser import CHROMIUM, isolated, make_site, serving

from pixelgrad.exporters import style_objective, write_artifact


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the page, its module, what the tests do with it, ONNX Runtime Web and the artifacts."""
    package = os.environ.get("PIXELGRAD_ORT_WEB")
    if not package:
        pytest.skip("PIXELGRAD_ORT_WEB names no folder of the npm package onnxruntime-web")
    folder = tmp_path_factory.mktemp("site")
    make_site(folder, package)
    for kind, pool in KINDS:
        network = network_for(kind, folder, pool)
        write_artifact(network, OBJECTIVES[kind](network), folder / f"{kind}-{pool}")
    network = network_for("style", folder)
    gram = style_objective(network, loss="gram")
    write_artifact(network, gram, folder / "style.pixelgrad")
    write_artifact(network, gram, folder / "half", precision="fp16")
    return folder


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """The site as examples/browser/serve.py serves it."""
    with serving(site, isolated()) as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Callable[..., Any]]:
    """Starts Chromium, with its software WebGPU or without."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no chromium")
    with playwright.sync_playwright() as running:

        @functools.cache
        def start(gpu: bool = True) -> Any:
            flags = ["--no-sandbox", *(["--enable-unsafe-webgpu"] if gpu else [])]
            return running.chromium.launch(executable_path=CHROMIUM, args=flags)

        yield start
        for flag in (True, False):
            if start.cache_info().currsize:
                start(flag).close()
