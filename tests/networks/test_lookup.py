"""From a name to a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import pytest
from helpers.data import shared
from helpers.networks import chain

from pixelgrad.errors import NetworkError, SettingsError, UnknownLayerError
from pixelgrad.models import find_class
from pixelgrad.networks import add, find_network, load_network, locate, pull


def test_the_bundled_network_is_the_default() -> None:
    path = find_network(None)
    assert path.name == "pebble.onnx"
    assert find_network("pebble") == find_network("Pebble") == path


def test_what_is_in_memory_is_named_and_not_printed(small_network: Path) -> None:
    for model, kind in ((onnx.load(small_network), "ModelProto"), (small_network.read_bytes(), "bytes")):
        with pytest.raises(SettingsError, match=f"by its path or name, not from {kind}; save it") as found:
            load_network(model)  # type: ignore[arg-type]
        assert len(str(found.value)) < 300


def test_a_pulled_network_brings_what_its_row_says(tiny: Any, home: Path) -> None:
    pull("tiny")
    network = load_network("tiny")
    assert (network.name, network.licence, network.preprocessing.name) == ("tiny", "MIT", "rgb255")
    assert network.layer("first").name == "r1"
    assert find_class(network, "banana") == 954
    assert load_network("tiny", preprocess="rgb").preprocessing.name == "rgb"
    for spelling in ("tiny", "Tiny", "TINY", "ti-ny"):
        assert find_network(spelling) == home / "networks" / "tiny" / "tiny-net.onnx"


def test_an_added_network_keeps_what_was_said_of_it(home: Path, tmp_path: Path) -> None:
    add(chain(tmp_path / "net.onnx", classes=1000), "mine", preprocess="caffe", labels="imagenet", licence="mine")
    network = load_network("mine")
    assert (network.name, network.licence, network.preprocessing.name) == ("mine", "mine", "caffe")
    assert find_class(network, "banana") == 954


def test_a_known_network_is_not_fetched_unasked(tiny: Any) -> None:
    with pytest.raises(NetworkError, match="tiny is known but not here yet: pixelgrad models pull tiny fetches it"):
        load_network("tiny")
    assert tiny.server.requests == []


def test_a_typo_offers_close_names(tiny: Any, home: Path) -> None:
    with pytest.raises(NetworkError) as caught:
        find_network("googlenett")
    assert "did you mean googlenet" in str(caught.value)
    with pytest.raises(NetworkError) as caught:
        find_network("peble")
    assert "did you mean pebble" in str(caught.value)
    with pytest.raises(NetworkError) as caught:
        find_network("qqqqqq")
    assert "did you mean" not in str(caught.value)
    assert "pixelgrad models list" in str(caught.value)


@pytest.mark.parametrize("model", ["nowhere.onnx", "some/where", "./vgg19", "", ".", "net.pth"])
def test_a_path_to_nothing(model: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NetworkError):
        load_network(model)


def test_a_file_beside_a_name(tiny: Any, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file may have the name of a network: it is meant while the network is not here, and with a path always."""
    monkeypatch.chdir(tmp_path)
    chain(tmp_path / "tiny")
    assert find_network("tiny") == Path("tiny")
    pull("tiny")
    assert find_network("tiny") != Path("tiny")
    assert find_network("./tiny") == Path("tiny")
    assert find_network(Path("tiny")) == Path("tiny")


def test_a_file_that_is_gone(tiny: Any, home: Path) -> None:
    pull("tiny").path.unlink()
    with pytest.raises(NetworkError, match="is gone; pixelgrad models pull tiny brings it back"):
        load_network("tiny")


def test_a_network_recognised_by_its_layers_keeps_its_row_when_added(home: Path) -> None:
    add(shared("weights/googlenet.onnx"), "dream", licence="mine")
    network = load_network("dream")
    assert network.entry is not None
    assert (network.name, network.entry.style_layers[0]) == ("dream", "conv1/7x7_s2")
    assert network.layer("mixed4c").name == "inception_4c/output"
    with pytest.raises(UnknownLayerError):
        network.layer("nothing")


def test_locate_tells_how_it_came_here(tiny: Any, home: Path, small_network: Path) -> None:
    pull("tiny")
    assert locate("tiny").entry is tiny.entry
    assert locate(small_network).record is None
    assert locate(small_network).entry is None
    assert locate(None).bundled
