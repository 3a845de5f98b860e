"""The module of examples/browser in Chromium, on its CPU and on its software WebGPU, and in Node."""

from __future__ import annotations

import base64
import functools
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.artifacts import KINDS
from helpers.browser import PAGE

from pixelgrad.runtime import Artifact
from pixelgrad.runtime.images import resize
from pixelgrad.runtime.optimizers import Adam
from pixelgrad.runtime.scales import scale_sizes, share_steps
from pixelgrad.runtime.verify import pattern

# How ONNX Runtime Web computes: from which of its files, on which device.
WAYS = {
    "wasm": ("wasm", "ort.wasm.bundle.min.mjs"),
    "webgpu": ("webgpu", "ort.webgpu.bundle.min.mjs"),
    # The WebGPU of "onnxruntime-web" without "/webgpu": kernels of its own, in JavaScript.
    "webgpu-js": ("webgpu", "ort.bundle.min.mjs"),
}
Array = np.ndarray[Any, Any]
pytestmark = pytest.mark.slow


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
        if not name.startswith("shape/") and (operator, name) != ("Gather", "Gather")  # see runtime/placement.py
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


# Node ----------------------------------------------------------------------------------------------------------------

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
