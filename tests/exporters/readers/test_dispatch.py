"""Files are told apart by what is in them; what is no network gets a line that says what it is and what to do."""

from __future__ import annotations

import gzip
import io
import shutil
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from helpers import network_files

from pixelgrad.errors import NetworkError
from pixelgrad.exporters import load_network, read_network

READERS = [key for key, (_, name, victim) in network_files.FILES.items() if name == victim and "external" not in key]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", ["weights", "net.onnx", "net.pth", "net.h5", "net.bin"])
def test_the_name_of_a_file_does_not_matter(tmp_path: Path, reader: str, name: str) -> None:
    write, usual, _ = network_files.FILES[reader]
    path = write(tmp_path / usual)
    expected = read_network(path)
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(path, other / name)
    found = read_network(other / name)
    assert found.format == expected.format
    assert [v.name for v in found.model.graph.initializers.values()] == [
        v.name for v in expected.model.graph.initializers.values()
    ]


def archive(*names: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for name in names:
            file.writestr(name, b"x")
    return stream.getvalue()


def field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2, len(content)]) + content


NODE = field(1, field(1, b"input") + field(2, b"Placeholder"))

OTHERS: list[tuple[str, bytes, str]] = [
    (
        "frozen.pb",
        NODE + NODE + field(4, b"\x08\x1b"),
        r"TensorFlow graph\. tf2onnx converts it.*--graphdef frozen\.pb",
    ),
    ("saved_model.pb", b"\x08\x01" + field(2, b"\x12\x00"), r"TensorFlow graph.*--saved-model FOLDER"),
    (
        "net.tflite",
        b"\x1c\0\0\0TFL3" + bytes(64),
        r"TensorFlow Lite model; convert it: .*--tflite",
    ),
    ("net.ort", b"\x1c\0\0\0ORTM" + bytes(64), r"own \.ort format; take the \.onnx file"),
    (
        "net.pth",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
        "Git LFS.*git lfs pull",
    ),
    ("net.pth", b"\n<!doctype html><title>Sign in</title>", "a web page, not the file that it offers"),
    ("net.onnx.gz", gzip.compress(b"x" * 100), "compressed by gzip; unpack it first"),
    ("net.onnx", b"\x89PNG\r\n\x1a\n" + bytes(64), "is a picture"),
    ("net.mat", b"MATLAB 5.0 MAT-file, Platform: GLNXA64".ljust(200), "a MATLAB file"),
    ("net.npz", archive("a.npy"), "NumPy archive, without a network in it"),
    ("net.zip", archive("readme.txt"), "zip archive without a PyTorch checkpoint in it"),
    ("net.pkl", b"\x80\x04K\x01.", "a pickle, and none that torch.save wrote"),
    (
        "deploy.prototxt",
        b'name: "net" layer { name: "data" }',
        "a Caffe network and holds no weights; name its",
    ),
    ("net.safetensors", struct.pack("<Q", 20) + b"{" + b" " * 30, "is damaged, or was not downloaded completely"),
    ("net.h5", b"\x89HDF\r\n\x1a\n" + bytes(100), "is damaged, or was not downloaded completely"),
    ("net.txt", b"nothing of the kind" * 10, r"is not a network, or it is damaged\. Networks are read from ONNX"),
    ("zeros.bin", bytes(1000), r"is not a network, or it is damaged\. Networks are read from ONNX"),
]


@pytest.mark.parametrize(("name", "content", "message"), OTHERS, ids=[f"{n} {m[:12]}" for n, _, m in OTHERS])
def test_other_files(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(NetworkError, match=message):
        load_network(tmp_path / name)


def test_a_description_beside_is_part_of_the_hash(tmp_path: Path) -> None:
    path = network_files.caffe(tmp_path / "net.caffemodel")
    before = read_network(path).sha256
    description = path.with_suffix(".prototxt")
    description.write_text(description.read_text().replace("AVE", "MAX"))
    assert read_network(path).sha256 != before


def test_weights_that_are_not_finite_are_named_in_every_format(tmp_path: Path) -> None:
    import safetensors.numpy

    arrays = network_files.slim_weights()
    arrays["conv31.bias"][3] = np.nan
    safetensors.numpy.save_file(arrays, tmp_path / "net.safetensors")
    with pytest.raises(NetworkError, match=r"the weights 'conv31\.bias' of 'net\.safetensors' hold NaN or infinity"):
        read_network(tmp_path / "net.safetensors")
