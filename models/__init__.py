"""Which networks there are: rows of data, and nothing that runs."""

from pixelgrad.models.catalogue import CATALOGUE, Entry, recognise
from pixelgrad.models.preprocessing import PREPROCESSINGS, Preprocessing

__all__ = ["CATALOGUE", "PREPROCESSINGS", "Entry", "Preprocessing", "recognise"]
