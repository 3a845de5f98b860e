"""Artifacts in a browser: the page of examples/browser and its module in a headless Chromium, on its CPU and GPU.

Needs chromium, playwright from PyPI, and PIXELGRAD_ORT_WEB: the folder of the npm package onnxruntime-web, unpacked.
WebGPU runs on Chromium's own software GPU.
"""

from __future__ import annotations

import base64
import functools
import http.server
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.artifacts import OBJECTIVES
from helpers.browser import CHROMIUM, PAGE, isolated, make_site, serving
from helpers.networks import chain
from PIL import Image

from pixelgrad.exporters import load_network, style_objective, write_artifact
from pixelgrad.runtime import Artifact
from pixelgrad.runtime.images import resize
from pixelgrad.runtime.optimizers import Adam
from pixelgrad.runtime.scales import scale_sizes, share_steps
from pixelgrad.runtime.verify import pattern

KINDS = [*((kind, "MaxPool") for kind in OBJECTIVES), ("style", "AveragePool"), ("dream-channels", "AveragePool")]
# How ONNX Runtime Web computes: from which of its files, on which device.
WAYS = {
    "wasm": ("wasm", "ort.wasm.bundle.min.mjs"),
    "webgpu": ("webgpu", "ort.webgpu.bundle.min.mjs"),
    # The WebGPU of "onnxruntime-web" without "/webgpu": kernels of its own, in JavaScript.
    "webgpu-js": ("webgpu", "ort.bundle.min.mjs"),
}
Array = np.ndarray[Any, Any]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the page, its module, what the tests do with it, ONNX Runtime Web and the artifacts."""
    package = os.environ.get("PIXELGRAD_ORT_WEB")
    if not package:
        pytest.skip("PIXELGRAD_ORT_WEB names no folder of the npm package onnxruntime-web")
    folder = tmp_path_factory.mktemp("site")
    make_site(folder, package)
    for pool in ("MaxPool", "AveragePool"):
        network = load_network(chain(folder / f"{pool}.onnx", pool=pool), preprocess="imagenet")
        for kind, wanted in KINDS:
            if wanted == pool:
                write_artifact(network, OBJECTIVES[kind](network), folder / f"{kind}-{pool}")
    network = load_network(folder / "MaxPool.onnx")
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


class Tab:
    """A page that helpers/browser.js works in."""

    def __init__(self, page: Any, address: str, way: str) -> None:
        self._page = page
        self.log: list[str] = []
        page.on("console", lambda message: self.log.append(message.text))
        page.goto(f"{address}blank.html")
        self("begin", *WAYS[way])

    def __call__(self, function: str, *arguments: Any) -> Any:
        self.log.clear()
        code = "async ([name, given]) => (await import('./browser.js'))[name](...given)"
        return self._page.evaluate(code, [function, arguments])


@pytest.fixture(scope="module")
def tab(browser: Callable[..., Any], address: str) -> Callable[[str], Tab]:
    @functools.cache
    def opened(way: str) -> Tab:
        page = browser().new_page()
        page.goto(f"{address}blank.html")
        if WAYS[way][0] == "webgpu" and not page.evaluate("async () => !!(await navigator.gpu?.requestAdapter())"):
            pytest.skip("this chromium has no WebGPU, not even in software")
        return Tab(page, address, way)

    return opened


def encoded(array: Array) -> dict[str, Any]:
    data = base64.b64encode(np.ascontiguousarray(array, np.float32).tobytes()).decode()
    return {"dims": list(array.shape), "data": data}


def decoded(text: str, shape: tuple[int, ...]) -> Array:
    return np.frombuffer(base64.b64decode(text), np.float32).reshape(shape)


def given(artifact: Artifact) -> tuple[dict[str, Any], Array, dict[str, Array]]:
    """What pixelgrad verify feeds an artifact: for the page, and for the runtime."""
    check = artifact.manifest["self_check"]
    image = pattern((artifact.batch, 3, check["height"], check["width"]), check["image_seed"])
    reference = pattern(image.shape, check["target_seed"])
    brought = {name: pattern(shape, check["target_seed"]) for name, shape in artifact.given.items()}
    feeds = {name: encoded(value) for name, value in brought.items()}
    page = {"image": encoded(image), "reference": encoded(reference), "feeds": feeds}
    return page, image, artifact.targets(reference) | brought


def left_to_the_cpu(log: list[str]) -> list[str]:
    """The nodes that ONNX Runtime says it placed on the CPU, but for those that compute sizes, which belong there."""
    text = "\n".join(log)
    assert "ExecutionProvider]. Number of nodes" in text
    parts = re.split(r"laced on \[", text)[1:]
    return [
        f"{operator} {name}"
        for part in parts
        if part.startswith("CPU")
        for operator, name in re.findall(r"VerifyEachNodeIsAssignedToAnEp\]\s+(\w+) \((.*)\)", part)
        if not name.startswith("shape/")
    ]


def far(found: Array, expected: Array) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


@pytest.mark.parametrize(("kind", "pool"), KINDS)
@pytest.mark.parametrize("way", WAYS)
def test_every_kind_has_the_right_gradient(
    way: str, kind: str, pool: str, site: Path, tab: Callable[[str], Tab]
) -> None:
    """As the self-check in the manifest says, and as ONNX Runtime's CPU computes it; all of it on the GPU."""
    page = tab(way)
    artifact = Artifact(site / f"{kind}-{pool}", device="cpu")
    feeds, image, targets = given(artifact)
    found = page("evaluate", f"{kind}-{pool}", feeds)
    check = artifact.manifest["self_check"]
    gradient = decoded(found["gradient"], image.shape)
    assert found["loss"] == pytest.approx(check["loss"], rel=1e-5)
    assert found["norm"] == pytest.approx(check["gradient_norm"], rel=1e-4)
    assert np.linalg.norm(gradient) == pytest.approx(found["norm"], rel=1e-4)
    assert far(gradient, artifact.evaluate(image, targets).gradient) < 1e-4
    if way != "wasm":
        assert left_to_the_cpu(page.log) == []
        assert found["location"] == "gpu-buffer"
        assert set(found["targets"]) <= {"gpu-buffer", "cpu"}
        assert found["targets"].count("cpu") == len(artifact.given)


