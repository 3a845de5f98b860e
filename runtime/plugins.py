"""Execution providers that come as a wheel of their own, beside ONNX Runtime (``onnxruntime-ep-webgpu``, say)."""

from __future__ import annotations

import functools
import importlib
import logging
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from pixelgrad.runtime.onnx_runtime import onnxruntime

__all__ = ["Plugin", "endpoints", "plugins"]

_LOG = logging.getLogger("pixelgrad")
_PREFIX = "onnxruntime-ep-"


@dataclass(frozen=True)
class Plugin:
    """One such wheel. providers: what it brings. error: why ONNX Runtime did not take it, empty where it did."""

    distribution: str
    version: str
    providers: tuple[str, ...]
    error: str = ""


@functools.cache
def plugins() -> tuple[Plugin, ...]:
    """Every installed plugin, registered with ONNX Runtime by the first call.

    They are the distributions named ``onnxruntime-ep-*``, whose module says where its library is
    (``get_library_path``) and what it brings (``get_ep_names``). One without a module of its name only installs others.
    """
    found = []
    for distribution in metadata.distributions():
        name = str(distribution.metadata["Name"] or "").lower().replace("_", "-")
        if name.startswith(_PREFIX) and _has_module(distribution, name):
            found.append(_register(name, distribution.version))
    return tuple(sorted(set(found), key=lambda plugin: plugin.distribution))


def _has_module(distribution: metadata.Distribution, name: str) -> bool:
    files = distribution.files  # None where the installer kept no list
    return files is None or any(file.parts[0].removesuffix(".py") == name.replace("-", "_") for file in files)


def _register(distribution: str, version: str) -> Plugin:
    providers: tuple[str, ...] = ()
    try:
        module = importlib.import_module(distribution.replace("-", "_"))
        providers = tuple(module.get_ep_names())
        ort = onnxruntime()
        if not hasattr(ort, "register_execution_provider_library"):
            return Plugin(distribution, version, providers, "ONNX Runtime before 1.23 takes no plugins; update it")
        ort.register_execution_provider_library(distribution, module.get_library_path())
    except Exception as error:  # a library that cannot be loaded has many ways to say so
        reason = " ".join(str(error).split())
        if "already registered" not in reason:
            _LOG.debug("plugin %s was not taken: %s", distribution, reason)
            return Plugin(distribution, version, providers, reason)
    return Plugin(distribution, version, providers)


def endpoints(provider: str) -> list[Any]:
    """ONNX Runtime's ``OrtEpDevice`` objects of a provider: one for each piece of hardware that it can use.

    Empty for a provider that is built in and has no such list, and before ONNX Runtime 1.23.
    """
    plugins()
    ort = onnxruntime()
    if not hasattr(ort, "get_ep_devices"):
        return []
    return [device for device in ort.get_ep_devices() if device.ep_name == provider]
