"""Which nodes count as left to the CPU."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from pixelgrad.runtime.placement import placement

WEBGPU = "WebGpuExecutionProvider"


def session(**parts: list[tuple[str, str]]) -> Any:
    """One that placed (operator, name) nodes so."""
    found = [
        SimpleNamespace(
            ep_name=f"{provider}ExecutionProvider",
            get_nodes=lambda nodes=nodes: [SimpleNamespace(op_type=kind, name=name) for kind, name in nodes],
        )
        for provider, nodes in parts.items()
    ]
    return SimpleNamespace(get_provider_graph_assignment_info=lambda: found)


def test_sizes_belong_on_the_cpu() -> None:
    """As the exporter names them, and as ONNX Runtime turns the shape of a map with its channels last."""
    nodes = [("Shape", "shape/align/Shape"), ("Gather", "Gather"), ("Sign", "tv/Sign"), ("Gather", "block/Gather")]
    found = placement(session(WebGpu=[("Conv", "conv")], CPU=nodes), WEBGPU)
    assert found is not None
    assert (found.there, found.sizes, found.left) == (1, 2, (("Sign", "tv/Sign"), ("Gather", "block/Gather")))
    assert found.summary == "2 of 3 nodes run on the CPU: 1 Sign, 1 Gather"


def test_a_runtime_that_does_not_say_leaves_it_open() -> None:
    assert placement(SimpleNamespace(), WEBGPU) is None
