"""The one picture type: what readers return, tasks make and writers take."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from PIL import Image

from pixelgrad.errors import ImageError
from pixelgrad.runtime.images.arrays import Floats, eight_bit, read_only, split_channels, within_unit_range
from pixelgrad.runtime.images.decoding import decode_image
from pixelgrad.runtime.images.encoding import encode_image
from pixelgrad.runtime.images.recipes import Recipe, canonical_json, recipe_from_json
from pixelgrad.runtime.images.resizing import resize
from pixelgrad.runtime.images.writing import write_image

__all__ = ["Picture"]


class Picture:
    """An sRGB picture of floating-point samples, with its alpha channel and the recipe it was made by.

    Immutable: the arrays are read-only. Equal to another picture of the same pixels, alpha and recipe. Shows
    itself in a notebook, and turns into an array with ``np.asarray(picture)``.
    """

    __slots__ = ("_alpha", "_pixels", "_recipe_json", "_warnings")

    def __init__(
        self,
        pixels: npt.NDArray[Any],
        alpha: npt.NDArray[Any] | None = None,
        recipe: Recipe | None = None,
        *,
        warnings: Sequence[str] = (),
    ) -> None:
        """``pixels`` [H, W, 3] RGB and ``alpha`` [H, W] (straight, 1 = opaque), floating point in [0, 1].

        Values outside by at most 1/510 are clipped. ``warnings``: what a reader had to leave out, in words.
        ``ImageError`` for other shapes or values; ``SettingsError`` for a recipe that JSON cannot hold.
        """
        pixels = np.asarray(pixels)
        if pixels.ndim != 3 or pixels.shape[2] != 3 or not np.issubdtype(pixels.dtype, np.floating):
            raise ImageError(
                f"pixels are {pixels.dtype} {list(pixels.shape)}, but must be floating point [H, W, 3]; "
                "use Picture.from_array or Picture.from_nchw for other layouts"
            )
        self._pixels = _frozen(pixels, "the picture")
        self._alpha: Floats | None = None
        if alpha is not None:
            alpha = np.asarray(alpha)
            if alpha.shape != pixels.shape[:2] or not np.issubdtype(alpha.dtype, np.floating):
                raise ImageError(
                    f"alpha is {alpha.dtype} {list(alpha.shape)}, but must be floating point "
                    f"{list(pixels.shape[:2])}, as high and wide as the pixels"
                )
            self._alpha = _frozen(alpha, "alpha")
        self._recipe_json = canonical_json(recipe)
        self._warnings = tuple(warnings)

    @classmethod
    def from_array(cls, array: npt.NDArray[Any], recipe: Recipe | None = None, *, name: str = "the array") -> Self:
        """A picture from [H, W] or [H, W, 1] (grey), [H, W, 3] (RGB) or [H, W, 4] (RGBA, straight alpha).

        uint8 is divided by 255, uint16 by 65535; bool is black and white; floating point must lie in [0, 1].
        ``ImageError`` for anything else, with ``name`` in its message.
        """
        if np.ma.is_masked(array):
            raise ImageError(f"{name} has masked values; array.filled(0), say, puts something in their place")
        pixels, alpha = split_channels(np.asarray(array), name)
        return cls(pixels, alpha, recipe)

    @classmethod
    def from_nchw(
        cls, array: npt.NDArray[Any], alpha: npt.NDArray[Any] | None = None, recipe: Recipe | None = None
    ) -> Self:
        """A picture from floating-point RGB [1, 3, H, W], clipped to [0, 1] as optimisers may step outside.

        ``ImageError`` for another shape or dtype, or for NaN and infinity.
        """
        array = np.asarray(array)
        if array.ndim != 4 or array.shape[:2] != (1, 3) or not np.issubdtype(array.dtype, np.floating):
            raise ImageError(f"the array is {array.dtype} {list(array.shape)}, but must be floating point [1, 3, H, W]")
        if not np.isfinite(array).all():
            raise ImageError("the array holds NaN or infinite values; every value must be a number")
        return cls(np.clip(array[0].transpose(1, 2, 0), 0, 1), alpha, recipe)

    @classmethod
    def from_pil(cls, image: Image.Image, *, name: str = "the Pillow image") -> Self:
        """A picture from a Pillow image of any mode, as ``read_image`` would read its file.

        EXIF orientation and ICC profile in ``image.info`` are applied. 16-bit colour comes as 8 bits, which
        is all that Pillow holds: read the file by its path for more. Of mode I, an image that was not read from
        a file and holds nothing above 255 has 8 bits (``convert("I")`` makes such), any other 16. ``ImageError``
        as ``read_image`` says.
        """
        decoded = decode_image(image, name)
        return cls(decoded.pixels, decoded.alpha, decoded.recipe, warnings=decoded.warnings)

    @property
    def pixels(self) -> Floats:
        """float32 [H, W, 3], RGB in sRGB, in [0, 1], read-only."""
        return self._pixels

    @property
    def alpha(self) -> Floats | None:
        """float32 [H, W] in [0, 1], read-only, or ``None`` for a picture without alpha channel."""
        return self._alpha

    @property
    def recipe(self) -> Recipe | None:
        """How the picture was made (a new copy), or ``None``."""
        return recipe_from_json(self._recipe_json)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What reading the picture had to leave out, such as a damaged ICC profile; usually empty."""
        return self._warnings

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        height, width, _ = self._pixels.shape
        return width, height

    def to_nchw(self) -> Floats:
        """A new contiguous float32 array [1, 3, H, W] in [0, 1], without alpha: what networks take."""
        return np.array(self._pixels.transpose(2, 0, 1)[None], order="C")

    def to_pil(self) -> Image.Image:
        """An 8-bit Pillow image, RGB or (with alpha) RGBA; v becomes floor(255 v + 1/2)."""
        samples = eight_bit(self._pixels)
        if self._alpha is not None:
            samples = np.dstack([samples, eight_bit(self._alpha)])
        return Image.fromarray(samples)

    def to_bytes(self, format: str = "PNG", *, quality: int = 95) -> bytes:
        """The bytes of a file: PNG, JPEG, WEBP or TIFF, each as ``encode_image`` makes it, with its recipe."""
        return encode_image(self, format, quality=quality)

    def resized(self, width: int, height: int) -> Picture:
        """A Lanczos-resampled copy, antialiased and clipped to [0, 1]. It carries no recipe: the recipe would
        no longer make it. ``SettingsError`` unless both are whole numbers of at least 1.
        """
        pixels = resize(self._pixels, (width, height), clip=True)
        if self._alpha is None:
            return Picture(pixels)
        alpha = resize(self._alpha, (width, height), clip=True)
        # Weighted by alpha, or the colour under transparent pixels would bleed into the visible ones. Where
        # nothing is visible there is no weighted colour, and the plain one stays.
        weighted = resize(self._pixels * self._alpha[..., None], (width, height), clip=True)
        visible = alpha > 1 / 510
        pixels[visible] = np.minimum(weighted[visible] / alpha[visible][:, None], 1)
        return Picture(pixels, alpha)

    def flattened(self) -> Picture:
        """The picture laid over white, without alpha channel; itself where it has none."""
        if self._alpha is None:
            return self
        alpha = self._alpha[..., None]
        return Picture(self._pixels * alpha + (1 - alpha), None, self.recipe)

    def save(self, path: str | PathLike[str], *, quality: int = 95, force: bool = False) -> Path | None:
        """Write the picture to a file, as ``write_image`` does."""
        return write_image(self, path, quality=quality, force=force)

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        wanted = np.dtype(np.float32 if dtype is None else dtype)
        if wanted == self._pixels.dtype and not copy:
            return self._pixels
        if copy is False:
            raise ValueError(f"a picture holds float32; {wanted} needs a copy")
        return self._pixels.astype(wanted)

    def _repr_png_(self) -> bytes:
        return encode_image(Picture(self._pixels, self._alpha))

    def __repr__(self) -> str:
        width, height = self.size
        parts = [f"{width} x {height}", "RGB" if self._alpha is None else "RGBA"]
        if self._recipe_json is not None:
            parts.append("with recipe")
        parts += [f"warning: {warning}" for warning in self._warnings]
        return f"<Picture {', '.join(parts)}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Picture):
            return NotImplemented
        if (self._alpha is None) != (other._alpha is None) or self._recipe_json != other._recipe_json:
            return False
        return np.array_equal(self._pixels, other._pixels) and (
            self._alpha is None or other._alpha is None or np.array_equal(self._alpha, other._alpha)
        )

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (self._pixels, self._alpha, self.recipe, self._warnings)


def _unpickled(pixels: Floats, alpha: Floats | None, recipe: Recipe | None, warnings: tuple[str, ...]) -> Picture:
    return Picture(pixels, alpha, recipe, warnings=warnings)


def _frozen(values: npt.NDArray[Any], what: str) -> Floats:
    checked = within_unit_range(values, what)
    if checked is not values:
        checked.flags.writeable = False  # new, so there is nobody else to write to it
    return read_only(checked)
