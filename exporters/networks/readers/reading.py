"""What every reader returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import onnx_ir as ir

from pixelgrad.models import Preprocessing


@dataclass(frozen=True)
class Reading:
    """A network as its file has it: a forward graph with the weights in memory, and what the file says beside it.

    format: the file format, in words.
    sha256: of every file that the graph depends on (external weights, a ``.prototxt``).
    preprocessing: how the network wants its input, where the file or the architecture tells.
    convention: the name of the preprocessing that files of this format usually want.
    aliases: names for layers beside the tensor names.
    class_names: what its classes are called, in their order, where the file or what lies beside it tells.
    notes: what was assumed, one sentence each.
    """

    model: ir.Model
    format: str
    sha256: str
    preprocessing: Preprocessing | None = None
    convention: str = "imagenet"
    aliases: Mapping[str, str] = field(default_factory=dict)
    class_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
