"""Which networks there are: rows of data, the bundled network, and nothing that runs."""

from pixelgrad.models.bundled import BUNDLED, bundled_network
from pixelgrad.models.catalogue import CATALOGUE, Download, Entry, close_names, plain_name, recognise
from pixelgrad.models.labels import Labels, class_name, find_class
from pixelgrad.models.preprocessing import PREPROCESSINGS, Preprocessing

__all__ = [
    "BUNDLED",
    "CATALOGUE",
    "PREPROCESSINGS",
    "Download",
    "Entry",
    "Labels",
    "Preprocessing",
    "bundled_network",
    "class_name",
    "close_names",
    "find_class",
    "plain_name",
    "recognise",
]
