"""Networks that Caffe trained, from their authors: a ``.caffemodel`` and the ``.prototxt`` that it belongs to.

The SHA-1 of the weights is that of the model's ``readme.md`` in the Caffe model zoo; those of the VGG networks and of
SqueezeNet 1.1, whose authors give none, are the ones that other projects check the same addresses against. No hash is
published for a ``.prototxt``.
"""

from __future__ import annotations

from pixelgrad.models.catalogue.entry import Download, Entry

_BERKELEY = "http://dl.caffe.berkeleyvision.org"
_ZOO = "https://raw.githubusercontent.com/BVLC/caffe/master/models"
_VGG = "http://www.robots.ox.ac.uk/~vgg/software/very_deep/caffe"
_GIST = "https://gist.githubusercontent.com/ksimonyan"
_SQUEEZENET = "https://raw.githubusercontent.com/forresti/SqueezeNet/master"
_INCEPTIONS = ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")


def _files(weights: str, prototxt: str, sha1: str | None, parameters: float) -> tuple[Download, ...]:
    """parameters: in millions; each takes four bytes."""
    name = weights.rpartition("/")[2]
    return (
        Download(weights, sha1=sha1, about=round(parameters * 4e6)),
        Download(prototxt, name=f"{name.removesuffix('.caffemodel')}.prototxt"),
    )


def _bvlc(name: str, sha1: str, parameters: float) -> tuple[Download, ...]:
    return _files(f"{_BERKELEY}/{name}.caffemodel", f"{_ZOO}/{name}/deploy.prototxt", sha1, parameters)


def _vgg(layers: int, gist: str, sha1: str, parameters: float) -> Entry:
    file = f"VGG_ILSVRC_{layers}_layers"
    return Entry(
        name=f"vgg{layers}-caffe",
        title=f"VGG-{layers} as its authors released it (Simonyan & Zisserman 2014)",
        preprocessing="caffe-vgg",
        licence="as http://www.robots.ox.ac.uk/~vgg/research/very_deep/ says",
        files=_files(f"{_VGG}/{file}.caffemodel", f"{_GIST}/{gist}/{file}_deploy.prototxt", sha1, parameters),
        reader="caffe",
        labels="imagenet",
        input_size=224,
        note="the weights that Gatys et al. 2016 and most style transfer since were made with",
    )


def _squeezenet(version: str, sha1: str | None, parameters: float) -> tuple[Download, ...]:
    folder = f"{_SQUEEZENET}/SqueezeNet_v{version}"
    return _files(f"{folder}/squeezenet_v{version}.caffemodel", f"{folder}/deploy.prototxt", sha1, parameters)


ROWS = (
    Entry(
        name="googlenet",
        title="GoogLeNet (Szegedy et al. 2014), BVLC",
        preprocessing="caffe",
        licence="unrestricted use (BVLC)",
        files=_bvlc("bvlc_googlenet", "405fc5acd08a3bb12de8ee5e23a96bec22f08204", 13.38),
        reader="caffe",
        signature=("pool1/3x3_s2", "inception_3a/output", "inception_5b/output"),
        aliases={f"mixed{block}": f"inception_{block}/output" for block in _INCEPTIONS}
        | {"conv1": "conv1/7x7_s2", "conv2": "conv2/3x3", "pool1": "pool1/3x3_s2", "pool2": "pool2/3x3_s2"}
        | {"logits": "loss3/classifier"},
        # Not inception_4e: pictures are the same with it.
        style_layers=("conv1/7x7_s2", "conv2/3x3", "inception_3b/output", "inception_4b/output"),
        content_layers=("inception_4a/output",),
        dream_layers=("inception_4c/output",),
        labels="imagenet",
        input_size=224,
        note="the network of DeepDream",
    ),
    Entry(
        name="alexnet-bvlc",
        title="AlexNet (Krizhevsky et al. 2012), BVLC",
        preprocessing="caffe",
        licence="unrestricted use (BVLC)",
        files=_bvlc("bvlc_alexnet", "9116a64c0fbe4459d18f4bb6b56d647b63920377", 60.97),
        reader="caffe",
        labels="imagenet",
        input_size=227,
    ),
    Entry(
        name="caffenet-bvlc",
        title="CaffeNet, AlexNet with pooling before normalisation, BVLC",
        preprocessing="caffe",
        licence="unrestricted use (BVLC)",
        files=_bvlc("bvlc_reference_caffenet", "4c8d77deb20ea792f84eb5e6d0a11ca0a8660a46", 60.97),
        reader="caffe",
        labels="imagenet",
        input_size=227,
        note="the network of Yosinski et al. 2015 and of many feature visualisations",
    ),
    _vgg(
        16,
        "211839e770f7b538e2d8/raw/c3ba00e272d9f48594acef1f67e5fd12aff7a806",
        "9363e1f6d65f7dba68c4f27a1e62105cdf6c4e24",
        138.36,
    ),
    _vgg(
        19,
        "3785162f95cd2d5fee77/raw/f43eeefc869d646b449aa6ce66f87bf987a1c9b5",
        "239785e7862442717d831f682bb824055e51e9ba",
        143.67,
    ),
    Entry(
        name="squeezenet1_0",
        title="SqueezeNet 1.0 (Iandola et al. 2016)",
        preprocessing="caffe",
        licence="BSD-2-Clause (forresti)",
        files=_squeezenet("1.0", None, 1.25),
        reader="caffe",
        labels="imagenet",
        input_size=227,
    ),
    Entry(
        name="squeezenet1_1",
        title="SqueezeNet 1.1 (Iandola et al. 2016)",
        preprocessing="caffe",
        licence="BSD-2-Clause (forresti)",
        files=_squeezenet("1.1", "3397f026368a45ae236403ccc81cfcbe8ebe1bd0", 1.24),
        reader="caffe",
        signature=("fire2/concat_1", "pool3_1", "fire9/concat_1", "pool10_1"),
        aliases={f"fire{i}": f"fire{i}/concat_1" for i in range(2, 10)} | {"conv1": "conv1_2", "conv10": "conv10_2"},
        style_layers=("conv1_2", "fire3/concat_1", "fire5/concat_1", "fire7/concat_1", "fire9/concat_1"),
        content_layers=("fire5/concat_1",),
        dream_layers=("fire8/concat_1",),
        labels="imagenet",
        input_size=227,
    ),
)
