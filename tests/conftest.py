"""Fixtures that several tests share."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from helpers.networks import chain
from helpers.published import home, tiny
from PIL import Image

from pixelgrad.exporters import dream_objective, load_network, style_objective, write_artifact

__all__ = ["home", "tiny"]

# A machine with other work to do meets no deadline. The same examples each time where a failure stops a change.
for profile, derandomize in {"anywhere": False, "ci": True}.items():
    hypothesis.settings.register_profile(
        profile,
        deadline=None,
        max_examples=60,
        derandomize=derandomize,
        suppress_health_check=[hypothesis.HealthCheck.too_slow],
    )
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "anywhere")


@pytest.fixture(scope="session", autouse=True)
def _heed_ctrl_c() -> None:
    """A shell starts its background jobs deaf to Ctrl-C, and what they start with them; some tests press it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or fills the user's cache, or goes through the user's proxy."""
    monkeypatch.setenv("PIXELGRAD_HOME", str(tmp_path_factory.getbasetemp() / "home"))
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "pixelgrad_offline"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(scope="session")
def small_network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A VGG in miniature, as an ONNX file."""
    return chain(tmp_path_factory.mktemp("network") / "small.onnx")


@pytest.fixture(scope="session")
def style_artifact(tmp_path_factory: pytest.TempPathFactory, small_network: Path) -> Path:
    """The artifact of a style transfer over the small network."""
    network = load_network(small_network)
    return write_artifact(network, style_objective(network), tmp_path_factory.mktemp("artifact") / "style")


@pytest.fixture(scope="session")
def dream_artifact(tmp_path_factory: pytest.TempPathFactory, small_network: Path) -> Path:
    """The artifact of a dream of two layers of the small network."""
    network = load_network(small_network)
    objective = dream_objective(network, layers=["relu2_1", "relu3_1"])
    return write_artifact(network, objective, tmp_path_factory.mktemp("artifact") / "dream")


def _save(path: Path, seed: int, width: int, height: int) -> Path:
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 255, (9, 12, 3), dtype=np.uint8))
    coarse.resize((width, height), Image.Resampling.BICUBIC).save(path)
    return path


@pytest.fixture(scope="session")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _save(tmp_path_factory.mktemp("pictures") / "photo.png", 1, 96, 64)


@pytest.fixture(scope="session")
def painting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _save(tmp_path_factory.mktemp("pictures") / "painting.jpg", 2, 80, 70)


os.environ.pop("PIXELGRAD_DEBUG", None)
