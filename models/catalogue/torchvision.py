"""torchvision's ImageNet classifiers: state dicts (``.pth``) from download.pytorch.org.

Each file's name carries the first eight hex digits of its SHA-256; the size is what torchvision's weights table says,
in MiB to three decimals, which is near the byte count and not it.
"""

from __future__ import annotations

from dataclasses import replace

from pixelgrad.models.catalogue.entry import Download, Entry

_SITE = "https://download.pytorch.org/models"
_LICENCE = "BSD-3-Clause (torchvision), trained on ImageNet"
# Ported from TensorFlow, these want [-1, 1]; torchvision wraps them so as to take what its other networks take.
_FROM_TENSORFLOW = {"googlenet", "inception_v3"}

# name here, architecture, file, MiB, what it is
_TABLE = (
    ("alexnet", "alexnet", "alexnet-owt-7be5be79.pth", 233.087, "AlexNet, one tower (Krizhevsky 2014)"),
    ("vgg11", "vgg11", "vgg11-8a719046.pth", 506.84, "VGG-11 (Simonyan & Zisserman 2014)"),
    ("vgg11_bn", "vgg11_bn", "vgg11_bn-6002323d.pth", 506.881, "VGG-11 with batch normalisation"),
    ("vgg13", "vgg13", "vgg13-19584684.pth", 507.545, "VGG-13 (Simonyan & Zisserman 2014)"),
    ("vgg13_bn", "vgg13_bn", "vgg13_bn-abd245e5.pth", 507.59, "VGG-13 with batch normalisation"),
    ("vgg16", "vgg16", "vgg16-397923af.pth", 527.796, "VGG-16 (Simonyan & Zisserman 2014)"),
    ("vgg16_bn", "vgg16_bn", "vgg16_bn-6c64b313.pth", 527.866, "VGG-16 with batch normalisation"),
    ("vgg19", "vgg19", "vgg19-dcbb9e9d.pth", 548.051, "VGG-19 (Simonyan & Zisserman 2014)"),
    ("vgg19_bn", "vgg19_bn", "vgg19_bn-c79401a0.pth", 548.143, "VGG-19 with batch normalisation"),
    ("googlenet-torchvision", "googlenet", "googlenet-1378be20.pth", 49.731, "GoogLeNet (Szegedy et al. 2014)"),
    ("inception_v3", "inception_v3", "inception_v3_google-0cc3c7bd.pth", 103.903, "Inception v3 (Szegedy et al. 2015)"),
    ("squeezenet1_0-torchvision", "squeezenet1_0", "squeezenet1_0-b66bff10.pth", 4.778, "SqueezeNet 1.0"),
    ("squeezenet1_1-torchvision", "squeezenet1_1", "squeezenet1_1-b8a52dc0.pth", 4.729, "SqueezeNet 1.1"),
    ("resnet18", "resnet18", "resnet18-f37072fd.pth", 44.661, "ResNet-18 (He et al. 2015)"),
    ("resnet34", "resnet34", "resnet34-b627a593.pth", 83.275, "ResNet-34 (He et al. 2015)"),
    ("resnet50", "resnet50", "resnet50-0676ba61.pth", 97.781, "ResNet-50 (He et al. 2015)"),
    ("resnet50-imagenet1k_v2", "resnet50", "resnet50-11ad3fa6.pth", 97.79, "ResNet-50, newer training"),
    ("resnet101", "resnet101", "resnet101-63fe2227.pth", 170.511, "ResNet-101 (He et al. 2015)"),
    (
        "resnet101-imagenet1k_v2",
        "resnet101",
        "resnet101-cd907fc2.pth",
        170.53,
        "ResNet-101, newer training",
    ),
    ("resnet152", "resnet152", "resnet152-394f9c45.pth", 230.434, "ResNet-152 (He et al. 2015)"),
    (
        "resnet152-imagenet1k_v2",
        "resnet152",
        "resnet152-f82ba261.pth",
        230.474,
        "ResNet-152, newer training",
    ),
    ("densenet121", "densenet121", "densenet121-a639ec97.pth", 30.845, "DenseNet-121 (Huang et al. 2016)"),
    ("densenet161", "densenet161", "densenet161-8d451a50.pth", 110.369, "DenseNet-161 (Huang et al. 2016)"),
    ("densenet169", "densenet169", "densenet169-b2777c0a.pth", 54.708, "DenseNet-169 (Huang et al. 2016)"),
    ("densenet201", "densenet201", "densenet201-c1103571.pth", 77.373, "DenseNet-201 (Huang et al. 2016)"),
    ("mobilenet_v2", "mobilenet_v2", "mobilenet_v2-b0353104.pth", 13.555, "MobileNet V2 (Sandler et al. 2018)"),
    (
        "mobilenet_v2-imagenet1k_v2",
        "mobilenet_v2",
        "mobilenet_v2-7ebf99e0.pth",
        13.598,
        "MobileNet V2, newer training",
    ),
    (
        "mobilenet_v3_large",
        "mobilenet_v3_large",
        "mobilenet_v3_large-8738ca79.pth",
        21.114,
        "MobileNet V3 large (Howard et al. 2019)",
    ),
    (
        "mobilenet_v3_large-imagenet1k_v2",
        "mobilenet_v3_large",
        "mobilenet_v3_large-5c1a4163.pth",
        21.107,
        "MobileNet V3 large, newer training",
    ),
    (
        "mobilenet_v3_small",
        "mobilenet_v3_small",
        "mobilenet_v3_small-047dcff4.pth",
        9.829,
        "MobileNet V3 small (Howard et al. 2019)",
    ),
)


def _row(name: str, architecture: str, file: str, mebibytes: float, title: str) -> Entry:
    prefix = file.removesuffix(".pth").rpartition("-")[2]
    return Entry(
        name=name,
        title=f"{title}, torchvision",
        preprocessing="tf" if architecture in _FROM_TENSORFLOW else "imagenet",
        licence=_LICENCE,
        files=(Download(f"{_SITE}/{file}", sha256=prefix, about=round(mebibytes * 2**20)),),
        reader="pytorch",
        architecture=architecture,
        labels="imagenet",
        input_size=299 if architecture == "inception_v3" else 224,
    )


ROWS = (
    *(_row(*line) for line in _TABLE),
    replace(
        _row(
            "vgg16-features",
            "vgg16",
            "vgg16_features-amdegroot-88682ab5.pth",
            527.802,
            "VGG-16 of its authors",
        ),
        title="VGG-16 of its authors by way of torchvision, its convolutions only",
        preprocessing="rgb255-mean",
        task="features",
        labels=None,
        note="the fully connected layers hold no values: for style transfer and features, not for classes",
    ),
)
