"""Readers of images and of grids of spectra."""

from nescio.microscopy.read.files import IMAGE_PATTERNS, read_image, read_spectrum_image
from nescio.microscopy.read.grids import GridFiles
from nescio.microscopy.read.sidpy import from_sidpy

__all__ = ["IMAGE_PATTERNS", "GridFiles", "from_sidpy", "read_image", "read_spectrum_image"]
