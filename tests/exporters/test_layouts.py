"""Tokens and channels last: every layer is the map that a network of plain convolutions has there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from helpers.gradcheck import assert_close, numerical_vjp, runtime
from helpers.networks import saved
from helpers.running import run, some_image
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from pixelgrad.errors import UnknownLayerError
from pixelgrad.exporters import Network, depth_layers, load_network, style_objective, vjp
from pixelgrad.exporters.autodiff import RULES, finish
from pixelgrad.exporters.networks import default_dream_layers, last_map, learnt_layers, set_batch, settle_size, summary
from pixelgrad.exporters.opset18 import to_opset18
from pixelgrad.exporters.opset18.folding import fold_numbers
from pixelgrad.exporters.opset18.shapes import constant

Array = np.ndarray[Any, Any]

PATCH = 4


class Pair:
    """One network twice: in the forms that are drawn, and in NCHW with 1x1 convolutions only.

    form: NCHW, NHWC, NTC or NCT (tokens). front, behind: tokens of no position. size: (rows, columns) that the file
    says, ``None`` for any.
    """

    def __init__(self, size: tuple[int, int] | None) -> None:
        self.size, self.rng, self.pieces = size, np.random.default_rng(0), list[str]()
        self.nodes, self.plain = list[onnx.NodeProto](), list[onnx.NodeProto]()
        self.weights: dict[str, Any] = {}
        self.form, self.channels, self.front, self.behind = "NCHW", 6, 0, 0
        self.current = self.same = "patch"
        patches = self.weight(self.channels, 3, PATCH, PATCH)
        for nodes in (self.nodes, self.plain):
            options = {"kernel_shape": [PATCH] * 2, "strides": [PATCH] * 2}
            nodes.append(helper.make_node("Conv", ["data", patches], ["patch"], **options))

    def __repr__(self) -> str:
        return f"{self.size}: {', '.join(self.pieces)}"

    def weight(self, *shape: int) -> str:
        return self.known(self.rng.normal(size=shape) / np.sqrt(max(np.prod(shape[1:]), 1)), np.float32)

    def known(self, values: Any, dtype: Any = np.int64) -> str:
        name = f"w{len(self.weights)}"
        self.weights[name] = np.asarray(values, dtype)
        return name

    def put(self, op_type: str, *inputs: str, **attributes: Any) -> str:
        """A node of the drawn network; its output."""
        return _put(self.nodes, "x", op_type, inputs, attributes)

    def also(self, op_type: str, *inputs: str, **attributes: Any) -> str:
        """A node of the plain network; its output."""
        return _put(self.plain, "p", op_type, inputs, attributes)

    @property
    def last(self) -> bool:
        return self.form in {"NHWC", "NTC"}

    def possible(self) -> list[str]:
        pieces = ["gelu", "bias"]
        if self.form != "NCT":
            pieces += ["linear", "residual"]
        if self.last:
            pieces.append("normalise")
        pieces += {
            "NCHW": ["channels last", "flatten"],
            "NHWC": ["channels first", "flatten"],
            "NTC": ["turn", "front", "behind"],
            "NCT": ["turn", "front", "behind"],
        }[self.form]
        if self.front or self.behind:
            pieces.append("cut")
        elif self.form in {"NTC", "NCT"}:
            pieces.append("unflatten")
        return pieces

    def add(self, piece: str) -> None:
        self.pieces.append(piece)
        getattr(self, "_" + piece.replace(" ", "_"))()

    def _linear(self, channels: int | None = None) -> None:
        new = self.channels % 7 + 2 if channels is None else channels
        weight = self.weight(new, self.channels)
        kernel = self.known(self.weights[weight][:, :, None, None], np.float32)
        if self.form == "NCHW":
            self.current = self.put("Conv", self.current, kernel)
        else:
            self.current = self.put("MatMul", self.current, self.known(self.weights[weight].T, np.float32))
        self.same, self.channels = self.also("Conv", self.same, kernel), new

    def _bias(self) -> None:
        shift = self.weight(self.channels)
        column = self.known(self.weights[shift][:, None], np.float32)
        plane = self.known(self.weights[shift][:, None, None], np.float32)
        drawn = {"NCHW": plane, "NCT": column}.get(self.form, shift)
        self.current, self.same = self.put("Add", drawn, self.current), self.also("Add", self.same, plane)

    def _residual(self) -> None:
        before, same = self.current, self.same
        self._linear(self.channels)
        self._gelu()
        self.current, self.same = self.put("Add", before, self.current), self.also("Add", self.same, same)

    def _gelu(self) -> None:
        root, one, half = (self.known(number, np.float32) for number in (np.sqrt(2), 1, 0.5))

        def written(op: Any, value: str) -> str:
            inner = op("Add", op("Erf", op("Div", value, root)), one)
            return str(op("Mul", op("Mul", value, inner), half))

        self.current, self.same = written(self.put, self.current), written(self.also, self.same)

    def _normalise(self) -> None:
        scale, shift = self.weight(self.channels), self.weight(self.channels)
        self.current = self.put("LayerNormalization", self.current, scale, shift, axis=-1, epsilon=1e-3)
        centred = self.also("Sub", self.same, self.also("ReduceMean", self.same, axes=[1]))
        variance = self.also("ReduceMean", self.also("Mul", centred, centred), axes=[1])
        deviation = self.also("Sqrt", self.also("Add", variance, self.known(1e-3, np.float32)))
        planes = [self.known(self.weights[name][:, None, None], np.float32) for name in (scale, shift)]
        scaled = self.also("Mul", self.also("Div", centred, deviation), planes[0])
        self.same = self.also("Add", scaled, planes[1])

    def _channels_last(self) -> None:
        self.current, self.form = self.put("Transpose", self.current, perm=[0, 2, 3, 1]), "NHWC"

    def _channels_first(self) -> None:
        self.current, self.form = self.put("Transpose", self.current, perm=[0, 3, 1, 2]), "NCHW"

    def _turn(self) -> None:
        self.current = self.put("Transpose", self.current, perm=[0, 2, 1])
        self.form = "NTC" if self.form == "NCT" else "NCT"

    def _flatten(self) -> None:
        target = [0, self.channels, -1] if self.form == "NCHW" else [1, -1, self.channels]
        self.current = self.put("Reshape", self.current, self.known(target))
        self.form = "NCT" if self.form == "NCHW" else "NTC"

    def _unflatten(self) -> None:
        one, channels = self.known([1]), self.known([self.channels])
        if self.size is not None:
            size = self.known(self.size)
        else:  # as exporters work it out, from the map that the tokens were
            shape = self.put("Shape", "patch")
            size = self.put("Slice", shape, self.known([2]), self.known([4]), self.known([0]))
        parts = [one, size, channels] if self.last else [one, channels, size]
        self.current = self.put("Reshape", self.current, self.put("Concat", *parts, axis=0))
        self.form = "NHWC" if self.last else "NCHW"

    def _front(self) -> None:
        self.front += self._beside(first=True)

    def _behind(self) -> None:
        self.behind += self._beside(first=False)

    def _beside(self, *, first: bool) -> int:
        count = int(self.rng.integers(1, 4))
        extra = self.weight(*((1, count, self.channels) if self.last else (1, self.channels, count)))
        order = [extra, self.current] if first else [self.current, extra]
        self.current = self.put("Concat", *order, axis=1 if self.last else -1)
        return count

    def _cut(self) -> None:
        """In front, behind, or both at once: all of them, or all but one."""
        front = self.front - int(self.rng.integers(0, 2)) if self.front else 0
        behind = self.behind
        ends = self.known([-behind if behind else np.iinfo(np.int64).max])
        axes = self.known([1 if self.last else -1])
        self.current = self.put("Slice", self.current, self.known([max(front, 0)]), ends, axes)
        self.front, self.behind = self.front - max(front, 0), 0

    def networks(self, folder: Path) -> tuple[Network, Network]:
        size = ("height", "width") if self.size is None else [PATCH * length for length in self.size]
        loaded = []
        for name, nodes, output in (("drawn", self.nodes, self.current), ("plain", self.plain, self.same)):
            used = {value for node in nodes for value in node.input}
            weights = {key: value for key, value in self.weights.items() if key in used}
            path = saved(folder / f"{name}.onnx", nodes, weights, output, (1, 3, *size))
            loaded.append(load_network(path, preprocess="rgb"))
        return loaded[0], loaded[1]


def _put(nodes: list[onnx.NodeProto], letter: str, op_type: str, inputs: Any, attributes: dict[str, Any]) -> str:
    output = f"{letter}{len(nodes)}"
    nodes.append(helper.make_node(op_type, list(inputs), [output], **attributes))
    return output


@st.composite
def pairs(draw: st.DrawFn) -> Pair:
    pair = Pair(draw(st.sampled_from([None, (2, 3), (3, 3), (5, 2)])))
    for _ in range(draw(st.integers(1, 9))):
        pair.add(draw(st.sampled_from(pair.possible())))
    return pair


@settings(max_examples=40)
@given(pair=pairs())
def test_a_layer_is_the_map_of_the_plain_network(tmp_path_factory: pytest.TempPathFactory, pair: Pair) -> None:
    drawn, plain = pair.networks(tmp_path_factory.mktemp("layouts"))
    rows, columns = pair.size or (3, 4)
    image = np.random.default_rng(1).random((1, 3, PATCH * rows, PATCH * columns), dtype=np.float32)
    found, expected = run(drawn, image, pair.current), run(plain, image, pair.same)
    assert found.shape == expected.shape == (1, pair.channels, rows, columns)
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-5)


def transformer(
    path: Path, side: int = 16, *, width: int = 8, heads: int = 2, extra: int = 1, free: bool = False
) -> Path:
    """Patches of 4x4, a class token, positions, one block with attention of so many heads, the class's token's scores.

    free: the image may have any size, and there are no embeddings of positions.
    """
    node, tokens, rng = helper.make_node, (side // PATCH) ** 2 + extra, np.random.default_rng(3)
    after = "placed"
    nodes = [
        node("Conv", ["data", "patches"], ["patch"], kernel_shape=[PATCH] * 2, strides=[PATCH] * 2),
        node("Reshape", ["patch", "rows"], ["row"]),
        node("Transpose", ["row"], ["tokens"], perm=[0, 2, 1]),
        node("Concat", ["class", "tokens"], ["all"], axis=1),
        node("Identity" if free else "Add", ["all"] if free else ["all", "positions"], [after]),
        node("LayerNormalization", [after, "scale", "shift"], ["even"], axis=-1),
    ]
    for name in "qkv":
        nodes += [
            node("MatMul", ["even", name.upper()], [name]),
            node("Reshape", [name, "heads"], [f"{name}split"]),
            node("Transpose", [f"{name}split"], [f"{name}heads"], perm=[0, 2, 3, 1] if name == "k" else [0, 2, 1, 3]),
        ]
    nodes += [
        node("MatMul", ["qheads", "kheads"], ["likeness"]),
        node("Softmax", ["likeness"], ["attention"], axis=-1),
        node("MatMul", ["attention", "vheads"], ["gathered"]),
        node("Transpose", ["gathered"], ["turned"], perm=[0, 2, 1, 3]),
        node("Reshape", ["turned", "joined"], ["attended"]),
        node("MatMul", ["attended", "O"], ["projected"]),
        node("Add", [after, "projected"], ["block"]),
        node("Relu", ["block"], ["active"]),
        node("Gather", ["active", "one"], ["of_class"], axis=1),
        node("Gemm", ["of_class", "head"], ["scores"]),
    ]
    weights: dict[str, Any] = {
        "patches": rng.normal(scale=0.3, size=(width, 3, PATCH, PATCH)),
        "class": rng.normal(size=(1, extra, width)),
        "positions": rng.normal(size=(1, tokens, width)),
        "scale": rng.normal(size=width),
        "shift": rng.normal(size=width),
        **{name: rng.normal(scale=0.5, size=(width, width)) for name in "QKVO"},
        "head": rng.normal(size=(width, 10)),
    }
    if free:
        del weights["positions"]
    numbers = {"rows": [0, width, -1], "heads": [0, 0, heads, width // heads], "joined": [0, 0, width], "one": 0}
    return saved(
        path,
        nodes,
        {
            **{name: value.astype(np.float32) for name, value in weights.items()},
            **{name: np.asarray(value, np.int64) for name, value in numbers.items()},
        },
        "scores",
        (1, 3, *(("height", "width") if free else (side, side))),
    )


def raw(network: Network, image: Array, tensor: str) -> Array:
    """A tensor as the graph has it, in the form that it has there."""
    clone = network.clone()
    clone.model.graph.outputs.clear()
    clone.model.graph.outputs.extend(v for n in clone.model.graph for v in n.outputs if v.name == tensor)
    return runtime(finish(clone.model))({"image": image})[tensor]


@pytest.mark.parametrize("free", [True, False])
@pytest.mark.parametrize("layer", ["tokens", "all", "placed", "even", "q", "projected", "block", "active"])
def test_tokens_of_a_transformer(tmp_path: Path, layer: str, free: bool) -> None:
    network = load_network(transformer(tmp_path / "vit.onnx", extra=2, free=free), preprocess="rgb")
    image = some_image(16)
    tokens = raw(network, image, layer)[:, 0 if layer == "tokens" else 2 :]
    expected = tokens.transpose(0, 2, 1).reshape(1, 8, 4, 4)
    np.testing.assert_allclose(run(network, image, layer), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("layer", ["likeness", "attention", "gathered", "turned", "qheads", "kheads", "scores"])
def test_what_is_no_map_stays_as_it_is(tmp_path: Path, layer: str, heads: int) -> None:
    """Attention, and heads by themselves."""
    network = load_network(transformer(tmp_path / "vit.onnx", heads=heads), preprocess="rgb")
    value = network.layer(layer)
    assert value not in network.layouts()
    assert value.producer() is not None
    np.testing.assert_array_equal(run(network, some_image(16), layer), raw(network, some_image(16), layer))


def small(path: Path, nodes: list[onnx.NodeProto], size: int | None = 16, **weights: Any) -> Network:
    """A convolution to four channels at a quarter of the size, ``patch``, then ``nodes``."""
    rng = np.random.default_rng(5)
    patches = rng.normal(scale=0.3, size=(4, 3, PATCH, PATCH)).astype(np.float32)
    first = helper.make_node("Conv", ["data", "patches"], ["patch"], kernel_shape=[PATCH] * 2, strides=[PATCH] * 2)
    arrays = {
        name: rng.normal(size=shape).astype(np.float32) if isinstance(shape, tuple) else np.asarray(shape)
        for name, shape in weights.items()
    }
    shape = (1, 3, size or "height", size or "width")
    saved(path, [first, *nodes], {"patches": patches, **arrays}, nodes[-1].output[0], shape)
    return load_network(path, preprocess="rgb")


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
    network = small(
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
    expected = raw(network, some_image(16), "block").transpose(0, 3, 1, 2)
    np.testing.assert_allclose(run(network, some_image(16), "block"), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", [8, 16])
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
    network = small(tmp_path / "mixer.onnx", nodes, size, rows=[0, 4, -1], w1=(tokens, tokens), w2=(tokens, tokens))
    names = {str(value.name) for value in network.layouts()}
    assert names.isdisjoint({"mixed", "active", "mixed_again", "back", "mixed_2", "active_2", "mixed_again_2"})
    assert {"tokens", "turned", "block"} <= names
    before = raw(network, some_image(size), "block")
    expected = before.transpose(0, 2, 1).reshape(1, 4, size // PATCH, size // PATCH)
    np.testing.assert_allclose(run(network, some_image(size), "block"), expected, rtol=1e-5, atol=1e-6)


def test_names_after_the_change(tmp_path: Path) -> None:
    network = load_network(transformer(tmp_path / "vit.onnx"))
    before = network.clone()
    network.aliases["blocks.0"] = "block"  # type: ignore[index]
    value = network.layer("block")
    assert (value.name, value.shape.rank()) == ("block", 4)  # type: ignore[union-attr]
    assert network.layer("block") is value
    assert network.layer("blocks.0") is value
    assert network.clone().layer("block").shape == value.shape
    assert network.layer("active").name == "active"
    with pytest.raises(UnknownLayerError):  # a step within a layer
        network.layer("block/tokens")
    assert value in network.layouts()
    for late in (before.clone(), before):
        assert (late.layer("block").name, late.layer("block").shape) == ("block", value.shape)
    assert [layer.name for layer in summary(network, (16, 16))].count("block") == 1


def test_the_graph_computes_what_it_did(tmp_path: Path) -> None:
    """What comes behind a layer uses it as it was."""
    network = load_network(transformer(tmp_path / "vit.onnx"))
    before = raw(network, some_image(16), "scores")
    for layer in ("tokens", "even", "block", "active"):
        network.layer(layer)
    np.testing.assert_array_equal(raw(network, some_image(16), "scores"), before)


@pytest.mark.parametrize("free", [True, False])
def test_geometry_of_tokens(tmp_path: Path, free: bool) -> None:
    network = load_network(transformer(tmp_path / "vit.onnx", free=free))
    geometry = {str(value.name): found for value, found in network.geometries().items()}
    for layer in ("patch", "tokens", "all", "placed", "even", "q"):
        assert (geometry[layer].stride, geometry[layer].receptive_field) == (PATCH, PATCH), layer
    for layer in ("projected", "block", "active"):
        assert (geometry[layer].stride, geometry[layer].receptive_field) == (PATCH, None), layer
    for layer in ("attention", "scores"):
        assert (geometry[layer].stride, geometry[layer].receptive_field) == (None, None), layer
    network.layer("block"), network.layer("even")
    geometry = {str(value.name): found for value, found in network.geometries().items()}
    assert (geometry["even"].stride, geometry["even"].receptive_field) == (PATCH, PATCH)
    assert (geometry["block"].stride, geometry["block"].receptive_field) == (PATCH, None)


@pytest.mark.parametrize("free", [True, False])
def test_summary_lists_channels_rows_and_columns(tmp_path: Path, free: bool) -> None:
    network = load_network(transformer(tmp_path / "vit.onnx", free=free))
    size = (16, 24) if free else (16, 16)
    shapes = {layer.name: layer.shape for layer in summary(network, size)}
    grid = (size[0] // PATCH, size[1] // PATCH)
    for layer in ("patch", "tokens", "all", "even", "block"):
        assert shapes[layer] == (8, *grid), layer
    count = grid[0] * grid[1] + 1
    assert shapes["attention"] == (2, count, count)
    assert shapes["scores"] == (10,)


def test_default_layers_stay_the_same_once_they_are_maps(tmp_path: Path) -> None:
    network = load_network(transformer(tmp_path / "vit.onnx"))
    first = style_objective(network)
    again = style_objective(network)
    assert [term.layer for term in first.terms] == [term.layer for term in again.terms]
    fresh = load_network(tmp_path / "vit.onnx")
    for layers in (depth_layers, default_dream_layers, lambda network: learnt_layers(network, 9)):
        assert layers(network) == layers(fresh)
    last = last_map(network)
    assert network.layer(str(last.name)) is last
    assert str(fresh.layer(str(last_map(fresh).name)).name) == last.name
    assert shapes(network.as_read()) == shapes(load_network(tmp_path / "vit.onnx"))


def shapes(network: Network) -> dict[str, str]:
    return {str(value.name): str(value.shape) for node in network.model.graph for value in node.outputs}


def test_shapes_behind_a_declared_size_are_filled_in(tmp_path: Path) -> None:
    network = load_network(transformer(tmp_path / "vit.onnx"))
    found = shapes(network)
    assert found["patch"] == "[1,8,floor(H/4),floor(W/4)]"
    assert found["placed"] == found["block"] == "[1,17,8]"
    assert found["likeness"] == "[1,2,17,17]"
    assert network.declared_size == (16, 16)


def test_shapes_that_are_only_unknown_are_not_filled_in(tmp_path: Path) -> None:
    """Where a pooling's last window begins depends on the size, and the network takes any, whatever its file says."""
    pool = helper.make_node("MaxPool", ["patch"], ["pool"], kernel_shape=[2, 2], strides=[3, 3], ceil_mode=1)
    network = small(tmp_path / "net.onnx", [pool], 32)
    assert network.declared_size == (32, 32)
    assert settle_size(network.clone(), [network.layer("pool")]) is None
    assert not network.layer("pool").shape.is_static()  # type: ignore[union-attr]


