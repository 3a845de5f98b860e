"""The recipe in a picture file: how the picture was made, as JSON beside the pixels.

PNG holds it in an iTXt chunk with the keyword ``pixelgrad``; JPEG, WebP and TIFF hold it in the EXIF / TIFF
tag ImageDescription as ``{"pixelgrad": recipe}``, since other programs use that tag too.
"""

from __future__ import annotations

import json
from typing import Any

from PIL import ExifTags, Image

from pixelgrad.errors import SettingsError

__all__ = ["KEYWORD", "Recipe", "canonical_json", "description", "recipe_from_json", "recipe_in"]

Recipe = dict[str, Any]

KEYWORD = "pixelgrad"


def canonical_json(recipe: Recipe | None) -> str | None:
    """``recipe`` as JSON with sorted keys, so that equal recipes give equal bytes; ``None`` for ``None``.

    ``SettingsError`` where it is not a dict of what JSON can hold (NaN and infinity are not JSON).
    """
    if recipe is None:
        return None
    if not isinstance(recipe, dict):
        raise SettingsError(f"a recipe is a dict or None, not {type(recipe).__name__}")
    try:
        text = json.dumps(recipe, sort_keys=True, ensure_ascii=False, allow_nan=False)
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise SettingsError(
            f"the recipe cannot be written as JSON ({error}); "
            "use only dict, list, str, int, bool, None and finite float"
        ) from None
    return text


def recipe_from_json(text: str | None) -> Recipe | None:
    """The inverse of ``canonical_json``."""
    recipe: Recipe | None = None if text is None else json.loads(text)
    return recipe


def description(recipe_json: str) -> str:
    """The text of an ImageDescription tag: pure ASCII, which is all that the tag may hold."""
    return json.dumps({KEYWORD: json.loads(recipe_json)}, sort_keys=True)


def recipe_in(image: Image.Image) -> Recipe | None:
    """The recipe in an open image, or ``None`` where there is none or it is damaged. Decodes no pixels."""
    try:
        text = image.info.get(KEYWORD)
        if isinstance(text, str):
            recipe = json.loads(text)
        elif image.format == "PNG":
            return None  # and asking Pillow for EXIF would decode the pixels
        else:
            wrapped = json.loads(image.getexif().get(ExifTags.Base.ImageDescription, ""))
            recipe = wrapped.get(KEYWORD)
        canonical_json(recipe)
    except Exception:
        # Anything may stand in a text chunk or an EXIF block, and Pillow's EXIF parser raises what it likes.
        return None
    return recipe if isinstance(recipe, dict) else None
