"""Einsum written out as transposes, sums and matrix products: no provider of phones or browsers has it, and what it is
made of has its gradients already.

A label is a letter of the equation, or ``.0``, ``.1``, ... for the axes of an ellipsis, counted from its end.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from pixelgrad.errors import NetworkError
from pixelgrad.exporters.opset18.attributes import text
from pixelgrad.exporters.opset18.convert import Converter
from pixelgrad.exporters.opset18.equations import parse
from pixelgrad.exporters.opset18.shapes import dims

__all__ = ["expand_einsums"]


def _is_known(node: ir.Node) -> bool:
    is_einsum = node.op_type == "Einsum" and node.domain in ("", "ai.onnx")
    return is_einsum and all(value is not None and value.shape is not None for value in node.inputs)


def expand_einsums(converter: Converter) -> bool:
    """Replace each, in place; whether there was one. Shapes must have been inferred; of unknown rank it stays."""
    known = [node for node in converter.graph if _is_known(node)]
    for node in known:
        _expand(converter, node)
    return bool(known)


@dataclass(frozen=True)
class _Term:
    """A tensor and the label of each of its axes."""

    value: ir.Value
    labels: tuple[str, ...]


def _expand(converter: Converter, node: ir.Node) -> None:
    values = [value for value in node.inputs if value is not None]
    try:
        operands, output = parse(text(node, "equation", ""), [len(dims(value)) for value in values])
    except ValueError as error:
        raise NetworkError(f"Einsum at {node.outputs[0].name!r}: {error}") from error
    writer = _Writer(converter, node)
    terms = [writer.operand(value, labels) for value, labels in zip(values, operands, strict=True)]
    terms = writer.without_ones(terms, set(output) if len(terms) == 2 else set())
    while len(terms) > 1:
        first, second = min(itertools.combinations(range(len(terms)), 2), key=lambda pair: _width(terms, output, *pair))
        others = [term for place, term in enumerate(terms) if place not in (first, second)]
        kept = {*output, *(label for term in others for label in term.labels)}
        target = output if not others else None
        terms = [writer.contracted(terms[first], terms[second], kept, target), *others]
    writer.finish(writer.ordered(writer.summed(terms[0], set(output)), output))


def _width(terms: Sequence[_Term], output: Sequence[str], first: int, second: int) -> int:
    """How many axes two of the operands have together once they are multiplied; the fewest come first."""
    others = {label for place, term in enumerate(terms) if place not in (first, second) for label in term.labels}
    return len({*terms[first].labels, *terms[second].labels} & {*output, *others})


class _Writer:
    """Writes nodes in front of one Einsum."""

    def __init__(self, converter: Converter, node: ir.Node) -> None:
        self.converter, self.node = converter, node
        self._sizes: dict[str, tuple[ir.Value, int]] = {}
        self._written: list[ir.Value] = []

    def op(self, op_type: str, *inputs: ir.Value | Sequence[int], **attributes: object) -> ir.Value:
        values = [x if isinstance(x, ir.Value) else self.converter.const(np.asarray(x, np.int64)) for x in inputs]
        result = self.converter.before(self.node, op_type, *values, **attributes)
        self._written.append(result)
        return result

    def finish(self, term: _Term) -> None:
        """Let the Einsum become the last of what was written, so that its output keeps its name."""
        last = term.value.producer()
        if last is None or term.value not in self._written:
            self.converter.become(self.node, "Identity", [term.value])
            return
        attributes = dict(last.attributes)
        self.converter.become(self.node, last.op_type, last.inputs)
        self.node.attributes.update(attributes)
        self.converter.graph.remove(last, safe=True)

    # One operand ------------------------------------------------------------------------------------------------

    def operand(self, value: ir.Value, labels: Sequence[str]) -> _Term:
        """With each label once: of one that is repeated, the diagonal."""
        for axis, label in enumerate(labels):
            known = self._sizes.get(label)
            # The sizes of a weight are numbers; those of all else may be an image's.
            if known is None or (dims(known[0])[known[1]] == 1 and dims(value)[axis] != 1) or _is_weight(value):
                self._sizes[label] = (value, axis)
        term = _Term(value, tuple(labels))
        while len(set(term.labels)) < len(term.labels):
            repeated = next(label for label in term.labels if term.labels.count(label) > 1)
            term = self._diagonal(term, repeated)
        return term

    def _diagonal(self, term: _Term, label: str) -> _Term:
        """n x n as one row, continued by n: in rows of n + 1 its first column is the diagonal."""
        first = term.labels.index(label)
        second = term.labels.index(label, first + 1)
        rest = [axis for axis in range(len(term.labels)) if axis not in (first, second)]
        square = self._transposed(term.value, [*rest, first, second])
        count = len(rest)
        size = self._size(label)
        side = size if isinstance(size, ir.Value) else self.op("Identity", [size])
        flat = self.op("Reshape", square, [*[0] * count, -1])
        pads = self.op("Concat", [0] * (2 * count + 1), side, axis=0)
        rows = self.op("Reshape", self.op("Pad", flat, pads), self.op("Concat", [0] * count, side, [-1], axis=0))
        column = self.op("Gather", rows, self.converter.const(np.asarray(0, np.int64)), axis=count + 1)
        return _Term(column, (*(term.labels[axis] for axis in rest), label))

    def without_ones(self, terms: Sequence[_Term], broadcast: set[str]) -> list[_Term]:
        """Without the axes of size 1 whose label is longer in another operand: they are repeated along it.

        broadcast: labels that a product repeats by itself.
        """
        found = []
        for term in terms:
            ones = [
                axis
                for axis, label in enumerate(term.labels)
                if label not in broadcast and self._is_repeated(term, axis, label)
            ]
            if ones:
                labels = tuple(label for axis, label in enumerate(term.labels) if axis not in ones)
                term = _Term(self.op("Squeeze", term.value, ones), labels)
            found.append(term)
        return found

    def _is_repeated(self, term: _Term, axis: int, label: str) -> bool:
        source, place = self._sizes[label]
        return term.value.shape is not None and term.value.shape[axis] == 1 != dims(source)[place]

    def summed(self, term: _Term, kept: set[str]) -> _Term:
        """Over the labels that nobody asks for."""
        axes = [axis for axis, label in enumerate(term.labels) if label not in kept]
        if not axes:
            return term
        labels = tuple(label for label in term.labels if label in kept)
        return _Term(self.op("ReduceSum", term.value, axes, keepdims=0), labels)

    def ordered(self, term: _Term, labels: Sequence[str]) -> _Term:
        return _Term(self._transposed(term.value, [term.labels.index(label) for label in labels]), tuple(labels))

    def _transposed(self, value: ir.Value, order: Sequence[int]) -> ir.Value:
        return value if list(order) == sorted(order) else self.op("Transpose", value, perm=list(order))

    def _size(self, label: str) -> int | ir.Value:
        source, axis = self._sizes[label]
        size = dims(source)[axis]
        if isinstance(size, int) and _is_weight(source):
            return size
        return self.op("Shape", source, start=axis, end=axis + 1)

    # Two operands -----------------------------------------------------------------------------------------------

    def contracted(self, x: _Term, y: _Term, kept: set[str], target: Sequence[str] | None) -> _Term:
        """Their product, summed over the labels that nobody asks for.

        target: the order to come as close to as is free.
        """
        x = self.summed(x, kept | set(y.labels))
        y = self.summed(y, kept | set(x.labels))
        if target is None:
            target = [label for label in dict.fromkeys((*x.labels, *y.labels)) if label in kept]
        over = [label for label in x.labels if label not in kept]
        of_x, of_y = (
            [label for label in target if label in a.labels and label not in b.labels] for a, b in _both(x, y)
        )
        if not over or not (of_x or of_y):
            return self._elementwise(x, y, [*(label for label in target if label in x.labels + y.labels), *over], kept)
        if len(of_x) == 1 and of_y and target.index(of_x[-1]) > target.index(of_y[-1]):
            x, y, of_x, of_y = y, x, of_y, of_x
        batch = [label for label in target if label in x.labels and label in y.labels]
        return self._product(x, y, _Roles(target, batch, over, of_x, of_y))

    def _elementwise(self, x: _Term, y: _Term, order: Sequence[str], kept: set[str]) -> _Term:
        aligned = []
        for term in (x, y):
            there = self.ordered(term, [label for label in order if label in term.labels])
            first = min((place for place, label in enumerate(order) if label in term.labels), default=len(order))
            missing = [place for place, label in enumerate(order) if label not in term.labels and place > first]
            if missing:
                # Axes in front are added by broadcasting.
                value = self.op("Unsqueeze", there.value, [place - first for place in missing])
                there = _Term(value, there.labels)
            aligned.append(there.value)
        return self.summed(_Term(self.op("Mul", *aligned), tuple(order)), kept)

    def _product(self, x: _Term, y: _Term, roles: _Roles) -> _Term:
        """One MatMul: [leading, rows, over] by [batch, over, columns].

        Labels of the first alone that stand before a batch label lead as well, and the second is repeated along them;
        those behind are rows together.
        """
        leading, rows = roles.leading, roles.rows
        left = self._grouped(x, [*([label] for label in leading), rows, roles.over])
        right = self._grouped(y, [*([label] for label in roles.batch), roles.over, roles.columns])
        if roles.batch:
            start = leading.index(roles.batch[0])
            repeated = [place - start for place in range(start, len(leading)) if leading[place] not in roles.batch]
            if repeated:
                right = self.op("Unsqueeze", right, repeated)
        product = self.op("MatMul", left, right)
        labels = [*([label] for label in leading), rows, roles.columns]
        empty = [place for place, group in enumerate(labels) if not group]
        if empty:
            product = self.op("Squeeze", product, empty)
        groups = [group for group in labels if group]
        flat = tuple(label for group in groups for label in group)
        return _Term(self._apart(product, groups), flat)

    def _grouped(self, term: _Term, groups: Sequence[Sequence[str]]) -> ir.Value:
        """One axis for each group, of size 1 where it is empty.

        So nothing is multiplied by a vector of one dimension, of which ONNX Runtime 1.32 makes something else where the
        other operand was transposed.
        """
        order = [label for group in groups for label in group]
        value = self.ordered(term, order).value
        filled = [list(group) for group in groups if group]
        if any(len(group) > 1 for group in filled):
            value = self.op("Reshape", value, self._shape(order, filled))
        empty = [place for place, group in enumerate(groups) if not group]
        return self.op("Unsqueeze", value, empty) if empty else value

    def _apart(self, value: ir.Value, groups: Sequence[Sequence[str]]) -> ir.Value:
        if all(len(group) == 1 for group in groups):
            return value
        labels = [[label] for group in groups for label in group]
        return self.op("Reshape", value, self._shape([*map(tuple, groups)], labels))

    def _shape(self, before: Sequence[str | tuple[str, ...]], after: Sequence[list[str]]) -> ir.Value:
        """What to reshape to: 0 for the axes in front that stay, -1 for one size that is no number."""
        axes = [(label,) if isinstance(label, str) else label for label in before]
        same = list(itertools.takewhile(lambda pair: pair[0] == tuple(pair[1]), zip(axes, after, strict=False)))
        parts: list[int | ir.Value] = [0] * len(same)
        for group in after[len(same) :]:
            sizes = [self._size(label) if -1 in parts else self._number(label) for label in group]
            numbers = [size for size in sizes if isinstance(size, int)]
            if None in sizes:
                parts.append(-1)
                continue
            product: int | ir.Value = int(np.prod(numbers, dtype=np.int64))
            for size in sizes:
                if isinstance(size, ir.Value):
                    product = size if product == 1 else self._times(size, product)
            parts.append(product)
        if all(isinstance(part, int) for part in parts):
            return self.converter.const(np.asarray(parts, np.int64))
        pieces = [part if isinstance(part, ir.Value) else self.converter.const(np.asarray([part])) for part in parts]
        return self.op("Concat", *pieces, axis=0)

    def _number(self, label: str) -> int | None:
        """The size of a label where it is a weight's."""
        source, axis = self._sizes[label]
        size = dims(source)[axis]
        return size if isinstance(size, int) and _is_weight(source) else None

    def _times(self, size: ir.Value, by: int | ir.Value) -> ir.Value:
        return self.op("Mul", size, by if isinstance(by, ir.Value) else [by])


class _Roles:
    """The labels of a product of two. over: summed. rows, columns: of one operand alone. leading: of batches."""

    def __init__(
        self, target: Sequence[str], batch: list[str], over: list[str], of_x: list[str], of_y: list[str]
    ) -> None:
        self.batch, self.over, self.columns = batch, over, of_y
        ahead = [label for label in target if label in batch or label in of_x]
        end = max((place + 1 for place, label in enumerate(ahead) if label in batch), default=max(len(ahead) - 1, 0))
        self.leading, self.rows = ahead[:end], ahead[end:]
        if not self.rows and of_x:
            self.leading.remove(of_x[-1])
            self.rows = [of_x[-1]]


def _both(x: _Term, y: _Term) -> tuple[tuple[_Term, _Term], tuple[_Term, _Term]]:
    return (x, y), (y, x)


def _is_weight(value: ir.Value) -> bool:
    return value.const_value is not None and not value.is_graph_input()
