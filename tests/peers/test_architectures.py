"""Every architecture against torchvision: random weights, saved, and read back where PyTorch cannot be imported."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.running import run_several, some_image
from helpers.torchvision_models import normalised, patches_as_map, torchvision_models
from helpers.without_torch import WithoutTorch

from pixelgrad.exporters import load_network
from pixelgrad.exporters.networks.architectures import ARCHITECTURES

torch = pytest.importorskip("torch", reason="needs PyTorch, from the 'peers' extra")
pytestmark = [pytest.mark.peer, pytest.mark.slow]

NAMES = [name for name in ARCHITECTURES if not re.search("slim|_patch|dinov2|clip|-timm|-authors|xlarge", name)]
# Of families whose members differ in numbers only, those that are quick to run.
_FAMILIES = ("efficientnet", "regnet", "convnext", "vit")
LARGE = 30_000_000  # parameters
# Above it a checkpoint is read in PyTorch's newer format only: what is in it is the same in both.
BOTH_FORMATS = 30_000_000  # parameters


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[WithoutTorch]:
    with WithoutTorch() as process:
        yield process


def random_model(name: str) -> Any:
    """With weights at which signals neither vanish nor grow, and statistics that differ between channels."""
    torch.manual_seed(0)
    model = getattr(torchvision_models(), name)(weights=None, **_options(name)).eval()
    if _options(name):
        model.transform_input = True  # as its published weights want it
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.2, 0.2)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
        if isinstance(module, torch.nn.BatchNorm2d | torch.nn.LayerNorm):
            torch.nn.init.uniform_(module.weight, 0.5, 1.2)
            torch.nn.init.uniform_(module.bias, -0.2, 0.2)
    for path, parameter in model.named_parameters():
        if path.endswith("layer_scale"):
            torch.nn.init.uniform_(parameter, 0.2, 0.6)
        if path == "heads.head.weight":
            torch.nn.init.normal_(parameter, std=0.05)
    return model


def _options(name: str) -> dict[str, bool]:
    return {"aux_logits": True, "init_weights": False} if name in {"googlenet", "inception_v3"} else {}


def _parameters(name: str) -> int:
    wanted = ARCHITECTURES[name].specification()
    return sum(math.prod(edge or 1000 for edge in shape) for shape in (wanted.required | wanted.head).values())


@pytest.mark.parametrize("name", NAMES)
def test_names_and_shapes_are_those_of_torchvision(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    models, row = torchvision_models(), ARCHITECTURES[name]
    count = models.regnet.BlockParams.from_init_params

    def counted(*arguments: Any, **options: Any) -> Any:
        with torch.device("cpu"):  # it counts with tensors
            return count(*arguments, **options)

    monkeypatch.setattr(models.regnet.BlockParams, "from_init_params", counted)
    with torch.device("meta"):
        state = getattr(models, name)(weights=None, **_options(name)).state_dict()
    left_out = (*row.ignored, "\0")
    shapes = {
        path: tuple(1000 if edge is None else edge for edge in tensor.shape)
        for path, tensor in state.items()
        if not path.endswith("num_batches_tracked") and not path.startswith(left_out)
    }
    specification = row.specification()
    wanted = specification.required | specification.head
    assert wanted.keys() == shapes.keys()
    for path, shape in wanted.items():
        filled = tuple(edge or found for edge, found in zip(shape, shapes[path], strict=True))
        assert filled == shapes[path], path


@pytest.mark.parametrize(
    "name",
    [name for name in NAMES if name == "vit_b_32" or not (name.startswith(_FAMILIES) and _parameters(name) > LARGE)],
)
def test_checkpoints_of_torchvision(name: str, tmp_path: Path, elsewhere: WithoutTorch) -> None:
    model = random_model(name)
    size = ARCHITECTURES[name].size or (224 if name.startswith("vit") else 128)
    image = some_image(size, seed=len(name))
    with torch.no_grad():
        expected = model(normalised(image)).numpy()
    scale = np.abs(expected).max()
    small = sum(parameter.numel() for parameter in model.parameters()) < BOTH_FORMATS
    for zipped in (True, False) if small else (True,):
        path = tmp_path / f"{name}.pth"
        torch.save(_published(model.state_dict()), path, _use_new_zipfile_serialization=zipped)
        actual, facts = elsewhere.run(path, image, "logits")
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5 * max(1.0, scale), err_msg=str(zipped))
        assert facts["format"] == f"PyTorch checkpoint, {name}"
        path.unlink()


def _published(state: dict[str, Any]) -> dict[str, Any]:
    """A transformer's files have the names of torchvision's first version."""
    renamed = {".mlp.0.": ".mlp.linear_1.", ".mlp.3.": ".mlp.linear_2."}
    for new, old in renamed.items():
        state = {path.replace(new, old) if path.startswith("encoder.") else path: v for path, v in state.items()}
    return state


@pytest.mark.parametrize("authors", [False, True])
def test_checkpoints_of_convnext_in_other_names(tmp_path: Path, authors: bool) -> None:
    """Those of timm, and those of its authors, which differ in nothing but names."""
    torchvision_models()
    timm = pytest.importorskip("timm", reason="needs timm: pip install --no-deps timm")
    torch.manual_seed(0)
    model = timm.create_model("convnext_tiny", pretrained=False, num_classes=7).eval()
    for path, parameter in model.named_parameters():
        if path.endswith("gamma"):
            torch.nn.init.uniform_(parameter, 0.2, 0.6)
    image = some_image(96, seed=4)
    with torch.no_grad():
        expected = model(normalised(image)).numpy()
    state = {(_named_by_its_authors(path) if authors else path): v for path, v in model.state_dict().items()}
    path = tmp_path / "weights.pth"
    torch.save(state, path)
    network = load_network(path)
    assert network.format == f"PyTorch checkpoint, convnext_tiny{'-authors' if authors else '-timm'}"
    (actual,) = run_several(network, image, ["logits"])
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def _named_by_its_authors(path: str) -> str:
    path = re.sub(r"^stem\.", "downsample_layers.0.", path)
    path = re.sub(r"^stages\.(\d)\.downsample\.", r"downsample_layers.\1.", path)
    for timms, theirs in {
        ".blocks.": ".",
        "conv_dw": "dwconv",
        "mlp.fc": "pwconv",
        "head.norm": "norm",
        "head.fc": "head",
    }.items():
        path = path.replace(timms, theirs)
    return path


@pytest.mark.parametrize(
    ("name", "architecture", "size"),
    [
        ("vit_tiny_patch16_224", "vit_tiny_patch16", 224),
        ("vit_small_patch14_dinov2", "dinov2_vits14", 518),
        ("vit_small_patch14_reg4_dinov2", "dinov2_vits14_reg", 518),
        ("vit_small_patch8_224", "vit_small_patch8", 224),
    ],
)
def test_checkpoints_of_vision_transformers(name: str, architecture: str, size: int, tmp_path: Path) -> None:
    """timm has those of DeiT and DINO under the names of their files; what it calls registers is renamed back."""
    torchvision_models()
    timm = pytest.importorskip("timm", reason="needs timm: pip install --no-deps timm")
    torch.manual_seed(0)
    model = timm.create_model(name, pretrained=False).eval()
    for path, parameter in model.named_parameters():
        if "gamma" in path:
            torch.nn.init.uniform_(parameter, 0.2, 0.6)
        if path in {"cls_token", "reg_token"}:
            torch.nn.init.normal_(parameter, std=0.3)
    state = dict(model.state_dict())
    if "reg_token" in state:  # DINOv2's own has a position for the class token, too
        state["register_tokens"] = state.pop("reg_token")
        state["pos_embed"] = torch.cat([torch.zeros(1, 1, 384), state["pos_embed"]], 1)
        state["mask_token"] = torch.zeros(1, 384)
    path = tmp_path / "weights.pth"
    torch.save({"model": state}, path)
    image = some_image(size, seed=3)
    with torch.no_grad():
        expected = model.forward_features(normalised(image)).numpy()
    network = load_network(path)
    assert network.format == f"PyTorch checkpoint, {architecture}"
    (actual,) = run_several(network, image, ["norm"])
    expected = patches_as_map(expected, actual)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
