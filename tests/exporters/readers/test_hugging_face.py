"""Weights from the Hugging Face hub: names of transformers, in files and in memory, and what lies beside them."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
import pytest

from pixelgrad.errors import SettingsError
from pixelgrad.exporters import fingerprint, load_network
from pixelgrad.exporters.networks.architectures import ARCHITECTURES
from pixelgrad.exporters.networks.architectures.blueprint import Blueprint
from pixelgrad.exporters.networks.architectures.hugging_face import Made, translated
from pixelgrad.exporters.networks.readers.hub import described
from pixelgrad.models.labels import class_name, find_class

NAMES = {
    "vit.embeddings.cls_token": "cls_token",
    "vit.embeddings.position_embeddings": "pos_embed",
    "vit.embeddings.patch_embeddings.projection.weight": "patch_embed.proj.weight",
    "vit.encoder.layer.3.attention.output.dense.bias": "blocks.3.attn.proj.bias",
    "vit.encoder.layer.11.intermediate.dense.weight": "blocks.11.mlp.fc1.weight",
    "vit.encoder.layer.11.output.dense.weight": "blocks.11.mlp.fc2.weight",
    "vit.encoder.layer.0.layernorm_before.bias": "blocks.0.norm1.bias",
    "vit.layers.0.layernorm_after.bias": "blocks.0.norm2.bias",
    "vit.layers.0.attention.o_proj.weight": "blocks.0.attn.proj.weight",
    "vit.layernorm.weight": "norm.weight",
    "classifier.bias": "head.bias",
}
DINO = {
    "embeddings.mask_token": "mask_token",
    "embeddings.register_tokens": "register_tokens",
    "embeddings.patch_embeddings.projection.bias": "patch_embed.proj.bias",
    "encoder.layer.2.layer_scale1.lambda1": "blocks.2.ls1.gamma",
    "encoder.layer.2.norm1.weight": "blocks.2.norm1.weight",
    "encoder.layer.2.mlp.fc1.weight": "blocks.2.mlp.fc1.weight",
    "layernorm.bias": "norm.bias",
}
CONVNEXT = {
    "convnext.embeddings.patch_embeddings.weight": "downsample_layers.0.0.weight",
    "convnext.embeddings.layernorm.bias": "downsample_layers.0.1.bias",
    "convnext.encoder.stages.1.downsampling_layer.0.weight": "downsample_layers.1.0.weight",
    "convnext.encoder.stages.2.layers.8.layernorm.weight": "stages.2.8.norm.weight",
    "convnext.encoder.stages.2.layers.8.layer_scale_parameter": "stages.2.8.gamma",
    "convnext.encoder.stages.2.layers.8.pwconv2.bias": "stages.2.8.pwconv2.bias",
    "convnext.layernorm.weight": "norm.weight",
    "classifier.weight": "head.weight",
}
RESNET = {
    "resnet.embedder.embedder.convolution.weight": "conv1.weight",
    "resnet.embedder.embedder.normalization.running_var": "bn1.running_var",
    "resnet.encoder.stages.0.layers.1.layer.2.convolution.weight": "layer1.1.conv3.weight",
    "resnet.encoder.stages.3.layers.0.layer.0.normalization.bias": "layer4.0.bn1.bias",
    "resnet.encoder.stages.3.layers.0.shortcut.convolution.weight": "layer4.0.downsample.0.weight",
    "resnet.encoder.stages.3.layers.0.shortcut.normalization.weight": "layer4.0.downsample.1.weight",
    "classifier.1.weight": "fc.weight",
}
CLIP = {
    "vision_model.embeddings.class_embedding": "class_embedding",
    "vision_model.embeddings.patch_embedding.weight": "conv1.weight",
    "vision_model.embeddings.position_embedding.weight": "positional_embedding",
    "vision_model.pre_layrnorm.bias": "ln_pre.bias",
    "vision_model.encoder.layers.11.self_attn.out_proj.weight": "transformer.resblocks.11.attn.out_proj.weight",
    "vision_model.encoder.layers.11.layer_norm2.weight": "transformer.resblocks.11.ln_2.weight",
    "vision_model.encoder.layers.1.mlp.fc1.weight": "transformer.resblocks.1.mlp.c_fc.weight",
    "vision_model.encoder.layers.1.mlp.fc2.bias": "transformer.resblocks.1.mlp.c_proj.bias",
    "vision_model.post_layernorm.weight": "ln_post.weight",
}
CLIP_RESNET = {
    "stem.conv3.conv.weight": "conv3.weight",
    "stem.conv2.bn.running_var": "bn2.running_var",
    "stages.0.1.conv1_1x1.conv.weight": "layer1.1.conv1.weight",
    "stages.3.2.conv2_kxk.bn.bias": "layer4.2.bn2.bias",
    "stages.3.0.shortcut.conv.conv.weight": "layer4.0.downsample.0.weight",
    "stages.3.0.shortcut.conv.bn.weight": "layer4.0.downsample.1.weight",
    "head.pos_embed": "attnpool.positional_embedding",
    "head.k.bias": "attnpool.k_proj.bias",
    "head.proj.weight": "attnpool.c_proj.weight",
}


@pytest.mark.parametrize(
    ("names", "architecture"),
    [
        (NAMES, "vit_tiny_patch16"),
        (DINO, "dinov2_vits14_reg"),
        (CONVNEXT, "convnext_tiny-authors"),
        (RESNET, "resnet50"),
        (CLIP, "clip_vit_b_32"),
        (CLIP_RESNET, "clip_resnet50"),
    ],
)
def test_names_have_their_counterparts(names: dict[str, str], architecture: str) -> None:
    found = translated({name: number for number, name in enumerate(names)})
    assert found == {name: number for number, name in enumerate(names.values())}
    row = ARCHITECTURES[architecture]
    known = row.specification().required | row.specification().head
    assert all(name in known or name.startswith(row.ignored) for name in names.values())


@pytest.mark.parametrize(
    "names",
    ["encoder.layer.0.attention.attention.query {} .key {} .value", "layers.0.attention.q_proj {} .k_proj {} .v_proj"],
)
@pytest.mark.parametrize("part", ["weight", "bias"])
def test_queries_keys_and_values_become_one(names: str, part: str) -> None:
    first, *others = names.split(" {} ")
    path = first.rpartition(".")[0]
    shape = (4, 4) if part == "weight" else (4,)
    arrays = [np.full(shape, number, np.float32) for number in range(3)]
    state = {
        "vit.embeddings.patch_embeddings.projection.weight": arrays[0],
        "vit.pooler.dense.weight": arrays[0],
        **{f"vit.{name}.{part}": a for name, a in zip([first, *(path + o for o in others)], arrays, strict=True)},
    }
    found = translated(state)
    assert found is not None
    assert list(found) == ["patch_embed.proj.weight", f"blocks.0.attn.qkv.{part}"]
    joined = found[f"blocks.0.attn.qkv.{part}"]
    assert isinstance(joined, Made)
    assert joined.shape == (12, *shape[1:])
    np.testing.assert_array_equal(joined.array(lambda a: a), np.concatenate(arrays))


def test_of_a_model_of_pictures_and_texts_the_half_that_sees_is_left() -> None:
    """With its projection, which is turned, under its name there."""
    sizes = np.arange(6, dtype=np.float32).reshape(2, 3)
    names = ["logit_scale", "text_projection.weight", "text_model.final_layer_norm.bias"]
    state = dict.fromkeys([*names, "vision_model.embeddings.position_ids"], sizes)
    state |= {"vision_model.embeddings.class_embedding": sizes, "visual_projection.weight": sizes}
    attention = "vision_model.encoder.layers.2.self_attn.{}_proj.bias"
    state |= {attention.format(part): np.full(4, place, np.float32) for place, part in enumerate("qkv")}
    found = translated(state)
    assert found is not None
    assert list(found) == ["class_embedding", "transformer.resblocks.2.attn.in_proj_bias", "proj"]
    assert found["proj"].shape == (3, 2)
    np.testing.assert_array_equal(found["proj"].array(np.asarray), sizes.T)
    np.testing.assert_array_equal(
        found["transformer.resblocks.2.attn.in_proj_bias"].array(np.asarray), np.repeat([0, 1, 2], 4)
    )


@pytest.mark.parametrize(
    ("name", "content", "gelu"),
    [
        ("config.json", {"model_type": "clip", "vision_config": {"hidden_act": "quick_gelu"}}, "quick_gelu"),
        ("config.json", {"model_type": "clip_vision_model", "hidden_act": "gelu"}, "gelu"),
        ("config.json", {"model_type": "clip", "vision_config": {}}, None),
        ("config.json", {"architecture": "vit_base_patch32_clip_quickgelu_224"}, "quick_gelu"),
        ("config.json", {"architecture": "vit_base_patch32_clip_224"}, "gelu"),
        ("open_clip_config.json", {"model_cfg": {"quick_gelu": True}}, "quick_gelu"),
        ("open_clip_config.json", {"model_cfg": {"embed_dim": 512}}, "gelu"),
        ("config.json", {"vision_config": 3, "architecture": 4}, None),
    ],
)
def test_which_gelu_is_said_beside_the_weights(name: str, content: Any, gelu: str | None, tmp_path: Path) -> None:
    (tmp_path / name).write_text(json.dumps(content))
    assert described(tmp_path / "model.safetensors").gelu == gelu


@pytest.mark.parametrize("quick", [False, True])
def test_gelus(quick: bool) -> None:
    """Against their formulas in float64: x Phi(x), and x sigmoid(1.702 x)."""
    x = np.linspace(-6, 6, 3 * 64, dtype=np.float32).reshape(1, 3, 8, 8)
    blueprint = Blueprint("gelu", {}, quick=quick)
    (y,) = outputs(blueprint.model(blueprint.gelu("y", blueprint.image)), x)
    wide = x.astype(np.float64)
    share = 1 / (1 + np.exp(-1.702 * wide)) if quick else np.vectorize(NormalDist().cdf)(wide)
    np.testing.assert_allclose(y, wide * share, atol=1e-6)


def outputs(model: ir.Model, image: Any) -> Any:
    session = ort.InferenceSession(ir.to_proto(model).SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"input": image})


def test_other_names_are_left_to_others() -> None:
    assert translated({"conv1.weight": 1, "layer1.0.conv1.weight": 2}) is None
    assert translated({}) is None


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """SqueezeNet's, at random, as a safetensors file."""
    save = pytest.importorskip("safetensors.numpy", reason="needs safetensors").save
    wanted, rng = ARCHITECTURES["squeezenet1_1"].specification(), np.random.default_rng(0)
    shapes = {name: [edge or 10 for edge in shape] for name, shape in (wanted.required | wanted.head).items()}
    content: bytes = save({name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()})
    return content


