"""Reading the equation of an Einsum."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["parse"]

_TERM = re.compile(r"[A-Za-z]*(\.\.\.[A-Za-z]*)?")


def parse(equation: str, ranks: Sequence[int]) -> tuple[list[list[str]], list[str]]:
    """The labels of each operand's axes and of the output's.

    ranks: of the operands. The axes of an ellipsis are called ``.0``, ``.1``, ... from its end, along which operands
    are aligned. Without an arrow the output has the ellipsis and then, in order of the alphabet, the letters that occur
    once. Raises :class:`ValueError` that says what does not fit.
    """
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        raise ValueError(f"the equation {equation!r} is of {len(terms)} operands, and there are {len(ranks)}")
    for term in (*terms, right):
        if not _TERM.fullmatch(term):
            raise ValueError(f"the equation {equation!r} has the term {term!r}; letters and one ellipsis are allowed")
    operands = [_labels(equation, term, rank) for term, rank in zip(terms, ranks, strict=True)]
    around = max((sum(label[0] == "." for label in labels) for labels in operands), default=0)
    letters = "".join(terms).replace(".", "")
    if not arrow:
        right = "..." + "".join(sorted(letter for letter in set(letters) if letters.count(letter) == 1))
    named = right.replace("...", "")
    if len(set(named)) < len(named) or not set(named) <= set(letters):
        raise ValueError(f"the output {right!r} of {equation!r} must have letters of the operands, each of them once")
    return operands, _with_ellipsis(right, around)


def _labels(equation: str, term: str, rank: int) -> list[str]:
    around = rank - len(term.replace("...", ""))
    if around < 0 or (around and "..." not in term):
        raise ValueError(f"the term {term!r} of {equation!r} does not fit an operand of {rank} dimensions")
    return _with_ellipsis(term, around)


def _with_ellipsis(term: str, around: int) -> list[str]:
    front, dots, behind = term.partition("...")
    between = [f".{place}" for place in reversed(range(around))] if dots else []
    return [*front, *between, *behind]
