"""Losses: what they compute, that their gradient lowers them, and that size and network do not matter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from helpers.gradcheck import numerical_vjp, runtime
from helpers.networks import chain
from helpers.transformers import transformer

from pixelgrad.errors import NetworkError, SettingsError, UnknownLayerError
from pixelgrad.exporters import load_network, style_objective
from pixelgrad.exporters.autodiff import Emitter, closed_form
from pixelgrad.exporters.objectives import (
    Activation,
    Content,
    Grain,
    Gram,
    Moments,
    Objective,
    Term,
    TotalVariation,
    build_loss_graphs,
    inversion_objective,
    texture_layers,
    texture_objective,
)

Array = np.ndarray[Any, Any]


def picture(height: int, width: int, seed: int) -> Array:
    rng = np.random.default_rng(seed)
    coarse = rng.random((1, 3, -(-height // 4), -(-width // 4)))
    return coarse.repeat(4, 2).repeat(4, 3)[:, :, :height, :width].astype(np.float32)


def normalised_square(value: Array, target: Array) -> float:
    value, target = value.astype(np.float64), target.astype(np.float64)
    return float(((value - target) ** 2).sum() / (target**2).sum())


def gram(features: Array) -> Array:
    flat = features.astype(np.float64).reshape(features.shape[1], -1)
    return (flat @ flat.T / flat.shape[1])[None]


class Loss:
    """Both graphs of an objective, ready to run."""

    def __init__(self, path: Path, *terms: Term, size: int | None = None) -> None:
        self.graphs = build_loss_graphs(load_network(path, preprocess="rgb"), Objective("style", terms))
        self.training = runtime(self.graphs.training)
        self.targets = runtime(self.graphs.evaluation) if self.graphs.evaluation is not None else None

    def __call__(self, image: Array, reference: Array, **weights: float) -> dict[str, Array]:
        targets = self.targets({"image": reference}) if self.targets is not None else {}
        given = {f"weight.{name}": np.asarray(value, np.float32) for name, value in weights.items()}
        return self.training({"image": image, **targets, **given})


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return chain(tmp_path_factory.mktemp("net") / "net.onnx")


def features(path: Path, image: Array, layer: str) -> Array:
    loss = Loss(path, Content(f"content.{layer}", layer, 1.0))
    assert loss.targets is not None
    return loss.targets({"image": image})[f"target.content.{layer}"]


def test_content_loss_is_the_normalised_feature_error(net: Path) -> None:
    a, b = picture(24, 32, 1), picture(24, 32, 2)
    found = Loss(net, Content("content.r2", "r2", 1.0))(a, b)["loss.content.r2"]
    assert found == pytest.approx(normalised_square(features(net, a, "r2"), features(net, b, "r2")), rel=1e-5)


def test_gram_loss_is_the_paper_s(net: Path) -> None:
    """Gatys et al. 2015: 1 / (4 N^2 M^2) sum (G - T)^2, in units that are constant for a reference."""
    a, b = picture(24, 32, 1), picture(24, 32, 2)
    found = Loss(net, Gram("style.r2", "r2", 1.0))(a, b)["loss.style.r2"]
    one, other = (features(net, x, "r2").astype(np.float64).reshape(12, -1) for x in (a, b))
    positions = one.shape[1]
    paper = ((one @ one.T - other @ other.T) ** 2).sum() / (4 * 12**2 * positions**2)
    assert found == pytest.approx(paper * 4 * 12**2 / (gram(features(net, b, "r2")) ** 2).sum(), rel=1e-4)


def test_gram_matrices_compare_images_of_any_sizes(net: Path) -> None:
    a, b = picture(24, 32, 1), picture(40, 24, 2)
    found = Loss(net, Gram("style.r2", "r2", 1.0))(a, b)["loss.style.r2"]
    expected = normalised_square(gram(features(net, a, "r2")), gram(features(net, b, "r2")))
    assert found == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("kind", [Gram, Moments])
def test_a_mask_says_which_places_count(net: Path, kind: type[Term]) -> None:
    """A mask of one half sees what that half alone has, up to the border; an even one sees all."""
    a, b = picture(32, 64, 1), picture(32, 32, 2)
    plain = Loss(net, kind("style.r1", "r1", 1.0))
    masked = Loss(net, kind("style.r1", "r1", 1.0, mask="mask.1"))
    assert masked.targets is not None
    given = {"image": a, **masked.targets({"image": b})}
    expected, found = plain(a, b), masked.training({**given, "mask.1": np.full((1, 1, 1, 1), 0.5, np.float32)})
    assert found["loss"] == pytest.approx(float(expected["loss"]), rel=1e-4)
    np.testing.assert_allclose(found["gradient"], expected["gradient"], rtol=1e-3, atol=1e-7)
    mask = np.zeros((1, 1, 32, 64), np.float32)
    mask[..., :32] = 1
    half = masked.training({**given, "mask.1": mask})
    assert float(half["loss"]) == pytest.approx(float(plain(a[..., :32], b)["loss"]), rel=0.25)
    assert np.abs(half["gradient"][..., 36:]).max() == 0
    assert np.abs(half["gradient"][..., :28]).max() > 0
    coarse = masked.training({**given, "mask.1": mask[:, :, ::8, ::8]})
    assert float(coarse["loss"]) == pytest.approx(float(half["loss"]), rel=0.3)


def test_texture_layers_are_the_paper_s(net: Path, tmp_path: Path) -> None:
    deep = chain(tmp_path / "deep.onnx", channels=(4, 4, 4, 4))
    assert texture_layers(load_network(deep)) == ["relu1_1", "pool1", "pool2", "pool3", "pool4"]
    assert texture_layers(load_network(net)) == ["relu1_1", "relu2_1", "relu3_1"]
    objective = texture_objective(load_network(deep), tv_weight=0.5)
    layers = {f"texture.{layer}": 0.2 for layer in ("r1", "p1", "p2", "p3", "p4")}
    assert {term.name: term.weight for term in objective.terms} == pytest.approx(
        {**layers, "texture.grain": 0.2, "tv": 0.5}
    )
    with pytest.raises(SettingsError, match="the tv weight is nan"):
        texture_objective(load_network(deep), tv_weight=float("nan"))


@pytest.mark.parametrize(("loss", "kind"), [("moments", Moments), ("gram", Gram)])
def test_textures_are_made_from_either_statistic(net: Path, loss: str, kind: type[Term]) -> None:
    objective = texture_objective(load_network(net), loss=loss)
    assert {type(term) for term in objective.terms if term.layer} == {kind}
    assert objective.settings["loss"] == loss
    assert [term.weight for term in objective.terms if not term.layer] == ([0.2] if loss == "moments" else [])
    chosen = texture_objective(load_network(net), loss=loss, grain_weight=0.5, tv_weight=0.1)
    assert {type(term): term.weight for term in chosen.terms if not term.layer} == {Grain: 0.5, TotalVariation: 0.1}
    with pytest.raises(SettingsError, match="loss is 'l1'; it must be one of gram, moments"):
        texture_objective(load_network(net), loss="l1")


def test_inversion_terms(net: Path) -> None:
    """Mahendran & Vedaldi 2014: feature error, alpha-norm and TV^beta."""
    a, b = picture(24, 32, 1), picture(24, 32, 2)
    objective = inversion_objective(load_network(net, preprocess="rgb"), "relu2_1", beta=1)
    assert {t.name: t.weight for t in objective.terms} == {
        "content.r2": 1.0,
        "alpha": 0.001,
        "tv": pytest.approx(0.04),
    }
    found = Loss(net, *objective.terms)(a, b)
    one, other = (features(net, x, "r2").astype(np.float64) for x in (a, b))
    assert found["loss.content.r2"] == pytest.approx(((one - other) ** 2).sum() / (other**2).sum(), rel=1e-5)
    x = a.astype(np.float64)
    away = np.linalg.norm((x - np.reshape([0.485, 0.456, 0.406], (1, 3, 1, 1))) * 255 / 80, axis=1)
    assert found["loss.alpha"] == pytest.approx((away**6).mean(), rel=1e-4)
    edges = np.hypot(np.diff(x, axis=2)[..., :-1], np.diff(x, axis=3)[:, :, :-1])
    assert found["loss.tv"] == pytest.approx(edges.mean(), rel=2e-3)
    moved = a - 1e-3 * found["gradient"] / np.abs(found["gradient"]).max()
    assert Loss(net, *objective.terms)(moved, b)["loss"] < found["loss"]
    flat = np.full_like(a, 0.5)
    assert np.isfinite(Loss(net, *objective.terms)(flat, b)["gradient"]).all()


def test_a_closed_form_is_not_differentiated(net: Path) -> None:
    """The value is the term's, the gradient the one that it states."""

    class Stated(Term):
        def loss(self, op: Emitter, features: ir.Value, target: ir.Value | None) -> ir.Value:
            value = op.ReduceSum(op.Tan(features), keepdims=0)
            value.shape = ir.Shape([])
            return closed_form(op, value, features, op.Mul(features, 3.0))

    x = picture(8, 8, 1)
    graphs = build_loss_graphs(load_network(net, preprocess="rgb"), Objective("style", (Stated("s", None, 2.0),)))
    found = runtime(graphs.training)({"image": x})
    assert found["loss"] == pytest.approx(2 * np.tan(x).sum(), rel=1e-4)
    np.testing.assert_allclose(found["gradient"], 6 * x, rtol=1e-6)


