"""The teachers: real networks, rebuilt in PyTorch from the initialisers of their files, frozen.

- `slim`: the encoder of VGG-19 at a sixteenth of its cost from "Collaborative Distillation for Ultra-Resolution
  Universal Style Transfer" (Wang et al. 2020), MIT. Its 1x1 auxiliary heads estimate VGG-19's own features.
- `googlenet`: BVLC GoogLeNet (Szegedy et al. 2015), unrestricted use.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
import torch
import torch.nn.functional as F  # noqa: N812
from onnx import numpy_helper
from torch import Tensor

#: Blue, green, red; what the Caffe networks subtract from 0..255.
CAFFE_MEANS = (104.0, 117.0, 123.0)

#: VGG-19 layers for which the slim network has an auxiliary head.
HEADS = ("1_1", "2_1", "3_1", "4_1", "5_1")


class SlimVGG:
    """The slim VGG-19 with reflection padding; targets are its auxiliary heads' outputs, up to a rotation.

    A head `W` takes 16 to 128 channels to 64 to 512. With `W = Q R` (Q orthonormal), squared distances and variances
    of `R x` are those of `W x`, so the targets are `R x`: the same loss at a quarter of the channels.
    """

    depths = (2, 2, 4, 4, 1)

    def __init__(self, path: Path, dtype: torch.dtype = torch.float32) -> None:
        state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)["model"]
        colour, offset = state["conv0.weight"][:, :, 0, 0], state["conv0.bias"]
        self.dtype = dtype
        self.layers: list[tuple[str, Tensor, Tensor]] = []
        for block, depth in enumerate(self.depths, start=1):
            for index in range(1, depth + 1):
                weight, bias = state[f"conv{block}{index}.weight"], state[f"conv{block}{index}.bias"]
                if (block, index) == (1, 1):
                    # Colours to BGR minus means, folded in; exact, as reflection commutes with a map of colours.
                    bias = bias + torch.einsum("oikl,i->o", weight, offset)
                    weight = torch.einsum("oikl,ij->ojkl", weight, colour)
                self.layers.append((f"{block}_{index}", weight, bias))
        self.maps = {
            suffix: torch.linalg.qr(state[f"conv{suffix.replace('_', '')}_aux.weight"][:, :, 0, 0]).R
            for suffix in HEADS
        }
        self.channels = {suffix: weight.shape[0] for suffix, weight, _ in self.layers}

    @torch.no_grad()
    def features(self, image: Tensor) -> dict[str, Tensor]:
        """The rectified layers "relu1_1" and so on of an image [N, 3, H, W], RGB in [0, 1]."""
        return self.differentiable(image)

    def differentiable(self, image: Tensor) -> dict[str, Tensor]:
        """`features`, with a gradient in the image."""
        result, x = {}, image.contiguous(memory_format=torch.channels_last)
        for suffix, weight, bias in self.layers:
            if suffix.endswith("_1") and suffix != "1_1":
                x = F.max_pool2d(x, 2)
            # The first layer stays in float32: bfloat16 has fewer steps than an 8-bit image.
            dtype = torch.float32 if suffix == "1_1" else self.dtype
            x = F.pad(x.to(dtype), (1, 1, 1, 1), mode="reflect")
            x = F.relu(F.conv2d(x, weight.to(dtype), bias.to(dtype)))
            x = x.contiguous(memory_format=torch.channels_last)
            result[f"relu{suffix}"] = x
        return result

    @torch.no_grad()
    def targets(self, image: Tensor) -> dict[str, Tensor]:
        """The five rotated auxiliary outputs, and relu4_2 as it is, under the student's layer names."""
        features = self.features(image)
        result = {f"relu{s}": F.conv2d(features[f"relu{s}"].float(), self.maps[s][:, :, None, None]) for s in HEADS}
        result["relu4_2"] = features["relu4_2"].float()
        return {name: x.contiguous(memory_format=torch.channels_last) for name, x in result.items()}


