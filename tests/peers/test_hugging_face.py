"""Weights as transformers saves them, against transformers itself: files, and what it has in memory."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.running import run_several, some_image
from helpers.torchvision_models import normalised, patches_as_map, torchvision_models

from pixelgrad.exporters import load_network

torch = pytest.importorskip("torch", reason="needs PyTorch, from the 'peers' extra")
pytestmark = [pytest.mark.peer, pytest.mark.slow]

TINY = {"hidden_size": 192, "num_hidden_layers": 12, "num_attention_heads": 3, "intermediate_size": 768}
SMALL = {"hidden_size": 384, "num_hidden_layers": 12, "num_attention_heads": 6, "patch_size": 14}
#: Class, configuration, architecture, and what is compared: a layer, and the transformer's output of that.
MODELS: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "vit": ("ViTForImageClassification", {**TINY, "num_labels": 7}, "vit_tiny_patch16", "logits"),
    "dino": ("ViTModel", TINY, "vit_tiny_patch16", "norm"),
    "dinov2": ("Dinov2Model", {**SMALL, "image_size": 224}, "dinov2_vits14", "norm"),
    "registers": ("Dinov2WithRegistersModel", {**SMALL, "image_size": 224}, "dinov2_vits14_reg", "norm"),
    "convnext": ("ConvNextForImageClassification", {"num_labels": 7}, "convnext_tiny-authors", "logits"),
    "resnet": ("ResNetForImageClassification", {"num_labels": 7}, "resnet50", "logits"),
}


@pytest.fixture(scope="module")
def transformers() -> Any:
    torchvision_models()  # which it would otherwise find, and fail to import
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("transformers", reason="needs transformers, from the 'peers' extra")


def random_model(transformers: Any, name: str, settings: dict[str, Any]) -> Any:
    torch.manual_seed(0)
    kind = getattr(transformers, name)
    model = kind(kind.config_class(**settings)).eval()
    for path, parameter in model.named_parameters():
        with torch.no_grad():
            if path.endswith(("lambda1", "layer_scale_parameter")):
                torch.nn.init.uniform_(parameter, 0.2, 0.6)
            elif parameter.ndim == 1 or "tokens" in path or "cls_token" in path:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


@pytest.mark.parametrize("name", MODELS)
def test_weights_of_transformers(name: str, transformers: Any, tmp_path: Path) -> None:
    kind, settings, architecture, layer = MODELS[name]
    model = random_model(transformers, kind, settings)
    image = some_image(224, seed=len(name))
    with torch.no_grad():
        output = model(normalised(image))
    expected = (output.logits if layer == "logits" else output.last_hidden_state).numpy()
    model.save_pretrained(tmp_path)
    torch.save(model.state_dict(), tmp_path / "memory.pth")
    for file, format_ in (("model.safetensors", "safetensors"), ("memory.pth", "PyTorch checkpoint")):
        network = load_network(tmp_path / file)
        assert network.format == f"{format_}, {architecture}"
        (actual,) = run_several(network, image, [layer])
        wanted = patches_as_map(expected, actual) if layer == "norm" else expected
        # ViT's normalisations have an epsilon of 1e-12 there, and of 1e-6 elsewhere.
        tolerance = 1e-4 if architecture.startswith("vit") else 1e-5
        np.testing.assert_allclose(actual, wanted, rtol=0, atol=tolerance * np.abs(wanted).max())


def test_a_classifier_that_is_made_otherwise_is_left_out(transformers: Any, tmp_path: Path) -> None:
    """DINOv2's looks at the mean over patches as well."""
    model = random_model(transformers, "Dinov2ForImageClassification", {**SMALL, "image_size": 224, "num_labels": 7})
    model.save_pretrained(tmp_path)
    network = load_network(tmp_path / "model.safetensors")
    assert "logits" not in network.aliases
    assert any("no classifier" in note for note in network.notes)
