"""Gradients through real networks against torch autograd in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from helpers.data import shared
from helpers.gradcheck import runtime

from pixelgrad.exporters import vjp

torch = pytest.importorskip("torch", reason="needs PyTorch, from the 'peers' extra")
pytestmark = pytest.mark.peer

# network, tensor to pull back from, image size: an inner layer and the end of each.
ROWS = [
    ("vgg19_slim16x.onnx", "relu3_2", 72),
    ("vgg19_slim16x.onnx", "relu5_1", 72),
    ("vgg19_slim16x.onnx", "relu5_1", 75),
    ("squeezenet1_1.onnx", "fire5/concat_1", 224),
    ("squeezenet1_1.onnx", "pool10_1", 224),
    ("squeezenet1_1.onnx", "softmaxout_1", 224),
    ("googlenet.onnx", "inception_4b/output", 224),
    ("googlenet.onnx", "loss3/classifier", 224),
    ("googlenet.onnx", "prob", 224),
]


def relative(actual: Any, expected: Any) -> float:
    a, b = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def autograd(model: onnx.ModelProto, image: Any, layer: str, cotangent: Any) -> Any:
    from helpers.torch_oracle import torch_tensors

    x = image.clone().requires_grad_()
    output = torch_tensors(model, x, layer)[layer]
    return torch.autograd.grad(output, x, cotangent.reshape(output.shape).to(x.dtype))[0]


@pytest.mark.parametrize(("network", "layer", "size"), ROWS)
def test_gradient_equals_autograd(network: str, layer: str, size: int) -> None:
    """Relative L2 error at most 1e-5, or three times that of torch's own float32."""
    model = onnx.load(shared(f"weights/{network}"))
    weights = {t.name for t in model.graph.initializer}
    (source,) = [i.name for i in model.graph.input if i.name not in weights]
    rng = np.random.default_rng(5)
    # Smooth noise in the range of the network's own input.
    coarse = torch.from_numpy(rng.normal(size=(1, 3, size // 4, size // 4)))
    image = torch.nn.functional.interpolate(coarse, size=(size, size), mode="bicubic")
    image = image * 50 if "slim" not in network else image.mul(0.2).add(0.5).clamp(0, 1)

    with torch.no_grad():
        from helpers.torch_oracle import torch_tensors

        shape = torch_tensors(model, image, layer)[layer].shape
    cotangent = torch.from_numpy(rng.normal(size=tuple(shape)))
    exact = autograd(model, image, layer, cotangent)
    single = autograd(model, image.float(), layer, cotangent)

    del model.graph.output[:]
    kept = onnx.helper.make_tensor_value_info(layer, onnx.TensorProto.FLOAT, None)
    model.graph.output.append(kept)
    pulled = vjp(model, wrt=[source])
    cotangent_shape = [d.dim_value or None for d in pulled.graph.input[-1].type.tensor_type.shape.dim]
    given = cotangent.reshape([s or -1 if s else shape[i] for i, s in enumerate(cotangent_shape)])
    results = runtime(pulled)({source: image.float().numpy(), f"cotangent_{layer}": given.float().numpy()})
    ours = relative(results[f"gradient_{source}"], exact)
    theirs = relative(single, exact)
    assert ours <= max(1e-5, 3 * theirs), f"ours {ours:.2e}, torch float32 {theirs:.2e}"
