"""What ONNX Runtime raises in the middle of a run, as one of our errors."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from pixelgrad.errors import DeviceError
from pixelgrad.runtime import choose_device
from pixelgrad.runtime.failures import failures, reason_of
from pixelgrad.runtime.onnx_runtime import _signals_held
from pixelgrad.runtime.session import open_session

Fail: Any = type("Fail", (Exception,), {"__module__": "onnxruntime.capi.onnxruntime_pybind11_state"})
InvalidArgument: Any = type("InvalidArgument", (Exception,), {"__module__": Fail.__module__})


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        Fail("[ONNXRuntimeError] : 1 : FAIL : bfc_arena.cc:360 Failed to allocate memory for a buffer of size 9"),
        Fail("CUDA failure 2: out of memory ; GPU=0"),
        RuntimeError("Error in execution: CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED"),
        Fail("std::bad_alloc"),
        Fail("Not enough memory resources are available to complete this operation."),
    ],
)
def test_too_little_memory_says_what_to_try(error: Exception) -> None:
    with pytest.raises(DeviceError, match=r"not enough memory; use a smaller --size") as found, failures():
        raise error
    assert found.value.__cause__ is error


def test_another_failure_keeps_its_reason() -> None:
    with pytest.raises(DeviceError, match=r"while it computed: CUDNN failure 5; try --device cpu"), failures():
        raise Fail("/src/cuda.cc:1 [ONNXRuntimeError] : 1 : FAIL : CUDNN failure 5")
    assert reason_of(ValueError()) == "ValueError()"


@pytest.mark.parametrize("error", [InvalidArgument("unexpected input"), KeyError("x"), DeviceError("already ours")])
def test_a_mistake_of_the_program_passes_as_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as found, failures():
        raise error
    assert found.value is error


@pytest.mark.skipif(os.name == "nt", reason="has no SIGUSR1")
def test_any_handler_waits_until_a_library_is_imported() -> None:
    """The time limit of a queue of tasks is one."""
    heard: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, _: heard.append(number))
    try:
        with _signals_held():
            signal.raise_signal(signal.SIGUSR1)
            assert not heard
        assert heard == [signal.SIGUSR1]
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_time_limit_is_no_broken_device(monkeypatch: pytest.MonkeyPatch) -> None:
    def late(*_: object, **__: object) -> None:
        raise TimeoutError

    monkeypatch.setattr("onnxruntime.InferenceSession", late)
    with pytest.raises(TimeoutError):
        open_session(b"", choose_device("cpu"))
