"""The table of gradient rules: one decorated function per operator.

A rule is called as ``rule(op, node, cotangent)``. ``op`` is the :class:`~.emitter.Emitter` that writes nodes,
``node`` the forward node, ``cotangent`` the cotangent of the node's first output, in that output's shape. It
returns the cotangents of the node's inputs in order: one value for the first input alone, or a tuple, where
``None`` (or a missing tail) means that no gradient flows there.

The driver does the rest: which nodes to visit, adding up over several uses, summing out broadcasting
(``broadcasts=True``), and errors. So a rule holds its mathematics and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import onnx_ir as ir

    from pixelgrad.exporters.autodiff.emitter import Emitter

RuleFunction = Callable[["Emitter", "ir.Node", Any], Any]


@dataclass(frozen=True)
class Rule:
    """A gradient rule and how the driver is to call it.

    broadcasts: the operator broadcasts its inputs against each other, so each returned cotangent has the shape
        of the output and is to be summed back to its input's shape.
    every_output: the rule takes a tuple with the cotangent (or ``None``) of each output instead of the first's.
    """

    function: RuleFunction
    broadcasts: bool = False
    every_output: bool = False


RULES: dict[str, Rule] = {}

# No gradient flows through these by design: their output is an integer, a truth value or a shape, or is constant
# in the input wherever it is differentiable.
NON_DIFFERENTIABLE = frozenset(
    [
        "And",
        "ArgMax",
        "ArgMin",
        "BitShift",
        "BitwiseAnd",
        "BitwiseNot",
        "BitwiseOr",
        "BitwiseXor",
        "Ceil",
        "ConstantOfShape",
        "Equal",
        "EyeLike",
        "Floor",
        "Greater",
        "GreaterOrEqual",
        "Hardmax",
        "IsInf",
        "IsNaN",
        "Less",
        "LessOrEqual",
        "NonZero",
        "Not",
        "OneHot",
        "Or",
        "RandomNormalLike",
        "RandomUniformLike",
        "Round",
        "Shape",
        "Sign",
        "Size",
        "Xor",
    ]
)


def rule(
    *operators: str, broadcasts: bool = False, every_output: bool = False
) -> Callable[[RuleFunction], RuleFunction]:
    """Register the decorated function as the gradient rule of ``operators``."""

    def register(function: RuleFunction) -> RuleFunction:
        for operator in operators:
            if operator in RULES:
                raise ValueError(f"two gradient rules for {operator}")
            RULES[operator] = Rule(function, broadcasts, every_output)
        return function

    return register


def overlay(rules: Mapping[str, RuleFunction | Rule] | None) -> dict[str, Rule]:
    """The table of rules with ``rules`` laid over it: how guided backprop or a redirected ReLU is made."""
    table = dict(RULES)
    for operator, replacement in (rules or {}).items():
        table[operator] = replacement if isinstance(replacement, Rule) else Rule(replacement)
    return table


def operator_name(operator: ir.Node | ir.Function) -> str:
    """The name that the tables use: ``Conv`` in the standard domain, ``domain.Name`` in any other."""
    name = operator.op_type if hasattr(operator, "op_type") else operator.name
    return f"{operator.domain}.{name}" if operator.domain else name


def as_tuple(cotangents: ir.Value | Sequence[ir.Value | None] | None) -> Sequence[ir.Value | None]:
    """What a rule returned, as a sequence over the inputs."""
    if cotangents is None or not isinstance(cotangents, Sequence):
        return (cotangents,)
    return cotangents