def test_a_range_of_sizes_stays_one_operator(tmp_path: Path) -> None:
    """Its body is a loop; PyTorch 2 writes one for each shift of a window."""
    node = helper.make_node
    nodes = [
        node("Shape", ["patch"], ["rows"], start=2, end=3),
        node("Squeeze", ["rows"], ["count"]),
        node("Range", ["zero", "count", "one"], ["places"]),
        node("Gather", ["patch", "places"], ["gathered"], axis=2),
    ]
    network = small(tmp_path / "net.onnx", nodes, None, zero=0, one=1)
    assert [node.op_type for node in network.model.graph][-2:] == ["Range", "Gather"]


def test_a_kept_conversion_has_the_same_layers(tmp_path: Path) -> None:
    path, cache = transformer(tmp_path / "vit.onnx"), tmp_path / "cache"
    fresh, again = load_network(path, cache=cache), load_network(path, cache=cache)
    assert list(cache.iterdir())
    assert shapes(again) == shapes(fresh)
    assert again.declared_size == fresh.declared_size
    assert {v.name for v in again.layouts()} == {v.name for v in fresh.layouts()}
    for layer in ("patch", "tokens", "block", "scores"):
        first, second = (network.clone() for network in (fresh, again))
        values = [network.layer(layer) for network in (first, second)]
        assert str(values[0].shape) == str(values[1].shape)
        assert settle_size(first, [values[0]]) == settle_size(second, [values[1]])
        assert shapes(first) == shapes(second)