CASES: dict[str, tuple[str, Any, tuple[float, ...] | None]] = {
    "transformers": (
        "preprocessor_config.json",
        {"image_mean": [0.1, 0.2, 0.3], "image_std": [1, 2, 3]},
        (0.1, 0.2, 0.3),
    ),
    "none": ("preprocessor_config.json", {"do_normalize": False, "image_mean": [1, 1, 1]}, (0, 0, 0)),
    "timm": ("config.json", {"pretrained_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}}, (1, 1, 1)),
    "open_clip": ("open_clip_config.json", {"preprocess_cfg": {"mean": [0.1] * 3, "std": [2] * 3}}, (0.1,) * 3),
    "other": ("config.json", {"architectures": ["ViTModel"]}, None),
    "no list": ("config.json", ["pretrained_cfg"], None),
    "zero": ("preprocessor_config.json", {"image_mean": [0, 0, 0], "image_std": [0, 1, 1]}, None),
    "no numbers": ("preprocessor_config.json", {"image_mean": ["0", 0, 0], "image_std": [1, 1, 1]}, None),
    "no JSON": ("preprocessor_config.json", "{", None),
}


@pytest.mark.parametrize("case", CASES)
def test_what_lies_beside_the_weights_says_how_the_input_is_normalised(
    weights: bytes, case: str, tmp_path: Path
) -> None:
    name, content, mean = CASES[case]
    file = tmp_path / "model.safetensors"
    file.write_bytes(weights)
    (tmp_path / name).write_text(content if isinstance(content, str) else json.dumps(content))
    network = load_network(file)
    assert network.preprocessing.mean == (mean if mean is not None else (0.485, 0.456, 0.406))
    assert any(f"as {name} beside it says" in note for note in network.notes) == (mean is not None)
    assert load_network(file, preprocess="rgb").preprocessing.name == "rgb"
    assert network.preprocessing.name == {"timm": "tf", "none": "rgb", "transformers": "hub", "open_clip": "hub"}.get(
        case, "imagenet"
    )


def test_its_description_is_part_of_what_a_file_is(weights: bytes, tmp_path: Path) -> None:
    """What was converted before is not taken for what the file is now."""
    file, description = tmp_path / "model.safetensors", tmp_path / "config.json"
    file.write_bytes(weights)
    found = []
    for mean in (0.25, 0.75):
        description.write_text(json.dumps({"pretrained_cfg": {"mean": [mean] * 3, "std": [1, 1, 1]}}))
        found.append(fingerprint(file))
        assert load_network(file, cache=tmp_path / "cache").preprocessing.mean == (mean,) * 3
    assert found[0] != found[1]


def test_classes_go_by_the_names_in_the_description(weights: bytes, tmp_path: Path) -> None:
    """From the file, and from its conversion that was kept; one name in a line, whatever is in it."""
    file = tmp_path / "model.safetensors"
    file.write_bytes(weights)
    names = ["pizza", "ramen, noodle soup", "#1 burger", "fish\nand chips", "#", *"fghi", "crème brûlée"]
    description = {"id2label": {str(index): name for index, name in reversed(list(enumerate(names)))}}
    (tmp_path / "config.json").write_text(json.dumps(description))
    for _ in range(2):
        network = load_network(file, cache=tmp_path / "cache")
        assert [find_class(network, name) for name in ("Pizza", "noodle soup", "crème brûlée")] == [0, 1, 9]
        assert [class_name(network, index) for index in (2, 3, 4)] == ["1 burger", "fish and chips", "class 4"]


@pytest.mark.parametrize(
    "names",
    [
        {str(index): f"LABEL_{index}" for index in range(10)},
        {str(index): f"name {index}" for index in range(9)},
        {str(index + 1): f"name {index}" for index in range(10)},
        ["a list"],
        {str(index): index for index in range(10)},
    ],
)
def test_names_that_are_none_or_do_not_fit_are_left_out(weights: bytes, tmp_path: Path, names: Any) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(weights)
    (tmp_path / "config.json").write_text(json.dumps({"id2label": names}))
    network = load_network(file)
    assert network.labels is None
    with pytest.raises(SettingsError, match="have no names here"):
        find_class(network, "name 3")
