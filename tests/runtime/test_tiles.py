"""Images looked at in tiles: the same loss and gradient as of the whole, whatever the network, the size and the cut."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.data import shared
from helpers.networks import chain, saved
from helpers.windowed import layers, windowed
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from pixelgrad.errors import ArtifactError, SettingsError
from pixelgrad.exporters import (
    Network,
    Objective,
    can_tile,
    load_network,
    style_objective,
    texture_objective,
    write_artifact,
)
from pixelgrad.exporters.objectives import TotalVariation, moments
from pixelgrad.runtime import Artifact, Picture, StyleSettings, TextureSettings, style, texture
from pixelgrad.runtime.tiles import Tiled, allot
from pixelgrad.runtime.tiles.grid import Grid, Layout

Array = np.ndarray[Any, Any]
OBJECTIVES: dict[str, Callable[[Network], Objective]] = {
    "moments": style_objective,
    "gram": lambda network: style_objective(network, loss="gram"),
    "masks": lambda network: style_objective(network, masks=2),
    "texture": lambda network: texture_objective(network, tv_weight=0.3),
    "sharp": lambda network: Objective("style", (TotalVariation("tv", None, 1.0, beta=1.5),)),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Artifact]:
    """An artifact with tiles, by its objective."""
    folder = tmp_path_factory.mktemp("tiles")

    @functools.cache
    def make(
        kind: str, pool: str = "MaxPool", profile: str = "portable", precision: str = "fp32", pad: int = 1
    ) -> Artifact:
        network = load_network(chain(folder / f"{pool}-{pad}.onnx", pool=pool, pad=pad), preprocess="imagenet")
        path = folder / f"{kind}-{pool}-{profile}-{precision}-{pad}"
        write_artifact(network, OBJECTIVES[kind](network), path, profile=profile, precision=precision, tiles=True)
        return Artifact(path, device="cpu")

    return make


def image(height: int, width: int, seed: int = 0) -> Array:
    """Noise that is coarser in some places than in others."""
    rng = np.random.default_rng(seed)
    fine = rng.random((1, 3, height, width), dtype=np.float32)
    coarse = rng.random((1, 3, height // 8 + 1, width // 8 + 1), dtype=np.float32)
    return (0.4 * fine + 0.6 * coarse.repeat(8, 2).repeat(8, 3)[:, :, :height, :width]).astype(np.float32)


def check_same(artifact: Artifact, pixels: int, height: int, width: int, tolerance: float = 1e-4) -> None:
    reference, looked_at = image(height, width, seed=1), image(height, width, seed=2)
    tiled = Tiled(artifact, pixels)
    whole_targets, targets = artifact.targets(reference), tiled.targets(reference)
    assert targets.keys() == whole_targets.keys()
    for name, target in whole_targets.items():
        assert np.abs(targets[name] - target).max() <= 1e-4 * np.abs(target).max()
    masks = dict.fromkeys(term.mask for term in artifact.terms if term.mask)
    shapes = itertools.cycle([(height, width), (7, 5)])
    rng = np.random.default_rng(3)
    given = {
        str(mask): rng.random((1, 1, *shape), dtype=np.float32) for mask, shape in zip(masks, shapes, strict=False)
    }
    weights = {artifact.terms[0].name: 0.7}
    # The targets of the one are given to both: what differs is the evaluation.
    expected = artifact.evaluate(looked_at, {**whole_targets, **given}, weights)
    found = tiled.evaluate(looked_at, {**whole_targets, **given}, weights)
    assert found.loss == pytest.approx(expected.loss, rel=tolerance)
    assert found.losses == pytest.approx(expected.losses, rel=tolerance, abs=1e-6)
    error = np.linalg.norm(found.gradient - expected.gradient) / np.linalg.norm(expected.gradient)
    assert error < tolerance
    assert found.norm == pytest.approx(expected.norm, rel=tolerance)
    assert found.finite


@pytest.mark.parametrize("kind", OBJECTIVES)
@pytest.mark.parametrize(("height", "width"), [(97, 131), (128, 70)])
def test_loss_and_gradient_are_those_of_the_whole(
    made: Callable[..., Artifact], kind: str, height: int, width: int
) -> None:
    check_same(made(kind), 64 * 64, height, width)


@pytest.mark.parametrize("kind", ["masks", "texture"])
def test_maps_that_are_larger_than_the_image(made: Callable[..., Artifact], kind: str) -> None:
    """By positions in front of it and behind, at which masks are taken as well."""
    check_same(made(kind, pad=2), 64 * 64, 97, 131)


@pytest.mark.parametrize("kind", ["moments", "texture"])
def test_other_forms(made: Callable[..., Artifact], kind: str) -> None:
    check_same(made(kind, pool="AveragePool", profile="fast"), 64 * 64, 97, 131)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_layers_that_are_taken_in_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: str) -> None:
    """Of 8, 12 and 16 channels here, in groups that come out even, and with channels of zeros."""
    monkeypatch.setattr(moments, "WIDEST", 5)
    network = load_network(chain(tmp_path / "net.onnx"), preprocess="imagenet")
    for masks in (0, 2):
        path = tmp_path / f"{masks}"
        write_artifact(network, style_objective(network, masks=masks), path, precision=precision, tiles=True)
        check_same(Artifact(path, device="cpu"), 64 * 64, 97, 131, tolerance=1e-4 if precision == "fp32" else 5e-3)


def test_half_precision(made: Callable[..., Artifact]) -> None:
    artifact = made("moments", precision="fp16")
    assert artifact.precision == Tiled(artifact, 64 * 64).precision == "fp16"
    check_same(artifact, 64 * 64, 97, 131, tolerance=5e-3)


def test_one_tile_is_the_whole_image(made: Callable[..., Artifact]) -> None:
    check_same(made("moments"), 10**9, 60, 44)


def test_the_gradient_is_the_slope_of_the_loss(made: Callable[..., Artifact]) -> None:
    artifact = made("gram", pool="AveragePool")
    tiled = Tiled(artifact, 64 * 64)
    targets = tiled.targets(image(97, 131, seed=1))
    where = image(97, 131, seed=2)
    gradient = tiled.evaluate(where, targets).gradient.astype(np.float64)
    direction = (gradient / np.linalg.norm(gradient)).astype(np.float32)
    step = np.float32(0.05)
    above, below = (tiled.evaluate(where + sign * step * direction, targets).loss for sign in (1, -1))
    assert (above - below) / (2 * step) == pytest.approx(np.linalg.norm(gradient), rel=0.02)


@settings(max_examples=10)
@given(rows=st.lists(windowed(), min_size=1, max_size=4), height=st.integers(40, 90), width=st.integers(40, 90))
def test_random_stacks(tmp_path_factory: pytest.TempPathFactory, rows: list[Any], height: int, width: int) -> None:
    """Whatever the kernels, strides, dilations and paddings, one-sided ones among them."""
    weights: dict[str, Any] = {}
    nodes, output = layers(rows, "x", "data", 3, weights)
    rng = np.random.default_rng(0)
    weights = {name: rng.normal(size=w.shape).astype(w.dtype) if w.ndim == 4 else w for name, w in weights.items()}
    folder = tmp_path_factory.mktemp("tiles")
    network = load_network(saved(folder / "net.onnx", nodes, weights, output), preprocess="rgb")
    objective = style_objective(network, loss="gram", content_layers=[output], style_layers=[output])
    if not can_tile(network, objective):  # strides that differ along the axes, say
        return
    artifact = Artifact(write_artifact(network, objective, folder / "artifact", tiles=True), device="cpu")
    if min(height, width) >= artifact.minimum_size:
        check_same(artifact, 32 * 32, height, width)


def test_networks_that_see_everything_at_once(tmp_path: Path) -> None:
    squeezed = [
        helper.make_node("Conv", ["data", "w"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("GlobalAveragePool", ["c"], ["mean"]),
        helper.make_node("Sigmoid", ["mean"], ["gate"]),
        helper.make_node("Mul", ["c", "gate"], ["gated"]),
        helper.make_node("InstanceNormalization", ["c", "one", "one"], ["normal"]),
    ]
    weights = {"w": np.ones((4, 3, 3, 3), np.float32), "one": np.ones(4, np.float32)}
    for output, able in {"gated": False, "normal": False, "c": True}.items():
        network = load_network(saved(tmp_path / f"{output}.onnx", squeezed, weights, output), preprocess="rgb")
        objective = style_objective(network, content_layers=[output], style_layers=[output])
        assert can_tile(network, objective) == able
        if not able:
            with pytest.raises(SettingsError, match="whole image"):
                write_artifact(network, objective, tmp_path / output, tiles=True)
    fixed = load_network(chain(tmp_path / "fixed.onnx", size=64, classes=5, flatten=True), preprocess="rgb")
    assert not can_tile(fixed, style_objective(fixed, content_layers=["logits"], style_layers=["r1"]))


LAYOUT = Layout(minimum=8, alignment=4, before=12, after=16, sizes={"deep": (4, -1, 3.5), "fine": (1, 0, 0.5)})


@given(
    height=st.integers(8, 400),
    width=st.integers(8, 400),
    pixels=st.integers(32 * 32, 300 * 300),
    layer=st.sampled_from(["deep", "fine"]),
)
def test_a_grid_covers_everything_once(height: int, width: int, pixels: int, layer: str) -> None:
    grid = Grid(LAYOUT, height, width, pixels)
    image, positions = np.zeros((height, width), int), np.zeros(grid.shape(layer), int)
    for tile in grid:
        rows, columns = tile.seen
        assert (rows.stop - rows.start) * (columns.stop - columns.start) <= pixels
        image[tile.seen] += 1
        seen, own = grid.positions(layer, tile)
        positions[own] += 1
        for axis, (sees, owns) in enumerate(zip(seen, own, strict=True)):
            assert sees.start <= owns.start
            assert owns.stop <= sees.stop <= positions.shape[axis]
    assert image.min() >= 1
    assert (positions == 1).all()


def picture(height: int, width: int, seed: int = 0) -> Picture:
    return Picture.from_nchw(image(height, width, seed))


def test_a_style_transfer_in_tiles_is_the_same_picture(made: Callable[..., Artifact]) -> None:
    artifact = made("masks")
    given: dict[str, Any] = {"size": 256, "steps": 4, "optimizer": "adam", "coarsest": 180}
    masks = [picture(20, 30, 5), picture(40, 10, 6)]
    paintings = [picture(100, 140, 3), picture(80, 60, 4)]
    whole, tiled = (
        list(style(artifact, picture(170, 256), paintings, StyleSettings(**given, max_memory=limit), masks=masks))[-1]
        for limit in (None, least_memory(artifact, 170, 256, "adam"))
    )
    assert tiled.loss == pytest.approx(whole.loss, rel=1e-3)
    assert np.abs(tiled.picture().pixels - whole.picture().pixels).max() < 0.02
    assert whole.picture().recipe != tiled.picture().recipe


@pytest.mark.parametrize("tileable", [False, True])
def test_a_texture_in_tiles_is_the_same_picture(made: Callable[..., Artifact], tileable: bool) -> None:
    artifact = made("texture")
    given: dict[str, Any] = {"size": (256, 192), "steps": 6, "optimizer": "adam", "tileable": tileable}
    limit = least_memory(artifact, 192 + 128, 256 + 128, "adam")
    whole, tiled = (
        list(texture(artifact, picture(96, 128), TextureSettings(**given, max_memory=most)))[-1]
        for most in (None, limit)
    )
    assert np.abs(tiled.picture().pixels - whole.picture().pixels).max() < 0.02


def least_memory(artifact: Artifact, height: int, width: int, optimizer: str) -> int:
    """The least that is allowed, as the message says."""
    with pytest.raises(SettingsError, match=r"at least (\d+) MB") as caught:
        allot(artifact, width, height, optimizer, 1)
    return int(str(caught.value).partition("at least ")[2].partition(" MB")[0]) * 10**6


def test_memory_is_allotted(made: Callable[..., Artifact]) -> None:
    artifact = made("moments")
    least = least_memory(artifact, 1500, 2000, "lbfgs")
    budgets = [allot(artifact, 2000, 1500, "lbfgs", least * quarters // 4) for quarters in range(4, 60)]
    assert (budgets[0].pairs, budgets[-1].pixels) == (3, None)
    remembered = [budget.pairs or 11 for budget in budgets]
    assert remembered == sorted(remembered)
    assert set(remembered) == {3, 5, 10, 11}
    for pairs in (3, 5, 10):
        pixels = [budget.pixels or 0 for budget in budgets if budget.pairs == pairs]
        assert pixels == sorted(pixels)
    assert (allot(artifact, 2000, 1500, "adam", least).pixels or 0) > (budgets[0].pixels or 0)  # it keeps less
    assert allot(artifact, 200, 150, "lbfgs", least).pixels is None
    assert allot(artifact, 4000, 3000, "lbfgs", None).pixels is None
    message = r"there are 1 MB of memory to keep to, and a result of 2000x1500 takes at least \d+ MB; free some"
    with pytest.raises(SettingsError, match=message):
        allot(artifact, 2000, 1500, "lbfgs", 10**6)


def test_an_artifact_without_tiles_says_so(style_artifact: Path) -> None:
    artifact = Artifact(style_artifact, device="cpu")
    with pytest.raises(ArtifactError, match=r"no graphs for tiles.*--tiles"):
        Tiled(artifact)
    assert allot(artifact, 64, 64, "lbfgs", 10**9).pixels is None
    with pytest.raises(SettingsError, match=r"see whole images only; free some.*smaller --size \(\d+ fits\)"):
        allot(artifact, 6000, 4000, "lbfgs", 10**9)


def test_a_gradient_that_is_no_number(made: Callable[..., Artifact]) -> None:
    artifact = made("moments")
    tiled = Tiled(artifact, 64 * 64)
    targets = tiled.targets(image(97, 131, seed=1))
    broken = image(97, 131)
    broken[0, 0, 3, 3] = np.nan
    assert not tiled.evaluate(broken, targets).finite


@pytest.mark.parametrize(
    ("weights", "size", "pixels"),
    [("vgg19_slim16x.onnx", (203, 305), 176 * 200), ("squeezenet1_1.onnx", (251, 305), 256 * 260)],
)
def test_real_networks(tmp_path: Path, weights: str, size: tuple[int, int], pixels: int) -> None:
    network = load_network(shared(f"weights/{weights}"))
    artifact = Artifact(write_artifact(network, style_objective(network), tmp_path / "real", tiles=True), device="cpu")
    check_same(artifact, pixels, *size, tolerance=5e-4)
