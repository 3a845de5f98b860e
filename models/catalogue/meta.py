"""Vision transformers of Meta's research: state dicts (``.pth``) from dl.fbaipublicfiles.com.

DeiT's file names carry the first eight hex digits of their SHA-256. For DINO and DINOv2 no hash is published.
"""

from __future__ import annotations

from pixelgrad.models.catalogue.entry import Download, Entry

_SITE = "https://dl.fbaipublicfiles.com"
_LICENCE = "Apache-2.0, trained on "

# name here, architecture, file, megabytes, what it is
_DEIT = (
    ("deit_tiny", "vit_tiny_patch16", "deit_tiny_patch16_224-a1311bcf.pth", 23, "DeiT tiny"),
    ("deit_small", "vit_small_patch16", "deit_small_patch16_224-cd65a155.pth", 88, "DeiT small"),
    ("deit_base", "vit_base_patch16", "deit_base_patch16_224-b5f2ef4d.pth", 346, "DeiT base"),
)
_DINO = (
    ("dino_vits16", "vit_small_patch16", "dino_deitsmall16_pretrain", 87, "DINO ViT-S/16"),
    ("dino_vits8", "vit_small_patch8", "dino_deitsmall8_pretrain", 87, "DINO ViT-S/8"),
    ("dino_vitb16", "vit_base_patch16", "dino_vitbase16_pretrain", 343, "DINO ViT-B/16"),
    ("dino_vitb8", "vit_base_patch8", "dino_vitbase8_pretrain", 343, "DINO ViT-B/8"),
)
_DINOV2 = (("vits14", 88, "ViT-S/14"), ("vitb14", 346, "ViT-B/14"), ("vitl14", 1218, "ViT-L/14"))


def _deit(name: str, architecture: str, file: str, megabytes: int, title: str) -> Entry:
    prefix = file.removesuffix(".pth").rpartition("-")[2]
    return Entry(
        name=name,
        title=f"{title} (Touvron et al. 2020), a vision transformer trained on ImageNet alone",
        preprocessing="imagenet",
        licence=_LICENCE + "ImageNet",
        files=(Download(f"{_SITE}/deit/{file}", sha256=prefix, about=megabytes * 10**6),),
        reader="pytorch",
        architecture=architecture,
        labels="imagenet",
        input_size=224,
    )


def _features(
    name: str, architecture: str, path: str, megabytes: int, title: str, size: int, data: str = "ImageNet"
) -> Entry:
    return Entry(
        name=name,
        title=f"{title}, trained without labels",
        preprocessing="imagenet",
        licence=_LICENCE + data,
        task="features",
        files=(Download(f"{_SITE}/{path}.pth", about=megabytes * 10**6),),
        reader="pytorch",
        architecture=architecture,
        input_size=size,
        note="it knows no classes",
    )


ROWS = (
    *(_deit(*line) for line in _DEIT),
    *(
        _features(name, architecture, f"dino/{file}/{file}", megabytes, f"{title} (Caron et al. 2021)", 224)
        for name, architecture, file, megabytes, title in _DINO
    ),
    *(
        _features(
            f"dinov2_{kind}{'_reg' if registers else ''}",
            f"dinov2_{kind}{'_reg' if registers else ''}",
            f"dinov2/dinov2_{kind}/dinov2_{kind}{registers}_pretrain",
            megabytes,
            f"DINOv2 {title} (Oquab et al. 2023)" + (" with registers (Darcet et al. 2024)" if registers else ""),
            518,
            "LVD-142M",
        )
        for kind, megabytes, title in _DINOV2
        for registers in ("", "_reg4")
    ),
)
