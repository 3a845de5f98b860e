"""BVLC GoogLeNet as Caffe has it, in either format, from the weights in its ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf import text_format
from onnx import numpy_helper

from pixelgrad.exporters.networks.readers.caffe_schema import message_class

_OLD = {"Convolution": "CONVOLUTION", "ReLU": "RELU", "Pooling": "POOLING", "LRN": "LRN", "Concat": "CONCAT",
        "InnerProduct": "INNER_PRODUCT", "Softmax": "SOFTMAX"}  # fmt: skip


def write_googlenet(source: Path, folder: Path, *, old: bool) -> Path:
    """deploy.prototxt and googlenet.caffemodel in ``folder``; the path of the latter."""
    graph = onnx.load(source).graph
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    rows: list[tuple[str, str, list[str], str, str, list[Any]]] = []  # name, type, bottoms, top, parameters, blobs
    for node in graph.node:
        a = {row.name: onnx.helper.get_attribute_value(row) for row in node.attribute}
        top = node.output[0].removesuffix(":pre")
        bottoms = [name.removesuffix(":pre") for name in node.input if name not in arrays]
        blobs = [arrays[name] for name in node.input if name in arrays]
        if node.op_type == "Conv":
            kernel, pad, stride = a["kernel_shape"][0], a.get("pads", [0])[0], a.get("strides", [1])[0]
            text = f"num_output: {len(blobs[1])} kernel_size: {kernel} pad: {pad} stride: {stride}"
            rows.append((top, "Convolution", bottoms, top, f"convolution_param {{ {text} }}", blobs))
        elif node.op_type == "Relu":
            rows.append((f"relu_{top}", "ReLU", [top], top, "", []))
        elif node.op_type == "MaxPool":
            text = f"pool: MAX kernel_size: 3 stride: {a['strides'][0]} pad: {a['pads'][0]}"
            rows.append((top, "Pooling", bottoms, top, f"pooling_param {{ {text} }}", []))
        elif node.op_type == "GlobalAveragePool":
            rows.append((top, "Pooling", bottoms, top, "pooling_param { pool: AVE kernel_size: 7 stride: 1 }", []))
        elif node.op_type == "LRN":
            rows.append((top, "LRN", bottoms, top, "lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 }", []))
        elif node.op_type == "Gemm":
            blobs = [np.ascontiguousarray(blobs[0].T), blobs[1]]
            rows.append((top, "InnerProduct", ["pool5/gap"], top, "inner_product_param { num_output: 1000 }", blobs))
        elif node.op_type != "Flatten":
            rows.append((top, {"Concat": "Concat", "Softmax": "Softmax"}[node.op_type], bottoms, top, "", []))
    field = "layers" if old else "layer"
    lines = ['name: "GoogleNet" input: "data" input_dim: 10 input_dim: 3 input_dim: 224 input_dim: 224']
    for name, kind, bottoms, top, parameters, _ in rows:
        said = _OLD[kind] if old else f'"{kind}"'
        inputs = " ".join(f'bottom: "{bottom}"' for bottom in bottoms)
        lines.append(f'{field} {{ name: "{name}" type: {said} {inputs} top: "{top}" {parameters} }}')
    net = message_class("NetParameter")()
    text_format.Parse("\n".join(lines), net)
    for layer, row in zip(getattr(net, field), rows, strict=True):
        for array in row[-1]:
            blob = layer.blobs.add(data=[array.astype("<f4").tobytes()])
            if old:
                shape = (1,) * (4 - array.ndim) + array.shape
                blob.num, blob.channels, blob.height, blob.width = shape
            else:
                blob.shape.dim.extend(array.shape)
    folder.mkdir(exist_ok=True)
    (folder / "deploy.prototxt").write_text("\n".join(lines))
    path = folder / "googlenet.caffemodel"
    path.write_bytes(net.SerializeToString())
    return path
