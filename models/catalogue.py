"""Which networks pixelgrad knows, as rows of data.

A row tells how a network wants its input, which of its layers serve which purpose, and how to recognise it in a
file: ``signature`` are tensor names that only this network has.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field

__all__ = ["CATALOGUE", "Entry", "recognise"]


@dataclass(frozen=True)
class Entry:
    """One network.

    aliases: canonical layer name -> tensor name in the file.
    style_layers, content_layers: the defaults for style transfer, shallow to deep.
    labels: what its classes are called, one of ``pixelgrad.models.labels.LABEL_SETS``.
    """

    name: str
    title: str
    preprocessing: str
    licence: str
    signature: tuple[str, ...] = ()
    aliases: dict[str, str] = field(default_factory=dict)
    style_layers: tuple[str, ...] = ()
    content_layers: tuple[str, ...] = ()
    labels: str | None = None


_VGG_STYLE = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
_INCEPTIONS = ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")

_ROWS = (
    Entry(
        name="googlenet",
        title="BVLC GoogLeNet (Szegedy et al. 2014), ImageNet, 1000 classes",
        preprocessing="caffe",
        licence="unrestricted use (BVLC)",
        signature=("conv1/7x7_s2", "inception_3a/output", "inception_5b/output"),
        aliases={f"mixed{block}": f"inception_{block}/output" for block in _INCEPTIONS}
        | {"conv1": "conv1/7x7_s2", "conv2": "conv2/3x3", "pool1": "pool1/3x3_s2", "pool2": "pool2/3x3_s2"}
        | {"logits": "loss3/classifier"},
        style_layers=(
            "conv1/7x7_s2",
            "conv2/3x3",
            "inception_3b/output",
            "inception_4b/output",
            "inception_4e/output",
        ),
        content_layers=("inception_4a/output",),
        labels="imagenet",
    ),
    Entry(
        name="squeezenet1_1",
        title="SqueezeNet 1.1 (Iandola et al. 2016), ImageNet, 1000 classes",
        preprocessing="caffe",
        licence="BSD-2-Clause (forresti)",
        signature=("fire2/squeeze1x1_1", "fire9/concat_1", "pool10_1"),
        aliases={f"fire{i}": f"fire{i}/concat_1" for i in range(2, 10)} | {"conv1": "conv1_2", "conv10": "conv10_2"},
        style_layers=("conv1_2", "fire3/concat_1", "fire5/concat_1", "fire7/concat_1", "fire9/concat_1"),
        content_layers=("fire5/concat_1",),
        labels="imagenet",
    ),
    Entry(
        name="vgg19-slim16x",
        title="VGG-19 encoder distilled to 1/16 (Wang et al. 2020, Collaborative Distillation)",
        preprocessing="rgb",
        licence="MIT",
        signature=("bgr", "relu5_1", "pad1_1"),
        style_layers=_VGG_STYLE,
        content_layers=("relu4_2",),
    ),
)

CATALOGUE: dict[str, Entry] = {row.name: row for row in _ROWS}


def recognise(tensors: Container[str]) -> Entry | None:
    """The row whose signature a file with these tensor names bears."""
    for row in _ROWS:
        if row.signature and all(name in tensors for name in row.signature):
            return row
    return None
