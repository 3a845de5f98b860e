"""CLIP's image encoders against timm and transformers: in OpenAI's names and in theirs, each with its GELU."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.running import run_several, some_image
from helpers.torchvision_models import torchvision_models

from pixelgrad.exporters import load_network
from pixelgrad.exporters.networks.architectures import ARCHITECTURES
from pixelgrad.models import PREPROCESSINGS

torch = pytest.importorskip("torch", reason="needs PyTorch, from the 'peers' extra")
pytestmark = [pytest.mark.peer, pytest.mark.slow]

CLIP = PREPROCESSINGS["clip"]


@pytest.fixture(scope="module")
def timm() -> Any:
    torchvision_models()
    return pytest.importorskip("timm", reason="needs timm: pip install --no-deps timm")


def weights_of_openai(architecture: str, image: int, embedding: int) -> dict[str, Any]:
    """Random ones at which signals neither vanish nor grow, with a text encoder beside them."""
    specification, rng = ARCHITECTURES[architecture].specification(), np.random.default_rng(0)
    side = image // (int(architecture.rpartition("_")[2]) if "vit" in architecture else 32)
    state: dict[str, Any] = {"logit_scale": np.zeros(()), "transformer.resblocks.0.ln_1.weight": np.ones(8)}
    for name, shape in (specification.required | specification.head).items():
        sizes = [(side * side + 1 if "positional" in name else embedding) if edge is None else edge for edge in shape]
        values = (
            rng.normal(scale=1 / math.sqrt(math.prod(sizes[1:])), size=sizes)
            if len(sizes) > 1
            else (
                rng.uniform(0.5, 1.2, sizes) if name.endswith(("var", "weight")) else rng.normal(scale=0.1, size=sizes)
            )
        )
        state[f"visual.{name}"] = values * (0.02 * math.sqrt(sizes[1]) if "positional" in name else 1)
    return {name: torch.tensor(values, dtype=torch.float32) for name, values in state.items()}


def result_of(model: Any, image: Any) -> Any:
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (CLIP.mean, CLIP.std))
    with torch.no_grad():
        return model.eval()((torch.from_numpy(image) - mean) / std).numpy()


def check(file: Path, image: Any, expected: Any, layer: str, named: str) -> Any:
    network = load_network(file)
    assert network.format.endswith(f", {named}")
    assert network.preprocessing.name == "clip"
    (actual,) = run_several(network, image, [layer])
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    return network


@pytest.mark.parametrize(
    ("architecture", "model", "image", "embedding"),
    [
        ("clip_resnet50", "resnet50_clip", 224, 1024),
        ("clip_resnet50x4", "resnet50x4_clip", 288, 640),
        ("clip_vit_b_32", "vit_base_patch32_clip_quickgelu_224", 224, 512),
    ],
)
def test_weights_of_openai_against_timm(
    architecture: str, model: str, image: int, embedding: int, timm: Any, tmp_path: Path
) -> None:
    """timm's own conversion says what is what in OpenAI's names; timm's files are read as well."""
    state, peer = weights_of_openai(architecture, image, embedding), timm.create_model(model, num_classes=embedding)
    convert = timm.models.byobnet if "resnet" in model else timm.models.vision_transformer
    peer.load_state_dict(convert.checkpoint_filter_fn(dict(state), peer))
    picture = some_image(image, seed=3)
    expected = result_of(peer, picture)
    torch.save(state, tmp_path / "openai.pt")
    check(tmp_path / "openai.pt", picture, expected, "embedding", architecture)
    torch.save(peer.state_dict(), tmp_path / "pytorch_model.bin")
    (tmp_path / "config.json").write_text(json.dumps({"architecture": model}))
    if "resnet" in model:
        check(tmp_path / "pytorch_model.bin", picture, expected, "embedding", architecture)
    else:
        check(tmp_path / "pytorch_model.bin", picture, expected, "logits", f"{architecture}-timm")


def test_a_transformer_whose_gelu_nothing_tells(timm: Any, tmp_path: Path) -> None:
    """timm's is the exact one; the other would be 0.5 % off."""
    peer, picture = timm.create_model("vit_base_patch32_clip_224", num_classes=7), some_image(224, seed=4)
    torch.save(peer.state_dict(), tmp_path / "weights.pth")
    network = check(tmp_path / "weights.pth", picture, result_of(peer, picture), "logits", "clip_vit_b_32-timm")
    assert any("nothing beside it says which GELU" in note for note in network.notes)


@pytest.mark.parametrize("activation", ["gelu", "quick_gelu"])
def test_weights_of_transformers(activation: str, tmp_path: Path) -> None:
    torchvision_models()
    transformers = pytest.importorskip("transformers", reason="needs transformers, from the 'peers' extra")
    torch.manual_seed(0)
    model = transformers.CLIPModel(
        transformers.CLIPConfig(vision_config={"hidden_act": activation}, text_config={"num_hidden_layers": 1})
    )
    with torch.no_grad():
        for path, parameter in model.named_parameters():
            if parameter.ndim == 1 or "embedding" in path:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    picture = some_image(224, seed=5)
    model.save_pretrained(tmp_path)

    class Embedded(torch.nn.Module):
        def forward(self, image: Any) -> Any:
            return model.visual_projection(model.vision_model(image).pooler_output)

    check(tmp_path / "model.safetensors", picture, result_of(Embedded(), picture), "embedding", "clip_vit_b_32")
