"""What is known of a value before anything runs: its rank, its dimensions, its constant content.

Dimensions are integers or symbolic expressions over the free sizes of the inputs (``floor(H/2) + 1``). Two
symbolic dimensions count as equal only where that is proven; a rule that needs to know more asks at run time.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import onnx_ir as ir

from pixelgrad.errors import NetworkError

Dim = int | ir.SymbolicDim
# Of images that two dimensions are compared at first: odd and even, and of every remainder of 3, 4 and 5.
SIZES = (211, 222, 229, 256, 300)
_ROW, _LONG = range(449, 513), 40


def rank(value: ir.Value) -> int:
    """Number of dimensions; raises :class:`NetworkError` where it is not known."""
    if value.shape is None:
        raise NetworkError(
            f"the rank of tensor {value.name!r} is not known before the network runs, so its gradient cannot be "
            "written; give the network's inputs fixed ranks (onnx.shape_inference can add them)"
        )
    return value.shape.rank()


def check_standard(nodes: Iterable[ir.Node]) -> None:
    """Raise :class:`NetworkError` where there are operators that are not ONNX's own, of which nothing is known."""
    names = sorted({f"{node.domain}.{node.op_type}" for node in nodes if node.domain})
    if names:
        raise NetworkError(
            f"the network uses operators outside the ONNX standard: {', '.join(names)}. Such operators run in one "
            "runtime only; export the network without runtime-specific optimisations"
        )


def dims(value: ir.Value) -> tuple[Dim, ...]:
    """The dimensions, each an integer or a symbolic expression."""
    rank(value)
    assert value.shape is not None
    return tuple(value.shape)


def static_shape(value: ir.Value) -> tuple[int, ...] | None:
    """The shape where every dimension is a known integer, else ``None``."""
    if value.shape is None or not value.shape.is_static():
        return None
    return tuple(int(dim) for dim in value.shape.numpy())


def same_dim(a: Dim, b: Dim) -> bool:
    """Whether two dimensions are proven equal."""
    if isinstance(a, int) or isinstance(b, int):
        return isinstance(a, int) and isinstance(b, int) and a == b
    if a.value is None or b.value is None:
        return False
    if a.value == b.value:
        return True
    difference = a - b
    # A proof takes up to a second of each pair of nested floors; a counterexample a thousandth, and most have one.
    names = sorted(difference.free_symbols())
    for size in SIZES:
        if difference.evaluate({name: size + place for place, name in enumerate(names)}) != 0:
            return False
    return difference.simplify().value == "0"


def trials(names: Iterable[str], sizes: Iterable[int]) -> Iterator[dict[str, int]]:
    """What to try a formula with: its symbols all of one size, and each of them by far the largest or the smallest."""
    ordered = sorted(names)
    powers = [100**place for place in range(len(ordered))]
    for size in sizes:
        for factors in ([1] * len(ordered), powers, powers[::-1]):
            yield {name: size * factor for name, factor in zip(ordered, factors, strict=True)}


def is_at_least(dim: ir.SymbolicDim, number: int) -> bool:
    """Whether a size is proven to be ``number`` or more: that of the smallest image is, of sizes that only grow."""
    if dim.value is None:
        return False
    found = [dim.evaluate(sizes) for sizes in trials(dim.free_symbols(), (1, *SIZES))]
    return all(isinstance(size, int) and size >= number for size in found)


def elements(shape: Iterable[Dim], sizes: Mapping[str, int]) -> int | None:
    """How many elements a shape has where its free sizes are ``sizes``; ``None`` where it depends on others too."""
    found = 1
    for dim in shape:
        size = dim if isinstance(dim, int) else None if dim.value is None else dim.evaluate(dict(sizes))
        if not isinstance(size, int):
            return None
        found *= size
    return found


def shorter(dim: ir.SymbolicDim) -> ir.SymbolicDim:
    """A long expression as a quotient of the one size that it depends on, if it is that for 64 sizes in a row.

    Of halves of halves, rounded in whatever way, that is a proof: they repeat after as many.
    """
    if dim.value is None or len(dim.value) <= _LONG:
        return dim
    return ir.SymbolicDim(_shorter(dim.value))


@functools.lru_cache(maxsize=1024)
def _shorter(text: str) -> str:
    dim = ir.SymbolicDim(text)
    names = list(dim.free_symbols())
    if len(names) != 1:
        return text
    (name,) = names
    left = {(divisor, more) for divisor in (1, 2, 4, 8, 16, 32, 64) for more in range(divisor)}
    for size in _ROW:
        found = dim.evaluate({name: size})
        left = {(divisor, more) for divisor, more in left if (size + more) // divisor == found}
        if not left:
            return text
    divisor, more = min(left)
    return f"floor({name}/{divisor} + {more}/{divisor})" if more else f"floor({name}/{divisor})"


def same_shape(a: ir.Value, b: ir.Value) -> bool:
    """Whether two values are proven to have one shape."""
    if a.shape is None or b.shape is None or a.shape.rank() != b.shape.rank():
        return False
    return all(same_dim(x, y) for x, y in zip(a.shape, b.shape, strict=True))


def constant(value: ir.Value | None) -> np.ndarray[Any, Any] | None:
    """The content of a constant value, else ``None``. A graph input with a default value is no constant."""
    if value is None or value.const_value is None or value.is_graph_input():
        return None
    return value.const_value.numpy()


def is_floating(value: ir.Value) -> bool:
    """Whether a gradient can flow through the value; one of unknown type is taken to be floating point."""
    return value.dtype is None or value.dtype.is_floating_point()


def normalize_axis(axis: int, ndim: int) -> int:
    """An axis in ``[0, ndim)`` from one in ``[-ndim, ndim)``."""
    return axis + ndim if axis < 0 else axis
