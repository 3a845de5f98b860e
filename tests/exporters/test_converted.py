"""Conversions of network files that are kept."""

from __future__ import annotations

import os
from pathlib import Path

import onnx
import pytest
from helpers.data import shared
from helpers.networks import chain

from pixelgrad.errors import NetworkError
from pixelgrad.exporters import fingerprint, load_network, style_objective, write_artifact
from pixelgrad.exporters.networks import converted


def kept(cache: Path) -> list[Path]:
    return sorted(cache.iterdir()) if cache.is_dir() else []


def artifact(path: Path, folder: Path, cache: Path | None) -> dict[str, bytes]:
    """The graphs and weights of a style transfer over the network."""
    network = load_network(path, cache=cache)
    write_artifact(network, style_objective(network), folder)
    return {entry.name: entry.read_bytes() for entry in folder.iterdir() if entry.suffix in {".onnx", ".bin"}}


def test_what_was_kept_gives_the_same_artifact(tmp_path: Path) -> None:
    path, cache = chain(tmp_path / "net.onnx", classes=7), tmp_path / "cache"
    fresh = artifact(path, tmp_path / "a", None)
    first = artifact(path, tmp_path / "b", cache)
    (conversion,) = kept(cache)
    conversion.touch()
    second = artifact(path, tmp_path / "c", cache)
    assert fresh == first == second
    assert kept(cache) == [conversion]


@pytest.mark.parametrize("file", ["squeezenet1_1.onnx", "vgg19_slim16x.onnx", "vgg19_slim16x.pth", "googlenet.onnx"])
def test_a_real_network_from_its_conversion(file: str, tmp_path: Path) -> None:
    path, cache = shared(f"weights/{file}"), tmp_path / "cache"
    fresh = load_network(path, cache=cache)
    again = load_network(path, cache=cache)
    assert (again.name, again.sha256, again.declared_size, again.classes) == (
        fresh.name,
        fresh.sha256,
        fresh.declared_size,
        fresh.classes,
    )
    assert (again.format, again.notes, again.preprocessing) == (fresh.format, fresh.notes, fresh.preprocessing)
    assert again.aliases == fresh.aliases
    assert {v.name: g for v, g in again.geometries().items()} == {v.name: g for v, g in fresh.geometries().items()}
    shapes = [[str(output.shape) for node in n.model.graph for output in node.outputs] for n in (fresh, again)]
    assert shapes[0] == shapes[1]


def test_settings_that_come_after_the_conversion(tmp_path: Path) -> None:
    path, cache = chain(tmp_path / "net.onnx"), tmp_path / "cache"
    load_network(path, cache=cache)
    average = load_network(path, cache=cache, pool="avg", preprocess="caffe")
    assert (average.pool, average.preprocessing.name) == ("avg", "caffe")
    assert "MaxPool" not in {node.op_type for node in average.model.graph}
    assert "MaxPool" in {node.op_type for node in load_network(path, cache=cache).model.graph}
    assert len(kept(cache)) == 1


def test_another_file_has_another_conversion(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    load_network(chain(tmp_path / "a.onnx"), cache=cache)
    load_network(chain(tmp_path / "b.onnx", seed=1), cache=cache)
    load_network(chain(tmp_path / "c.onnx"), cache=cache)  # the first one by another name
    assert len(kept(cache)) == 2


@pytest.mark.parametrize("damage", [b"", b"no network", None], ids=["empty", "nonsense", "cut"])
def test_a_damaged_conversion_is_made_again(damage: bytes | None, tmp_path: Path) -> None:
    path, cache = chain(tmp_path / "net.onnx"), tmp_path / "cache"
    load_network(path, cache=cache)
    (conversion,) = kept(cache)
    whole = conversion.read_bytes()
    conversion.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    assert load_network(path, cache=cache).layer("r1").name == "r1"
    assert conversion.read_bytes() == whole


def test_a_place_that_cannot_be_written_is_no_trouble(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    network = load_network(chain(tmp_path / "net.onnx"), cache=tmp_path / "file" / "cache")
    assert network.layer("r1").name == "r1"


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "cache"
    paths = [chain(tmp_path / f"{seed}.onnx", seed=seed) for seed in range(3)]
    for age, path in zip((30, 20, 10), paths, strict=True):
        load_network(path, cache=cache)
        newest = max(kept(cache), key=lambda entry: entry.stat().st_mtime)
        os.utime(newest, (newest.stat().st_mtime - age,) * 2)
    size = kept(cache)[0].stat().st_size
    monkeypatch.setattr(converted, "_MOST_BYTES", int(size * 2.5))
    load_network(paths[0], cache=cache)  # used again
    load_network(chain(tmp_path / "3.onnx", seed=3), cache=cache)
    assert {entry.stem for entry in kept(cache)} == {fingerprint(paths[0]), fingerprint(tmp_path / "3.onnx")}


def test_nodes_that_lead_nowhere_are_trimmed(tmp_path: Path) -> None:
    model = onnx.load(chain(tmp_path / "net.onnx"))
    model.graph.node.append(onnx.helper.make_node("Relu", ["c1"], ["nowhere"]))
    onnx.save(model, tmp_path / "more.onnx")
    network = load_network(tmp_path / "more.onnx", cache=tmp_path / "cache")
    assert "nowhere" not in {output.name for node in network.model.graph for output in node.outputs}


def test_external_weights_are_part_of_the_fingerprint(tmp_path: Path) -> None:
    model = onnx.load(chain(tmp_path / "net.onnx"))
    path = tmp_path / "external.onnx"
    onnx.save_model(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    before = fingerprint(path)
    content = bytearray((tmp_path / "weights.bin").read_bytes())
    content[-1] ^= 1
    (tmp_path / "weights.bin").write_bytes(content)
    assert fingerprint(path) != before


def test_a_file_is_hashed_again_only_when_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "net.pth"
    path.write_bytes(b"one")
    before = fingerprint(path)
    with monkeypatch.context() as without_reading:
        without_reading.delattr(Path, "open")
        assert fingerprint(path) == before
    path.write_bytes(b"other")
    assert fingerprint(path) != before


def test_a_caffe_description_is_part_of_the_fingerprint(tmp_path: Path) -> None:
    (tmp_path / "net.caffemodel").write_bytes(b"weights")
    bare = fingerprint(tmp_path / "net.caffemodel")
    (tmp_path / "net.prototxt").write_bytes(b"graph")
    assert fingerprint(tmp_path / "net.caffemodel") != bare


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="there is no network file"):
        fingerprint(tmp_path / "nowhere.onnx")
    with pytest.raises(NetworkError, match="is a folder"):
        fingerprint(tmp_path)
