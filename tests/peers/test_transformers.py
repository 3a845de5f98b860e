"""Transformers and their kin against PyTorch: maps of layers, and the gradient of a dream in float64."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.running import run, some_image
from helpers.torchvision_models import torchvision_models

from pixelgrad.exporters import (
    Network,
    dream_objective,
    from_torch,
    load_network,
    style_objective,
    visualize_objective,
    write_artifact,
)
from pixelgrad.runtime import Artifact

torch = pytest.importorskip("torch", reason="needs PyTorch, from the 'peers' extra")
pytestmark = pytest.mark.peer

SIZE = 64
MEAN, STD = (
    torch.tensor(v, dtype=torch.float64).view(1, 3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
)


def vision_transformer(models: Any) -> Any:
    sizes = {"image_size": SIZE, "patch_size": 16, "num_layers": 3, "num_heads": 2, "hidden_dim": 32, "mlp_dim": 64}
    return models.VisionTransformer(**sizes, num_classes=10)


def swin(models: Any) -> Any:
    sizes = {"patch_size": [4, 4], "embed_dim": 16, "depths": [1, 2], "num_heads": [2, 4], "window_size": [4, 4]}
    return models.SwinTransformer(**sizes, num_classes=10)


def convnext(models: Any) -> Any:
    block = models.convnext.CNBlockConfig
    return models.ConvNeXt([block(16, 32, 2), block(32, None, 2)], layer_scale=0.5, num_classes=10)


MODELS = {"vit": vision_transformer, "swin": swin, "convnext": convnext}


def random_model(name: str) -> Any:
    """With weights at which signals neither vanish nor grow, and no bias that is zero."""
    torch.manual_seed(0)
    model = MODELS[name](torchvision_models()).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for path, parameter in model.named_parameters():
            if parameter.ndim == 1:
                noise = torch.randn(parameter.shape, generator=generator)
                parameter.copy_((1 + 0.2 * noise) if path.endswith("weight") else 0.2 * noise)
            elif parameter.ndim == 2:
                fan_in = parameter.shape[1]
                parameter.copy_(torch.randn(parameter.shape, generator=generator) / fan_in**0.5)
            elif "position" in path or "pos_embedding" in path or "class_token" in path:
                parameter.copy_(0.5 * torch.randn(parameter.shape, generator=generator))
    return model


@pytest.fixture(scope="module", params=["live", "trace"])
def how(request: pytest.FixtureRequest) -> str:
    """``from_torch``, by the exporter of PyTorch 2, or a file of the one before it."""
    return str(request.param)


@pytest.fixture(scope="module", params=list(MODELS))
def pair(request: pytest.FixtureRequest, how: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Network]:
    """A model in float64, and what we make of it."""
    model = random_model(request.param)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if how == "live":
            network = from_torch(model, size=(SIZE, SIZE), preprocess="imagenet")
        else:
            path, image = tmp_path_factory.mktemp("model") / "model.onnx", torch.rand(1, 3, SIZE, SIZE)
            torch.onnx.export(model, (image,), path, dynamo=False, input_names=["input"], opset_version=17)
            network = load_network(path, preprocess="imagenet")
    return model.double(), network


class Theirs:
    """The features of one module in float64, as a map [1, C, h, w]."""

    def __init__(self, model: Any, path: str) -> None:
        self.model, self.module = model, dict(model.named_modules())[path]

    def __call__(self, image: Any) -> Any:
        found: list[Any] = []
        hook = self.module.register_forward_hook(lambda module, inputs, output: found.append(output))
        self.model((image - MEAN) / STD)
        hook.remove()
        (output,) = found
        if isinstance(self.model, torchvision_models().ConvNeXt):
            return output
        if output.ndim == 4:
            return output.permute(0, 3, 1, 2)
        tokens = output[:, 1:]
        side = round(tokens.shape[1] ** 0.5)
        return tokens.transpose(1, 2).reshape(1, -1, side, side)


LAYERS = {
    "VisionTransformer": ["encoder.layers.encoder_layer_1", "encoder.layers.encoder_layer_0.mlp.0"],
    "SwinTransformer": ["features.3.1", "features.1.0", "features.2.norm"],
    "ConvNeXt": ["features.3.0", "features.1.0.block.3"],
}


def test_layers_and_dreams(pair: tuple[Any, Network], how: str, tmp_path: Path) -> None:
    model, network = pair
    first, *others = LAYERS[type(model).__name__]
    image = some_image(SIZE)
    x = torch.tensor(image, dtype=torch.float64, requires_grad=True)
    for path in (first, *others):
        expected = Theirs(model, path)(x).detach().numpy()
        if path == "features.1.0.block.3":
            expected = np.moveaxis(expected, -1, 1)  # within the block, channels are last
        close(run(network, image, path), expected, 1e-4)

    folder = write_artifact(network, dream_objective(network, layers=[first]), tmp_path / "dream")
    artifact = Artifact(folder, device="cpu")
    evaluation = artifact.evaluate(image, artifact.targets(image))
    energy = (Theirs(model, first)(x) ** 2).mean()
    loss = -energy / energy.detach()
    assert evaluation.loss == pytest.approx(-1, rel=1e-4)
    close(evaluation.gradient, torch.autograd.grad(loss, x)[0].numpy(), 1e-4)


@pytest.mark.parametrize("size", [(96, 72), (50, 77)])
def test_windows_at_another_size(size: tuple[int, int]) -> None:
    """By the exporter of PyTorch 2, which writes how the padding to whole windows follows from the size."""
    model, layer = random_model("swin"), LAYERS["SwinTransformer"][0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = from_torch(model, size=(SIZE, SIZE), preprocess="imagenet")
    image = np.random.default_rng(0).random((1, 3, *size), dtype=np.float32)
    expected = Theirs(model.double(), layer)(torch.tensor(image, dtype=torch.float64)).detach().numpy()
    assert expected.shape[2:] == (size[0] // 8, -(-(size[1] // 4) // 2))
    close(run(network, image, layer), expected, 1e-5)


def close(found: Any, expected: Any, tolerance: float) -> None:
    assert found.shape == expected.shape
    assert np.linalg.norm(found - expected) <= tolerance * np.linalg.norm(expected)


def test_styles_with_the_default_layers(pair: tuple[Any, Network], tmp_path: Path) -> None:
    _, network = pair
    artifact = Artifact(write_artifact(network, style_objective(network), tmp_path / "style"), device="cpu")
    styles, image = artifact.targets(some_image(SIZE, 1)), some_image(SIZE, 2)
    targets = {**styles, **{key: value for key, value in artifact.targets(image).items() if key.startswith("content")}}
    losses = []
    for _ in range(6):
        evaluation = artifact.evaluate(image, targets)
        losses.append(evaluation.loss)
        step = evaluation.gradient / np.abs(evaluation.gradient).max()
        image = np.clip(image - np.float32(0.004) * step, 0, 1).astype(np.float32)
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0]


def test_a_class_is_visualized(pair: tuple[Any, Network], tmp_path: Path) -> None:
    model, network = pair
    assert network.classes == 10
    objective = visualize_objective(network, unit="class", rivals_weight=0, tv_weight=0, norm_weight=0)
    artifact = Artifact(write_artifact(network, objective, tmp_path / "class"), device="cpu")
    (name_of_class,) = artifact.given
    image = some_image(SIZE)
    evaluation = artifact.evaluate(image, {name_of_class: np.eye(10, dtype=np.float32)[3:4]})
    x = torch.tensor(image, dtype=torch.float64, requires_grad=True)
    (expected,) = torch.autograd.grad(-model((x - MEAN) / STD)[0, 3], x)
    close(evaluation.gradient, expected.numpy(), 1e-4)


def test_attention_without_the_newer_exporter(monkeypatch: pytest.MonkeyPatch) -> None:
    """The older one knows attention only as written out, not the fast path that evaluation takes."""
    model, find = random_model("vit"), importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxscript" else find(name))
    fast = torch.backends.mha.get_fastpath_enabled()
    network = from_torch(model, size=(SIZE, SIZE), preprocess="imagenet")
    assert torch.backends.mha.get_fastpath_enabled() == fast
    image, (path, *_) = some_image(SIZE), LAYERS["VisionTransformer"]
    expected = Theirs(model.double(), path)(torch.tensor(image, dtype=torch.float64)).detach().numpy()
    close(run(network, image, path), expected, 1e-4)
