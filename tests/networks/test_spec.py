"""What is said of a network in one object, and what an artifact's key makes of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from helpers.networks import chain

import pixelgrad
from pixelgrad.networks import NetworkSpec


def test_a_name_or_a_file_is_a_spec_and_the_task_chooses_the_pooling(small_network: Path) -> None:
    assert NetworkSpec.of(small_network) == NetworkSpec(small_network, pool="max")
    assert NetworkSpec.of(None, pool="avg") == NetworkSpec(pool="avg")
    said = NetworkSpec(small_network, pool="max", precision="fp16")
    assert NetworkSpec.of(said, pool="avg") == said


def test_it_loads_what_it_says(small_network: Path) -> None:
    network = NetworkSpec(small_network, pool="avg", preprocess="caffe").load()
    assert (network.pool, network.preprocessing.name) == ("avg", "caffe")


@pytest.mark.parametrize(
    "other", [{"pool": "avg"}, {"preprocess": "rgb"}, {"precision": "fp16"}], ids=lambda other: next(iter(other))
)
def test_the_key_tells_apart_what_makes_another_artifact(small_network: Path, other: dict[str, Any]) -> None:
    first = NetworkSpec(small_network, pool="max")
    key = json.dumps(first.key(), sort_keys=True)
    assert json.dumps(NetworkSpec(small_network, **{"pool": "max", **other}).key(), sort_keys=True) != key


def test_the_key_goes_by_content_and_not_by_name(small_network: Path, tmp_path: Path) -> None:
    description, same = tmp_path / "a.prototxt", tmp_path / "b.prototxt"
    description.write_text("name: 'net'")
    same.write_text("name: 'net'")
    keys = [NetworkSpec(small_network, prototxt=path).key() for path in (description, same)]
    assert keys[0] == keys[1]
    same.write_text("name: 'other'")
    assert NetworkSpec(small_network, prototxt=same).key() != keys[0]
    assert NetworkSpec(chain(tmp_path / "net.onnx", seed=5)).key() != NetworkSpec(small_network).key()
    renamed = tmp_path / "renamed.onnx"  # recipes and reports tell the network's name
    renamed.write_bytes(small_network.read_bytes())
    assert NetworkSpec(renamed).key() != NetworkSpec(small_network).key()


def test_tasks_point_to_it(photo: Path) -> None:
    with pytest.raises(TypeError, match=r"'pool'; it is said of the network: model=pixelgrad.NetworkSpec\(..., pool="):
        pixelgrad.stylize(photo, photo, pool="max")
    with pytest.raises(TypeError, match=r"'colour'; settings are coarsest, "):
        pixelgrad.stylize(photo, photo, colour="red")