def test_total_variation_is_the_mean_squared_difference(net: Path) -> None:
    x = picture(13, 9, 3)
    found = Loss(net, TotalVariation("tv", None, 1.0))(x, x)["loss.tv"]
    expected = (np.diff(x, axis=2) ** 2).sum() + (np.diff(x, axis=3) ** 2).sum()
    assert found == pytest.approx(expected / x.size, rel=1e-5)


ONE_OF_EACH = (
    Content("content.r3", "r3", 0.5),
    Gram("style.r1", "r1", 2.0),
    Moments("style.r2", "r2", 0.3),
    TotalVariation("tv", None, 3.0),
)


@pytest.mark.parametrize("term", ONE_OF_EACH, ids=lambda term: term.kind)
@pytest.mark.parametrize("shape", [(24, 24), (21, 30)])
def test_one_small_step_lowers_each_objective(net: Path, term: Term, shape: tuple[int, int]) -> None:
    loss = Loss(net, term)
    x, reference = picture(*shape, 1), picture(*shape, 2)
    before = loss(x, reference)
    step = 1e-3 * before["gradient"] / np.abs(before["gradient"]).max()
    assert loss(x - step, reference)["loss"] < before["loss"]


def test_the_gradient_is_that_of_the_weighted_sum(net: Path) -> None:
    """Against finite differences, at a size that needs alignment."""
    loss = Loss(net, *ONE_OF_EACH)
    x, reference = picture(9, 11, 1), picture(9, 11, 2)
    found = loss(x, reference)
    total = sum(term.weight * float(found[f"loss.{term.name}"]) for term in ONE_OF_EACH)
    assert float(found["loss"]) == pytest.approx(total, rel=1e-5)
    assert loss.targets is not None
    targets = loss.targets({"image": reference})
    expected = numerical_vjp(
        lambda feeds: {"loss": loss.training({**targets, **feeds})["loss"]},
        {"image": x},
        {"loss": np.float64(1)},
        "image",
        2e-3,
    )
    error = np.linalg.norm(found["gradient"] - expected) / np.linalg.norm(expected)
    assert error < 2e-2


