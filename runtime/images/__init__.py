"""Pictures in and out: any file, array or Pillow image to float32 sRGB, and back to PNG, JPEG, WebP and TIFF.

>>> picture = read_image("photo.jpg")
>>> picture.resized(*fit_size(*picture.size, long_edge=512)).save("small.png")
"""

from pixelgrad.runtime.images.charts import Curve, chart
from pixelgrad.runtime.images.encoding import encode_image
from pixelgrad.runtime.images.histograms import match_histogram
from pixelgrad.runtime.images.lab import lab_from_srgb, srgb_from_lab
from pixelgrad.runtime.images.opening import MAX_PIXELS
from pixelgrad.runtime.images.picture import Picture
from pixelgrad.runtime.images.reading import ImageSource, read_image, read_recipe
from pixelgrad.runtime.images.resizing import Filter, fit_size, resize
from pixelgrad.runtime.images.sheets import sheet
from pixelgrad.runtime.images.writing import check_output, check_place, standard_output, write_image, written_beside

__all__ = [
    "MAX_PIXELS",
    "Curve",
    "Filter",
    "ImageSource",
    "Picture",
    "chart",
    "check_output",
    "check_place",
    "encode_image",
    "fit_size",
    "lab_from_srgb",
    "match_histogram",
    "read_image",
    "read_recipe",
    "resize",
    "sheet",
    "srgb_from_lab",
    "standard_output",
    "write_image",
    "written_beside",
]
