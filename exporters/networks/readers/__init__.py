"""Network files of every kind -> :class:`Reading`, told apart by what is in them and not by their names."""

from pixelgrad.exporters.networks.readers.dispatch import FORMATS, read_network
from pixelgrad.exporters.networks.readers.guard import damage
from pixelgrad.exporters.networks.readers.onnx_file import model_reading
from pixelgrad.exporters.networks.readers.reading import Reading

__all__ = ["FORMATS", "Reading", "damage", "model_reading", "read_network"]
