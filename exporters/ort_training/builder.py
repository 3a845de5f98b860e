"""Runs in the environment of onnxruntime-training: a forward graph in, ONNX Runtime's training graphs out.

    python builder.py FORWARD.onnx FOLDER HEIGHT WIDTH

A script of its own, with onnx and onnxruntime-training only (``import onnxruntime.training`` would need PyTorch).
FORWARD has ``image`` and the targets and weights as inputs, the loss as its first output. Written into FOLDER are
training_model.onnx, eval_model.onnx, optimizer_model.onnx and checkpoint, as onnxruntime's ``generate_artifacts``
lays them out: the image is the one trainable parameter. An operator that ONNX Runtime cannot differentiate ends it
with exit code 3 and its reason on stderr.
"""

from __future__ import annotations

import copy
import os
import sys
from typing import Any

import onnx
from onnx import TensorProto, helper

IMAGE = "image"
UNSUPPORTED = 3
_MICROSOFT = "com.microsoft"


def gradient_model(forward: onnx.ModelProto) -> onnx.ModelProto:
    """``forward`` with the gradient of its first output, which is added up in a buffer as the training API wants it."""
    from onnxruntime.capi import _pybind_state as native
    from onnxruntime.capi.onnxruntime_pybind11_state import SessionOptions

    outputs = [value.name for value in forward.graph.output]
    options = SessionOptions()
    options.log_severity_level = 3
    optimised = native.get_optimized_model(forward.SerializeToString(), {IMAGE}, options)
    builder = native.GradientGraphBuilder(optimised, {outputs[0]}, {IMAGE}, outputs[0], options)
    builder.build()
    model = onnx.load_from_string(builder.get_model())
    graph = model.graph
    known = {value.name: value for value in graph.output}
    gradient = known[f"{IMAGE}_grad"]
    buffer, total = copy.deepcopy(gradient), f"{gradient.name}.accumulation.out"
    buffer.name = f"{gradient.name}.accumulation.buffer"
    graph.node.append(
        helper.make_node(
            "InPlaceAccumulatorV2",
            [buffer.name, gradient.name, "lazy_reset_grad"],
            [total],
            name="accumulate",
            domain=_MICROSOFT,
        )
    )
    graph.input.extend([buffer, helper.make_tensor_value_info("lazy_reset_grad", TensorProto.BOOL, [1])])
    del graph.output[:]
    graph.output.extend([known[name] for name in outputs])
    graph.output.append(helper.make_tensor_value_info(total, TensorProto.BOOL, [1]))
    if _MICROSOFT not in {opset.domain for opset in model.opset_import}:
        model.opset_import.append(helper.make_opsetid(_MICROSOFT, 1))
    return model


def optimizer_model(opset: int, ir_version: int) -> onnx.ModelProto:
    """AdamW without decay: Adam with betas (0.9, 0.99), as the standard artifact's optimiser but for the clamping."""
    sequences = ["params", "gradients", "first_order_moments", "second_order_moments"]
    inputs = [
        helper.make_tensor_value_info("learning_rate", TensorProto.FLOAT, [1]),
        helper.make_tensor_value_info("step", TensorProto.INT64, [1]),
        *(helper.make_tensor_sequence_value_info(name, TensorProto.FLOAT, None) for name in sequences),
    ]
    node = helper.make_node(
        "AdamWOptimizer",
        [value.name for value in inputs],
        ["updated"],
        name="adam",
        domain=_MICROSOFT,
        alpha=0.9,
        beta=0.99,
        epsilon=1e-8,
        weight_decay=0.0,
        correct_bias=1,
        adam_mode=0,
    )
    outputs = [helper.make_tensor_value_info("updated", TensorProto.BOOL, [1])]
    graph = helper.make_graph([node], "optimizer", inputs, outputs)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid(_MICROSOFT, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=ir_version)


def write_checkpoint(path: str, height: int, width: int) -> None:
    """A grey image as the trainable parameter."""
    from onnxruntime.capi import _pybind_state as native

    values = [0.5] * (3 * height * width)
    tensor: Any = helper.make_tensor(IMAGE, TensorProto.FLOAT, [1, 3, height, width], values)
    native.save_checkpoint([tensor.SerializeToString()], [], path, False)


def main(arguments: list[str]) -> int:
    """The command line."""
    source, folder = arguments[:2]
    height, width = (int(number) for number in arguments[2:])
    forward = onnx.load(source)
    try:
        training = gradient_model(forward)
    except Exception as error:  # onnxruntime raises bare RuntimeErrors
        sys.stderr.write(f"{error}\n")
        return UNSUPPORTED
    opset = next(row.version for row in forward.opset_import if not row.domain)
    onnx.save(training, os.path.join(folder, "training_model.onnx"))  # noqa: PTH118
    onnx.save(forward, os.path.join(folder, "eval_model.onnx"))  # noqa: PTH118
    onnx.save(optimizer_model(opset, forward.ir_version), os.path.join(folder, "optimizer_model.onnx"))  # noqa: PTH118
    write_checkpoint(os.path.join(folder, "checkpoint"), height, width)  # noqa: PTH118
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
