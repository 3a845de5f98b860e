"""The page of examples/browser, as a visitor has it."""

from __future__ import annotations

import base64
import functools
import http.server
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.browser import serving
from PIL import Image

pytestmark = pytest.mark.slow


@pytest.fixture
def visit(browser: Callable[..., Any], address: str) -> Iterator[Callable[..., Any]]:
    """Opens the page, waits until it can start or says why not."""
    pages = []

    def opened(query: str = "", *, gpu: bool = True, base: str = address, local: bool = True) -> Any:
        page = browser(gpu).new_page()
        page.set_default_timeout(120_000)
        pages.append(page)
        if not local:
            page.route("https://cdn.jsdelivr.net/npm/onnxruntime-web@*/dist/*", functools.partial(_cdn, base=base))
        page.goto(f"{base}index.html?{'ort=ort/&' if local else ''}{query}")
        page.wait_for_function("!start.disabled || document.getElementById('error').textContent")
        return page

    yield opened
    for page in pages:
        page.close()


def _cdn(route: Any, *, base: str) -> None:
    """The content delivery network, with the headers that it sends."""
    response = route.fetch(url=f"{base}ort/{route.request.url.rpartition('/')[2]}")
    headers = {**response.headers, "access-control-allow-origin": "*", "cross-origin-resource-policy": "cross-origin"}
    route.fulfill(response=response, headers=headers)


def start(page: Any) -> str:
    """Press the button and wait for the end: what the page says then."""
    page.click("#start")
    page.wait_for_function("/ after /.test(said.textContent) || document.getElementById('error').textContent")
    return str(page.inner_text("#said"))


def picture(path: Path, seed: int) -> Path:
    noise = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((160, 120), Image.Resampling.BICUBIC).save(path)
    return path


def test_the_page_makes_a_picture(visit: Callable[..., Any], tmp_path: Path) -> None:
    """From two files, through two scales, to a file; with ONNX Runtime from where it comes by default."""
    page = visit("steps=60&size=192", local=False)
    assert "no WebGPU: the only GPU is software" in page.inner_text("#device")
    content, style = (picture(tmp_path / name, seed) for seed, name in enumerate(["content.png", "style.jpg"]))
    for control, file in zip(page.query_selector_all("input[type=file]"), (content, style), strict=True):
        control.set_input_files(file)
    page.wait_for_timeout(300)
    said = start(page)
    assert said.startswith("Step 60 of 60 · 192 × 144 · loss "), said
    with page.expect_download() as saved:
        page.click("#save")
    saved.value.save_as(tmp_path / "saved.png")
    result = Image.open(tmp_path / "saved.png").convert("RGB")
    assert result.size == (192, 144)
    before = np.asarray(Image.open(content).resize(result.size, Image.Resampling.BICUBIC), np.float64)
    assert np.abs(np.asarray(result, np.float64) - before).mean() > 8
    assert page.inner_text("#error") == ""


def test_the_page_can_be_stopped_and_started_again(visit: Callable[..., Any]) -> None:
    page = visit("steps=100000&size=64&device=wasm")
    # A step takes a few milliseconds: what was said is kept, since a poll would miss most of it.
    page.evaluate(
        """() => {
            window.steps = [];
            const keep = () => steps.push(parseInt(said.textContent.replace("Step ", "")));
            new MutationObserver(keep).observe(said, { childList: true });
        }"""
    )
    page.click("#start")
    page.wait_for_function("steps.at(-1) > 1")
    page.click("#stop")
    page.wait_for_function("/stopped after/.test(said.textContent)")
    assert page.is_enabled("#start")
    page.evaluate("steps.length = 0")
    page.click("#start")
    page.wait_for_function("steps.at(-1) > 1")
    assert page.evaluate("steps.filter(Number.isInteger).slice(0, 2)") == [1, 2]


def test_the_page_on_webgpu(visit: Callable[..., Any]) -> None:
    page = visit("steps=4&size=64&device=webgpu")
    if "cannot be used" in page.inner_text("#error"):
        pytest.skip("this chromium has no WebGPU, not even in software")
    assert re.fullmatch(r".* runs on WebGPU \(.*\)\.", page.inner_text("#device"))
    assert start(page).startswith("Step 4 of 4 · 64 × 45")


def test_a_lost_gpu_is_said(visit: Callable[..., Any], address: str) -> None:
    page = visit("steps=1000&size=64&device=webgpu")
    if "cannot be used" in page.inner_text("#error"):
        pytest.skip("this chromium has no WebGPU, not even in software")
    page.click("#start")
    page.wait_for_function("/^Step [1-9]/.test(said.textContent)")
    file = f"{address}ort/ort.webgpu.bundle.min.mjs"
    page.evaluate("async (file) => (await (await import(file)).env.webgpu.device).destroy()", file)
    page.wait_for_function("document.getElementById('error').textContent")
    assert re.fullmatch(r"The GPU was lost.*: reload the page, or add \?device=wasm\.", page.inner_text("#error"))


