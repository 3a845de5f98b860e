"""GridSample, written out, and its gradients against PyTorch's in float64."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from helpers.gradcheck import runtime
from onnx import TensorProto, helper

from pixelgrad.exporters import vjp

torch = pytest.importorskip("torch", reason="needs PyTorch, from the 'peers' extra")
pytestmark = pytest.mark.peer

# As ONNX calls them before opset 20, and from there on.
MODES = {"nearest": "nearest", "bilinear": "linear", "bicubic": "cubic"}


@pytest.mark.parametrize("opset", [18, 20])
@pytest.mark.parametrize(
    ("mode", "padding", "aligned"), list(itertools.product(MODES, ("zeros", "border", "reflection"), (False, True)))
)
def test_grid_sample(mode: str, padding: str, aligned: bool, opset: int) -> None:
    rng = np.random.default_rng(0)
    x, ct = rng.normal(size=(2, 3, 5, 7)), rng.normal(size=(2, 3, 4, 6))
    grid = rng.uniform(-2.6, 2.6, size=(2, 4, 6, 2))  # beyond the second mirror too
    attributes = {"mode": MODES[mode] if opset == 20 else mode, "padding_mode": padding, "align_corners": int(aligned)}
    graph = helper.make_graph(
        [helper.make_node("GridSample", ["x", "grid"], ["y"], **attributes)],
        "sample",
        [
            helper.make_tensor_value_info("x", TensorProto.DOUBLE, ["N", 3, "H", "W"]),
            helper.make_tensor_value_info("grid", TensorProto.DOUBLE, ["N", "h", "w", 2]),
        ],
        [helper.make_tensor_value_info("y", TensorProto.DOUBLE, None)],
    )
    model = vjp(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9))
    assert "GridSample" not in {node.op_type for node in model.graph.node}
    found = runtime(model)({"x": x, "grid": grid, "cotangent_y": ct})

    image, places = torch.from_numpy(x).requires_grad_(), torch.from_numpy(grid).requires_grad_()
    y = torch.nn.functional.grid_sample(image, places, mode=mode, padding_mode=padding, align_corners=aligned)
    to_image, to_places = torch.autograd.grad((y * torch.from_numpy(ct)).sum(), (image, places))
    np.testing.assert_allclose(found["y"], y.detach().numpy(), atol=1e-12)
    np.testing.assert_allclose(found["gradient_x"], to_image.numpy(), atol=1e-12)
    np.testing.assert_allclose(found["gradient_grid"], to_places.numpy(), atol=1e-11)
