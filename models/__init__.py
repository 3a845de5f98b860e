"""Which networks there are: rows of data, the bundled network, and nothing that runs."""

from pixelgrad.models.bundled import BUNDLED, bundled_network
from pixelgrad.models.catalogue import CATALOGUE, Entry, recognise
from pixelgrad.models.labels import Labels, class_name, find_class
from pixelgrad.models.preprocessing import PREPROCESSINGS, Preprocessing

__all__ = [
    "BUNDLED",
    "CATALOGUE",
    "PREPROCESSINGS",
    "Entry",
    "Labels",
    "Preprocessing",
    "bundled_network",
    "class_name",
    "find_class",
    "recognise",
]
