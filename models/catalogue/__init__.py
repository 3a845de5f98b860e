"""Which networks pixelgrad knows, as rows of data: one file per publisher.

A row tells where a network comes from, how it wants its input, which of its layers serve which purpose, and how to
recognise it in a file from anywhere.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Container, Iterable

from pixelgrad.models.catalogue import caffe, meta, onnx_zoo, openai, rows, torchvision
from pixelgrad.models.catalogue.entry import Download, Entry

__all__ = ["CATALOGUE", "Download", "Entry", "close_names", "plain_name", "recognise"]

_PUBLISHERS = (rows, caffe, torchvision, meta, openai, onnx_zoo)
CATALOGUE: dict[str, Entry] = {row.name: row for publisher in _PUBLISHERS for row in publisher.ROWS}


def recognise(tensors: Container[str]) -> Entry | None:
    """The row whose signature a file with these tensor names bears."""
    for row in CATALOGUE.values():
        if row.signature and all(name in tensors for name in row.signature):
            return row
    return None


def plain_name(name: str) -> str:
    """A name without what people write in different ways: ``VGG-19``, ``vgg_19`` and ``vgg19`` are one.

    What stands between digits counts, however it is written: 1.6 is not 16.
    """
    return re.sub(r"[\W_]+", "", re.sub(r"(?<=\d)[\W_]+(?=\d)", "~", name.lower()).replace("~", "point"))


def close_names(name: str, names: Iterable[str], most: int = 4) -> list[str]:
    """Those of ``names`` that ``name`` may have meant, best first."""
    plain = {plain_name(known): known for known in names}
    wanted = plain_name(name)
    if not wanted:
        return []
    alike = difflib.get_close_matches(wanted, plain, n=most, cutoff=0.6)
    inside = [known for known in plain if wanted in known or (len(known) > 3 and known in wanted)]
    return [plain[known] for known in dict.fromkeys([*alike, *inside])][:most]
