"""Windows of any size, stride, dilation and padding, by the adjoint identity: cotangent . (A x) = (A' cotangent) . x.

All numbers are small integers, so both sides are exact in float32 and must be equal.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime as ort
from helpers.gradcheck import Case, check, make_model, runtime
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pixelgrad.exporters import vjp


def integers(rng: np.random.Generator, *shape: int) -> np.ndarray[Any, Any]:
    return rng.integers(-4, 5, size=shape).astype(np.float32)


@st.composite
def windows(draw: st.DrawFn, dilated: bool = True) -> dict[str, Any]:
    rank = draw(st.sampled_from([1, 2, 2, 2, 3]))
    each = st.lists(st.integers(1, 3), min_size=rank, max_size=rank)
    kernel, strides = draw(each), draw(each)
    auto = draw(st.sampled_from(["NOTSET"] * 4 + ["VALID", "SAME_UPPER", "SAME_LOWER"]))
    same = auto.startswith("SAME")
    # ONNX Runtime takes no dilation with SAME padding, and no window shorter than its stride.
    dilations = draw(each) if dilated and not same else [1] * rank
    if same:
        strides = [min(s, k) for s, k in zip(strides, kernel, strict=True)]
    extent = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    pads = [draw(st.integers(0, 3)) for _ in range(2 * rank)]
    sizes = [e + draw(st.integers(0, 5)) for e in extent]
    return {
        "kernel_shape": kernel,
        "strides": strides,
        "dilations": dilations,
        "sizes": sizes,
        **({"pads": pads} if auto == "NOTSET" else {"auto_pad": auto}),
    }


def check_linear(case: Case, varying: str = "x") -> None:
    """The adjoint identity for several inputs under one cotangent."""
    rng = np.random.default_rng(3)
    model = make_model(case, np.float32)
    forward, feeds = runtime(model), {k: v.astype(np.float32) for k, v in case.inputs.items()}
    y = forward(feeds)["y"]
    assume(y.size > 0)
    cotangent = integers(rng, *y.shape)
    gradients = runtime(vjp(model))({**feeds, "cotangent_y": cotangent})
    for name in feeds:
        for _ in range(2):
            other = {**feeds, name: integers(rng, *feeds[name].shape)}
            left = float((forward(other)["y"].astype(np.float64) * cotangent).sum())
            right = float((gradients[f"gradient_{name}"].astype(np.float64) * other[name]).sum())
            np.testing.assert_allclose(left, right, rtol=1e-6, atol=1e-3, err_msg=f"gradient of {name}")


@given(windows(), st.sampled_from([1, 1, 2]), st.integers(1, 2), st.integers(1, 2), st.booleans())
def test_conv(w: dict[str, Any], group: int, inputs: int, outputs: int, free: bool) -> None:
    rng = np.random.default_rng(0)
    sizes = w.pop("sizes")
    x = integers(rng, 2, group * inputs, *sizes)
    weight = integers(rng, group * outputs, inputs, *w["kernel_shape"])
    check_linear(Case("Conv", {"x": x, "w": weight}, {**w, "group": group}, free=free))


@given(windows(), st.sampled_from([1, 2]), st.booleans(), st.data())
def test_conv_transpose(w: dict[str, Any], group: int, free: bool, data: st.DataObject) -> None:
    rng = np.random.default_rng(0)
    sizes = [min(size, 4) for size in w.pop("sizes")]
    if not w.get("auto_pad", "").startswith("SAME"):
        w["output_padding"] = [data.draw(st.integers(0, s - 1)) for s in w["strides"]]
        rank = len(sizes)
        pads = w.get("pads", [0] * 2 * rank)
        lengths = [
            s * (n - 1) + (k - 1) * d + 1 + o - pads[i] - pads[i + rank]
            for i, (s, n, k, d, o) in enumerate(
                zip(w["strides"], sizes, w["kernel_shape"], w["dilations"], w["output_padding"], strict=True)
            )
        ]
        assume(min(lengths) > 0)
    x = integers(rng, 2, group * 2, *sizes)
    weight = integers(rng, group * 2, 2, *w["kernel_shape"])
    check_linear(Case("ConvTranspose", {"x": x, "w": weight}, {**w, "group": group}, free=free))


def _poolable(w: dict[str, Any]) -> bool:
    """ONNX Runtime wants each padding smaller than the kernel."""
    rank = len(w["kernel_shape"])
    pads = w.get("pads", [0] * 2 * rank)
    return all(p < w["kernel_shape"][i % rank] for i, p in enumerate(pads))


# Before 1.29, ONNX Runtime's own average over a window that ceil_mode lets hang over the padding is another one.
_COUNTS_PADDING = tuple(map(int, ort.__version__.split(".")[:2])) >= (1, 29)


@given(windows(dilated=False), st.booleans(), st.booleans(), st.booleans())
def test_average_pool(w: dict[str, Any], ceil: bool, include: bool, free: bool) -> None:
    assume(_poolable(w))
    sizes = w.pop("sizes")
    del w["dilations"]
    if "auto_pad" in w:
        ceil = False
    assume(_COUNTS_PADDING or not (ceil and include))
    x = integers(np.random.default_rng(0), 2, 3, *sizes)
    attributes = {**w, "ceil_mode": int(ceil), "count_include_pad": int(include)}
    check_linear(Case("AveragePool", {"x": x}, attributes, free=free))


@given(windows(), st.booleans(), st.booleans())
def test_max_pool(w: dict[str, Any], ceil: bool, free: bool) -> None:
    """All elements differ by at least one, so that steps of a quarter move no maximum."""
    assume(_poolable(w))
    sizes = w.pop("sizes")
    if "auto_pad" in w:
        ceil = False
    rng = np.random.default_rng(0)
    x = rng.permutation(6 * int(np.prod(sizes))).astype(np.float32).reshape(2, 3, *sizes)
    model = make_model(Case("MaxPool", {"x": x}, {**w, "ceil_mode": int(ceil)}, free=free), np.float32)
    forward = runtime(model)
    y = forward({"x": x})["y"]
    assume(y.size > 0 and np.isfinite(y).all() and y.min() >= 0)
    cotangent = integers(rng, *y.shape)
    gradient = runtime(vjp(model))({"x": x, "cotangent_y": cotangent})["gradient_x"]
    for _ in range(3):
        step = rng.choice([-0.25, 0.0, 0.25], size=x.shape).astype(np.float32)
        left = float(((forward({"x": x + step})["y"] - y).astype(np.float64) * cotangent).sum())
        assert left == float((gradient.astype(np.float64) * step).sum())


@given(
    st.sampled_from(["constant", "reflect", "edge"]),
    st.lists(st.integers(1, 9), min_size=2, max_size=2),
    st.lists(st.integers(0, 3), min_size=4, max_size=4),
    st.booleans(),
)
def test_pad(mode: str, sizes: list[int], pads: list[int], free: bool) -> None:
    if mode == "reflect":
        assume(all(p < sizes[i % 2] for i, p in enumerate(pads)))
    x = integers(np.random.default_rng(0), 1, 2, *sizes)
    amounts = np.asarray([0, 0, *pads[:2], 0, 0, *pads[2:]])
    check_linear(Case("Pad", {"x": x}, {"mode": mode}, {"p": amounts}, free=free))


@st.composite
def slices(draw: st.DrawFn) -> tuple[int, int, int, int, bool]:
    """Size, start, end, step of a slice that leaves something, and whether its axis is free."""
    size, step, free = draw(st.integers(2, 6)), draw(st.sampled_from([1, 2, 3, -1, -2])), draw(st.booleans())
    # Shape inference takes bounds on an axis of free size to lie within it.
    reach = 0 if free else 3
    bounds = [
        (start, end)
        for start in range(-size - reach, size + reach)
        for end in range(-size - reach, size + reach + 1)
        if range(size)[slice(start, end, step)]
    ]
    return size, *draw(st.sampled_from(bounds)), step, free


@given(slices())
def test_slice(drawn: tuple[int, int, int, int, bool]) -> None:
    size, start, end, step, free = drawn
    x = integers(np.random.default_rng(0), 1, 2, size, 3)
    one = {key: np.asarray([value]) for key, value in (("s", start), ("e", end), ("a", 2), ("t", step))}
    check_linear(Case("Slice", {"x": x}, {}, one, free=free))


@given(
    st.sampled_from(["nearest", "linear", "cubic"]),
    st.sampled_from(["asymmetric", "half_pixel", "align_corners", "pytorch_half_pixel"]),
    st.sampled_from(["floor", "ceil", "round_prefer_floor", "round_prefer_ceil"]),
    st.lists(st.sampled_from([0.5, 0.7, 1.0, 1.5, 2.0, 3.0]), min_size=2, max_size=2),
    st.booleans(),
)
def test_resize(mode: str, how: str, rounding: str, scales: list[float], free: bool) -> None:
    x = integers(np.random.default_rng(0), 1, 2, 4, 5)
    attributes = {"mode": mode, "coordinate_transformation_mode": how, "nearest_mode": rounding}
    factors = np.asarray([1, 1, *scales], dtype=np.float32)
    check_linear(Case("Resize", {"x": x}, attributes, {"scales": factors}, order=["x", "", "scales"], free=free))


@given(windows())
def test_col2im(w: dict[str, Any]) -> None:
    assume("pads" in w)
    n, kernel = len(w["sizes"]), w["kernel_shape"]
    # ONNX Runtime 1.32 puts dilated blocks in the wrong places but in two dimensions.
    assume(n == 2 or set(w["dilations"]) == {1})
    pads = np.reshape(w["pads"], (2, n)).sum(axis=0)
    extent = [(k - 1) * d + 1 for k, d in zip(kernel, w["dilations"], strict=True)]
    counts = [
        (size + pad - e) // stride + 1
        for size, pad, e, stride in zip(w["sizes"], pads, extent, w["strides"], strict=True)
    ]
    x = integers(np.random.default_rng(0), 2, 2 * int(np.prod(kernel)), int(np.prod(counts)))
    attributes = {name: w[name] for name in ("strides", "dilations", "pads")}
    check_linear(Case("Col2Im", {"x": x}, attributes, {"i": np.asarray(w["sizes"]), "b": np.asarray(kernel)}))


@st.composite
def places(draw: st.DrawFn) -> tuple[list[int], int, np.ndarray[Any, Any]]:
    """The shape of the data, an axis, and indices [...], fewer than the data along any other axis."""
    shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    own = [draw(st.integers(1, size)) for size in shape]
    own[axis] = draw(st.integers(1, 5))
    size = shape[axis]
    flat = draw(st.lists(st.integers(-size, size - 1), min_size=int(np.prod(own)), max_size=int(np.prod(own))))
    return shape, axis, np.asarray(flat, np.int64).reshape(own)


@settings(deadline=None)
@given(places())
def test_scatter_elements(drawn: tuple[list[int], int, np.ndarray[Any, Any]]) -> None:
    shape, axis, indices = drawn
    rng = np.random.default_rng(0)
    case = Case(
        "ScatterElements",
        {"x": integers(rng, *shape), "u": integers(rng, *indices.shape)},
        {"axis": axis, "reduction": "add"},
        {"i": indices},
        order=["x", "i", "u"],
    )
    check(case)
