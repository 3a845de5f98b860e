"""PyTorch checkpoints: the layouts of ``torch.save``, what training code wraps around weights, and near misses."""

from __future__ import annotations

import math
import warnings
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.data import shared
from helpers.running import run_several, some_image
from helpers.torchvision_models import torchvision_models

from pixelgrad.errors import NetworkError
from pixelgrad.exporters import load_network
from pixelgrad.exporters.networks.architectures import ARCHITECTURES
from pixelgrad.exporters.networks.readers import read_network

STYLE = [f"relu{block}_1" for block in range(1, 6)]


def test_the_distilled_vgg_is_the_same_as_its_onnx_file() -> None:
    """A real legacy stream, saved on a GPU in 2019, with its state dict in a training checkpoint."""
    checkpoint = load_network(shared("weights/vgg19_slim16x.pth"))
    assert checkpoint.format == "PyTorch checkpoint, vgg19-slim16x"
    assert (checkpoint.name, checkpoint.preprocessing.name) == ("vgg19-slim16x", "rgb")
    exported = load_network(shared("weights/vgg19_slim16x.onnx"))
    for a, b in zip(*(run_several(n, some_image(64), STYLE) for n in (checkpoint, exported)), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)


def state(name: str, *, head: bool = True, classes: int = 7) -> dict[str, Any]:
    """Weights for an architecture, as tensors: different numbers in each."""
    torch = pytest.importorskip("torch", reason="needs PyTorch, from the 'peers' extra")
    wanted = ARCHITECTURES[name].specification()
    weights = {}
    for number, (key, shape) in enumerate((wanted.required | (wanted.head if head else {})).items()):
        sizes = [classes if size is None else size for size in shape]
        weights[key] = (torch.arange(math.prod(sizes)) % 97 + number).float().reshape(sizes) / 100
    return weights


def weights_of(path: Path) -> dict[str, Any]:
    model = read_network(path).model
    return {name: value.const_value.numpy() for name, value in model.graph.initializers.items() if value.const_value}


def check(path: Path, expected: dict[str, Any], name: str = "squeezenet1_1") -> None:
    assert read_network(path).format == f"PyTorch checkpoint, {name}"
    found = weights_of(path)
    for key, tensor in expected.items():
        if not key.endswith("num_batches_tracked"):
            np.testing.assert_array_equal(found[key], tensor.float().numpy(), err_msg=key)


@pytest.mark.peer
@pytest.mark.parametrize("layout", ["zip", "legacy", "tar"])
def test_layouts(tmp_path: Path, layout: str) -> None:
    import torch
    from helpers.torch_tar import save_tar

    weights, path = state("squeezenet1_1"), tmp_path / "net.pth"
    if layout == "tar":
        save_tar(weights, path)
        loaded = torch.load(path, weights_only=False)
        assert all(torch.equal(loaded[key], weights[key]) for key in weights)
    else:
        torch.save(weights, path, _use_new_zipfile_serialization=layout == "zip")
    check(path, weights)


@pytest.mark.peer
@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_that_are_views_and_other_types(tmp_path: Path, zipped: bool) -> None:
    """Transposed, sliced out of a shared storage, in other precisions, parameters instead of tensors."""
    import torch

    weights = state("squeezenet1_1")
    first = "features.0.weight"
    weights[first] = weights[first].permute(3, 2, 1, 0).contiguous().permute(3, 2, 1, 0)
    shared_storage = torch.arange(400.0)
    weights["features.0.bias"] = shared_storage[100:164]
    weights["features.3.squeeze.bias"] = shared_storage[200:232:2]
    weights["features.3.expand1x1.bias"] = weights["features.3.expand1x1.bias"].double()
    weights["features.3.expand3x3.bias"] = weights["features.3.expand3x3.bias"].half()
    weights["features.4.expand3x3.bias"] = weights["features.4.expand3x3.bias"].bfloat16()
    weights["features.4.squeeze.bias"] = torch.nn.Parameter(weights["features.4.squeeze.bias"])
    torch.save(weights, tmp_path / "net.pth", _use_new_zipfile_serialization=zipped)
    check(tmp_path / "net.pth", {key: tensor.detach() for key, tensor in weights.items()})


@pytest.mark.peer
@pytest.mark.parametrize("zipped", [True, False])
def test_training_checkpoints(tmp_path: Path, zipped: bool) -> None:
    """What trainers save beside the weights does not get in the way."""
    import argparse

    import torch

    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    weights = state("squeezenet1_1")
    wrapped = OrderedDict((f"module.{key}", tensor) for key, tensor in weights.items())
    wrapped._metadata = OrderedDict({"": {"version": 1}})  # type: ignore[attr-defined]
    checkpoint = {
        "epoch": 3,
        "arch": "squeezenet1_1",
        "best_acc1": torch.tensor(57.2),
        "best_loss": np.float64(0.3),
        "history": {"loss": [1.0, 0.5], "when": None},
        "args": argparse.Namespace(lr=0.1, gpu=None),
        "optimizer": optimizer.state_dict(),
        "device": torch.device("cpu"),
        "dtype": torch.float16,
        "model_state_dict": wrapped,
    }
    torch.save(checkpoint, tmp_path / "net.pth", _use_new_zipfile_serialization=zipped)
    check(tmp_path / "net.pth", weights)


