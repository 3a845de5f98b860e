"""Dreams through GoogLeNet against PyTorch: the gradient in float64, and a whole dream step by step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from helpers.data import shared

from pixelgrad.exporters import dream_objective, load_network, write_artifact
from pixelgrad.runtime import Artifact, DreamSettings, Picture, dream, read_image

torch = pytest.importorskip("torch", reason="needs PyTorch, from the 'peers' extra")
pytestmark = pytest.mark.peer
LAYER, SIZE = "inception_4c/output", (160, 112)


@pytest.fixture(scope="module")
def source() -> Picture:
    return read_image(shared("images/photos/chelsea.png")).resized(*SIZE)


@pytest.fixture(scope="module")
def model() -> Any:
    return onnx.load(shared("weights/googlenet.onnx"))


def features(model: Any, image: Any, upto: str) -> Any:
    from helpers.torch_oracle import torch_tensors

    mean = torch.tensor([104.0, 117.0, 123.0], dtype=image.dtype).reshape(1, 3, 1, 1)
    return torch_tensors(model, image.flip(1) * 255 - mean, upto)[upto]


def artifact(folder: Path, **settings: Any) -> Artifact:
    network = load_network(shared("weights/googlenet.onnx"))
    return Artifact(write_artifact(network, dream_objective(network, **settings), folder), device="cpu")


def close(found: Any, expected: Any, tolerance: float) -> None:
    assert np.linalg.norm(found - expected) <= tolerance * np.linalg.norm(expected)


def test_layers(source: Picture, model: Any, tmp_path: Path) -> None:
    found = artifact(tmp_path / "a", layers={LAYER: 1, "inception_3b/output": 2})
    image = source.to_nchw()
    evaluation = found.evaluate(image, found.targets(image))
    x = torch.tensor(image, dtype=torch.float64, requires_grad=True)
    energy = [(features(model, x, layer) ** 2).mean() for layer in (LAYER, "inception_3b/output")]
    loss = -(energy[0] / energy[0].detach() + 2 * energy[1] / energy[1].detach()) / 3
    close(evaluation.gradient, torch.autograd.grad(loss, x)[0].numpy(), 1e-4)


def test_guide(source: Picture, model: Any, tmp_path: Path) -> None:
    found = artifact(tmp_path / "a", enhance="guide", layers=[LAYER])
    image, guide = source.to_nchw(), read_image(shared("images/kodak/kodim05.png")).resized(96, 64).to_nchw()
    evaluation = found.evaluate(image, found.targets(guide))
    x = torch.tensor(image, dtype=torch.float64, requires_grad=True)
    theirs = features(model, torch.tensor(guide, dtype=torch.float64), LAYER)[0].flatten(1)
    products = theirs.T @ features(model, x, LAYER)[0].flatten(1)
    loss = -products.max(0).values.mean() / (theirs**2).sum(0).mean()
    assert evaluation.loss == pytest.approx(float(loss.detach()), rel=1e-4)
    close(evaluation.gradient, torch.autograd.grad(loss, x)[0].numpy(), 1e-4)


def test_class(source: Picture, model: Any, tmp_path: Path) -> None:
    found = artifact(tmp_path / "a", enhance="class")
    image = source.resized(160, 128).to_nchw()
    (name,) = found.given
    evaluation = found.evaluate(image, {name: np.eye(1000, dtype=np.float32)[954:955]})
    x = torch.tensor(image, dtype=torch.float64, requires_grad=True)
    scores = features(model, x, "loss3/classifier")[0]
    loss = 0.9 * torch.logsumexp(scores, 0) - scores[954]
    close(evaluation.gradient, torch.autograd.grad(loss, x)[0].numpy(), 1e-4)


def test_a_dream_is_that_of_the_notebook(source: Picture, model: Any, tmp_path: Path) -> None:
    """Mordvintsev's loop at one octave: roll, ascend along g / mean |g|, roll back, clip."""
    events = dream(artifact(tmp_path / "a", layers=[LAYER]), source, DreamSettings(octaves=1, steps=5))
    *_, last = events
    rng = np.random.Generator(np.random.PCG64(0))
    image = source.to_nchw()
    for _ in range(5):
        shift = [int(rng.integers(-32, 33)) for _ in range(2)]
        x = torch.tensor(np.roll(image, shift, (2, 3)).copy(), requires_grad=True)
        (gradient,) = torch.autograd.grad((features(model, x, LAYER) ** 2).mean(), x)
        g = np.roll(gradient.numpy(), [-s for s in shift], (2, 3))
        image = np.clip(image + np.float32(1.5 / 255) * g / np.abs(g).mean(), 0, 1).astype(np.float32)
    assert np.abs(last.picture().to_nchw() - image).mean() < 0.2 / 255
