"""Networks from elsewhere, and the one in the box."""

from __future__ import annotations

from pixelgrad.models.catalogue.entry import Entry

ROWS = (
    Entry(
        name="vgg19-slim16x",
        title="VGG-19 encoder distilled to 1/16 (Wang et al. 2020, Collaborative Distillation)",
        preprocessing="rgb",
        licence="MIT",
        task="features",
        signature=("bgr", "relu5_1", "pad1_1"),
        style_layers=("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"),
        content_layers=("relu4_2",),
        note="published as a PyTorch checkpoint without a graph; recognised in an ONNX file made from it",
    ),
)
