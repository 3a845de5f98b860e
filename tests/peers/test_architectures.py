"""Every architecture against torchvision: random weights, saved, and read back where PyTorch cannot be imported."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.running import some_image
from helpers.torchvision_models import torchvision_models
from helpers.without_torch import WithoutTorch

from pixelgrad.exporters.networks.architectures import ARCHITECTURES

torch = pytest.importorskip("torch", reason="needs PyTorch, from the 'peers' extra")
pytestmark = [pytest.mark.peer, pytest.mark.slow]

MEAN, STD = (torch.tensor(v).view(1, 3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
NAMES = [name for name in ARCHITECTURES if name != "vgg19-slim16x"]
# Above it a checkpoint is read in PyTorch's newer format only: what is in it is the same in both.
BOTH_FORMATS = 30_000_000  # parameters


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[WithoutTorch]:
    with WithoutTorch() as process:
        yield process


def random_model(name: str) -> Any:
    """With weights at which signals neither vanish nor grow, and statistics that differ between channels."""
    options = {"aux_logits": True, "init_weights": False} if name in {"googlenet", "inception_v3"} else {}
    torch.manual_seed(0)
    model = getattr(torchvision_models(), name)(weights=None, **options).eval()
    if options:
        model.transform_input = True  # as its published weights want it
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.2, 0.2)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
            torch.nn.init.uniform_(module.weight, 0.5, 1.2)
            torch.nn.init.uniform_(module.bias, -0.2, 0.2)
    return model


@pytest.mark.parametrize("name", NAMES)
def test_checkpoints_of_torchvision(name: str, tmp_path: Path, elsewhere: WithoutTorch) -> None:
    model = random_model(name)
    size = ARCHITECTURES[name].size or 128
    image = some_image(size, seed=len(name))
    with torch.no_grad():
        expected = model((torch.from_numpy(image) - MEAN) / STD).numpy()
    scale = np.abs(expected).max()
    small = sum(parameter.numel() for parameter in model.parameters()) < BOTH_FORMATS
    for zipped in (True, False) if small else (True,):
        path = tmp_path / f"{name}.pth"
        torch.save(model.state_dict(), path, _use_new_zipfile_serialization=zipped)
        actual, facts = elsewhere.run(path, image, "logits")
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5 * max(1.0, scale), err_msg=str(zipped))
        assert facts["format"] == f"PyTorch checkpoint, {name}"
        path.unlink()
