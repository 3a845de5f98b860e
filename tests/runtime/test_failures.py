"""What ONNX Runtime raises in the middle of a run, as one of our errors."""

from __future__ import annotations

from typing import Any

import pytest

from pixelgrad.errors import DeviceError
from pixelgrad.runtime.failures import failures, reason_of

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