@pytest.mark.parametrize("way", ["wasm", "webgpu"])
def test_ten_steps_of_adam(way: str, site: Path, tab: Callable[[str], Tab]) -> None:
    artifact = Artifact(site / "style.pixelgrad", device="cpu")
    feeds, image, targets = given(artifact)
    found = tab(way)("descend", "style.pixelgrad", feeds, 10)
    adam = Adam(image, artifact.optimizer, 0.02)
    for _ in range(10):
        step = artifact.evaluate(adam.image, targets)
        adam.update(step.loss, step.gradient)
    assert found["location"] == ("cpu" if way == "wasm" else "gpu-buffer")
    assert np.abs(adam.image - image).max() > 0.05
    assert np.abs(decoded(found["image"], image.shape) - adam.image).max() < 2e-3
    assert np.abs(decoded(found["shown"], image.shape) - adam.result).max() < 2e-3


def test_half_precision(site: Path, tab: Callable[[str], Tab]) -> None:
    """On WebAssembly, whose kernels compute it in float32."""
    artifact = Artifact(site / "half", device="cpu")
    feeds, image, targets = given(artifact)
    found = tab("wasm")("evaluate", "half", feeds)
    exact = artifact.evaluate(image, targets)
    assert found["loss"] == pytest.approx(exact.loss, rel=1e-3)
    assert far(decoded(found["gradient"], image.shape), exact.gradient) < 1e-2


def test_the_schedule_is_the_runtimes(tab: Callable[[str], Tab]) -> None:
    page = tab("wasm")
    for width, height, edge, minimum, steps in [
        (640, 448, 384, 17, 200),
        (640, 448, 256, 17, 60),
        (300, 900, 768, 17, 101),
        (50, 40, 512, 200, 30),
        (100, 100, 100, 17, 7),
    ]:
        image = {"fixed_size": None, "minimum_size": minimum}
        found = page("schedule", {"width": width, "height": height}, edge, image, steps)
        sizes = scale_sizes(width, height, edge, minimum=minimum)
        assert [tuple(size) for size in found["sizes"]] == sizes
        assert sum(found["shares"]) == steps
        assert np.abs(np.subtract(found["shares"], share_steps(steps, len(sizes)))).max() <= 1  # halves round otherwise
    fixed = page("schedule", {"width": 9, "height": 9}, 99, {"fixed_size": [224, 192], "minimum_size": 1}, 5)
    assert fixed == {"sizes": [[192, 224]], "shares": [5]}


def test_resizing_is_the_runtimes(tab: Callable[[str], Tab]) -> None:
    planes = pattern((1, 3, 9, 12), 3)
    found = tab("wasm")("enlarge", encoded(planes)["data"], 9, 12, 13, 17)
    assert np.abs(decoded(found, (1, 3, 13, 17)) - resize(planes, (17, 13), "bilinear")).max() < 1e-5


# The page --------------------------------------------------------------------------------------------------------


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
    file = f"{address}ort/{WAYS['webgpu'][1]}"
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


# Node ------------------------------------------------------------------------------------------------------------

_NODE = """
import {{ readFile }} from "node:fs/promises";
import ort from "onnxruntime-web";
import {{ Artifact, stylise }} from {module};
const artifact = await Artifact.load((name) => readFile({folder} + "/" + name), ort, {{ name: "cpu" }});
const pixels = (width, height) => Float32Array.from({{ length: 3 * width * height }}, (_, i) => (i * 7919 % 997) / 997);
const [content, style] = [{{ width: 48, height: 32, pixels }}, {{ width: 40, height: 40, pixels }}];
for await (const {{ step, loss, image }} of stylise(artifact, content, style, {{ size: 48, steps: 3 }}))
  console.log(JSON.stringify({{ step, loss, dims: image.dims }}));
"""


def test_the_module_runs_in_node(site: Path, tmp_path: Path) -> None:
    package = Path(os.environ["PIXELGRAD_ORT_WEB"])
    node = shutil.which("node")
    if node is None or not (package.parent / "onnxruntime-common").is_dir():
        pytest.skip("needs node, and onnxruntime-web as npm installs it, with what it depends on")
    (tmp_path / "node_modules").symlink_to(package.parent.absolute())
    shutil.copy(PAGE / "pixelgrad.js", tmp_path / "pixelgrad.mjs")
    script = tmp_path / "run.mjs"
    script.write_text(
        _NODE.format(module=json.dumps("./pixelgrad.mjs"), folder=json.dumps(str(site / "style.pixelgrad")))
    )
    found = subprocess.run([node, script], capture_output=True, text=True, check=False, timeout=300)
    assert found.returncode == 0, found.stderr[-2000:]
    steps = [json.loads(line) for line in found.stdout.splitlines()]
    assert [step["dims"] for step in steps] == [[1, 3, 32, 48]] * 3
    assert steps[2]["loss"] < steps[0]["loss"]
