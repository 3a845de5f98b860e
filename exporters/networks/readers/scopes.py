"""The module that a node of a PyTorch network came from, as its exporters note it."""

from __future__ import annotations

import ast
import re

import onnx_ir as ir

# /layer1/layer1.0/conv1/Conv, as the TorchScript-based exporter names a node.
_SCOPED = re.compile(r"^/(.+)/\w+$")
_SCOPES = "pkg.torch.onnx.name_scopes"


def module_aliases(graph: ir.Graph) -> dict[str, str]:
    """Module path (``layer1.0.conv1``) -> the last tensor that the module computes."""
    aliases: dict[str, str] = {}
    for node in graph:
        if not node.outputs or not node.outputs[0].name:
            continue
        name = str(node.outputs[0].name)
        for path in _modules(node):
            aliases[path] = name
    return aliases


def _modules(node: ir.Node) -> list[str]:
    """The modules around a node, outermost first."""
    noted = node.metadata_props.get(_SCOPES)
    if noted is not None:  # ['', 'layer1', 'layer1.0', 'layer1.0.conv1', 'conv2d_1']
        try:
            scopes = ast.literal_eval(noted)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return []
        return [s for s in scopes[:-1] if isinstance(s, str) and s] if isinstance(scopes, list) else []
    match = _SCOPED.match(node.name or "")
    if match is None:
        return []
    paths: list[str] = []
    steps: list[str] = []
    for step in match[1].split("/"):
        if steps and step.startswith(f"{steps[-1]}."):
            steps.pop()  # a child by its number: layer1, then layer1.0
        steps.append(step)
        paths.append(".".join(steps))
    return paths