def test_weights_are_inputs_with_default_values(net: Path) -> None:
    loss = Loss(net, *ONE_OF_EACH)
    x, reference = picture(16, 16, 1), picture(16, 16, 2)
    plain = loss(x, reference)
    changed = loss(x, reference, **{"tv": 0.0, "style.r1": 5.0})
    expected = 0.5 * plain["loss.content.r3"] + 5 * plain["loss.style.r1"] + 0.3 * plain["loss.style.r2"]
    assert float(changed["loss"]) == pytest.approx(float(expected), rel=1e-5)


def test_losses_do_not_depend_on_resolution(net: Path) -> None:
    """The same texture in twice the size: the same loss, to a few per cent of border."""
    small, large = picture(64, 64, 1), np.tile(picture(64, 64, 1), (1, 1, 2, 2))
    other_small, other_large = picture(64, 64, 2), np.tile(picture(64, 64, 2), (1, 1, 2, 2))
    loss = Loss(net, *ONE_OF_EACH)
    a, b = loss(small, other_small), loss(large, other_large)
    for term in ONE_OF_EACH:
        tolerance = 0.3 if term.kind == "style" else 0.1  # squares of squares: twice the border's part
        assert float(a[f"loss.{term.name}"]) == pytest.approx(float(b[f"loss.{term.name}"]), rel=tolerance)


