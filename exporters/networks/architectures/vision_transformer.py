"""Vision transformers (Dosovitskiy et al. 2021) as torchvision has them, and as timm, DeiT, DINO and DINOv2 do."""

from __future__ import annotations

from typing import NamedTuple

import onnx_ir as ir

from pixelgrad.exporters.networks.architectures.blueprint import Blueprint
from pixelgrad.exporters.networks.architectures.tokens import Tokens


class Names(NamedTuple):
    """What a family calls its parameters; those of a block follow its path."""

    patches: str
    token: str
    positions: str
    block: str
    norms: tuple[str, str]
    joint: tuple[str, str]
    out: str
    mlp: tuple[str, str]
    norm: str
    head: str


TORCHVISION = Names(
    patches="conv_proj",
    token="class_token",
    positions="encoder.pos_embedding",
    block="encoder.layers.encoder_layer_",
    norms=("ln_1", "ln_2"),
    joint=("self_attention.in_proj_weight", "self_attention.in_proj_bias"),
    out="self_attention.out_proj",
    mlp=("mlp.0", "mlp.3"),
    norm="encoder.ln",
    head="heads.head",
)
TIMM = Names(
    patches="patch_embed.proj",
    token="cls_token",
    positions="pos_embed",
    block="blocks.",
    norms=("norm1", "norm2"),
    joint=("attn.qkv.weight", "attn.qkv.bias"),
    out="attn.proj",
    mlp=("mlp.fc1", "mlp.fc2"),
    norm="norm",
    head="head",
)


def vision_transformer(
    b: Blueprint,
    names: Names,
    sizes: tuple[int, int, int],
    patch: int,
    *,
    registers: int = 0,
    scaled: bool = False,
) -> ir.Value:
    """sizes: channels, blocks, heads. registers: tokens without a position behind the class token (Darcet et al. 2024).
    scaled: each branch has a gain for each channel (Touvron et al. 2021), as in DINOv2.

    The image is a square of as many patches as there are positions.
    """
    width, depth, heads = sizes
    tokens = Tokens(b, eps=1e-6)
    x = tokens.of_patches("patches", b.conv(names.patches, b.image, width, patch, stride=patch))
    x = tokens.behind("tokens", [(names.token, 1), *([("register_tokens", registers)] if registers else [])], x)
    x = tokens.placed("placed", names.positions, x, unplaced=registers, patch=patch)
    for index in range(depth):
        x = _block(b, tokens, names, f"{names.block}{index}", x, heads, scaled=scaled)
    x = tokens.norm(names.norm, x)
    if not b.classifier(f"{names.head}."):
        return x
    b.aliases["logits"] = names.head
    return b.linear(names.head, tokens.first("pooled", x), None)


def _block(b: Blueprint, tokens: Tokens, names: Names, path: str, x: ir.Value, heads: int, *, scaled: bool) -> ir.Value:
    width = b.channels(x)

    def branch(number: int, y: ir.Value) -> ir.Value:
        return tokens.gain(f"{path}.ls{number}.gamma", y, (width,)) if scaled else y

    y = tokens.norm(f"{path}.{names.norms[0]}", x)
    y = tokens.attention(f"{path}.attention", y, heads, (f"{path}.{names.joint[0]}", f"{path}.{names.joint[1]}"))
    x = b.op("Add", x, branch(1, tokens.linear(f"{path}.{names.out}", y, width)), name=f"{path}.attended", step=True)
    y = tokens.norm(f"{path}.{names.norms[1]}", x)
    y = b.gelu(f"{path}.mlp.act", tokens.linear(f"{path}.{names.mlp[0]}", y, 4 * width))
    return b.add(path, x, branch(2, tokens.linear(f"{path}.{names.mlp[1]}", y, width)))
