"""Diffraction: crystals, reflections, patterns, priors, and preparing measured data."""

from nescio.xrd.distributions import Distribution
from nescio.xrd.disturbances import (
    amorphous_humps,
    gaussian_noise,
    normalise,
    poisson_noise,
    smooth_background,
)
from nescio.xrd.mixtures import mix
from nescio.xrd.pattern import Crystal, Diffractometer, PatternParameters, peak_list, powder_pattern
from nescio.xrd.prior import Prior
from nescio.xrd.radiation import Radiation, parse_radiation
from nescio.xrd.reflections import Reflections, compute_reflections, structure_factor
from nescio.xrd.settings import PriorSettings
from nescio.xrd.structure import Site, Structure, make_structure, read_structure

__all__ = [
    "Crystal",
    "Diffractometer",
    "Distribution",
    "PatternParameters",
    "Prior",
    "PriorSettings",
    "Radiation",
    "Reflections",
    "Site",
    "Structure",
    "amorphous_humps",
    "compute_reflections",
    "gaussian_noise",
    "make_structure",
    "mix",
    "normalise",
    "parse_radiation",
    "peak_list",
    "poisson_noise",
    "powder_pattern",
    "read_structure",
    "smooth_background",
    "structure_factor",
]