def test_losses_do_not_depend_on_the_scale_of_the_features(tmp_path: Path) -> None:
    """A network whose first layer is a hundred times stronger says the same."""
    import onnx
    from onnx import numpy_helper

    path = chain(tmp_path / "net.onnx")
    strong = onnx.load(path)
    for tensor in strong.graph.initializer:
        if tensor.name in {"w1", "b1", "b2", "b3"}:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * np.float32(100), tensor.name))
    onnx.save(strong, tmp_path / "strong.onnx")
    x, reference = picture(24, 24, 1), picture(24, 24, 2)
    terms = ONE_OF_EACH[:3]
    a, b = Loss(path, *terms)(x, reference), Loss(tmp_path / "strong.onnx", *terms)(x, reference)
    assert float(a["loss"]) == pytest.approx(float(b["loss"]), rel=1e-3)
    np.testing.assert_allclose(a["gradient"], b["gradient"], rtol=2e-2, atol=1e-6)


def test_a_reference_without_features_does_no_harm(tmp_path: Path) -> None:
    import onnx
    from onnx import numpy_helper

    model = onnx.load(chain(tmp_path / "net.onnx"))
    for tensor in model.graph.initializer:
        if tensor.name.startswith("b"):
            tensor.CopyFrom(numpy_helper.from_array(np.zeros_like(numpy_helper.to_array(tensor)), tensor.name))
    onnx.save(model, tmp_path / "zero.onnx")
    black = np.zeros((1, 3, 16, 16), np.float32)
    found = Loss(tmp_path / "zero.onnx", *ONE_OF_EACH)(picture(16, 16, 1), black)
    assert all(np.isfinite(value).all() for value in found.values())
    found = Loss(tmp_path / "zero.onnx", *ONE_OF_EACH)(black, black)
    assert all(np.isfinite(value).all() for value in found.values())


def test_the_graph_is_trimmed_to_the_deepest_layer(net: Path) -> None:
    graphs = build_loss_graphs(load_network(net), Objective("style", (Gram("style.r1", "r1", 1.0),)))
    names = {tensor.name for tensor in graphs.training.graph.initializer}
    assert "w1" in names
    assert not names & {"w2", "w3"}
    assert graphs.evaluation is not None
    assert {i.name for i in graphs.training.graph.input} == {"image", "target.style.r1", "weight.style.r1"}
    assert [o.name for o in graphs.training.graph.output] == ["loss", "loss.style.r1", "gradient", "gradient_norm"]


def test_the_image_is_continued_to_whole_strides(net: Path) -> None:
    """Alignment repeats the edge: the same as padding the image so beforehand."""
    graphs = build_loss_graphs(load_network(net, preprocess="rgb"), Objective("style", (Gram("style.p3", "p3", 1.0),)))
    assert graphs.alignment == 8
    assert graphs.evaluation is not None
    targets = runtime(graphs.evaluation)
    x = picture(21, 30, 1)
    padded = np.pad(x, ((0, 0), (0, 0), (0, 3), (0, 2)), mode="edge")
    np.testing.assert_allclose(
        targets({"image": x})["target.style.p3"], targets({"image": padded})["target.style.p3"], rtol=1e-6
    )


