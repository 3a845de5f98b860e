"""The pages say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from helpers.data import ROOT

from pixelgrad.exporters.autodiff import NON_DIFFERENTIABLE, RULES

PAGES = sorted((ROOT / "docs").glob("*.md"))
OPERATORS = (ROOT / "docs" / "operators.md").read_text()


def names(text: str) -> set[str]:
    return set(re.findall(r"\b[A-Z][A-Za-z0-9]+\b", text))


def test_every_operator_with_a_rule_is_in_the_table() -> None:
    rows = re.findall(r"^\| [a-z ]+ \| (.*) \|$", OPERATORS.partition("## Without")[0], re.MULTILINE)
    assert names(" ".join(rows).replace("(at inference)", "")) == set(RULES)


def test_every_operator_without_a_gradient_is_named() -> None:
    paragraph = OPERATORS.partition("## Without, by design")[2].partition("##")[0].partition(":")[2]
    assert names(paragraph) == set(NON_DIFFERENTIABLE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text()
    for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", text) + re.findall(r'src="(?!https?:)([^"]+)"', text):
        assert (page.parent / target).exists(), target
