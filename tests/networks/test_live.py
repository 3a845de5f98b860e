"""Networks that are in memory: a module of PyTorch's, or one that was loaded."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from helpers.networks import chain
from helpers.running import run

import pixelgrad
from pixelgrad import NetworkSpec, SettingsError
from pixelgrad.errors import NetworkError
from pixelgrad.exporters import from_torch, load_network

QUICK: dict[str, Any] = {"size": 64, "steps": 2, "seed": 3}


def test_a_loaded_network_makes_the_picture_of_its_file(small_network: Path, photo: Path) -> None:
    network = load_network(small_network, preprocess="caffe")
    before = network.contents()
    pictures = [
        pixelgrad.stylize(photo, photo, model=model, **QUICK)
        for model in (network, NetworkSpec(network), NetworkSpec(small_network, preprocess="caffe"))
    ]
    for picture in pictures[:2]:
        np.testing.assert_array_equal(np.asarray(picture), np.asarray(pictures[2]))
    assert network.contents() == before  # the averages are another network's


def test_pooling_is_the_tasks_but_for_what_was_asked_for(small_network: Path) -> None:
    plain, averaged = (load_network(small_network, pool=pool) for pool in ("max", "avg"))
    assert NetworkSpec.of(plain, pool="avg").load().pool == "avg"
    assert NetworkSpec.of(plain).load() is plain
    assert NetworkSpec.of(averaged).load() is averaged
    assert NetworkSpec.of(NetworkSpec(plain, pool="max"), pool="avg").load() is plain
    with pytest.raises(SettingsError, match=r"were replaced when it was read; read it with pool='max'"):
        NetworkSpec(averaged, pool="max").load()
    with pytest.raises(SettingsError, match=r"pool is 'min'; it must be one of max, avg"):
        NetworkSpec(plain, pool="min").load()


def test_the_key_is_of_everything_in_it(small_network: Path, tmp_path: Path) -> None:
    key = NetworkSpec(load_network(small_network)).key()
    assert NetworkSpec(load_network(small_network)).key() == key
    others = {
        "pool": load_network(small_network, pool="avg"),
        "preprocess": load_network(small_network, preprocess="rgb"),
        "weights": load_network(chain(tmp_path / small_network.name, seed=5)),
        "precision": NetworkSpec(load_network(small_network), precision="fp16"),
    }
    for what, other in others.items():
        assert NetworkSpec.of(other).key() != key, what
    changed = load_network(small_network)
    name, weight = next((n, v) for n, v in changed.model.graph.initializers.items() if v.dtype.is_floating_point())
    assert weight.const_value is not None
    weight.const_value = ir.tensor(weight.const_value.numpy() + 1, name=name)
    assert NetworkSpec(changed).key() != key


def test_what_a_network_in_memory_cannot_be_asked(small_network: Path, photo: Path, tmp_path: Path) -> None:
    network = load_network(small_network, preprocess="caffe")
    with pytest.raises(SettingsError, match=r"was read with preprocess='caffe'; say it where it is read"):
        NetworkSpec(network, preprocess="rgb").load()
    with pytest.raises(SettingsError, match=r"a prototxt describes a network in a Caffe file"):
        NetworkSpec(network, prototxt="net.prototxt").load()
    with pytest.raises(NetworkError, match=r"a network in memory \(Network\) has no file; save it, and name that"):
        pixelgrad.evolve([network, network], tmp_path, layer="r1")
    for nothing in (3, [small_network], SimpleNamespace(name="net")):
        with pytest.raises(
            SettingsError, match=r"a network is a file or a name, .*; this is (int|list|SimpleNamespace)"
        ):
            pixelgrad.dream(photo, model=nothing, **QUICK)  # type: ignore[arg-type]


@pytest.mark.peer
def test_a_module_is_a_network(photo: Path) -> None:
    torch = pytest.importorskip("torch", reason="needs PyTorch, from the 'peers' extra")
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(2),
        torch.nn.Conv2d(8, 8, 3, padding=1),
        torch.nn.ReLU(),
    )
    made = [
        pixelgrad.dream(photo, model=model, layers=["4"], **QUICK)
        for model in (module, NetworkSpec(module, preprocess="imagenet"), from_torch(module))
    ]
    for picture in made[1:]:
        np.testing.assert_array_equal(np.asarray(made[0]), np.asarray(picture))
    with torch.no_grad():
        module[3].weight.mul_(-1)
    other = pixelgrad.dream(photo, model=module, layers=["4"], **QUICK)
    assert (np.asarray(other) != np.asarray(made[0])).any()
    comparison = pixelgrad.compare(module, size=64, pictures=2, channels=0)
    assert [one.name for one in comparison.found] == ["Sequential"]


@pytest.mark.peer
def test_what_timm_says_of_its_networks_holds() -> None:
    torch = pytest.importorskip("torch", reason="needs PyTorch, from the 'peers' extra")
    module = torch.nn.Conv2d(3, 4, 3)
    sizes = []
    module.register_forward_hook(lambda module, given, result: sizes.append(tuple(given[0].shape[2:])))
    for said, size, mean in (
        ({"input_size": (3, 40, 48), "mean": (0.5, 0.4, 0.3), "std": (0.5, 0.5, 0.5)}, (40, 48), (0.5, 0.4, 0.3)),
        ({"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}, (224, 224), (0.485, 0.456, 0.406)),
        ({"input_size": (1, 28, 28), "mean": (0.5,), "std": (0, 0, 0)}, (224, 224), (0.485, 0.456, 0.406)),
    ):
        module.pretrained_cfg = said
        network = from_torch(module)
        assert (sizes[-1], network.preprocessing.mean) == (size, mean)
    module.pretrained_cfg = {"mean": (0.5, 0.4, 0.3), "std": (0.5, 0.5, 0.5)}
    assert from_torch(module, preprocess="rgb", size=(32, 32)).preprocessing.name == "rgb"
    assert sizes[-1] == (32, 32)


def test_a_module_that_pytorch_exports_at_one_size_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """VOLO's: its free sizes are equations that PyTorch cannot solve, and its older exporter cannot write a fold."""
    torch = pytest.importorskip("torch", reason="needs PyTorch, from the 'peers' extra")
    pytest.importorskip("onnxscript", reason="needs PyTorch's newer exporter")

    def unsolved(*arguments: Any) -> Any:
        raise NotImplementedError("The inequality cannot be solved")

    monkeypatch.setattr("pixelgrad.exporters.networks.torch_module._by_program", unsolved)
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(3, 36, 2, stride=2), torch.nn.Flatten(2), torch.nn.Fold((32, 32), 3, padding=1, stride=2)
    ).eval()
    image = torch.rand(1, 3, 32, 32)
    network = from_torch(module, size=(32, 32), preprocess="rgb")
    (output,) = (value.name for value in network.model.graph.outputs)
    found = run(network, image.numpy(), str(output))
    np.testing.assert_allclose(found, module(image).detach().numpy(), rtol=1e-4, atol=1e-5)