def test_a_fixed_size_network_keeps_its_size(tmp_path: Path) -> None:
    path = chain(tmp_path / "net.onnx", size=32, classes=5, flatten=True)
    graphs = build_loss_graphs(load_network(path), Objective("style", (Content("content.logits", "logits", 1.0),)))
    assert graphs.fixed_size == (32, 32)
    shape = [d.dim_value for d in graphs.training.graph.input[0].type.tensor_type.shape.dim]
    assert shape == [1, 3, 32, 32]
    free = chain(tmp_path / "free.onnx", classes=5, flatten=True, size=32)
    network = load_network(free)
    unsaid = network.clone()
    object.__setattr__(unsaid, "declared_size", None)
    with pytest.raises(NetworkError, match="works at one image size only"):
        build_loss_graphs(unsaid, Objective("style", (Content("content.logits", "logits", 1.0),)))


def test_content_weighs_more_in_what_is_no_plain_chain(tmp_path: Path) -> None:
    network = load_network(transformer(tmp_path / "transformer.onnx"))
    contents = [term.weight for term in style_objective(network).terms if term.kind == "content"]
    assert sum(contents) == pytest.approx(0.15)
    given = style_objective(network, content_weight=0.4).terms
    assert sum(term.weight for term in given if term.kind == "content") == pytest.approx(0.4)


def test_style_objective_weights(net: Path) -> None:
    objective = style_objective(load_network(net), style_layers=["relu1_1", "relu2_1", "relu3_1"])
    weights = {term.name: term.weight for term in objective.terms}
    assert weights["style.r1"] == weights["style.r3"] == pytest.approx(1 / 3)
    assert weights["content.r3"] == pytest.approx(0.05)
    given = style_objective(load_network(net), style_layers={"r1": 1, "r2": 3}, content_weight=0, tv_weight=0)
    assert {term.name: term.weight for term in given.terms} == {"style.r1": 0.25, "style.r2": 0.75}


def test_bad_objectives(net: Path) -> None:
    network = load_network(net)
    with pytest.raises(UnknownLayerError, match="relu9_1"):
        style_objective(network, style_layers=["relu9_1"])
    with pytest.raises(SettingsError, match="content weight is -1"):
        style_objective(network, content_weight=-1)
    with pytest.raises(SettingsError, match="loss is 'cosine'; it must be one of gram, moments"):
        style_objective(network, loss="cosine")
    for masks in (-1, 65):
        with pytest.raises(SettingsError, match=f"masks is {masks}; it must be a whole number from 0 to 64"):
            style_objective(network, masks=masks)
    with pytest.raises(SettingsError, match="layer weights must be positive"):
        style_objective(network, style_layers={"r1": -1.0})
    with pytest.raises(SettingsError, match="needs at least one term"):
        build_loss_graphs(network, Objective("style", ()))


def test_shapes_are_written_for_the_runtime(net: Path) -> None:
    """ONNX Runtime keeps products in its blocked layout only where it can see that both shapes are one."""
    graphs = build_loss_graphs(load_network(net), Objective("style", (Gram("style.r2", "r2", 1.0),)))
    described = {info.name: info.type.tensor_type.shape for info in graphs.training.graph.value_info}
    model = ir.from_proto(graphs.training)
    products = [
        n for n in model.graph if n.op_type == "Mul" and "relu" not in n.name and n.name.startswith("gradient/r1")
    ]
    assert products
    for node in products:
        shapes = [
            [d.dim_param or d.dim_value for d in described[str(v.name)].dim] for v in node.inputs if v is not None
        ]
        assert shapes[0] == shapes[1]


def test_activation_is_the_mean_along_the_direction(net: Path) -> None:
    """And its gradient lowers it."""
    image, layer = picture(33, 41, 1), "r2"
    graphs = build_loss_graphs(
        load_network(net, preprocess="rgb"), Objective("dream", (Activation(f"activation.{layer}", layer, 1.0),))
    )
    run, seen = runtime(graphs.training), features(net, image, layer).astype(np.float64)
    direction = np.random.default_rng(0).normal(size=(1, seen.shape[1])).astype(np.float32)
    found = run({"image": image, f"target.activation.{layer}": direction})
    expected = -float((seen.mean(axis=(2, 3)) * direction).sum())
    assert found["loss"] == pytest.approx(expected, rel=1e-5)
    moved = image - 1e-2 * found["gradient"] / np.abs(found["gradient"]).max()
    assert run({"image": moved, f"target.activation.{layer}": direction})["loss"] < expected