def counted(path: Path) -> Network:
    """Tokens of pairs of patches, and back, with how many images there are taken from the shape, at any size."""
    node = helper.make_node
    nodes = [
        node("Shape", ["patch"], ["shape"]),
        *(node("Gather", ["shape", name], [f"size_{name}"]) for name in ("n", "c")),
        node("Concat", ["size_n", "size_c", "rest", "two"], ["target"], axis=0),
        node("Reshape", ["patch", "target"], ["pairs"]),
        node("Relu", ["pairs"], ["active"]),
        node("Reshape", ["active", "shape"], ["back"]),
        node("Conv", ["back", "w"], ["conv"], kernel_shape=[1, 1]),
    ]
    return small(path, nodes, None, w=(4, 4, 1, 1), n=[0], c=[1], rest=[-1], two=[2])


def test_how_many_images_there_are_stays_open(tmp_path: Path) -> None:
    """What is known of sizes for one image must not be kept for several."""
    network = counted(tmp_path / "net.onnx")
    several, image = network.clone(), np.random.default_rng(0).random((3, 3, 8, 12), np.float32)
    set_batch(several, [several.layer("conv")], 3)
    together = run_model(several, image)
    single = [run_model(network, image[place : place + 1]) for place in range(3)]
    np.testing.assert_allclose(together, np.concatenate(single), rtol=1e-5, atol=1e-6)
    assert "size_c" not in {value.name for node in network.model.graph for value in node.outputs}


