"""Images and spectra with positions, built from the arrays of a file."""

from nescio.microscopy.read.datasets.image import image_form, is_image
from nescio.microscopy.read.datasets.places import listed_places
from nescio.microscopy.read.datasets.spectra import is_spectra, spectra_form

__all__ = ["image_form", "is_image", "is_spectra", "listed_places", "spectra_form"]
