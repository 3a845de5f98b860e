"""What a network wants to see: how RGB in [0, 1] becomes its own input."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PREPROCESSINGS", "Preprocessing"]


@dataclass(frozen=True)
class Preprocessing:
    """``(image * scale - mean) / std`` per channel, the channels in ``order``.

    ``mean`` and ``std`` are in the units after scaling and in the network's channel order.
    """

    name: str
    order: str = "RGB"
    scale: float = 1.0
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    note: str = ""


_ROWS = (
    Preprocessing("rgb", note="RGB in [0, 1] as it is, or a network that normalises inside"),
    Preprocessing("rgb255", scale=255.0, note="RGB in [0, 255]"),
    Preprocessing(
        "imagenet",
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
        note="torchvision, timm and most of the ONNX model zoo",
    ),
    Preprocessing(
        "clip",
        mean=(0.48145466, 0.4578275, 0.40821073),
        std=(0.26862954, 0.26130258, 0.27577711),
        note="CLIP, of OpenAI and of OpenCLIP",
    ),
    Preprocessing(
        "caffe",
        order="BGR",
        scale=255.0,
        mean=(104.0, 117.0, 123.0),
        note="Caffe and Caffe2 model zoo: BGR in [0, 255] minus the ImageNet mean",
    ),
    Preprocessing(
        "caffe-vgg",
        order="BGR",
        scale=255.0,
        mean=(103.939, 116.779, 123.68),
        note="the VGG authors' own mean; also Keras VGG and ResNet",
    ),
    Preprocessing(
        "rgb255-mean",
        scale=255.0,
        mean=(123.0, 117.0, 104.0),
        note="RGB in [0, 255] minus the ImageNet mean: Caffe's VGG ported to PyTorch",
    ),
    Preprocessing("tf", scale=2.0, mean=(1.0, 1.0, 1.0), note="[-1, 1]: TensorFlow Inception and MobileNet"),
    Preprocessing("inception5h", scale=255.0, mean=(117.0, 117.0, 117.0), note="TensorFlow's DeepDream network"),
)

PREPROCESSINGS: dict[str, Preprocessing] = {row.name: row for row in _ROWS}
