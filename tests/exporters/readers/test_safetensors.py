"""safetensors files, and what is said where a library or the right file is missing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
from helpers import network_files
from helpers.running import run_several, some_image

from pixelgrad.errors import NetworkError
from pixelgrad.exporters import load_network, read_network

LAYERS = ["relu1_1", "relu3_1", "relu5_1"]


def test_the_same_as_a_checkpoint(tmp_path: Path) -> None:
    """Four files of one network give the same features, and say what they are."""
    files = {
        "safetensors": network_files.safetensors_file(tmp_path / "net.safetensors"),
        "zip": network_files.torch_zip(tmp_path / "zip.pth"),
        "legacy": network_files.torch_legacy(tmp_path / "legacy.pth"),
        "tar": network_files.torch_tar(tmp_path / "tar.pth"),
    }
    image = some_image(48)
    expected = run_several(load_network(files["safetensors"]), image, LAYERS)
    for kind, path in files.items():
        network = load_network(path)
        name = "safetensors" if kind == "safetensors" else "PyTorch checkpoint"
        assert network.format == f"{name}, vgg19-slim16x"
        for actual, wanted in zip(run_several(network, image, LAYERS), expected, strict=True):
            np.testing.assert_array_equal(actual, wanted)


@pytest.mark.parametrize("dtype", [np.float16, np.float64, ml_dtypes.bfloat16])
def test_other_precisions(tmp_path: Path, dtype: Any) -> None:
    arrays = {name: array.astype(dtype) for name, array in network_files.slim_weights().items()}
    safetensors.numpy.save_file(arrays, tmp_path / "net.safetensors")
    weights = read_network(tmp_path / "net.safetensors").model.graph.initializers
    for name, array in arrays.items():
        value = weights[name].const_value
        assert value is not None
        np.testing.assert_array_equal(value.numpy(), array.astype(np.float32))


def test_quantised_weights_are_refused(tmp_path: Path) -> None:
    arrays = {name: array.astype(np.int8) for name, array in network_files.slim_weights().items()}
    safetensors.numpy.save_file(arrays, tmp_path / "net.safetensors")
    with pytest.raises(NetworkError, match="quantised"):
        read_network(tmp_path / "net.safetensors")


@pytest.mark.parametrize(
    ("library", "reader"), [("safetensors", "safetensors"), ("h5py", "keras h5"), ("h5py", "keras")]
)
def test_a_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str, reader: str) -> None:
    write, name, _ = network_files.FILES[reader]
    path = write(tmp_path / name)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(NetworkError, match=rf"needs {library}: pip install 'pixelgrad\[readers\]'"):
        read_network(path)
