"""Where ONNX Runtime put each node of a graph: a provider that lacks a kernel leaves the node to the CPU silently."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

__all__ = ["Placement", "placement"]

# The exporter names nodes that only compute sizes so; ONNX Runtime keeps them on the CPU on purpose, on every device.
SIZES = "shape/"
# ONNX Runtime puts one behind the Shape of a map that it keeps with its channels last.
_TURNED = ("Gather", "Gather")
_CPU = "CPUExecutionProvider"


@dataclass(frozen=True)
class Placement:
    """provider: of the device. there: how many nodes it runs. left: (operator, node name) of those that the CPU runs
    instead. sizes: how many nodes the CPU runs that only compute sizes, where they belong.
    """

    provider: str
    there: int
    left: tuple[tuple[str, str], ...]
    sizes: int

    @property
    def summary(self) -> str:
        """``12 of 300 nodes run on the CPU: 8 Sign, 4 Max``; empty where none does."""
        if not self.left:
            return ""
        kinds = ", ".join(f"{count} {op}" for op, count in Counter(op for op, _ in self.left).most_common())
        return f"{len(self.left)} of {self.there + len(self.left)} nodes run on the CPU: {kinds}"


def placement(session: Any, provider: str) -> Placement | None:
    """Where the nodes of a session are; ``None`` where ONNX Runtime (before 1.24) does not say.

    The session must have been opened with ``session.record_ep_graph_assignment_info``. It tells of the graph after
    basic optimisations, before nodes are fused.
    """
    if not hasattr(session, "get_provider_graph_assignment_info"):
        return None
    there, sizes = 0, 0
    left = []
    for part in session.get_provider_graph_assignment_info():
        for node in part.get_nodes():
            if part.ep_name != _CPU or provider == _CPU:
                there += 1
            elif node.name.startswith(SIZES) or (node.op_type, node.name) == _TURNED:
                sizes += 1
            else:
                left.append((node.op_type, node.name))
    return Placement(provider, there, tuple(left), sizes)
