"""Running a folder of images through a network once, and keeping what its channels saw."""

from pixelgrad.runtime.scanning.folder import find_images
from pixelgrad.runtime.scanning.index import Found, ScanIndex
from pixelgrad.runtime.scanning.labelled import (
    LabelledImages,
    class_folders,
    labelled_folders,
    labelled_list,
    read_list,
)
from pixelgrad.runtime.scanning.loading import load_pixels, to_batch
from pixelgrad.runtime.scanning.scan import ScanEvent, scan, scan_files

__all__ = [
    "Found",
    "LabelledImages",
    "ScanEvent",
    "ScanIndex",
    "class_folders",
    "find_images",
    "labelled_folders",
    "labelled_list",
    "load_pixels",
    "read_list",
    "scan",
    "scan_files",
    "to_batch",
]
