"""Microscopy: images, patches of images, and spectra measured at places in images."""

from nescio.microscopy.encoders import (
    Encoder,
    LearnedSettings,
    PrincipalSettings,
    RawSettings,
    WaveletSettings,
    build_encoder,
)
from nescio.microscopy.images import (
    LENGTH_UNITS,
    Flattening,
    Normalisation,
    check_image,
    flatten_image,
    image_dataset,
    normalise_image,
    pixels_at,
    positions_of,
    select_channels,
)
from nescio.microscopy.patches import (
    Edge,
    Patches,
    PatchSettings,
    candidate_positions,
    extract_patches,
    image_patches,
)
from nescio.microscopy.read import IMAGE_PATTERNS, GridFiles, from_sidpy, read_image, read_spectrum_image
from nescio.microscopy.scalarizers import CentreOfMass, Hysteresis
from nescio.microscopy.twins import (
    FerroelectricSettings,
    FerroelectricTwin,
    PlasmonSettings,
    PlasmonTwin,
    Twin,
)

__all__ = [
    "IMAGE_PATTERNS",
    "LENGTH_UNITS",
    "CentreOfMass",
    "Edge",
    "Encoder",
    "FerroelectricSettings",
    "FerroelectricTwin",
    "Flattening",
    "GridFiles",
    "Hysteresis",
    "LearnedSettings",
    "Normalisation",
    "PatchSettings",
    "Patches",
    "PlasmonSettings",
    "PlasmonTwin",
    "PrincipalSettings",
    "RawSettings",
    "Twin",
    "WaveletSettings",
    "build_encoder",
    "candidate_positions",
    "check_image",
    "extract_patches",
    "flatten_image",
    "from_sidpy",
    "image_dataset",
    "image_patches",
    "normalise_image",
    "pixels_at",
    "positions_of",
    "read_image",
    "read_spectrum_image",
    "select_channels",
]
