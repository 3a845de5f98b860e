"""Einsum, written out as matrix products, computes what NumPy's does."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import pytest
from helpers.gradcheck import runtime
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from pixelgrad.errors import NetworkError
from pixelgrad.exporters import vjp
from pixelgrad.exporters.opset18 import from_opset18, to_opset18
from pixelgrad.exporters.profiles.providers import providers, unsupported

SIZES = {letter: 2 + place % 4 for place, letter in enumerate(string.ascii_letters)}


def einsum(
    equation: str, arrays: Sequence[np.ndarray[Any, Any]], free: bool = False, weight: int | None = None
) -> onnx.ModelProto:
    """weight: which operand is a constant."""
    names = [f"x{place}" for place in range(len(arrays))]
    inputs = [
        helper.make_tensor_value_info(
            name, TensorProto.DOUBLE, [f"{name}_{axis}" for axis in range(array.ndim)] if free else array.shape
        )
        for place, (name, array) in enumerate(zip(names, arrays, strict=True))
        if place != weight
    ]
    graph = helper.make_graph(
        [helper.make_node("Einsum", names, ["y"], equation=equation)],
        "einsum",
        inputs,
        [helper.make_tensor_value_info("y", TensorProto.DOUBLE, None)],
        [] if weight is None else [numpy_helper.from_array(arrays[weight], names[weight])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def check(equation: str, shapes: Sequence[Sequence[int]], **options: Any) -> list[str]:
    """The operators that it is written out as, once they give what NumPy does."""
    rng = np.random.default_rng(len(equation))
    arrays = [rng.normal(size=shape) for shape in shapes]
    written = from_opset18(to_opset18(einsum(equation, arrays, **options), primitives=()))
    feeds = {f"x{place}": array for place, array in enumerate(arrays) if place != options.get("weight")}
    found = runtime(written)(feeds)["y"]
    np.testing.assert_allclose(found, np.einsum(equation, *arrays), rtol=1e-9, atol=1e-9)
    operators = [node.op_type for node in written.graph.node]
    assert "Einsum" not in operators
    return operators


def shapes_of(equation: str) -> list[list[int]]:
    return [[SIZES[letter] for letter in term] for term in equation.partition("->")[0].split(",")]


EQUATIONS = [
    *("ij->ji", "ij->", "ij->j", "ii->i", "ii", "iji->j", "iiijj->ij", "ba", "i,i", "i,j->ij", "ij,ij->ij", "ij,ij->"),
    *("ij,j->i", "j,ji->i", "ji,j->i", "bij,bj->bi", "bij,b->", "iij,ijk->ik", "abcd,efcd->aebf", "ab,cd->acbd"),
    *("nkctv,kvw->nctw", "nhw,ixh->nixw", "nixw,jyw->nijxy", "nm,hnm->h", "bijc,bcd->bijd", "bhxyd,xwd->bhxyw"),
    *("bi,ci,di->bcd", "abc,cd,de->abe", "ab,bc,cd,da", "ij,ij,ij->ij", "bnhv,dhv->bdn", "zAb,bAc", "i,ij,j->"),
]


@pytest.mark.parametrize("free", [False, True], ids=["known", "free"])
@pytest.mark.parametrize("equation", EQUATIONS)
def test_equations(equation: str, free: bool) -> None:
    check(equation, shapes_of(equation), free=free)


@pytest.mark.parametrize("equation", [equation for equation in EQUATIONS if equation.count(",") == 1])
@pytest.mark.parametrize("weight", [0, 1])
def test_with_a_weight(equation: str, weight: int) -> None:
    check(equation, shapes_of(equation), weight=weight)


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("...ij,...jk->...ik", [(2, 3, 4, 5), (3, 5, 2)]),
        ("...ij,...kj->...ik", [(2, 1, 4, 5), (3, 2, 5)]),
        ("...ij,jk", [(2, 4, 5), (5, 2)]),
        ("i...,...i->...", [(3, 2, 4), (4, 3)]),
        ("...,...", [(2, 3), (3,)]),
        ("...ii->...i", [(2, 3, 3)]),
        ("b...d,...d->...b", [(2, 3, 4, 5), (4, 5)]),
        # Sizes of one are repeated.
        ("ij,jk->ik", [(3, 1), (4, 2)]),
        ("ij,ij->i", [(3, 1), (3, 4)]),
        ("bij,bjk->bik", [(1, 2, 3), (4, 3, 2)]),
        ("ij,kj,il->il", [(1, 3), (2, 3), (4, 2)]),
    ],
)
def test_ellipses_and_sizes_of_one(equation: str, shapes: list[tuple[int, ...]]) -> None:
    check(equation, shapes)


def test_an_ellipsis_that_the_output_lacks_is_summed_over() -> None:
    """As PyTorch does, which writes such equations; NumPy refuses them."""
    x = np.random.default_rng(0).normal(size=(2, 3, 4))
    written = from_opset18(to_opset18(einsum("...i->i", [x]), primitives=()))
    np.testing.assert_allclose(runtime(written)({"x0": x})["y"], x.sum((0, 1)))


@st.composite
def equations(draw: st.DrawFn) -> str:
    """Of two or three operands, every letter in any of them, any of them in the output."""
    letters = "abcde"[: draw(st.integers(1, 5))]
    terms = [
        "".join(draw(st.permutations(draw(st.lists(st.sampled_from(letters), unique=True, max_size=4)))))
        for _ in range(draw(st.integers(2, 3)))
    ]
    output = draw(st.lists(st.sampled_from(sorted(set("".join(terms)))), unique=True)) if any(terms) else []
    return f"{','.join(terms)}->{''.join(output)}"


@settings(max_examples=150, deadline=None)
@given(equation=equations(), free=st.booleans())
def test_any_equation(equation: str, free: bool) -> None:
    check(equation, shapes_of(equation), free=free)


@pytest.mark.parametrize(
    ("equation", "operators"),
    [
        # Attention, its heads anywhere.
        ("bhid,bhjd->bhij", ["Transpose", "MatMul"]),
        ("bhij,bhjd->bhid", ["MatMul"]),
        ("bihd,bjhd->bhij", ["Transpose", "Transpose", "MatMul"]),
        ("bhij,bjhd->bihd", ["Transpose", "MatMul", "Transpose"]),
        ("bhid,bhjd->bhji", ["Transpose", "MatMul"]),
        # Positions relative to rows and columns, of MViTv2 and SAM.
        ("byhwc,hkc->byhwk", ["Transpose", "MatMul"]),
        ("byhwc,wkc->byhwk", ["Transpose", "Transpose", "MatMul", "Transpose"]),
        ("bhwc,cd->bhwd", ["MatMul"]),
        ("bij,bij->b", ["Mul", "ReduceSum"]),
    ],
)
@pytest.mark.parametrize("free", [False, True], ids=["known", "free"])
def test_one_product_without_needless_steps(equation: str, operators: list[str], free: bool) -> None:
    assert check(equation, shapes_of(equation), free=free) == operators


@pytest.mark.parametrize("provider", list(providers()))
@pytest.mark.parametrize("equation", ["bhid,bhjd->bhij", "bhij,bjhd->bihd", "byhwc,wkc->byhwk", "ij,ij->i"])
def test_it_stays_on_every_device(equation: str, provider: str) -> None:
    """With its gradient, but for what each is known to lack anyway."""
    arrays = [np.zeros(shape) for shape in shapes_of(equation)]
    gaps = unsupported(vjp(einsum(equation, arrays)), provider)
    assert {gap.operator for gap in gaps} <= set(providers()[provider].gaps)


@pytest.mark.parametrize(
    ("equation", "shapes", "why"),
    [
        ("ij->ii", [(2, 3)], "each of them once"),
        ("ij->k", [(2, 3)], "letters of the operands"),
        ("ij,jk->ik", [(2, 3)], "of 2 operands, and there are 1"),
        ("ijk->i", [(2, 3)], "does not fit an operand of 2 dimensions"),
        ("i.j->i", [(2, 3)], "letters and one ellipsis"),
    ],
)
def test_equations_that_mean_nothing(equation: str, shapes: list[tuple[int, ...]], why: str) -> None:
    with pytest.raises(NetworkError, match=why):
        to_opset18(einsum(equation, [np.zeros(shape) for shape in shapes]), primitives=())


def test_an_image_of_another_size() -> None:
    """What is written for a declared size of the input does not hold it: a network is freed of it afterwards."""
    x, y = (np.random.default_rng(0).normal(size=shape) for shape in ((2, 3, 4, 5), (2, 5, 3)))
    written = from_opset18(to_opset18(einsum("bijc,bcd->bijd", [x, y]), primitives=()))
    del written.graph.value_info[:], written.graph.output[0].type.tensor_type.shape.dim[:]
    for value in written.graph.input:
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            dim.dim_param = f"{value.name}_{axis}"
    x, y = (np.random.default_rng(1).normal(size=shape) for shape in ((1, 7, 6, 5), (1, 5, 3)))
    np.testing.assert_allclose(runtime(written)({"x0": x, "x1": y})["y"], np.einsum("bijc,bcd->bijd", x, y))
