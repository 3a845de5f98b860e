"""Layer names: the graph's own tensors, the names people use for them, and help with a typo."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence

import onnx_ir as ir

from pixelgrad.errors import UnknownLayerError
from pixelgrad.exporters.opset18.shapes import is_floating

_SUFFIX = re.compile(r"(:0|_output_0|/Relu|_Y_0|_1)$")
_STEP = "pixelgrad.step"
_POOLS = {"MaxPool", "AveragePool", "LpPool"}
_PASSIVE = {"Pad", "Identity", "Dropout", "BatchNormalization", "LRN"}


def tensors(graph: ir.Graph) -> dict[str, ir.Value]:
    """Every floating-point tensor that a node computes from the input, by name, in order, but for the steps within a
    layer. A weight that is cast from float16, say, is none.
    """
    found: dict[str, ir.Value] = {}
    reached = {value for value in graph.inputs if value.const_value is None}
    for node in graph:
        if reached.isdisjoint(node.inputs) and not _has_graph(node):
            continue
        reached.update(node.outputs)
        if _STEP not in node.metadata_props:
            found |= {str(output.name): output for output in node.outputs if output.name and is_floating(output)}
    return found


def _has_graph(node: ir.Node) -> bool:
    """Whether it has a body, which may use any tensor."""
    return any(attribute.type == ir.AttributeType.GRAPH for attribute in node.attributes.values())


def mark_step(value: ir.Value) -> None:
    """``value`` is a step within a layer that its reader wrote out, and no layer."""
    node = value.producer()
    assert node is not None
    node.metadata_props[_STEP] = "1"


def unmark_step(value: ir.Value) -> None:
    """``value`` is a layer after all."""
    node = value.producer()
    assert node is not None
    node.metadata_props.pop(_STEP, None)


def structural_aliases(graph: ir.Graph) -> dict[str, str]:
    """``conv3_1``, ``relu3_1``, ``pool3``, ... for a plain chain of convolutions and poolings (VGG, AlexNet).

    Block numbers grow at each pooling, the second number counts convolutions in the block, as in Simonyan &
    Zisserman 2014. A network that branches gets none: which convolution would be the second?
    """
    aliases: dict[str, str] = {}
    block, index = 1, 0
    for node in graph:
        if sum(consumer.op_type not in {"Shape", "Size"} for consumer in node.outputs[0].consumers()) > 1:
            return {}
        name = str(node.outputs[0].name)
        if node.op_type == "Conv":
            if _is_pointwise_input(node):
                continue
            index += 1
            aliases[f"conv{block}_{index}"] = name
        elif node.op_type == "Relu" and index:
            aliases[f"relu{block}_{index}"] = name
        elif node.op_type in _POOLS:
            aliases[f"pool{block}"] = name
            block, index = block + 1, 0
        elif node.op_type not in _PASSIVE:
            break
    return aliases


def _is_pointwise_input(node: ir.Node) -> bool:
    """Whether a convolution only mixes the image's own channels: preprocessing, no layer."""
    weight = node.inputs[1]
    return weight is not None and weight.shape is not None and list(weight.shape) == [3, 3, 1, 1]


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Names without the endings that exporters add, where that stays unambiguous; the last tensor wins a tie.

    A 1 at the end stays where there is a 2 as well: ``conv1_1`` of two is not ``conv1``.
    """
    short: dict[str, str] = {}
    known = set(names)
    for name in names:
        bare = _SUFFIX.sub("", name)
        if bare != name and bare not in known and not (name.endswith("_1") and f"{bare}_2" in known):
            short[bare] = name
    return short


def find_layer(name: str, known: Mapping[str, ir.Value], aliases: Mapping[str, str]) -> ir.Value:
    """The tensor of a layer name or alias; :class:`UnknownLayerError` offers the closest names."""
    if not isinstance(name, str):
        raise UnknownLayerError(f"the network has no layer {name!r}; a layer is asked for by its name")
    target = name if name in known else aliases.get(name)
    if target in known:
        return known[str(target)]
    candidates = {**dict.fromkeys(aliases), **dict.fromkeys(known)}
    lowered = {candidate.lower(): candidate for candidate in reversed(candidates)}
    close = difflib.get_close_matches(name.lower(), list(lowered), n=4, cutoff=0.5)
    matches = [lowered[match] for match in close]
    hint = f"did you mean {', '.join(matches)}?" if matches else f"there are {_some(list(candidates))}"
    raise UnknownLayerError(f"the network has no layer {name!r}; {hint}", matches)


def _some(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 12 else f"{', '.join(names[:6])}, ..., {', '.join(names[-5:])}"
