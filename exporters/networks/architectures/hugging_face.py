"""Weights as Hugging Face's transformers save them, under the names that the same networks have elsewhere.

ViT, DINO and DINOv2 become timm's, ConvNeXt its authors', ResNet torchvision's. Each name is followed from the file to
there by the rules of its family, in their order.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pixelgrad.exporters.networks.builder import Array

__all__ = ["Joined", "translated"]

# The network's own name stands in front of its layers where there is a classifier beside them.
_WHOLE = r"^(?:(?:vit|dinov2|dinov2_with_registers|convnext|resnet)\.)?"
_TRANSFORMER = (
    (rf"{_WHOLE}embeddings\.cls_token$", "cls_token"),
    (rf"{_WHOLE}embeddings\.(mask_token|register_tokens)$", r"\1"),
    (rf"{_WHOLE}embeddings\.position_embeddings$", "pos_embed"),
    (rf"{_WHOLE}embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
    (rf"{_WHOLE}layernorm\.", "norm."),
    # transformers 5 has other names in memory than in files.
    (rf"{_WHOLE}(?:encoder\.layer|layers)\.(\d+)\.", r"blocks.\1."),
    (r"\.attention\.(?:attention\.)?([qkv])(?:uery|ey|alue|_proj)\.", r".attn.\1."),
    (r"\.attention\.(?:output\.dense|o_proj)\.", ".attn.proj."),
    (r"\.intermediate\.dense\.", ".mlp.fc1."),
    (r"\.output\.dense\.", ".mlp.fc2."),
    (r"\.layernorm_before\.", ".norm1."),
    (r"\.layernorm_after\.", ".norm2."),
    (r"\.layer_scale([12])\.lambda1$", r".ls\1.gamma"),
    (r"^classifier\.", "head."),
)
_CONVNEXT = (
    (rf"{_WHOLE}embeddings\.patch_embeddings\.", "downsample_layers.0.0."),
    (rf"{_WHOLE}embeddings\.layernorm\.", "downsample_layers.0.1."),
    (rf"{_WHOLE}encoder\.stages\.(\d+)\.downsampling_layer\.", r"downsample_layers.\1."),
    (rf"{_WHOLE}encoder\.stages\.(\d+)\.layers\.(\d+)\.", r"stages.\1.\2."),
    (rf"{_WHOLE}layernorm\.", "norm."),
    (r"\.layernorm\.", ".norm."),
    (r"\.layer_scale_parameter$", ".gamma"),
    (r"^classifier\.", "head."),
)
_RESNET = (
    (rf"{_WHOLE}embedder\.embedder\.convolution\.", "conv1."),
    (rf"{_WHOLE}embedder\.embedder\.normalization\.", "bn1."),
    (rf"{_WHOLE}encoder\.stages\.(\d+)\.layers\.", r"layer\1+1."),
    (r"\.layer\.(\d+)\.convolution\.", r".conv\1+1."),
    (r"\.layer\.(\d+)\.normalization\.", r".bn\1+1."),
    (r"\.shortcut\.convolution\.", ".downsample.0."),
    (r"\.shortcut\.normalization\.", ".downsample.1."),
    (r"^classifier\.1\.", "fc."),
)
# By a part of a name that no other family has.
_FAMILIES = (
    ("embeddings.patch_embeddings.projection.", _TRANSFORMER),
    (".downsampling_layer.", _CONVNEXT),
    ("embedder.embedder.", _RESNET),
)
_QUERY, _NEXT = ".attn.q.", re.compile(r"(\d+)\+1")
# What a model has beside the network: it summarises the class token for a task that is not here.
_BESIDE = re.compile(rf"{_WHOLE}pooler\.")


@dataclass(frozen=True)
class Joined:
    """Several tensors of a file, each with a ``shape``, as one: what is first is above."""

    parts: tuple[Any, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        rows = sum(part.shape[0] for part in self.parts)
        return (rows, *self.parts[0].shape[1:])

    def array(self, array: Any) -> Array:
        """array: turns one of the parts into an array."""
        return np.concatenate([array(part) for part in self.parts])


def translated(state: Mapping[str, Any]) -> dict[str, Any] | None:
    """The state dict under the names of :data:`ARCHITECTURES`; ``None`` where no family of transformers wrote it."""
    rules = next((rules for mark, rules in _FAMILIES if any(mark in name for name in state)), None)
    if rules is None:
        return None
    found: dict[str, Any] = {}
    for name, value in state.items():
        if _BESIDE.match(name):
            continue
        new = name
        for old, today in rules:
            new = re.sub(old, today, new)
        found[_NEXT.sub(lambda number: str(int(number[1]) + 1), new)] = value
    for name in [name for name in found if _QUERY in name]:
        names = [name.replace(_QUERY, f".attn.{part}.") for part in "qkv"]
        if all(part in found for part in names):
            found[name.replace(_QUERY, ".attn.qkv.")] = Joined(tuple(found.pop(part) for part in names))
    return found
