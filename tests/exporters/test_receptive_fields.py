"""Receptive fields: exactly the pixels that a position depends on, in random stacks and in a real network."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.data import shared
from helpers.gradcheck import runtime
from helpers.networks import saved
from helpers.windowed import layers, windowed
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from pixelgrad.exporters import Projection, can_tile, load_network, style_objective
from pixelgrad.exporters.projections import build_projection_graphs


@settings(max_examples=30)
@given(rows=st.lists(windowed(), min_size=1, max_size=4), height=st.integers(20, 33), width=st.integers(20, 33))
def test_fields_are_exactly_what_positions_depend_on(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Any], height: int, width: int
) -> None:
    """The pixels with a gradient are those of the field that lie in the image; with SAME padding, at known sizes."""
    weights: dict[str, Any] = {}
    nodes, output = layers(rows, "x", "data", 3, weights)
    path = saved(tmp_path_factory.mktemp("field") / "net.onnx", nodes, weights, output)
    loaded = load_network(path, preprocess="rgb")
    graphs = build_projection_graphs(loaded, Projection(output, "gradient"))
    spans = graphs.geometry[output].spans
    assert spans is not None
    if min(height, width) < graphs.minimum_size:
        return  # ONNX Runtime pools with a window that is larger than the image
    image = np.random.default_rng(1).random((1, 3, height, width), dtype=np.float32)
    try:
        shape = runtime(graphs.evaluation)({"image": image})["features"].shape
    except Exception:  # windows larger than what the poolings before them left
        return
    if 0 in shape:
        return
    down = runtime(graphs.training)
    # No holes: each window touches the next, and no padding depends on the size.
    exact = all(
        stride <= k and set(a.get("dilations", [1])) == {1} and "auto_pad" not in a
        for _, a, kernel in rows
        for stride, k in zip(a.get("strides", [1]), kernel, strict=False)
    )
    for row, column in {(0, 0), (shape[2] // 2, shape[3] // 2), (shape[2] - 1, shape[3] - 1)}:
        cotangent = np.zeros(shape, np.float32)
        cotangent[0, :, row, column] = 1
        touched = np.abs(down({"image": image, "cotangent": cotangent})["projection"][0]).sum(0) > 0
        for axis, (index, size, span) in enumerate(zip((row, column), (height, width), spans, strict=True)):
            seen = np.flatnonzero(touched.any(1 - axis))
            if not seen.size:
                continue  # a window that lies wholly in the padding
            start = span.start + index * span.stride
            low, high = max(0, start), min(size, start + span.slack + span.size)
            assert low <= seen[0]
            assert seen[-1] < high
            if exact and start >= 0 and start + span.size <= size:
                assert (seen[0], seen[-1] + 1) == (start, start + span.size)


def test_fields_of_branches_hold_both(tmp_path: Path) -> None:
    weights = {"a": np.ones((2, 3, 5, 1), np.float32), "b": np.ones((2, 3, 1, 3), np.float32)}
    nodes = [
        helper.make_node("Conv", ["data", "a"], ["tall"], pads=[2, 0, 2, 0], strides=[2, 2]),
        helper.make_node("Conv", ["data", "b"], ["wide"], pads=[0, 1, 0, 1], strides=[2, 2]),
        helper.make_node("Concat", ["tall", "wide"], ["out"], axis=1),
    ]
    graphs = build_projection_graphs(
        load_network(saved(tmp_path / "net.onnx", nodes, weights, "out")), Projection("out")
    )
    spans = graphs.geometry["out"].spans
    assert spans is not None
    assert [(s.stride, s.start, s.size, s.slack) for s in spans] == [(2, -2, 5, 0), (2, -1, 3, 0)]


def test_fields_of_googlenet() -> None:
    """7x7 stride 2 from -3, 3x3 pool from 0, 3x3 from -1: computed by hand."""
    loaded = load_network(shared("weights/googlenet.onnx"))
    known = {str(value.name): geometry for value, geometry in loaded.geometries().items()}
    for name, stride, start, size in (
        ("conv1/7x7_s2", 2, -3, 7),
        ("pool1/3x3_s2", 4, -3, 11),
        ("conv2/3x3", 4, -7, 19),
    ):
        spans = known[name].spans
        assert spans is not None
        assert (spans[0].stride, spans[0].start, spans[0].size) == (stride, start, size)
        assert math.isclose(spans[1].start, start)


@pytest.mark.parametrize("pooling", ["operator", "mean", "flattened"])
def test_what_a_squeeze_scales_sees_the_whole_image(tmp_path: Path, pooling: str) -> None:
    """By whatever the exporter wrote for the mean over positions."""
    node = helper.make_node
    pools = {
        "operator": [node("GlobalAveragePool", ["conv"], ["pooled"])],
        "mean": [node("ReduceMean", ["conv", "positions"], ["pooled"])],
        "flattened": [
            node("Reshape", ["conv", "row"], ["flat"]),
            node("ReduceMean", ["flat", "last"], ["mean"], keepdims=0),
            node("Reshape", ["mean", "square"], ["pooled"]),
        ],
    }
    nodes = [
        node("Conv", ["data", "w"], ["conv"], kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4),
        *pools[pooling],
        node("Conv", ["pooled", "v"], ["squeezed"], kernel_shape=[1, 1]),
        node("Relu", ["squeezed"], ["gate"]),
        node("Mul", ["conv", "gate"], ["scaled"]),
        node("Relu", ["scaled"], ["active"]),
        node("ReduceMean", ["active", "channels"], ["over_channels"]),
    ]
    rng = np.random.default_rng(0)
    weights = {
        "w": rng.normal(size=(4, 3, 3, 3)).astype(np.float32),
        "v": rng.normal(size=(4, 4, 1, 1)).astype(np.float32),
        "positions": np.int64([2, 3]),
        "row": np.int64([0, 0, -1]),
        "last": np.int64([-1]),
        "square": np.int64([0, 0, 1, 1]),
        "channels": np.int64([1]),
    }
    path = saved(tmp_path / "net.onnx", nodes, weights, "over_channels", (1, 3, "height", "width"))
    network = load_network(path, preprocess="rgb")
    found = {str(value.name): geometry for value, geometry in network.geometries().items()}
    assert (found["conv"].stride, found["conv"].receptive_field) == (2, 3)
    for name in ("pooled", "squeezed", "gate"):
        assert (found[name].stride, found[name].receptive_field) == (None, None), name
    for name in ("scaled", "over_channels"):
        assert (found[name].stride, found[name].receptive_field) == (2, None), name
    assert list(style_objective(network).settings["style_layers"]) == ["active"]
    assert not can_tile(network, style_objective(network, content_layers=["scaled"], style_layers=["scaled"]))