def run_model(network: Network, image: Array) -> Array:
    (found,) = runtime(finish(network.model))({"image": image}).values()
    return found


def test_a_kept_conversion_knows_the_same_numbers(tmp_path: Path) -> None:
    """A reshape whose target is put together from a size that is worked out."""
    counted(tmp_path / "net.onnx")
    fresh, again = (load_network(tmp_path / "net.onnx", cache=tmp_path / "cache") for _ in range(2))
    numbers = [
        {str(v.name): v.const_value.numpy().tolist() for n in net.model.graph for v in n.outputs if v.const_value}
        for net in (fresh, again)
    ]
    assert numbers[0] == numbers[1]
    assert numbers[0]["size_n"] == [1]


@pytest.mark.parametrize("default", [False, True])
def test_paddings_that_are_turned_round_become_known(tmp_path: Path, default: bool) -> None:
    """As PyTorch's older exporter writes ``F.pad(x, (1, 2, 3, 4))``; an input that may be given is not known."""
    node = helper.make_node
    nodes = [
        node("ConstantOfShape", ["missing"], ["zeros"], value=helper.make_tensor("zero", TensorProto.INT64, [1], [0])),
        node("Concat", ["paddings", "zeros"], ["eight"], axis=0),
        node("Reshape", ["eight", "pairs"], ["pair"]),
        node("Slice", ["pair", "last", "before", "first", "back"], ["turned"]),
        node("Transpose", ["turned"], ["sides"], perm=[1, 0]),
        node("Reshape", ["sides", "flat"], ["row"]),
        node("Cast", ["row"], ["pads"], to=TensorProto.INT64),
        node("Pad", ["data", "pads"], ["padded"]),
        node("Conv", ["padded", "w"], ["conv"], kernel_shape=[3, 3]),
    ]
    numbers: dict[str, Any] = {
        "missing": [4],
        "paddings": [1, 2, 3, 4],
        "pairs": [-1, 2],
        "last": [-1],
        "before": [np.iinfo(np.int64).min],
        "first": [0],
        "back": [-1],
        "flat": [-1],
    }
    weights = {name: np.asarray(value, np.int64) for name, value in numbers.items()}
    weights["w"] = np.ones((2, 3, 3, 3), np.float32)
    model = onnx.load(saved(tmp_path / "pad.onnx", nodes, weights, "conv", (1, 3, "height", "width")))
    if default:
        model.graph.input.append(helper.make_tensor_value_info("paddings", TensorProto.INT64, [4]))
        graph = ir.from_proto(model).graph
        assert not fold_numbers(graph)
        assert not any(node.outputs[0].const_value for node in graph if node.op_type != "ConstantOfShape")
        return
    converted = to_opset18(ir.from_proto(model), primitives=RULES.keys())
    (pad,) = (node for node in converted.graph if node.op_type == "Pad")
    np.testing.assert_array_equal(constant(pad.inputs[1]), [0, 0, 3, 1, 0, 0, 4, 2])
    network = load_network(tmp_path / "pad.onnx")
    assert [node.op_type for node in network.model.graph if node.name != "preprocess"] == ["Pad", "Conv"]
    assert str(network.layer("conv").shape) == "[1,2,H + 5,W + 1]"