def test_threads_need_isolation(visit: Callable[..., Any], site: Path) -> None:
    """With serve.py there are several where there are cores; with python -m http.server there is one."""
    with serving(site, http.server.SimpleHTTPRequestHandler) as url:
        assert "WebAssembly, 1 thread (" in visit("device=wasm", base=url).inner_text("#device")
    page = visit("device=wasm")
    if page.evaluate("navigator.hardwareConcurrency") > 1:
        assert re.search(r"WebAssembly, [2-8] threads \(", page.inner_text("#device"))


def _artifact(site: Path, name: str, change: Callable[[dict[str, Any]], Any]) -> str:
    folder = site / name
    shutil.copytree(site / "style.pixelgrad", folder, dirs_exist_ok=True)
    manifest = json.loads((folder / "artifact.json").read_text())
    (folder / "artifact.json").write_text(json.dumps(change(manifest)))
    return name


def test_what_is_wrong_is_said_in_a_sentence(visit: Callable[..., Any], site: Path, tmp_path: Path) -> None:
    newer = _artifact(site, "newer", lambda manifest: {**manifest, "format_version": 2})
    other = _artifact(site, "other", lambda manifest: ["nothing"])
    holed = _artifact(site, "holed", lambda manifest: manifest)
    (site / holed / "weights.bin").unlink()
    (site / "broken").mkdir()
    (site / "broken" / "artifact.json").write_text("{")
    for artifact, expected in {
        "none": "There is no artifact.json in none (404): pixelgrad export style -o none",
        holed: f"There is no weights.bin in {holed} (404): pixelgrad export style -o {holed}",
        newer: "The artifact has format version 2, not 1: export it again.",
        other: "artifact.json is not that of a pixelgrad artifact.",
        "broken": "artifact.json is not that of a pixelgrad artifact.",
        "dream-MaxPool": "This page takes a style artifact, and this one is for dream.",
    }.items():
        page = visit(f"device=wasm&artifact={artifact}")
        assert page.inner_text("#error") == expected
        assert page.is_disabled("#start")

    page = visit("device=wasm")
    (tmp_path / "text.jpg").write_text("no picture")
    page.query_selector("input[type=file]").set_input_files(tmp_path / "text.jpg")
    page.wait_for_function("document.getElementById('error').textContent")
    assert page.inner_text("#error") == "text.jpg cannot be read as a picture: take a JPEG, PNG or WebP."

    page = visit("device=webgpu", gpu=False)
    assert re.fullmatch(r"WebGPU was asked for and cannot be used: .*\.", page.inner_text("#error"))
    page = visit("ort=nowhere/", local=False)
    assert page.inner_text("#error").startswith("ONNX Runtime Web cannot be fetched: ")
    page = visit("ort=https://example.com/", local=False)
    assert page.inner_text("#error") == "ort= is a folder of this server."

    deep = _artifact(site, "deep", lambda manifest: {**manifest, "image": {**manifest["image"], "minimum_size": 99}})
    page = visit(f"device=wasm&size=64&artifact={deep}")
    page.click("#start")
    page.wait_for_function("document.getElementById('error').textContent")
    assert page.inner_text("#error") == "64 × 45 is too small: the network needs 99 along each edge."


def test_float16_needs_a_gpu_that_has_it(visit: Callable[..., Any]) -> None:
    page = visit("device=webgpu&artifact=half")
    if page.evaluate("async () => !(await navigator.gpu?.requestAdapter())"):
        pytest.skip("this chromium has no WebGPU, not even in software")
    if page.evaluate("async () => (await navigator.gpu.requestAdapter()).features.has('shader-f16')"):
        pytest.skip("this WebGPU has float16")
    assert "this GPU is not: export it with --precision fp32" in page.inner_text("#error")


def test_dropping_a_file(visit: Callable[..., Any], tmp_path: Path) -> None:
    page = visit("device=wasm")
    data = base64.b64encode(picture(tmp_path / "dropped.png", 3).read_bytes()).decode()
    code = """(data) => {
        const transfer = new DataTransfer();
        const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
        transfer.items.add(new File([bytes], "dropped.png", { type: "image/png" }));
        return transfer;
    }"""
    page.dispatch_event(".drop", "drop", {"dataTransfer": page.evaluate_handle(code, data)})
    page.wait_for_function("document.getElementById('content').width === 160")
    assert page.inner_text("#error") == ""
