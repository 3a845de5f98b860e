"""Choosing a device, and never getting another one silently."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pixelgrad.errors import DeviceError, SettingsError
from pixelgrad.runtime import Artifact, choose_device, devices, onnx_runtime, session


def fake(providers: list[str], **more: Any) -> SimpleNamespace:
    return SimpleNamespace(get_available_providers=lambda: providers, **more)


def with_providers(monkeypatch: pytest.MonkeyPatch, *providers: str) -> None:
    monkeypatch.setattr(devices, "onnxruntime", lambda: fake([*providers, "CPUExecutionProvider"]))


def test_auto_takes_the_best_there_is_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    with_providers(monkeypatch)
    choice = choose_device("auto")
    assert choice.name == "cpu"
    assert list(choice.rejected) == ["cuda", "directml"]
    assert "pixelgrad[cuda]" in choice.rejected["cuda"]
    with_providers(monkeypatch, "CUDAExecutionProvider")
    assert choose_device("auto").name == "cuda"
    assert choose_device("auto").rejected == {}


def test_devices_by_name_and_number(monkeypatch: pytest.MonkeyPatch) -> None:
    with_providers(monkeypatch, "CUDAExecutionProvider", "WebGpuExecutionProvider")
    assert choose_device("cpu").device.provider == "CPUExecutionProvider"
    second = choose_device("cuda:1")
    assert (second.name, second.options) == ("cuda:1", {"device_id": "1"})
    with pytest.raises(SettingsError, match="'webgpu' takes no number"):
        choose_device("webgpu:1")


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "", "CPU"])
def test_unknown_names_list_what_there_is(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with_providers(monkeypatch)
    with pytest.raises(SettingsError, match=r"there is no device .*choose auto, cuda, directml"):
        choose_device(name)


def test_a_device_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    with_providers(monkeypatch)
    with pytest.raises(
        DeviceError, match=r"'cuda' is not in the installed ONNX Runtime, which has cpu;.*pixelgrad\[cuda\]"
    ):
        choose_device("cuda")


def _session_module(placed: list[str] | Exception) -> SimpleNamespace:
    class Session:
        def __init__(self, *_: Any, **__: Any) -> None:
            if isinstance(placed, Exception):
                raise placed

        def get_providers(self) -> list[str]:
            assert isinstance(placed, list)
            return placed

    class Options(SimpleNamespace):
        def add_session_config_entry(self, *_: str) -> None:
            """ONNX Runtime keeps it; nobody here asks."""

    return SimpleNamespace(SessionOptions=Options, InferenceSession=Session)


def test_a_silent_fallback_is_refused(monkeypatch: pytest.MonkeyPatch, style_artifact: Path) -> None:
    """ONNX Runtime replaces a provider that fails to start by the CPU and goes on."""
    with_providers(monkeypatch, "CUDAExecutionProvider")
    choice = choose_device("cuda")
    monkeypatch.setattr(session, "_shared_arena", lambda: False)
    monkeypatch.setattr(session, "onnxruntime", lambda: _session_module(["CPUExecutionProvider"]))
    with pytest.raises(DeviceError, match="'cuda' failed to start and ONNX Runtime fell back to CPUExecutionProvider"):
        _ = Artifact(style_artifact, device=choice).training
    monkeypatch.setattr(session, "onnxruntime", lambda: _session_module(RuntimeError("no CUDA-capable device")))
    with pytest.raises(DeviceError, match="'cuda' failed to start: no CUDA-capable device; try --device cpu"):
        _ = Artifact(style_artifact, device=choice).training


def test_two_onnx_runtimes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        onnx_runtime, "installed_distributions", lambda: {"onnxruntime": "1.30", "onnxruntime-gpu": "1.30"}
    )
    onnx_runtime.onnxruntime.cache_clear()
    with pytest.raises(
        DeviceError, match=r"pip uninstall -y onnxruntime onnxruntime-gpu && pip install .pixelgrad\[cuda\]"
    ):
        onnx_runtime.onnxruntime()
    onnx_runtime.onnxruntime.cache_clear()


def test_no_onnx_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_runtime, "installed_distributions", dict)
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    onnx_runtime.onnxruntime.cache_clear()
    with pytest.raises(DeviceError, match=r"ONNX Runtime cannot be imported.*pip install .pixelgrad\[cpu\]"):
        onnx_runtime.onnxruntime()
    onnx_runtime.onnxruntime.cache_clear()
