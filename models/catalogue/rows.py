"""Networks from elsewhere, and the one in the box."""

from __future__ import annotations

from pixelgrad.models.catalogue.entry import Download, Entry

_DISTILLED = (
    "https://raw.githubusercontent.com/MingSun-Tse/Collaborative-Distillation/"
    "75c1b81c1dbea11c96d3fb04e96f207dee16dcbb/trained_models/wct_se_16x_new"
)

_VGG_STYLE = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")

ROWS = (
    Entry(
        name="pebble",
        title="pebble, the bundled network: the shape of VGG-19 at a sixteenth of its cost, trained by this project",
        preprocessing="rgb",
        licence="MIT",
        task="features",
        signature=("centred", "pad1_1", "pad5_1"),
        style_layers=_VGG_STYLE,
        # With shallow layers in front, the default elsewhere, pictures get a fine plaid of a period of four to six
        # pixels, which deeper layers hardly see through average pooling.
        content_layers=("relu4_2",),
    ),
    Entry(
        name="vgg19-slim16x",
        title="VGG-19 encoder distilled to 1/16 (Wang et al. 2020, Collaborative Distillation)",
        preprocessing="rgb",
        licence="MIT",
        task="features",
        files=(
            Download(
                f"{_DISTILLED}/20191109-211322_E20.pth",
                name="vgg19_slim16x.pth",
                sha256="9417c34d0d8d621bc6af78be745f1b8d30f5f210efa01e50655c60eb3770816b",
                size=3862288,
            ),
        ),
        reader="pytorch",
        signature=("bgr", "pad5_1", "pad1_1"),
        style_layers=_VGG_STYLE,
        content_layers=("relu4_2",),
    ),
)
