"""torchvision's ImageNet classifiers: state dicts (``.pth``) from download.pytorch.org.

Each file's name carries the first eight or ten hex digits of its SHA-256; the size is what torchvision's weights table
says, in MiB to three decimals, which is near the byte count and not it.
"""

from __future__ import annotations

from dataclasses import replace

from pixelgrad.models.catalogue.entry import Download, Entry
from pixelgrad.models.catalogue.torchvision_table import TABLE

_SITE = "https://download.pytorch.org/models"
_LICENCE = "BSD-3-Clause (torchvision), trained on ImageNet"
# These want [-1, 1]. torchvision wraps the first two, ported from TensorFlow, so that they take what its others take.
_HALVES = {"googlenet", "inception_v3", "efficientnet_v2_l"}

# Where it is not 224.
_INPUT_SIZES = {
    "inception_v3": 299,
    "efficientnet_b1": 240,
    "efficientnet_b2": 288,
    "efficientnet_b3": 300,
    "efficientnet_b4": 380,
    "efficientnet_b5": 456,
    "efficientnet_b6": 528,
    "efficientnet_b7": 600,
    "efficientnet_v2_s": 384,
    "efficientnet_v2_m": 480,
    "efficientnet_v2_l": 480,
}
# What others have the plain name of.
_ALSO = {"googlenet", "squeezenet1_0", "squeezenet1_1"}
_NEWER = ", newer training"


def _row(architecture: str, file: str, mebibytes: float, title: str) -> Entry:
    name = architecture + ("-imagenet1k_v2" if title.endswith(_NEWER) else "")
    if architecture in _ALSO:
        name += "-torchvision"
    prefix = file.removesuffix(".pth").rpartition("-")[2]
    return Entry(
        name=name,
        title=f"{title}, torchvision",
        preprocessing="tf" if architecture in _HALVES else "imagenet",
        licence=_LICENCE,
        files=(Download(f"{_SITE}/{file}", sha256=prefix, about=round(mebibytes * 2**20)),),
        reader="pytorch",
        architecture=architecture,
        labels="imagenet",
        input_size=_INPUT_SIZES.get(architecture, 224),
    )


ROWS = (
    *(_row(*line) for line in TABLE),
    replace(
        _row("vgg16", "vgg16_features-amdegroot-88682ab5.pth", 527.802, ""),
        name="vgg16-features",
        title="VGG-16 of its authors by way of torchvision, its convolutions only",
        preprocessing="rgb255-mean",
        task="features",
        labels=None,
        note="the fully connected layers hold no values: for style transfer and features, not for classes",
    ),
)
