"""What keeps the positions of a map, and what does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from helpers.running import raw, run, some_image
from helpers.transformers import PATCH, patches
from onnx import helper


def test_windows_are_no_map(tmp_path: Path) -> None:
    """[nW, T, C] of Swin, in which the images of a batch would be."""
    node = helper.make_node
    nodes = [
        node("Transpose", ["patch"], ["last"], perm=[0, 2, 3, 1]),
        node("Reshape", ["last", "cut"], ["six"]),
        node("Transpose", ["six"], ["sorted"], perm=[0, 1, 3, 2, 4, 5]),
        node("Reshape", ["sorted", "list"], ["windows"]),
        node("MatMul", ["windows", "w"], ["weighed"]),
        node("Reshape", ["weighed", "square"], ["squares"]),
        node("MatMul", ["squares", "w"], ["square_weighed"]),
        node("Reshape", ["weighed", "six_again"], ["pieces"]),
        node("Transpose", ["pieces"], ["joined"], perm=[0, 1, 3, 2, 4, 5]),
        node("Reshape", ["joined", "whole"], ["back"]),
        node("Add", ["last", "back"], ["block"]),
    ]
    network = patches(
        tmp_path / "swin.onnx",
        nodes,
        w=(4, 4),
        cut=[1, 2, 2, 2, 2, 4],
        list=[-1, 4, 4],
        square=[-1, 2, 2, 4],
        six_again=[1, 2, 2, 2, 2, 4],
        whole=[1, 4, 4, 4],
    )
    layouts = {str(value.name) for value in network.layouts()}
    assert layouts.isdisjoint({"six", "sorted", "windows", "weighed", "squares", "square_weighed", "pieces", "joined"})
    expected = raw(network, some_image(32), "block").transpose(0, 3, 1, 2)
    np.testing.assert_allclose(run(network, some_image(32), "block"), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", [16, 32])
def test_tokens_that_are_mixed_are_no_map(tmp_path: Path, size: int) -> None:
    """MLP-Mixer's product over positions, also where there are as many of them as channels."""
    tokens = (size // PATCH) ** 2
    node = helper.make_node
    nodes = [
        node("Reshape", ["patch", "rows"], ["row"]),
        node("Transpose", ["row"], ["tokens"], perm=[0, 2, 1]),
        node("Transpose", ["tokens"], ["turned"], perm=[0, 2, 1]),
        node("MatMul", ["turned", "w1"], ["mixed"]),
        node("Relu", ["mixed"], ["active"]),
        node("MatMul", ["active", "w2"], ["mixed_again"]),
        node("Transpose", ["mixed_again"], ["back"], perm=[0, 2, 1]),
        node("Add", ["tokens", "back"], ["block"]),
        node("Transpose", ["block"], ["turned_2"], perm=[0, 2, 1]),
        node("MatMul", ["turned_2", "w1"], ["mixed_2"]),
        node("Relu", ["mixed_2"], ["active_2"]),
        node("MatMul", ["active_2", "w2"], ["mixed_again_2"]),
    ]
    network = patches(tmp_path / "mixer.onnx", nodes, size, rows=[0, 4, -1], w1=(tokens, tokens), w2=(tokens, tokens))
    names = {str(value.name) for value in network.layouts()}
    assert names.isdisjoint({"mixed", "active", "mixed_again", "back", "mixed_2", "active_2", "mixed_again_2"})
    assert {"tokens", "turned", "block"} <= names
    before = raw(network, some_image(size), "block")
    expected = before.transpose(0, 2, 1).reshape(1, 4, size // PATCH, size // PATCH)
    np.testing.assert_allclose(run(network, some_image(size), "block"), expected, rtol=1e-5, atol=1e-6)


def reshape(source: str, target: str, output: str) -> onnx.NodeProto:
    return helper.make_node("Reshape", [source, target], [output])


def transpose(source: str, output: str, *order: int) -> onnx.NodeProto:
    return helper.make_node("Transpose", [source], [output], perm=order)


def matmul(source: str, weight: str, output: str) -> onnx.NodeProto:
    return helper.make_node("MatMul", [source, weight], [output])


# What mixes positions or puts them elsewhere, on a map of 4 channels, 4 x 4: nodes, weights.
NO_MAPS: dict[str, tuple[list[onnx.NodeProto], dict[str, Any]]] = {
    "rows mixed, channels in front": (
        [matmul("patch", "w", "wide"), transpose("wide", "out", 0, 2, 3, 1)],
        {"w": (4, 4)},
    ),
    "rows for channels": (
        [
            transpose("patch", "turned", 0, 1, 3, 2),
            matmul("turned", "w", "mixed"),
            helper.make_node("Relu", ["mixed"], ["out"]),
        ],
        {"w": (4, 4)},
    ),
    "blocks of tokens": (  # Zhang et al. 2022, "Nested hierarchical transformer"
        [
            transpose("patch", "last", 0, 2, 3, 1),
            reshape("last", "six", "cut"),
            transpose("cut", "sorted", 0, 1, 3, 2, 4, 5),
            reshape("sorted", "four", "blocks"),
            matmul("blocks", "w", "out"),
        ],
        {"w": (4, 4), "six": [1, 2, 2, 2, 2, 4], "four": [1, 4, 4, 4]},
    ),
    "tokens in another order": (  # Ryali et al. 2023, "Hiera"
        [
            reshape("patch", "rows", "row"),
            transpose("row", "tokens", 0, 2, 1),
            reshape("tokens", "six", "cut"),
            transpose("cut", "sorted", 0, 2, 4, 1, 3, 5),
            reshape("sorted", "three", "units"),
            matmul("units", "w", "out"),
        ],
        {"w": (4, 4), "rows": [1, 4, -1], "six": [1, 2, 2, 2, 2, 4], "three": [1, 16, 4]},
    ),
    "attention of heads that talk": (  # Touvron et al. 2021, "Going deeper with image transformers"
        [
            reshape("patch", "rows", "keys"),
            transpose("keys", "queries", 0, 2, 1),
            matmul("queries", "keys", "likeness"),
            reshape("likeness", "heads", "split"),
            transpose("split", "turned", 0, 2, 3, 1),
            matmul("turned", "w", "out"),
        ],
        {"w": (1, 4), "rows": [1, 4, -1], "heads": [1, 1, 16, 16]},
    ),
    "heads as images": (  # Li et al. 2022, "MViTv2"
        [
            reshape("patch", "heads", "split"),
            helper.make_node("Conv", ["split", "w"], ["out"], kernel_shape=[3, 3], pads=[1] * 4),
        ],
        {"w": (2, 2, 3, 3), "heads": [2, 2, 4, 4]},
    ),
    "tokens in a column": (
        [reshape("patch", "column", "long"), helper.make_node("Conv", ["long", "w"], ["out"], kernel_shape=[1, 1])],
        {"w": (4, 4, 1, 1), "column": [1, 4, 16, 1]},
    ),
    "rows side by side": ([reshape("patch", "three", "out")], {"three": [1, 16, 4]}),
    "rolled": (
        [
            transpose("patch", "last", 0, 2, 3, 1),
            helper.make_node("Slice", ["last", "one", "end", "one"], ["lower"]),
            helper.make_node("Slice", ["last", "zero", "one", "one"], ["upper"]),
            helper.make_node("Concat", ["lower", "upper"], ["out"], axis=1),
        ],
        {"zero": [0], "one": [1], "end": [99]},
    ),
    "columns before rows": ([transpose("patch", "out", 0, 3, 2, 1)], {}),
    "attention that gathers": (  # of the channels, from one another: what is left has the order of neither
        [
            reshape("patch", "rows", "keys"),
            transpose("keys", "queries", 0, 2, 1),
            matmul("keys", "queries", "out"),
        ],
        {"rows": [1, 4, -1]},
    ),
}


@pytest.mark.parametrize("what", list(NO_MAPS))
def test_what_is_not_taken_for_a_map(tmp_path: Path, what: str) -> None:
    nodes, weights = NO_MAPS[what]
    network = patches(tmp_path / "net.onnx", nodes, **weights)
    assert "out" not in {value.name for value in network.layouts()}
    np.testing.assert_array_equal(run(network, some_image(32), "out"), raw(network, some_image(32), "out"))


# What keeps positions though not obviously: nodes, weights, the map expected of ``patch``.
MAPS: dict[str, tuple[list[onnx.NodeProto], dict[str, Any], Any]] = {
    "group normalisation": (
        [
            transpose("patch", "last", 0, 2, 3, 1),
            transpose("last", "again", 0, 3, 1, 2),
            reshape("again", "groups", "grouped"),
            helper.make_node("InstanceNormalization", ["grouped", "ones", "zeros"], ["even"], epsilon=1e-5),
            helper.make_node("Shape", ["again"], ["shape"]),
            reshape("even", "shape", "apart"),
            transpose("apart", "out", 0, 2, 3, 1),
        ],
        {"groups": [0, 2, -1], "ones": np.ones(2, np.float32), "zeros": np.zeros(2, np.float32)},
        lambda x: ((g := x.reshape(1, 2, -1)) - g.mean(2, keepdims=True)) / np.sqrt(g.var(2, keepdims=True) + 1e-5),
    ),
    "patches merged": (  # Liu et al. 2021, "Swin"
        [
            transpose("patch", "last", 0, 2, 3, 1),
            reshape("last", "six", "cut"),
            transpose("cut", "sorted", 0, 1, 3, 2, 4, 5),
            reshape("sorted", "four", "merged"),
            helper.make_node("Relu", ["merged"], ["out"]),
        ],
        {"six": [1, 2, 2, 2, 2, 4], "four": [1, 2, 2, 16]},
        lambda x: np.maximum(x.reshape(1, 4, 2, 2, 2, 2).transpose(0, 3, 5, 1, 2, 4).reshape(1, 16, 2, 2), 0),
    ),
    "pixels shuffled": (
        [
            reshape("patch", "six", "cut"),
            transpose("cut", "sorted", 0, 1, 4, 2, 5, 3),
            reshape("sorted", "four", "large"),
            transpose("large", "out", 0, 2, 3, 1),
        ],
        {"six": [1, 1, 2, 2, 4, 4], "four": [1, 1, 8, 8]},
        lambda x: x.reshape(1, 2, 2, 4, 4).transpose(0, 3, 1, 4, 2).reshape(1, 1, 8, 8),
    ),
    "channels shuffled": (
        [
            reshape("patch", "five", "cut"),
            transpose("cut", "sorted", 0, 2, 1, 3, 4),
            reshape("sorted", "four", "whole"),
            transpose("whole", "out", 0, 2, 3, 1),
        ],
        {"five": [1, 2, 2, 4, 4], "four": [1, 4, 4, 4]},
        lambda x: x[:, [0, 2, 1, 3]],
    ),
    "batch normalisation of flattened tokens": (  # Graham et al. 2021, "LeViT"
        [
            reshape("patch", "rows", "row"),
            transpose("row", "tokens", 0, 2, 1),
            helper.make_node("Squeeze", ["tokens", "zero"], ["list"]),
            helper.make_node(
                "BatchNormalization", ["list", "scale", "shift", "mean", "variance"], ["even"], epsilon=0.0
            ),
            helper.make_node("Unsqueeze", ["even", "zero"], ["out"]),
        ],
        {
            "rows": [1, 4, -1],
            "zero": [0],
            "scale": np.full(4, 2, np.float32),
            "shift": np.ones(4, np.float32),
            "mean": np.zeros(4, np.float32),
            "variance": np.ones(4, np.float32),
        },
        lambda x: 2 * x + 1,
    ),
    "squeeze and excitation": (
        [
            helper.make_node("GlobalAveragePool", ["patch"], ["pooled"]),
            helper.make_node("Sigmoid", ["pooled"], ["gate"]),
            transpose("patch", "last", 0, 2, 3, 1),
            transpose("gate", "gate_last", 0, 2, 3, 1),
            helper.make_node("Mul", ["last", "gate_last"], ["out"]),
        ],
        {},
        lambda x: x / (1 + np.exp(-x.mean((2, 3), keepdims=True))),
    ),
    "images second": (  # as PyTorch's MultiheadAttention has its tokens
        [
            reshape("patch", "rows", "row"),
            transpose("row", "tokens", 0, 2, 1),
            transpose("tokens", "second", 1, 0, 2),
            reshape("second", "heads", "split"),
            transpose("split", "turned", 1, 0, 2),
            transpose("turned", "back", 1, 0, 2),
            reshape("back", "joined", "together"),
            transpose("together", "out", 1, 0, 2),
        ],
        {"rows": [1, 4, -1], "heads": [-1, 2, 2], "joined": [16, 1, 4]},
        lambda x: x,
    ),
}


@pytest.mark.parametrize("what", list(MAPS))
def test_what_keeps_positions(tmp_path: Path, what: str) -> None:
    nodes, weights, expected = MAPS[what]
    network = patches(tmp_path / "net.onnx", nodes, **weights)
    patch = raw(network, some_image(32), "patch")
    found = run(network, some_image(32), "out")
    np.testing.assert_allclose(found, expected(patch).reshape(found.shape), rtol=1e-4, atol=1e-5)
    assert found.ndim == 4
