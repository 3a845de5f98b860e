"""What goes wrong while ONNX Runtime computes, in words: mostly that the memory does not suffice."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any

from pixelgrad.errors import DeviceError
from pixelgrad.runtime.onnx_runtime import onnxruntime

__all__ = ["NO_MEMORY", "failures", "is_of_onnx_runtime", "reason_of", "silent"]

# What ONNX Runtime puts before a message: where in its source it comes from, and a status code.
_WHERE = re.compile(r"^.*\[ONNXRuntimeError\] : \d+ : \w+ : ")
# As its arenas, the CUDA libraries, Direct3D and C++ put it.
_NO_MEMORY = re.compile(r"failed to allocate|out of ?memory|bad_?alloc|alloc_failed|not enough memory", re.I)
_LONGEST = 300
NO_MEMORY = (
    "there is not enough memory; use a smaller --size, or a lower --max-memory (style, texture), or on a GPU "
    "--precision fp16"
)


@contextlib.contextmanager
def failures() -> Iterator[None]:
    """Around a computation: what ONNX Runtime raises becomes :class:`DeviceError`, with what to try.

    Not what it raises for feeds that a graph does not have: those are a mistake of the program.
    """
    try:
        yield
    except MemoryError as error:
        raise DeviceError(NO_MEMORY) from error
    except Exception as error:
        if type(error).__name__ == "InvalidArgument" or not is_of_onnx_runtime(error):
            raise
        if _NO_MEMORY.search(str(error)):
            raise DeviceError(NO_MEMORY) from error
        raise DeviceError(
            f"ONNX Runtime failed while it computed: {reason_of(error)}; try --device cpu, or pixelgrad doctor"
        ) from error


def is_of_onnx_runtime(error: Exception) -> bool:
    """Whether it may have raised this: it has a type of its own for each status code, and RuntimeError from bindings.

    Not so what the handler of a signal raises meanwhile.
    """
    return type(error).__module__.startswith("onnxruntime") or isinstance(error, RuntimeError)


def reason_of(error: Exception) -> str:
    """The last line of what ONNX Runtime says, without the place in its source."""
    last = next((line for line in reversed(str(error).strip().splitlines()) if line.strip()), repr(error))
    return _WHERE.sub("", last)[:_LONGEST]


def silent() -> Any:
    """Run options that leave errors to the exception: ONNX Runtime would print them as well."""
    options = onnxruntime().RunOptions()
    options.log_severity_level = 4
    return options
