"""Where a classifier says how much it believes in each class."""

from __future__ import annotations

import onnx_ir as ir

from pixelgrad.errors import NetworkError
from pixelgrad.exporters.networks.network import Network
from pixelgrad.exporters.opset18.shapes import dims

_SOFTMAX = {"Softmax", "LogSoftmax"}
# What changes no more than the shape of the scores.
_PASSIVE = {"Identity", "Dropout", "Cast", "Flatten", "Reshape", "Squeeze"}


def class_scores(network: Network) -> ir.Value:
    """The scores before the softmax ("logits"), [N, classes] or [N, classes, 1, 1].

    Raises :class:`NetworkError` for a network that tells no classes apart.
    """
    classes = network.classes
    if classes is None:
        raise NetworkError(
            f"{network.name!r} is no classifier: it has no classes to choose from; name one that is (--model "
            "googlenet, say), or a layer"
        )
    scores = value = network.model.graph.outputs[0]
    while (node := value.producer()) is not None and node.op_type in _SOFTMAX | _PASSIVE:
        source = node.inputs[0]
        if source is None or source.shape is None or source.shape.rank() not in (2, 4):
            break
        value = source
        if list(dims(value)[1:]) == [classes, *[1] * (len(dims(value)) - 2)]:
            scores = value
    return scores
