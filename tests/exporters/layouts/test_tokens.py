"""The layers of a vision transformer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.running import raw, run, some_image
from helpers.transformers import PATCH, transformer

from pixelgrad.errors import UnknownLayerError
from pixelgrad.exporters import (
    Network,
    Projection,
    load_network,
    style_objective,
    write_artifact,
    write_projection,
)
from pixelgrad.exporters.networks import last_map, settle_size, summary


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("layer", ["tokens", "every", "placed", "even", "Q_whole", "projected", "block"])
def test_tokens_of_a_transformer(tmp_path: Path, layer: str, declared: bool) -> None:
    network = load_network(transformer(tmp_path / "vit.onnx", first=2, declared=declared), preprocess="rgb")
    image = some_image(32)
    tokens = raw(network, image, layer)[:, 0 if layer == "tokens" else 2 :]
    expected = tokens.transpose(0, 2, 1).reshape(1, 8, 4, 4)
    np.testing.assert_allclose(run(network, image, layer), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("layer", ["scores", "attention", "attended", "side_by_side", "Q_heads", "K_heads", "y"])
def test_what_is_no_map_stays_as_it_is(tmp_path: Path, layer: str, heads: int) -> None:
    """Attention, and heads by themselves."""
    network = load_network(transformer(tmp_path / "vit.onnx", first=1, heads=heads), preprocess="rgb")
    value = network.layer(layer)
    assert value not in network.layouts()
    assert value.producer() is not None
    np.testing.assert_array_equal(run(network, some_image(32), layer), raw(network, some_image(32), layer))


def test_a_layer_and_its_features(tmp_path: Path) -> None:
    network = load_network(transformer(tmp_path / "vit.onnx", first=1))
    network.aliases["blocks.0"] = "block"  # type: ignore[index]
    before = network.clone()
    value = network.features("block")
    assert (value.name, value.shape.rank()) == ("block", 4)  # type: ignore[union-attr]
    assert tuple(value.shape) == before.shape(before.layer("block"))  # type: ignore[arg-type]
    for again in (network.layer("block"), network.layer("blocks.0"), network.features("blocks.0")):
        assert again is value
    assert network.clone().features("block").shape == value.shape
    with pytest.raises(UnknownLayerError):  # a step within a layer
        network.layer("block/tokens")
    assert value in network.layouts()
    assert [layer.name for layer in summary(network, (32, 32))].count("block") == 1


def test_the_graph_computes_what_it_did(tmp_path: Path) -> None:
    """What comes behind a layer uses it as it was."""
    network = load_network(transformer(tmp_path / "vit.onnx", first=1))
    before = raw(network, some_image(32), "y")
    for layer in ("tokens", "even", "block"):
        network.features(layer)
    np.testing.assert_array_equal(raw(network, some_image(32), "y"), before)


@pytest.mark.parametrize("declared", [True, False])
def test_geometry_of_tokens(tmp_path: Path, declared: bool) -> None:
    network = load_network(transformer(tmp_path / "vit.onnx", first=1, declared=declared))
    geometry = {str(value.name): found for value, found in network.geometries().items()}
    for layer in ("patch", "tokens", "every", "placed", "even", "Q_whole"):
        assert (geometry[layer].stride, geometry[layer].receptive_field) == (PATCH, PATCH), layer
    for layer in ("projected", "block"):
        assert (geometry[layer].stride, geometry[layer].receptive_field) == (PATCH, None), layer
    for layer in ("attention", "y"):
        assert (geometry[layer].stride, geometry[layer].receptive_field) == (None, None), layer
    network.features("block"), network.features("even")
    geometry = {str(value.name): found for value, found in network.geometries().items()}
    assert (geometry["even"].stride, geometry["even"].receptive_field) == (PATCH, PATCH)
    assert (geometry["block"].stride, geometry["block"].receptive_field) == (PATCH, None)


@pytest.mark.parametrize("declared", [True, False])
def test_summary_lists_channels_rows_and_columns(tmp_path: Path, declared: bool) -> None:
    network = load_network(transformer(tmp_path / "vit.onnx", first=1, declared=declared))
    size = (32, 48) if not declared else (32, 32)
    shapes = {layer.name: layer.shape for layer in summary(network, size)}
    grid = (size[0] // PATCH, size[1] // PATCH)
    for layer in ("patch", "tokens", "every", "even", "block"):
        assert shapes[layer] == (8, *grid), layer
    count = grid[0] * grid[1] + 1
    assert shapes["attention"] == (2, count, count)
    assert shapes["y"] == (10,)


def test_what_is_made_of_a_network_leaves_it_as_it_was(tmp_path: Path) -> None:
    network = load_network(transformer(tmp_path / "vit.onnx", first=1))
    before, last = shapes(network), last_map(network)
    objective = style_objective(network)
    write_artifact(network, objective, tmp_path / "style")
    write_projection(network, Projection("block", "gradient"), tmp_path / "projection")
    assert shapes(network) == before
    assert last_map(network) is last
    assert style_objective(network) == objective


def shapes(network: Network) -> dict[str, str]:
    return {str(value.name): str(value.shape) for node in network.model.graph for value in node.outputs}


def test_shapes_behind_a_declared_size_are_filled_in(tmp_path: Path) -> None:
    network = load_network(transformer(tmp_path / "vit.onnx", first=1, mixed=True))
    found = shapes(network)
    assert found["patch"] == "[1,8,floor(H/8),floor(W/8)]"
    assert found["mixed"] == found["block"] == "[1,17,8]"
    assert found["scores"] == "[1,2,17,17]"
    assert network.declared_size == (32, 32)


def test_a_kept_conversion_has_the_same_layers(tmp_path: Path) -> None:
    path, cache = transformer(tmp_path / "vit.onnx", first=1), tmp_path / "cache"
    fresh, again = load_network(path, cache=cache), load_network(path, cache=cache)
    assert list(cache.iterdir())
    assert shapes(again) == shapes(fresh)
    assert again.declared_size == fresh.declared_size
    assert {v.name for v in again.layouts()} == {v.name for v in fresh.layouts()}
    for layer in ("patch", "tokens", "block", "y"):
        first, second = (network.clone() for network in (fresh, again))
        values = [network.features(layer) for network in (first, second)]
        assert str(values[0].shape) == str(values[1].shape)
        assert settle_size(first, [values[0]]) == settle_size(second, [values[1]])
        assert shapes(first) == shapes(second)


def test_attention_by_equations_is_followed(tmp_path: Path) -> None:
    """What Einsum writes of tokens are the tokens that they are where it is written as products of matrices."""
    written = {
        name: load_network(
            transformer(tmp_path / f"{name}.onnx", first=1, equations=name == "einsum"), preprocess="rgb"
        )
        for name in ("einsum", "matmul")
    }
    tokens = {name: {str(value.name) for value in network.layouts()} for name, network in written.items()}
    assert "projected" in tokens["matmul"]
    assert tokens["einsum"] == tokens["matmul"]
    names = {str(output.name) for node in written["einsum"].model.graph for output in node.outputs}
    assert {"scores/Transpose", "side_by_side/Transpose"} <= names  # by what they are part of
    for name in ("together", "projected"):
        a, b = (run(network, some_image(48), name) for network in written.values())
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
