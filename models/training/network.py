"""The student: pebble, a VGG-shaped feature network for optimising pixels.

The layer names and strides are VGG-19's (Simonyan and Zisserman 2015), the widths a quarter of it, so the cost is a
sixteenth. Where it departs from VGG: max pooling became average pooling, whose gradient reaches every pixel
(Gatys et al. 2016 section 2); padding reflects, since an optimiser darkens a border behind which it sees nothing, once
for every two convolutions, since each costs a gradient several passes over the map; and batch normalisation (Ioffe and
Szegedy 2015) stands behind every convolution while training and is folded into it afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

#: What the graph subtracts from an image in [0, 1]; also the colour that a zero padding stands for.
GREY = 0.45

#: The layers that the style and content losses read, and that the teachers supervise.
LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu4_2", "relu5_1")


@dataclass(frozen=True)
class Design:
    """The shape of a student: per block its channels and its number of convolutions, and the pooling between blocks.

    `pool` is "average" (2x2, stride 2) or "blur" (3x3 stride 1, then 2x2 stride 2: the taps [1, 2, 2, 1] / 6 per axis).
    The convolutions of the first `reflected` blocks see their input mirrored beyond its border, by two cells for two
    convolutions in turn, of which the first then gives a map one cell larger on every side; those behind see zeros.
    """

    channels: tuple[int, ...] = (16, 32, 64, 128, 128)
    depths: tuple[int, ...] = (2, 2, 4, 4, 1)
    pool: str = "average"
    reflected: int = 5

    def convolutions(self) -> list[tuple[str, int, int]]:
        """Per convolution, in order: its suffix ("3_2"), input channels, output channels."""
        rows, width = [], 3
        for block, (channels, depth) in enumerate(zip(self.channels, self.depths, strict=True), start=1):
            for index in range(1, depth + 1):
                rows.append((f"{block}_{index}", width, channels))
                width = channels
        return rows

    def multiply_adds(self, height: int, width: int) -> int:
        """Multiply-adds of one forward pass over an image of this size in pixels."""
        return sum(
            9 * fan_in * fan_out * (height >> (int(suffix[0]) - 1)) * (width >> (int(suffix[0]) - 1))
            for suffix, fan_in, fan_out in self.convolutions()
        )

    def ring(self, suffix: str) -> int:
        """How many cells of mirrored border are put around the input of convolution `suffix`."""
        block, index = int(suffix[0]), int(suffix[2:])
        return min(2, self.depths[block - 1] - index + 1) if block <= self.reflected and index % 2 else 0

    def zeros(self, suffix: str) -> int:
        """How many cells of zeros are."""
        return int(int(suffix[0]) > self.reflected)

    def padded(self, x: Tensor, suffix: str) -> Tensor:
        """The input of convolution `suffix` with its border."""
        ring, zeros = self.ring(suffix), self.zeros(suffix)
        return F.pad(x, (ring,) * 4, mode="reflect") if ring else F.pad(x, (zeros,) * 4)

    def as_dict(self) -> dict[str, Any]:
        """For a checkpoint; `Design(**...)` restores it once the lists are tuples again."""
        return asdict(self)


def design_from(row: Mapping[str, Any]) -> Design:
    """The design that `Design.as_dict` wrote down."""
    return Design(tuple(row["channels"]), tuple(row["depths"]), str(row["pool"]), int(row["reflected"]))


@dataclass
class Folded:
    """The network as it ships: plain convolutions, `weights[suffix]` [out, in, 3, 3] and `biases[suffix]` [out]."""

    design: Design
    weights: dict[str, Tensor] = field(default_factory=dict)
    biases: dict[str, Tensor] = field(default_factory=dict)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """All rectified layers, "relu1_1" and so on, of an image [N, 3, H, W], RGB in [0, 1], without their rings."""
        return {f"relu{suffix}": F.relu(within(x, suffix, image)) for suffix, x in self.convolved(image).items()}

    def convolved(self, image: Tensor) -> dict[str, Tensor]:
        """What `forward` rectifies, by suffix, with what rings there are."""
        result, x = {}, image - GREY
        for suffix, _, _ in self.design.convolutions():
            if suffix.endswith("_1") and suffix != "1_1":
                x = pool(x, self.design.pool)
            result[suffix] = F.conv2d(self.design.padded(x, suffix), self.weights[suffix], self.biases[suffix])
            x = F.relu(result[suffix])
        return result

    def rescaled(self, gains: Mapping[str, Tensor]) -> Folded:
        """The same network with channel i of layer `suffix` multiplied by gains[suffix][i] > 0.

        Exact: rectifiers and poolings are homogeneous, so the next convolution takes the gain out again.
        """
        result, incoming = Folded(self.design), torch.ones(3)
        for suffix, _, _ in self.design.convolutions():
            gain = gains[suffix]
            result.weights[suffix] = self.weights[suffix] * gain[:, None, None, None] / incoming[:, None, None]
            result.biases[suffix] = self.biases[suffix] * gain
            incoming = gain
        return result


def within(x: Tensor, suffix: str, image: Tensor) -> Tensor:
    """The part of a layer that stands for the image, without a ring that reaches beyond it."""
    height, width = (side >> (int(suffix[0]) - 1) for side in image.shape[2:])
    top, left = (x.shape[2] - height) // 2, (x.shape[3] - width) // 2
    return x[:, :, top : top + height, left : left + width]


def pool(x: Tensor, kind: str) -> Tensor:
    """Halve the height and width."""
    if kind == "blur":
        x = F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
    return F.avg_pool2d(x, 2)


class Student(nn.Module):
    """The network while it trains: convolution, batch normalisation, rectifier."""

    def __init__(self, design: Design) -> None:
        super().__init__()
        self.design = design
        self.convolutions = nn.ModuleDict()
        self.norms = nn.ModuleDict()
        for suffix, fan_in, fan_out in design.convolutions():
            self.convolutions[suffix] = nn.Conv2d(fan_in, fan_out, 3, bias=False)
            self.norms[suffix] = nn.BatchNorm2d(fan_out, momentum=0.02)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """All rectified layers of an image [N, 3, H, W], RGB in [0, 1], without their rings."""
        features, x = {}, image - GREY
        for suffix, _, _ in self.design.convolutions():
            if suffix.endswith("_1") and suffix != "1_1":
                x = pool(x, self.design.pool)
            x = F.relu(self.norms[suffix](self.convolutions[suffix](self.design.padded(x, suffix))))
            features[f"relu{suffix}"] = within(x, suffix, image)
        return features

    @torch.no_grad()
    def folded(self) -> Folded:
        """Each normalisation multiplied into the convolution in front of it; exact in evaluation mode."""
        result = Folded(self.design)
        for suffix, _, _ in self.design.convolutions():
            norm, convolution = self.norms[suffix], self.convolutions[suffix]
            assert isinstance(norm, nn.BatchNorm2d)
            assert isinstance(convolution, nn.Conv2d)
            assert norm.running_mean is not None
            assert norm.running_var is not None
            gain, weight = norm.weight / torch.sqrt(norm.running_var + norm.eps), convolution.weight
            result.weights[suffix] = (weight * gain[:, None, None, None]).detach().float().clone()
            result.biases[suffix] = (norm.bias - norm.running_mean * gain).detach().float().clone()
        return result


class Heads(nn.Module):
    """One 1x1 convolution per supervised layer, from the student's channels to a teacher's; not shipped."""

    def __init__(self, pairs: Mapping[str, tuple[str, int, int]]) -> None:
        """`pairs[target]` is (student layer, its channels, the target's channels)."""
        super().__init__()
        self.sources = {target: source for target, (source, _, _) in pairs.items()}
        # ModuleDict takes no dots and slashes.
        self.maps = nn.ModuleDict({_key(name): nn.Conv2d(a, b, 1) for name, (_, a, b) in pairs.items()})

    def forward(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The student's estimate of every target."""
        return {target: self.maps[_key(target)](features[source]) for target, source in self.sources.items()}

    def weight(self, target: str) -> Tensor:
        """The linear map [target channels, student channels] of one head."""
        head = self.maps[_key(target)]
        assert isinstance(head, nn.Conv2d)
        return head.weight[:, :, 0, 0]

    @torch.no_grad()
    def set(self, target: str, affine: Tensor) -> None:
        """Make one head the map `affine` [student channels + 1, target channels], its last row the constant."""
        head = self.maps[_key(target)]
        assert isinstance(head, nn.Conv2d)
        assert head.bias is not None
        head.weight.copy_(affine[:-1].T[:, :, None, None])
        head.bias.copy_(affine[-1])


def _key(name: str) -> str:
    return name.replace("/", "_").replace(".", "_")
