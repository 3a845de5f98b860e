"""Transformers at the size that they were made for, and at others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from helpers.gradcheck import runtime
from helpers.running import run
from helpers.transformers import transformer

from pixelgrad.exporters import dream_objective, inversion_objective, load_network, style_objective, write_artifact
from pixelgrad.exporters.networks import settle_size
from pixelgrad.runtime import Artifact, verify

FORMS: dict[str, dict[str, Any]] = {
    "plain": {},
    "class token": {"first": 1},
    "registers in front and behind": {"first": 3, "last": 2},
    "frozen": {"first": 1, "frozen": True},
    "frozen, and as many patches as channels": {"frozen": True, "side": 64},
    "gathered": {"first": 1, "gathered": True, "frozen": True},
    "masked": {"first": 1, "masked": True, "frozen": True},
    "undeclared": {"first": 1, "declared": False},
    "undeclared but frozen": {"first": 1, "declared": False, "frozen": True},
}


def image(height: int, width: int) -> Any:
    return np.random.default_rng(0).random((1, 3, height, width), dtype=np.float32)


@pytest.fixture(params=FORMS.values(), ids=FORMS)
def form(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(request.param)


def test_at_its_own_size_nothing_changes(tmp_path: Path, form: dict[str, Any]) -> None:
    path = transformer(tmp_path / "vit.onnx", **form)
    side = form.get("side", 32)
    given = image(side, side)
    expected = runtime(onnx.load(path))({"x": given})["y"]
    network = load_network(path, preprocess="rgb")
    np.testing.assert_allclose(run(network, given, "y"), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", [(16, 24), (80, 40), (37, 61)])
def test_embeddings_that_are_alike_stay_so_at_any_size(
    tmp_path: Path, form: dict[str, Any], size: tuple[int, int]
) -> None:
    """Then a network for images of another size, with as many of them as it needs, is the same network."""
    network = load_network(transformer(tmp_path / "vit.onnx", alike=True, **form), preprocess="rgb")
    assert settle_size(network.clone(), [network.clone().layer("block")]) is None
    height, width = size
    found = run(network, image(height, width), "block")
    assert found.shape == (1, 8, height // 8, width // 8)
    np.testing.assert_allclose(found, _by_hand(tmp_path / "vit.onnx", image(height, width), form), rtol=1e-4, atol=1e-5)


def _by_hand(path: Path, given: Any, form: dict[str, Any]) -> Any:
    """The block's map, in NumPy."""
    weights = {value.name: onnx.numpy_helper.to_array(value) for value in onnx.load(path).graph.initializer}
    rows, columns = given.shape[2] // 8, given.shape[3] // 8
    cut = given[0, :, : rows * 8, : columns * 8].reshape(3, rows, 8, columns, 8)
    patches = np.einsum("cryux,kcyx->ruk", cut, weights["patches"]).reshape(-1, 8)
    first, last = form.get("first", 0), form.get("last", 0)
    positions = weights["positions"].reshape(-1, 8)
    nothing = np.zeros((0, 8))
    front = weights["front"][0] + positions[:first] if first else nothing
    behind = weights["behind"][0] + positions[len(positions) - last :] if last else nothing
    tokens = np.concatenate([front, patches + positions[first], behind])
    centred = tokens - tokens.mean(1, keepdims=True)
    even = centred / np.sqrt((centred**2).mean(1, keepdims=True) + 1e-5) * weights["scale"] + weights["shift"]
    q, k, v = (even @ weights[name] for name in ("Q", "K", "V"))
    heads = []
    for part in (slice(0, 4), slice(4, 8)):
        scores = np.exp(q[:, part] @ k[:, part].T)
        heads.append(scores / scores.sum(1, keepdims=True) @ v[:, part])
    block = tokens + np.concatenate(heads, 1) @ weights["out"]
    return block[first : len(block) - last].T.reshape(1, 8, rows, columns)


def test_what_else_insists_on_a_size_is_left_alone(tmp_path: Path) -> None:
    for name, how in (("mixed", {"mixed": True}), ("biased", {"biased": True})):
        network = load_network(transformer(tmp_path / f"{name}.onnx", first=1, **how))
        assert not [note for note in network.notes if "interpolated" in note]
        assert settle_size(network.clone(), [network.clone().layer("patch")]) is None
        for layer in ("block", "y"):
            folder = write_artifact(network, inversion_objective(network, layer), tmp_path / f"{name}-{layer}")
            artifact = Artifact(folder, device="cpu")
            assert artifact.fixed_size == (32, 32)
            assert all(check.passed for check in verify(artifact))


def test_it_is_said_and_kept(tmp_path: Path) -> None:
    path = transformer(tmp_path / "vit.onnx", first=1, frozen=True)
    kept = [load_network(path, cache=tmp_path / "kept") for _ in range(2)]
    assert [note for note in kept[0].notes if "interpolated" in note]
    assert kept[0].notes == kept[1].notes
    a, b = (run(network, image(48, 40), "block") for network in kept)
    np.testing.assert_array_equal(a, b)


def test_artifacts_take_whole_patches(tmp_path: Path) -> None:
    """Pixels beyond the last whole patch would be seen by nobody."""
    network = load_network(transformer(tmp_path / "vit.onnx", first=1, frozen=True))
    for name, kind in (("style", style_objective), ("dream", dream_objective)):
        objective = kind(network)
        artifact = Artifact(write_artifact(network, objective, tmp_path / name), device="cpu")
        assert (artifact.fixed_size, artifact.manifest["image"]["alignment"]) == (None, 8)
        assert all(check.passed for check in verify(artifact))
        targets = artifact.targets(image(45, 30)) if name == "dream" else None
        if targets is not None:
            gradient = artifact.evaluate(image(45, 30), targets).gradient
            assert np.abs(gradient[..., -5:, :]).max() > 0