@pytest.mark.parametrize("outputs", [(1,), (0, 1, 2), (2,)])
def test_the_gradient_of_a_mean_that_is_kept(outputs: tuple[int, ...]) -> None:
    """LayerNormalization's Mean and InvStdDev, where a network goes on with them."""
    rng = np.random.default_rng(2)
    names = ["normal", "mean", "inverse"]
    nodes = [
        helper.make_node("LayerNormalization", ["x", "scale", "shift"], names, axis=-1, epsilon=0.1),
        helper.make_node("Concat", [names[place] for place in outputs], ["together"], axis=-1),
        helper.make_node("Mul", ["together", "together"], ["y"]),
    ]

    weights = {"scale": np.linspace(0.5, 2, 5), "shift": np.linspace(-1, 1, 5)}
    graph = helper.make_graph(
        nodes,
        "normalisation",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3, 5])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
    )
    single = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    x = rng.normal(size=(2, 3, 5)).astype(np.float32)
    forward = runtime(single)
    cotangent = rng.normal(size=forward({"x": x})["y"].shape).astype(np.float32)
    gradient = runtime(vjp(single, wrt=["x"]))({"x": x, "cotangent_y": cotangent})["gradient_x"]
    expected = numerical_vjp(forward, {"x": x}, {"y": cotangent}, "x", 1e-2)
    assert_close(gradient, expected, 2e-3, "gradient")


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
    network = small(tmp_path / "net.onnx", nodes, **weights)
    assert "out" not in {value.name for value in network.layouts()}
    np.testing.assert_array_equal(run(network, some_image(16), "out"), raw(network, some_image(16), "out"))


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
    network = small(tmp_path / "net.onnx", nodes, **weights)
    patch = raw(network, some_image(16), "patch")
    found = run(network, some_image(16), "out")
    np.testing.assert_allclose(found, expected(patch).reshape(found.shape), rtol=1e-4, atol=1e-5)
    assert found.ndim == 4