class OnnxTeacher:
    """A Caffe-style ONNX classifier, run node by node in PyTorch as far as the layers asked for."""

    def __init__(self, path: Path, layers: tuple[str, ...], dtype: torch.dtype = torch.float32) -> None:
        """`layers` are tensor names of the graph."""
        model = onnx.load(path)
        self.layers, self.dtype = layers, dtype
        self.weights = {
            tensor.name: _channels_last(torch.from_numpy(numpy_helper.to_array(tensor).copy()).to(dtype))
            for tensor in model.graph.initializer
        }
        self.input = next(value.name for value in model.graph.input if value.name not in self.weights)
        self.nodes: list[tuple[str, list[str], str, dict[str, Any]]] = []
        missing = set(layers)
        for node in model.graph.node:
            attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            self.nodes.append((node.op_type, list(node.input), node.output[0], attributes))
            missing.discard(node.output[0])
            if not missing:
                break
        if missing:
            raise ValueError(f"{path.name} has no tensors {sorted(missing)}")

    def features(self, image: Tensor) -> dict[str, Tensor]:
        """The layers asked for of an image [N, 3, H, W], RGB in [0, 1]; differentiable in the image."""
        means = torch.tensor(CAFFE_MEANS, device=image.device)[:, None, None]
        values = {self.input: _channels_last((255.0 * image.flip(1) - means).to(self.dtype))}
        for kind, inputs, output, attributes in self.nodes:
            x = values[inputs[0]]
            if kind == "Conv":
                values[output] = self._convolution(x, inputs, attributes)
            elif kind == "Relu":
                values[output] = F.relu(x)
            elif kind == "MaxPool":
                values[output] = _max_pool(x, attributes)
            elif kind == "LRN":
                values[output] = _local_response(x, attributes)
            elif kind == "Concat":
                values[output] = torch.cat([values[name] for name in inputs], dim=1)
            else:
                raise ValueError(f"no rule for {kind}")
        return {name: values[name].float() for name in self.layers}

    @torch.no_grad()
    def targets(self, image: Tensor) -> dict[str, Tensor]:
        """`features` of an image moved by four pixels, without a gradient.

        Caffe's pooling rounds up: cell i of stride 8 is centred on pixel 8 i + 6 and of stride 16 on 16 i + 14, where
        the student has 8 i + 3.5 and 16 i + 7.5. Four pixels of padding leave errors of -1.5 and +2.5.
        """
        return self.features(F.pad(image, (4, 0, 4, 0), mode="replicate")[:, :, :-4, :-4])

    def _convolution(self, x: Tensor, inputs: list[str], attributes: Mapping[str, Any]) -> Tensor:
        pads = attributes.get("pads", [0, 0, 0, 0])
        return F.conv2d(
            x,
            self.weights[inputs[1]],
            self.weights[inputs[2]],
            stride=tuple(attributes.get("strides", [1, 1])),
            padding=(pads[0], pads[1]),
        )


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x


def _max_pool(x: Tensor, attributes: Mapping[str, Any]) -> Tensor:
    top, left, bottom, right = attributes.get("pads", [0, 0, 0, 0])
    # All maps here are rectified, so padding by zero cannot win over a value.
    x = F.pad(x, (left, right, top, bottom))
    return F.max_pool2d(x, tuple(attributes["kernel_shape"]), stride=tuple(attributes["strides"]))


def _local_response(x: Tensor, attributes: Mapping[str, Any]) -> Tensor:
    """Krizhevsky et al. 2012 section 3.3, the sum over neighbouring channels as a banded 1x1 convolution."""
    channels, size = x.shape[1], int(attributes["size"])
    distance = torch.arange(channels)[:, None] - torch.arange(channels)[None, :]
    band = (distance.abs() <= size // 2).to(x.dtype)[:, :, None, None]
    energy = F.conv2d(x * x, band) * (float(attributes["alpha"]) / size)
    return x * (energy + float(attributes["bias"])).pow(-float(attributes["beta"]))
