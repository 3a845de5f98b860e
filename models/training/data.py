"""Endless augmented crops of a folder of images and of drawings, and the held-out images that training never sees."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from PIL import Image
from synthetic import picture
from torch import Tensor

#: File names kept out of training: four Kodak photographs, a photograph, two paintings and a texture.
HELD_OUT = (
    "kodim05.png",
    "kodim13.png",
    "kodim21.png",
    "kodim23.png",
    "coffee.png",
    "the_scream.jpg",
    "vg_la_cafe.jpg",
    "brick.png",
)

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")

#: Share of the crops drawn from each folder under `images`; the rest is drawn by code.
SHARES = {"kodak": 0.34, "photos": 0.13, "paintings": 0.17, "textures": 0.06}


def read(path: Path) -> Tensor:
    """An image file as float32 [3, H, W], RGB in [0, 1]."""
    with Image.open(path) as file:
        pixels = np.array(file.convert("RGB"))
    return torch.from_numpy(pixels).permute(2, 0, 1).float() / 255


def held_out(images: Path, stride: int = 16) -> list[tuple[str, Tensor]]:
    """The held-out images, [1, 3, H, W], at most 512 pixels high and wide, cut to multiples of `stride`."""
    result = []
    for path in sorted(path for path in images.rglob("*") if path.name in HELD_OUT):
        image = read(path)[None]
        factor = min(1.0, 768 / max(image.shape[2:]))
        if factor < 1:
            image = F.interpolate(image, scale_factor=factor, mode="bilinear", antialias=True)
        height, width = (min(512, side) // stride * stride for side in image.shape[2:])
        top, left = (image.shape[2] - height) // 2, (image.shape[3] - width) // 2
        result.append((path.name, image[:, :, top : top + height, left : left + width].contiguous()))
    if len(result) != len(HELD_OUT):
        raise FileNotFoundError(f"{images} holds {len(result)} of the {len(HELD_OUT)} held-out images {HELD_OUT}")
    return result


@dataclass
class Source:
    """One image with its halvings, uint8 [3, H, W], so that a crop at any scale is free of aliasing."""

    levels: list[Tensor]

    @classmethod
    def of(cls, image: Tensor) -> Source:
        """`image` is float32 [3, H, W] in [0, 1]."""
        levels: list[Tensor] = []
        while not levels or min(image.shape[1:]) >= 64:
            levels.append((image * 255).round().to(torch.uint8))
            image = F.avg_pool2d(image[None], 2)[0]
        return cls(levels)


class Crops:
    """A seeded, endless stream of batches [N, 3, size, size], RGB in [0, 1]."""

    def __init__(self, images: Path, drawings: int, seed: int) -> None:
        """`images` holds the folders named in SHARES; `drawings` pictures are drawn at 320 pixels."""
        self.rng = np.random.default_rng(seed)
        self.groups: list[tuple[float, list[Source]]] = []
        for folder, share in SHARES.items():
            paths = [p for p in sorted((images / folder).glob("*")) if p.suffix in SUFFIXES]
            sources = [Source.of(read(path)) for path in paths if path.name not in HELD_OUT]
            if sources:
                self.groups.append((share, sources))
        if not self.groups:
            raise FileNotFoundError(f"{images} has none of the folders {sorted(SHARES)} with images in them")
        if drawings:
            drawn = [torch.tensor(picture(320, number)).permute(2, 0, 1) for number in range(drawings)]
            share = 1 - sum(share for share, _ in self.groups)
            self.groups.append((share, [Source.of(image.float() / 255) for image in drawn]))
        total = sum(share for share, _ in self.groups)
        self.odds = [share / total for share, _ in self.groups]

    def batch(self, count: int, size: int) -> Tensor:
        """`count` crops, augmented each on its own."""
        return torch.stack([self._augmented(size) for _ in range(count)]).contiguous(memory_format=torch.channels_last)

    def _augmented(self, size: int) -> Tensor:
        rng = self.rng
        crop = self._colours(self._crop(size))
        chance = rng.random()
        if chance < 0.12:
            share = float(rng.uniform(0.2, 0.5))
            crop = (1 - share) * crop + share * self._colours(self._crop(size))
        elif chance < 0.24:
            # A smooth random mask sets two images side by side: every kind of texture beside every other.
            field = torch.from_numpy(rng.normal(size=(1, 1, 4, 4)).astype(np.float32))
            field = F.interpolate(field, (size, size), mode="bicubic", align_corners=False)[0]
            mask = torch.sigmoid(field * float(2 ** rng.uniform(1, 6)))
            crop = torch.lerp(crop, self._colours(self._crop(size)), mask)
        return self._grain(crop).clamp_(0, 1)

    def _crop(self, size: int) -> Tensor:
        """A rotated, scaled, mirrored window of a random image; reflected where it leaves the image."""
        rng = self.rng
        group = self.groups[rng.choice(len(self.groups), p=self.odds)][1]
        source = group[rng.integers(len(group))]
        # Source pixels per crop pixel: 0.4 enlarges 2.5 times, 2.5 shows a whole Kodak photograph in 256 pixels.
        step = float(np.exp(rng.uniform(math.log(0.4), math.log(2.5))))
        level = min(max(0, math.floor(math.log2(max(step, 1e-3)) + 0.5)), len(source.levels) - 1)
        image = source.levels[level]
        step /= 2**level
        height, width = image.shape[1:]
        step = min(step, min(height, width) / size * 1.2)
        angle = rng.uniform(0, 2 * np.pi) if rng.random() < 0.25 else rng.normal(0, 0.08)
        angle += np.pi / 2 * int(rng.integers(4)) * (rng.random() < 0.3)
        stretch = float(np.exp(rng.normal(0, 0.1)))
        mirror = -1.0 if rng.random() < 0.5 else 1.0
        reach = size * step
        centre_x = rng.uniform(min(reach / 2, width / 2), max(width - reach / 2, width / 2))
        centre_y = rng.uniform(min(reach / 2, height / 2), max(height - reach / 2, height / 2))
        cos, sin = math.cos(angle) * reach, math.sin(angle) * reach
        theta = torch.tensor(
            [
                [mirror * cos * stretch / width, -sin / stretch / width, 2 * centre_x / width - 1],
                [mirror * sin * stretch / height, cos / stretch / height, 2 * centre_y / height - 1],
            ],
            dtype=torch.float32,
        )
        grid = F.affine_grid(theta[None], [1, 3, size, size], align_corners=False)
        mode = "bicubic" if step < 0.8 else "bilinear"
        window = F.grid_sample(image[None].float(), grid, mode, "reflection", align_corners=False)
        return window[0].div_(255).clamp_(0, 1)

    def _colours(self, crop: Tensor) -> Tensor:
        """Brightness, contrast, gamma, saturation, a turn of the hues, tints, and at times grey or inverted."""
        rng = self.rng
        if rng.random() < 0.25:
            return crop
        crop = crop ** float(np.exp(rng.normal(0, 0.25)))
        mean = crop.mean(dim=(1, 2), keepdim=True)
        gain = np.exp(rng.normal(0, 0.25)) * np.exp(rng.normal(0, 0.1, 3))
        shift = rng.normal(0, 0.08) + rng.normal(0, 0.04, 3)
        crop = (crop - mean) * torch.tensor(gain).float()[:, None, None] + mean
        crop = crop + torch.tensor(shift).float()[:, None, None]
        chance = rng.random()
        if chance < 0.08:
            crop = crop.mean(dim=0, keepdim=True).expand(3, -1, -1)
        elif chance < 0.5:
            # A rotation about the grey axis with a change of saturation.
            angle = rng.uniform(-np.pi, np.pi) if chance < 0.2 else rng.normal(0, 0.2)
            saturation = float(np.exp(rng.normal(0, 0.4)))
            third, cos, sin = 1 / 3, math.cos(angle) * saturation, math.sin(angle) * saturation / math.sqrt(3)
            a, b, c = third + cos * 2 / 3, third - cos / 3 - sin, third - cos / 3 + sin
            turn = torch.tensor([[a, b, c], [c, a, b], [b, c, a]], dtype=torch.float32)
            crop = torch.einsum("oi,ihw->ohw", turn, crop)
        if rng.random() < 0.03:
            crop = 1 - crop
        return crop.clamp(0, 1)

    def _grain(self, crop: Tensor) -> Tensor:
        """Noise of several grain sizes, checkerboards and softening: what an image shows while it is optimised."""
        rng, size = self.rng, crop.shape[-1]
        chance = rng.random()
        if chance < 0.15:
            cell = int(rng.choice([1, 1, 2, 4]))
            channels = 3 if rng.random() < 0.7 else 1
            side = -(-size // cell)
            grain = torch.from_numpy(rng.normal(size=(1, channels, side, side)).astype(np.float32))
            grain = F.interpolate(grain, scale_factor=float(cell), mode="nearest")[0, :, :size, :size]
            crop = crop + float(np.exp(rng.uniform(math.log(0.01), math.log(0.2)))) * grain
        elif chance < 0.18:
            cell = int(rng.choice([1, 2, 4]))
            index = torch.arange(size) // cell
            board = ((index[:, None] + index[None, :]) % 2).float() - 0.5
            crop = crop + float(rng.uniform(0.02, 0.2)) * board
        elif chance < 0.24:
            weight = float(rng.uniform(0.2, 1))
            soft = F.avg_pool2d(crop[None], 3, stride=1, padding=1, count_include_pad=False)[0]
            crop = torch.lerp(crop, soft, weight)
        return crop