@pytest.mark.peer
def test_names_that_wrappers_and_old_releases_give(tmp_path: Path) -> None:
    import torch

    path = tmp_path / "net.pth"
    weights = state("squeezenet1_1")
    torch.save(
        {
            "state_dict": {f"model.module.{k}": v for k, v in weights.items()}
            | {"criterion.w": weights["features.0.bias"]}
        },
        path,
    )
    check(path, weights)
    # The features of a VGG alone: torch.save(vgg.features.state_dict(), ...)
    features = {k: v for k, v in state("vgg11", head=False).items() if k.startswith("features.")}
    torch.save({k.removeprefix("features."): v for k, v in features.items()}, path)
    check(path, features, "vgg11")
    assert any("no classifier" in note for note in read_network(path).notes)
    # DenseNets as they were published: norm.1 for norm1
    dense = state("densenet121")
    old = {
        k.replace(".norm1.", ".norm.1.").replace(".conv2.", ".conv.2.") if "denselayer" in k else k: v
        for k, v in dense.items()
    }
    old["features.norm0.num_batches_tracked"] = torch.tensor(1)
    torch.save(old, path)
    check(path, dense, "densenet121")


@pytest.mark.peer
def test_a_classifier_of_ones_own_does_not_hide_the_network(tmp_path: Path) -> None:
    """Fine-tuned: another head, other layers in it, auxiliary classifiers."""
    import torch

    path = tmp_path / "net.pth"
    weights = state("googlenet", head=False)
    extra = {
        "fc.0.weight": torch.ones(5, 1024),
        "fc.0.bias": torch.ones(5),
        "aux1.conv.conv.weight": torch.ones(1, 1, 1, 1),
    }
    torch.save(weights | extra, path)
    check(path, weights, "googlenet")
    # VGG-16's published features have a classifier without numbers in it.
    empty = {"fc.weight": torch.full((5, 1024), torch.nan), "fc.bias": torch.full((5,), torch.nan)}
    torch.save(weights | empty, path)
    check(path, weights, "googlenet")
    network = load_network(path)
    assert network.layer("mixed4c") is network.layer("inception4c")
    assert network.preprocessing.name == "tf"


@pytest.mark.peer
def test_near_misses_are_named(tmp_path: Path) -> None:
    import torch

    path = tmp_path / "net.pth"

    def message(weights: dict[str, Any]) -> str:
        torch.save(weights, path)
        with pytest.raises(NetworkError) as caught:
            load_network(path)
        return str(caught.value)

    weights = state("resnet18")
    lacking = {k: v for k, v in weights.items() if not k.startswith("layer4.1.conv2")}
    assert "The closest is resnet18: it lacks layer4.1.conv2.weight." in message(lacking)
    narrow = weights | {"conv1.weight": torch.ones(64, 1, 7, 7)}
    assert "The closest is resnet18: conv1.weight is [64, 1, 7, 7], not [64, 3, 7, 7]." in message(narrow)
    more = weights | {"neck.weight": torch.ones(3, 3)}
    assert "The closest is resnet18: resnet18 has no neck.weight." in message(more)
    strange = message({"a.weight": torch.ones(2, 2), "a.bias": torch.ones(2)})
    assert "a.weight [2, 2], a.bias [2]) are of no architecture that is known. Known are, in torchvision's " in strange
    assert strange.count("vgg") == 1  # families, not their members
    assert "closest" not in strange
    assert "holds no weights by name" in message({"epoch": 3})
    assert "quantised" in message(weights | {"conv1.weight": torch.ones(64, 3, 7, 7, dtype=torch.int8)})


@pytest.mark.peer
def test_layer_names_of_torchvision_and_the_usual_ones(tmp_path: Path) -> None:
    import torch

    rows = {
        "vgg16": {"relu4_2": "features.20", "conv1_1": "features.0", "pool5": "features.30"},
        "vgg19_bn": {"relu1_1": "features.2", "pool5": "features.52"},
        "alexnet": {"conv5": "features.10", "relu1": "features.1", "pool5": "features.12"},
        "squeezenet1_0": {"fire2": "features.3", "fire9": "features.12"},
        "resnet18": {"layer3": "layer3.1", "logits": "fc"},
        "mobilenet_v3_small": {"logits": "classifier.3"},
        "inception_v3": {"mixed10": "Mixed_7c", "mixed6b": "Mixed_6b"},
    }
    for name, aliases in rows.items():
        path = tmp_path / "net.pth"
        torch.save(state(name, classes=2, head=not name.startswith("vgg")), path)
        network = load_network(path)
        for alias, module in aliases.items():
            assert network.layer(alias) is network.layer(module), (name, alias)
        assert network.declared_size == ((224, 224) if name == "alexnet" else None)


@pytest.mark.peer
def test_files_that_hold_no_state_dict(tmp_path: Path) -> None:
    import torch

    path = tmp_path / "net.pth"
    torch.save(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3)), path)
    with pytest.raises(NetworkError, match=r"holds 'torch\.nn\.modules\.container\.Sequential', which is code"):
        load_network(path)
    torch.save(torch.ones(3), path)
    with pytest.raises(NetworkError, match="holds no weights by name"):
        load_network(path)


@pytest.mark.peer
@pytest.mark.parametrize("how", ["script", "trace"])
def test_weights_of_torch_script(tmp_path: Path, how: str) -> None:
    """A network as a program: its weights go by the names that they have in a state dict."""
    import torch

    network = torchvision_models().squeezenet1_1(num_classes=7).eval()
    path = tmp_path / "net.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated, but its files are there
        scripted = torch.jit.script(network)
        program = scripted if how == "script" else torch.jit.trace(network, torch.zeros(1, 3, 64, 64))
        program.save(path)
        found = read_network(path)
        assert found.format == "TorchScript archive, squeezenet1_1"
        weights = weights_of(path)
        for name, tensor in network.state_dict().items():
            np.testing.assert_array_equal(weights[name], tensor.numpy())
        torch.jit.freeze(scripted).save(path)
    with pytest.raises(NetworkError, match="a TorchScript program that was frozen"):
        load_network(path)
