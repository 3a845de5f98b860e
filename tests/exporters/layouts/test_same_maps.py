"""Tokens and channels last: every layer is the map that a network of plain convolutions has there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from helpers.networks import saved
from helpers.running import run
from helpers.transformers import PATCH
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from pixelgrad.exporters import Network, load_network


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
