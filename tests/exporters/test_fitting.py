"""Networks whose maps only fit together at some sizes: the image is continued to one of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from helpers.networks import saved
from helpers.transformers import patches
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from pixelgrad.errors import NetworkError
from pixelgrad.exporters import (
    Projection,
    dream_objective,
    inversion_objective,
    load_network,
    style_objective,
    write_artifact,
    write_projection,
)
from pixelgrad.exporters.networks import fitting, upstream
from pixelgrad.runtime import Artifact, verify

node = helper.make_node
HALVES: dict[str, Any] = {"kernel_shape": [2, 2], "strides": [2, 2]}


def enlarged(name: str, factor: int, output: str) -> onnx.NodeProto:
    return node("Resize", [name, "", f"by{factor}"], [output], mode="nearest")


def unet(path: Path, depth: int, joins: str = "Concat") -> Path:
    """Halved ``depth`` times and back, each time beside, or added to, what was there before."""
    nodes, weights, value = [], {"by2": np.float32([1, 1, 2, 2])}, "data"
    rng = np.random.default_rng(depth)
    passed = []
    for level in range(depth):
        weights[f"w{level}"] = rng.normal(size=(4, 3 if level == 0 else 4, 3, 3)).astype(np.float32) / 4
        nodes += [
            node("Conv", [value, f"w{level}"], [f"conv{level}"], kernel_shape=[3, 3], pads=[1] * 4),
            node("Relu", [f"conv{level}"], [f"relu{level}"]),
            node("MaxPool", [f"relu{level}"], [f"pool{level}"], **HALVES),
        ]
        passed.append(f"relu{level}")
        value = f"pool{level}"
    for level in reversed(range(depth)):
        nodes.append(enlarged(value, 2, f"up{level}"))
        inputs, value = [f"up{level}", passed[level]], f"back{level}"
        if joins == "Add":
            nodes.append(node("Add", inputs, [value]))
        else:
            weights[f"v{level}"] = rng.normal(size=(4, 8, 1, 1)).astype(np.float32) / 4
            nodes.append(node("Concat", inputs, [f"both{level}"], axis=1))
            nodes.append(node("Conv", [f"both{level}", f"v{level}"], [value], kernel_shape=[1, 1]))
    return saved(path, nodes, weights, value, (1, 3, "height", "width"))


@pytest.mark.parametrize("joins", ["Concat", "Add"])
@pytest.mark.parametrize(
    ("depth", "layer", "pixels"), [(3, "back0", 8), (3, "back1", 8), (2, "back1", 4), (3, "relu1", 2)]
)
def test_what_was_halved_and_enlarged_fits_what_was_there(
    tmp_path: Path, depth: int, layer: str, pixels: int, joins: str
) -> None:
    network = load_network(unet(tmp_path / "net.onnx", depth, joins), preprocess="rgb")
    folder = write_artifact(network, inversion_objective(network, layer), tmp_path / "inversion")
    artifact = Artifact(folder, device="cpu")
    assert (artifact.fixed_size, artifact.manifest["image"]["alignment"]) == (None, pixels)
    assert all(check.passed for check in verify(artifact))


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> list[Artifact]:
    folder = tmp_path_factory.mktemp("unet")
    network = load_network(unet(folder / "net.onnx", 3), preprocess="rgb")
    objectives = [
        style_objective(network, content_layers=["back1"], style_layers=["relu0", "back0"]),
        dream_objective(network, layers=["back0"]),
    ]
    return [Artifact(write_artifact(network, each, folder / each.kind), device="cpu") for each in objectives]


@settings(max_examples=12)
@given(height=st.integers(9, 40), width=st.integers(9, 40))
def test_such_a_network_takes_any_picture(artifacts: list[Artifact], height: int, width: int) -> None:
    for artifact in artifacts:
        image = np.random.default_rng(0).random((1, 3, height, width), dtype=np.float32)
        gradient = np.asarray(artifact.evaluate(image, artifact.targets(image[..., ::-1].copy())).gradient)
        assert gradient.shape == image.shape
        assert np.isfinite(gradient).all()


def test_windows_divide_the_map(tmp_path: Path) -> None:
    """As MobileViT cuts a map into 2 x 2, with no padding, where it was exported for a size that allows it."""
    nodes = [
        node("Conv", ["data", "w"], ["conv"], kernel_shape=[4, 4], strides=[4, 4]),
        node("Shape", ["conv"], ["height"], start=2, end=3),
        node("Shape", ["conv"], ["width"], start=3, end=4),
        node("Div", ["height", "three"], ["rows"]),
        node("Div", ["width", "three"], ["columns"]),
        node("Concat", ["four", "rows", "three", "columns", "three"], ["target"], axis=0),
        node("Reshape", ["conv", "target"], ["cut"]),
        node("Transpose", ["cut"], ["windows"], perm=[0, 2, 4, 1, 3]),
    ]
    weights = {
        "w": np.random.default_rng(0).normal(size=(4, 3, 4, 4)).astype(np.float32),
        "three": np.int64([3]),
        "four": np.int64([4]),
    }
    path = saved(tmp_path / "net.onnx", nodes, weights, "windows", (1, 3, "height", "width"))
    network = load_network(path, preprocess="rgb")
    assert fitting(upstream([network.layer("windows")]), 4) == 12
    assert fitting(upstream([network.layer("conv")]), 4) == 4


def test_what_was_traced_for_one_size_takes_that_size(tmp_path: Path) -> None:
    """Here the eighth row of patches, which a smaller image has not; nothing in the graph says so beforehand."""
    last = node("Gather", ["patch", "eighth"], ["row"], axis=2)
    network = patches(tmp_path / "net.onnx", [last], 64, eighth=[7])
    artifact = Artifact(write_artifact(network, inversion_objective(network, "row"), tmp_path / "row"), device="cpu")
    assert artifact.fixed_size == (64, 64)
    assert all(check.passed for check in verify(artifact))
    projection = Artifact(write_projection(network, Projection("row"), tmp_path / "projection"), device="cpu")
    assert projection.fixed_size == (64, 64)
    assert all(check.passed for check in verify(projection))
    unsized = patches(tmp_path / "any.onnx", [last], None, eighth=[7])
    with pytest.raises(NetworkError, match="the network cannot be computed on an image of 41x37"):
        write_artifact(unsized, inversion_objective(unsized, "row"), tmp_path / "any")


def test_what_never_fits_is_left_to_whoever_computes_it(tmp_path: Path) -> None:
    nodes = [
        node("MaxPool", ["data"], ["small"], **HALVES),
        node("Add", ["data", "small"], ["sum"]),
    ]
    network = load_network(saved(tmp_path / "net.onnx", nodes, {}, "sum", (1, 3, "height", "width")), preprocess="rgb")
    assert fitting(upstream([network.layer("sum")]), 2) == 2
