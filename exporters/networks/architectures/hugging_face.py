"""Weights as Hugging Face's transformers save them, under the names that the same networks have elsewhere.

ViT, DINO and DINOv2 become timm's, ConvNeXt its authors', ResNet torchvision's, CLIP OpenAI's, and so do CLIP's ResNets
as timm saves them. Each name is followed from the file to there by the rules of its family, in their order.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pixelgrad.exporters.networks.builder import Array

__all__ = ["Made", "translated"]

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
_VISION = r"^(?:vision_model\.)?"
_CLIP = (
    (rf"{_VISION}embeddings\.class_embedding$", "class_embedding"),
    (rf"{_VISION}embeddings\.patch_embedding\.", "conv1."),
    (rf"{_VISION}embeddings\.position_embedding\.weight$", "positional_embedding"),
    (rf"{_VISION}pre_layrnorm\.", "ln_pre."),
    (rf"{_VISION}post_layernorm\.", "ln_post."),
    (rf"{_VISION}encoder\.layers\.(\d+)\.", r"transformer.resblocks.\1."),
    (r"\.self_attn\.([qkv])_proj\.", r".attn.\1."),
    (r"\.self_attn\.out_proj\.", ".attn.out_proj."),
    (r"\.layer_norm([12])\.", r".ln_\1."),
    (r"\.mlp\.fc1\.", ".mlp.c_fc."),
    (r"\.mlp\.fc2\.", ".mlp.c_proj."),
)
_CLIP_RESNET = (
    (r"^stem\.conv(\d)\.(conv|bn)\.", r"\2\1."),
    (r"^stages\.(\d)\.", r"layer\1+1."),
    (r"\.conv(\d)_(?:1x1|kxk)\.(conv|bn)\.", r".\2\1."),
    (r"\.shortcut\.conv\.conv\.", ".downsample.0."),
    (r"\.shortcut\.conv\.bn\.", ".downsample.1."),
    (r"^head\.pos_embed$", "attnpool.positional_embedding"),
    (r"^head\.([qkv])\.", r"attnpool.\1_proj."),
    (r"^head\.proj\.", "attnpool.c_proj."),
)
# By a part of a name that no other family has.
_FAMILIES = (
    ("embeddings.patch_embeddings.projection.", _TRANSFORMER),
    (".downsampling_layer.", _CONVNEXT),
    ("embedder.embedder.", _RESNET),
    ("embeddings.class_embedding", _CLIP),
    ("stem.conv3.conv.", _CLIP_RESNET),
)
_QUERY, _NEXT = ".attn.q.", re.compile(r"(\d+)\+1")
# Queries, keys and values in one, by what follows the block: as timm and as OpenAI call it.
_JOINT = {_TRANSFORMER: (".attn.qkv.weight", ".attn.qkv.bias"), _CLIP: (".attn.in_proj_weight", ".attn.in_proj_bias")}
# What a model has beside the network: it summarises the class token for a task that is not here, or reads texts.
_BESIDE = re.compile(rf"{_WHOLE}pooler\.|text_(?:model|projection)\.|logit_scale$|{_VISION}embeddings\.position_ids$")


@dataclass(frozen=True)
class Made:
    """A tensor that a file has in another form. parts: its tensors, each with a ``shape``. how: from them as arrays."""

    parts: tuple[Any, ...]
    shape: tuple[int, ...]
    how: Callable[[Sequence[Array]], Array]

    def array(self, array: Any) -> Array:
        """array: turns one of the parts into an array."""
        return self.how([array(part) for part in self.parts])


def _joined(*parts: Any) -> Made:
    """What is first is above."""
    rows = sum(part.shape[0] for part in parts)
    return Made(parts, (rows, *parts[0].shape[1:]), np.concatenate)


def _turned(part: Any) -> Made:
    return Made((part,), tuple(reversed(part.shape)), lambda arrays: arrays[0].T)


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
    for block, parameter in [name.split(_QUERY) for name in found if _QUERY in name]:
        names = [f"{block}.attn.{part}.{parameter}" for part in "qkv"]
        joint = next((name for name in _JOINT[rules] if name.endswith(parameter)), None)
        if joint is not None and all(part in found for part in names):
            found[block + joint] = _joined(*(found.pop(part) for part in names))
    if "visual_projection.weight" in found:
        found["proj"] = _turned(found.pop("visual_projection.weight"))
    return found
