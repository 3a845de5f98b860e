"""Average pooling for max pooling."""

from __future__ import annotations

import onnx_ir as ir

from pixelgrad.errors import NetworkError


def average_for_max(graph: ir.Graph) -> None:
    """Replace every max pooling by the average over the same windows, in place (Gatys et al. 2015, section 2).

    Padding is left out of the average, so that a border looks like the rest.
    """
    for node in graph:
        if node.op_type != "MaxPool":
            continue
        if any(output.uses() for output in node.outputs[1:]):
            raise NetworkError(
                f"the max pooling at {node.outputs[0].name!r} passes on its switches, so it cannot be replaced by "
                "average pooling; use pool='max'"
            )
        dilations = node.attributes.get("dilations")
        if dilations is not None and set(dilations.as_ints()) != {1}:
            raise NetworkError(f"the max pooling at {node.outputs[0].name!r} is dilated; use pool='max'")
        node.op_type = "AveragePool"
        node.resize_outputs(1)
        for name in ("dilations", "storage_order"):
            node.attributes.pop(name, None)
        node.attributes["count_include_pad"] = ir.AttrInt64("count_include_pad", 0)
