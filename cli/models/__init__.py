"""``pixelgrad models``: which networks there are, and getting them."""

from pixelgrad.cli.models.app import models_app

__all__ = ["models_app"]
