"""Encoders: features of patches for the kernel of the surrogate."""

from nescio.microscopy.encoders.base import Encoder, check_patches
from nescio.microscopy.encoders.building import ENCODERS, build_encoder, encoder_names
from nescio.microscopy.encoders.learned import LearnedSettings
from nescio.microscopy.encoders.linear import PrincipalSettings, RawSettings
from nescio.microscopy.encoders.wavelets import WaveletSettings, octaves

__all__ = [
    "ENCODERS",
    "Encoder",
    "LearnedSettings",
    "PrincipalSettings",
    "RawSettings",
    "WaveletSettings",
    "build_encoder",
    "check_patches",
    "encoder_names",
    "octaves",
]
