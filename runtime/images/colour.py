"""Colour management: what an embedded ICC profile asks for, as 8-bit sRGB."""

from __future__ import annotations

import io
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageCms

__all__ = ["Conversion", "conversion_to_srgb"]

_SPACE_OF_MODE = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK", "LAB": "LAB"}


class Conversion(NamedTuple):
    """How to get from an 8-bit image to sRGB.

    transform: the LittleCMS transform to RGB, or ``None`` where the samples are sRGB (or grey with the sRGB
        curve) already, or where there is no profile and Pillow's own conversion has to do.
    mode: the Pillow mode that the transform reads.
    note: what was ignored and why, in words, or ``None``.
    """

    transform: ImageCms.ImageCmsTransform | None
    mode: str
    note: str | None = None

    def apply(self, image: Image.Image) -> Image.Image:
        """``image`` as 8-bit RGB in sRGB."""
        if self.transform is None:
            return image if image.mode == "RGB" else image.convert("RGB")
        if image.mode != self.mode:
            image = image.convert(self.mode)
        converted = ImageCms.applyTransform(image, self.transform)
        assert converted is not None  # None is for in-place work only
        return converted


def conversion_to_srgb(profile: bytes | None, mode: str) -> Conversion:
    """The conversion for an image of Pillow mode L, RGB, CMYK or LAB with an ICC ``profile``, if it has one.

    A profile that cannot be used (damaged, or made for another kind of image) is left out and noted: a
    picture with slightly wrong colours is worth more than none.
    """
    try:
        if not profile:
            return Conversion(None, mode)
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = source.profile.xcolor_space.strip().upper()
        if mode == "L" and space == "RGB":
            mode = "RGB"  # grey samples stored beside an RGB profile mean R = G = B
        if space != _SPACE_OF_MODE[mode]:
            note = f"its ICC profile is for {space} images, not for {_SPACE_OF_MODE[mode]}; ignored it"
            return Conversion(None, mode, note)
        transform = ImageCms.buildTransform(source, _srgb(), mode, "RGB", ImageCms.Intent.PERCEPTUAL)
        conversion = Conversion(transform, mode)
        return Conversion(None, mode) if _changes_nothing(conversion) else conversion
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        return Conversion(None, mode, f"its ICC profile cannot be used ({error}); took the colours for sRGB")
    except ImportError:
        return Conversion(None, mode, "this Pillow has no LittleCMS; ignored the ICC profile")


def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def _changes_nothing(conversion: Conversion) -> bool:
    """Whether the profile is sRGB in all but name: no sample of a 17 x 17 x 17 grid moves by more than 1/255.

    Most profiles in the wild are, and leaving them out keeps 16-bit samples whole: LittleCMS, as Pillow wraps
    it, works on 8 bits.
    """
    if conversion.mode not in ("L", "RGB"):
        return False
    steps = np.linspace(0, 255, 17).round().astype(np.uint8)
    if conversion.mode == "L":
        probe = np.arange(256, dtype=np.uint8)[None]
        expected = np.repeat(probe[..., None], 3, axis=2)
    else:
        probe = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
        expected = probe
    converted = np.asarray(conversion.apply(Image.fromarray(probe)))
    return bool(np.abs(converted.astype(int) - expected.astype(int)).max() <= 1)
