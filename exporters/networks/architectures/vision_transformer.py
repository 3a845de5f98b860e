"""Vision transformers (Dosovitskiy et al. 2021) as torchvision has them, as timm, DeiT, DINO and DINOv2 do, and as CLIP
(Radford et al. 2021) does in OpenAI's names and in timm's.
"""

from __future__ import annotations

from typing import NamedTuple

import onnx_ir as ir

from pixelgrad.exporters.networks.architectures.blueprint import Blueprint
from pixelgrad.exporters.networks.architectures.tokens import Tokens


class Names(NamedTuple):
    """What a family calls its parameters; those of a block follow its path.

    before: the normalisation in front of the blocks, where CLIP's transformers have one. flat: token and positions have
    no axis for the batch. head: a matrix [C, classes], without a bias, where it is that of an embedding.
    """

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
    before: str = ""
    flat: bool = False


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
    before="norm_pre",
)
OPENAI = Names(
    patches="conv1",
    token="class_embedding",
    positions="positional_embedding",
    block="transformer.resblocks.",
    norms=("ln_1", "ln_2"),
    joint=("attn.in_proj_weight", "attn.in_proj_bias"),
    out="attn.out_proj",
    mlp=("mlp.c_fc", "mlp.c_proj"),
    norm="ln_post",
    head="proj",
    before="ln_pre",
    flat=True,
)


def vision_transformer(
    b: Blueprint,
    names: Names,
    sizes: tuple[int, int, int],
    patch: int,
    *,
    hidden: int | None = None,
    registers: int = 0,
    scaled: bool = False,
    clip: bool = False,
) -> ir.Value:
    """sizes: channels, blocks, heads. hidden: channels within a block's two layers; four times as many by default.
    registers: tokens without a position behind the class token (Darcet et al. 2024). scaled: each branch has a gain for
    each channel (Touvron et al. 2021), as in DINOv2. clip: it is CLIP's: tokens are normalised in front of the blocks.

    The image is a square of as many patches as there are positions.
    """
    width, depth, heads = sizes
    tokens = Tokens(b, eps=1e-5 if clip else 1e-6)
    x = b.conv(names.patches, b.image, width, patch, stride=patch, bias=not clip)
    x = tokens.of_patches("patches", x)
    ahead = [tokens.token(names.token, (width,) if names.flat else (1, 1, width))]
    if registers:
        ahead.append(tokens.token("register_tokens", (1, registers, width)))
    x = tokens.behind("tokens", ahead, x)
    x = tokens.placed("placed", names.positions, x, patch=patch, unplaced=registers, flat=names.flat)
    if clip:
        x = tokens.norm(names.before, x)
    for index in range(depth):
        x = _block(b, tokens, names, f"{names.block}{index}", x, heads, hidden or 4 * width, scaled=scaled)
    x = tokens.norm(names.norm, x)
    if names is OPENAI:
        return _embedding(b, names.head, tokens.first("pooled", x)) if b.classifier(names.head) else x
    if not b.classifier(f"{names.head}."):
        return x
    b.aliases["logits"] = names.head
    return b.linear(names.head, tokens.first("pooled", x), None)


def _embedding(b: Blueprint, name: str, x: ir.Value) -> ir.Value:
    """What is compared with that of a text: [N, C] times a matrix."""
    b.aliases["embedding"] = f"{name}/product"
    return b.op("MatMul", x, b.weight(name, (b.channels(x), None)), name=f"{name}/product", channels=0)


def _block(
    b: Blueprint, tokens: Tokens, names: Names, path: str, x: ir.Value, heads: int, hidden: int, *, scaled: bool
) -> ir.Value:
    width = b.channels(x)

    def branch(number: int, y: ir.Value) -> ir.Value:
        return tokens.gain(f"{path}.ls{number}.gamma", y, (width,)) if scaled else y

    y = tokens.norm(f"{path}.{names.norms[0]}", x)
    weight, bias = (f"{path}.{name}" for name in names.joint)
    y = tokens.attention(f"{path}.attention", y, heads, tokens.joint(weight, bias, width))
    x = b.op("Add", x, branch(1, tokens.linear(f"{path}.{names.out}", y, width)), name=f"{path}.attended", step=True)
    y = tokens.norm(f"{path}.{names.norms[1]}", x)
    y = b.gelu(f"{path}.mlp.act", tokens.linear(f"{path}.{names.mlp[0]}", y, hidden))
    return b.add(path, x, branch(2, tokens.linear(f"{path}.{names.mlp[1]}", y, width)))
