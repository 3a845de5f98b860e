"""ONNX's reference implementation, where it is corrected, against ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers.gradcheck import runtime
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from pixelgrad.exporters.reference import CORRECTED

RNG = np.random.default_rng(0)
CASES: dict[str, tuple[str, list[Any], dict[str, Any]]] = {
    "groups of several": ("ConvTranspose", [(2, 6, 5, 4), (6, 2, 3, 3), (6,)], {"group": 3, "strides": [2, 2]}),
    "a group for each": ("ConvTranspose", [(1, 4, 5, 4), (4, 1, 3, 3)], {"group": 4, "pads": [1, 1, 1, 1]}),
    "more out than in": ("ConvTranspose", [(1, 2, 3, 3), (2, 3, 2, 2), (6,)], {"group": 2, "strides": [2, 1]}),
    "more in than out": ("ConvTranspose", [(1, 6, 3, 3), (6, 1, 3, 3)], {"group": 3, "strides": [2, 2]}),
    "one group": ("ConvTranspose", [(2, 3, 4, 4), (3, 2, 3, 3), (2,)], {"output_padding": [1, 0], "strides": [2, 2]}),
    "negative padding": ("Pad", [(1, 2, 5, 6), np.int64([0, 0, -1, 2, 0, 0, 1, -3])], {}),
    "cut only": ("Pad", [(1, 2, 5, 6), np.int64([0, 0, -1, -1, 0, 0, -2, 0])], {"mode": "edge"}),
    "along one axis": ("Pad", [(3, 7), np.int64([-2, 3]), np.float32(0.5), np.int64([1])], {}),
    "response of a batch": ("LRN", [(2, 6, 3, 3)], {"size": 3, "alpha": 0.5, "beta": 0.75, "bias": 2.0}),
}


@pytest.mark.parametrize("case", CASES)
def test_it_computes_what_onnx_runtime_does(case: str) -> None:
    kind, given, attributes = CASES[case]
    values = [RNG.normal(size=v).astype(np.float32) if isinstance(v, tuple) else np.asarray(v) for v in given]
    feeds = {f"x{place}": value for place, value in enumerate(values)}
    types = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.int64): TensorProto.INT64}
    inputs = [helper.make_tensor_value_info(name, types[v.dtype], v.shape) for name, v in feeds.items()]
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph([helper.make_node(kind, list(feeds), ["y"], **attributes)], case, inputs, [output])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    (found,) = ReferenceEvaluator(model, new_ops=CORRECTED).run(["y"], feeds)
    np.testing.assert_allclose(found, runtime(model)(feeds)["y"], rtol=1e-5, atol=1e-6)
