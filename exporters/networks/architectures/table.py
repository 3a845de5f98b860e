"""Which architectures there are: a row each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial

import onnx_ir as ir

from pixelgrad.exporters.networks.architectures.blueprint import Blueprint
from pixelgrad.exporters.networks.architectures.clip_resnet import clip_resnet
from pixelgrad.exporters.networks.architectures.convnext import AUTHORS, TIMM, TORCHVISION, convnext
from pixelgrad.exporters.networks.architectures.densenet import densenet
from pixelgrad.exporters.networks.architectures.efficientnet import efficientnet, efficientnet_v2
from pixelgrad.exporters.networks.architectures.inception import googlenet, inception_v3
from pixelgrad.exporters.networks.architectures.mnasnet import mnasnet
from pixelgrad.exporters.networks.architectures.mobilenet import mobilenet_v2, mobilenet_v3
from pixelgrad.exporters.networks.architectures.regnet import REGNETS, regnet
from pixelgrad.exporters.networks.architectures.resnet import resnet
from pixelgrad.exporters.networks.architectures.shufflenet import shufflenet_v2
from pixelgrad.exporters.networks.architectures.squeezenet import squeezenet
from pixelgrad.exporters.networks.architectures.vgg import alexnet, slim_vgg19, vgg
from pixelgrad.exporters.networks.architectures.vision_transformer import OPENAI as VIT_OPENAI
from pixelgrad.exporters.networks.architectures.vision_transformer import TIMM as VIT_TIMM
from pixelgrad.exporters.networks.architectures.vision_transformer import TORCHVISION as VIT_TORCHVISION
from pixelgrad.exporters.networks.architectures.vision_transformer import vision_transformer
from pixelgrad.exporters.networks.builder import Array


@dataclass(frozen=True)
class Architecture:
    """One architecture.

    write: adds its graph to a blueprint and returns the output.
    head: how the names of its classifier's parameters begin.
    size: the image size that its classifier is made for, if it is made for one.
    preprocessing: the name of what its published weights want.
    ignored: how the names of parameters begin that only training needs.
    gelus: which of ``gelu`` and ``quick_gelu`` its weights may be made for, as they do not tell: the usual one first.
    """

    name: str
    write: Callable[[Blueprint], ir.Value]
    head: str = "fc."
    size: int | None = None
    preprocessing: str = "imagenet"
    ignored: tuple[str, ...] = ()
    gelus: tuple[str, ...] = ()

    def specification(self) -> Blueprint:
        """The parameters that it needs, and its aliases."""
        return _specification(self.name)

    def build(self, weights: Mapping[str, Array], gelu: str | None = None) -> tuple[ir.Model, Mapping[str, str]]:
        """gelu: one of its ``gelus``, if it has any."""
        blueprint = Blueprint(self.name, weights, size=self.size, quick=gelu == "quick_gelu")
        return blueprint.model(self.write(blueprint)), blueprint.aliases


@cache
def _specification(name: str) -> Blueprint:
    blueprint = Blueprint(name)
    ARCHITECTURES[name].write(blueprint)
    return blueprint


def _vggs() -> list[Architecture]:
    depths = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
    return [
        Architecture(
            f"vgg{depth}{'_bn' if norm else ''}", partial(vgg, convolutions=blocks, norm=norm), "classifier.", 224
        )
        for depth, blocks in depths.items()
        for norm in (False, True)
    ]


def _resnets() -> list[Architecture]:
    deep, deeper, deepest = (3, 4, 6, 3), (3, 4, 23, 3), (3, 8, 36, 3)
    return [
        Architecture("resnet18", partial(resnet, blocks=(2, 2, 2, 2), bottleneck=False)),
        Architecture("resnet34", partial(resnet, blocks=deep, bottleneck=False)),
        Architecture("resnet50", partial(resnet, blocks=deep)),
        Architecture("resnet101", partial(resnet, blocks=deeper)),
        Architecture("resnet152", partial(resnet, blocks=deepest)),
        Architecture("resnext50_32x4d", partial(resnet, blocks=deep, groups=32, group_width=4)),
        Architecture("resnext101_32x8d", partial(resnet, blocks=deeper, groups=32, group_width=8)),
        Architecture("resnext101_64x4d", partial(resnet, blocks=deeper, groups=64, group_width=4)),
        Architecture("wide_resnet50_2", partial(resnet, blocks=deep, group_width=128)),
        Architecture("wide_resnet101_2", partial(resnet, blocks=deeper, group_width=128)),
    ]


def _densenets() -> list[Architecture]:
    rows = {
        "densenet121": partial(densenet, blocks=(6, 12, 24, 16)),
        "densenet161": partial(densenet, blocks=(6, 12, 36, 24), growth=48, first=96),
        "densenet169": partial(densenet, blocks=(6, 12, 32, 32)),
        "densenet201": partial(densenet, blocks=(6, 12, 48, 32)),
    }
    return [Architecture(name, write, "classifier.") for name, write in rows.items()]


def _efficientnets() -> list[Architecture]:
    # Times as many channels and blocks; the last three have another constant in their normalisations.
    scales = ((1.0, 1.0), (1.0, 1.1), (1.1, 1.2), (1.2, 1.4), (1.4, 1.8), (1.6, 2.2), (1.8, 2.6), (2.0, 3.1))
    return [
        *(
            Architecture(
                f"efficientnet_b{number}",
                partial(efficientnet, width=width, depth=depth, eps=1e-3 if number > 4 else 1e-5),
                "classifier.",
            )
            for number, (width, depth) in enumerate(scales)
        ),
        *(
            Architecture(
                f"efficientnet_v2_{kind}",
                partial(efficientnet_v2, kind=kind),
                "classifier.",
                preprocessing="tf" if kind == "l" else "imagenet",
            )
            for kind in "sml"
        ),
    ]


def _mobile() -> list[Architecture]:
    widths = {"0_5": 0.5, "0_75": 0.75, "1_0": 1.0, "1_3": 1.3}
    shuffled = {
        "x0_5": (48, 96, 192, 1024),
        "x1_0": (116, 232, 464, 1024),
        "x1_5": (176, 352, 704, 1024),
        "x2_0": (244, 488, 976, 2048),
    }
    return [
        *(
            Architecture(f"mnasnet{name}", partial(mnasnet, width=width), "classifier.")
            for name, width in widths.items()
        ),
        *(Architecture(f"shufflenet_v2_{name}", partial(shufflenet_v2, widths=w)) for name, w in shuffled.items()),
    ]


def _convnexts() -> list[Architecture]:
    rows = {
        "tiny": ((96, 192, 384, 768), (3, 3, 9, 3)),
        "small": ((96, 192, 384, 768), (3, 3, 27, 3)),
        "base": ((128, 256, 512, 1024), (3, 3, 27, 3)),
        "large": ((192, 384, 768, 1536), (3, 3, 27, 3)),
        "xlarge": ((256, 512, 1024, 2048), (3, 3, 27, 3)),
    }
    return [
        Architecture(
            f"convnext_{name}{whose}", partial(convnext, names=names, widths=widths, blocks=blocks), names.ends
        )
        for whose, names in (("", TORCHVISION), ("-timm", TIMM), ("-authors", AUTHORS))
        for name, (widths, blocks) in rows.items()
    ]


def _transformers() -> list[Architecture]:
    """The sizes of table 1 of the paper, and of DeiT (Touvron et al. 2020): channels, blocks, heads."""
    sizes = {"b": (768, 12, 12), "l": (1024, 24, 16), "h": (1280, 32, 16)}
    elsewhere = {
        "tiny": (192, 12, 3),
        "small": (384, 12, 6),
        "base": sizes["b"],
        "large": sizes["l"],
        "huge": sizes["h"],
    }
    return [
        *(
            Architecture(
                f"vit_{size}_{patch}",
                partial(vision_transformer, names=VIT_TORCHVISION, sizes=sizes[size], patch=patch),
                "heads.",
            )
            for size, patch in (("b", 16), ("b", 32), ("l", 16), ("l", 32), ("h", 14))
        ),
        *(
            Architecture(
                f"vit_{size}_patch{patch}",
                partial(vision_transformer, names=VIT_TIMM, sizes=row, patch=patch),
                "head.",
            )
            for size, row in elsewhere.items()
            for patch in (8, 14, 16, 32)
        ),
        *(
            Architecture(
                f"dinov2_vit{size[0]}14{'_reg' if registers else ''}",
                partial(
                    vision_transformer,
                    names=VIT_TIMM,
                    sizes=elsewhere[size],
                    patch=14,
                    registers=registers,
                    scaled=True,
                ),
                "head.",
                ignored=("mask_token",),
            )
            for size in ("small", "base", "large")
            for registers in (0, 4)
        ),
    ]


def _clips() -> list[Architecture]:
    """Table 20 of the paper, and OpenCLIP's (Cherti et al. 2022) larger ones: channels, blocks, heads, hidden channels.

    OpenAI's transformers have QuickGELU, most of those that timm has GELU.
    """
    transformers = {
        "vit_b_32": ((768, 12, 12), 32, None),
        "vit_b_16": ((768, 12, 12), 16, None),
        "vit_l_14": ((1024, 24, 16), 14, None),
        "vit_h_14": ((1280, 32, 16), 14, None),
        "vit_g_14": ((1408, 40, 16), 14, 6144),
        "vit_bigg_14": ((1664, 48, 16), 14, 8192),
    }
    resnets = {
        "resnet50": ((3, 4, 6, 3), 64),
        "resnet101": ((3, 4, 23, 3), 64),
        "resnet50x4": ((4, 6, 10, 6), 80),
        "resnet50x16": ((6, 8, 18, 8), 96),
        "resnet50x64": ((3, 15, 36, 10), 128),
    }
    return [
        *(
            Architecture(
                f"clip_{name}{whose}",
                partial(vision_transformer, names=names, sizes=sizes, patch=patch, hidden=hidden, clip=True),
                names.head,
                preprocessing="clip",
                gelus=gelus,
            )
            for whose, names, gelus in (
                ("", VIT_OPENAI, ("quick_gelu", "gelu")),
                ("-timm", VIT_TIMM, ("gelu", "quick_gelu")),
            )
            for name, (sizes, patch, hidden) in transformers.items()
        ),
        *(
            Architecture(
                f"clip_{name}", partial(clip_resnet, blocks=blocks, width=width), "attnpool.", preprocessing="clip"
            )
            for name, (blocks, width) in resnets.items()
        ),
    ]


# torchvision's own GoogLeNet and Inception v3 rescale a normalised image once more, so that they see [-1, 1].
_ROWS = (
    *_vggs(),
    Architecture("alexnet", alexnet, "classifier.", 224),
    *(Architecture(f"squeezenet{v}", partial(squeezenet, version=v), "classifier.") for v in ("1_0", "1_1")),
    *_resnets(),
    *_densenets(),
    Architecture("mobilenet_v2", mobilenet_v2, "classifier."),
    *(Architecture(f"mobilenet_v3_{k}", partial(mobilenet_v3, kind=k), "classifier.") for k in ("large", "small")),
    *_efficientnets(),
    *_mobile(),
    *(Architecture(f"regnet_{kind}", partial(regnet, kind=kind)) for kind in REGNETS),
    *_convnexts(),
    *_transformers(),
    *_clips(),
    Architecture("googlenet", googlenet, preprocessing="tf", ignored=("aux1.", "aux2.")),
    Architecture("inception_v3", inception_v3, preprocessing="tf", ignored=("AuxLogits.",)),
    Architecture(
        "vgg19-slim16x",
        slim_vgg19,
        "classifier.",
        preprocessing="rgb",
        ignored=tuple(f"conv{block}1_aux." for block in range(1, 6)),
    ),
)

ARCHITECTURES: dict[str, Architecture] = {row.name: row for row in _ROWS}
