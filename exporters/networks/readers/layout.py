"""Networks that take images with channels last, as TensorFlow's do."""

from __future__ import annotations

import onnx_ir as ir

_TO_LAST, _TO_FIRST = [0, 2, 3, 1], [0, 3, 1, 2]


def channels_first(graph: ir.Graph) -> list[str]:
    """Give a graph whose one image input is [N, H, W, 3] an input [N, 3, H, W], in place. Notes on it.

    A transposition to channels first that follows the input at once, as converters write it, goes away.
    """
    inputs = [value for value in graph.inputs if value.const_value is None]
    if len(inputs) != 1 or inputs[0].shape is None or inputs[0].shape.rank() != 4:
        return []
    image = inputs[0]
    assert image.shape is not None
    batch, height, width, channels = image.shape
    if channels != 3 or height == 3:
        return []
    consumers = list(image.uses())
    image.shape = ir.Shape([batch, channels, height, width])
    left = []
    for use in consumers:
        node = use.node
        perm = node.attributes.get("perm")
        if node.op_type == "Transpose" and perm is not None and list(perm.as_ints()) == _TO_FIRST:
            for later in list(node.outputs[0].uses()):
                later.node.replace_input_with(later.idx, image)
            if not node.outputs[0].is_graph_output():
                graph.remove(node, safe=True)
        else:
            left.append(use)
    if left:
        turned = ir.node("Transpose", [image], attributes={"perm": _TO_LAST})
        turned.outputs[0].name, turned.outputs[0].type = f"{image.name}_channels_last", image.type
        graph.insert_before(graph[0], turned)
        for use in left:
            use.node.replace_input_with(use.idx, turned.outputs[0])
    return ["it takes images with channels last; here it takes them with channels first, as every network does"]
