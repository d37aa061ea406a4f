"""Diffraction: crystals, reflections, patterns, priors, and preparing measured data."""

from nescio.xrd.background import BackgroundMethod, subtract_background
from nescio.xrd.crystal import (
    Site,
    Structure,
    make_structure,
    read_structure,
    read_structures,
    structure_from_document,
)
from nescio.xrd.distributions import Distribution
from nescio.xrd.disturbances import (
    gaussian_noise,
    gaussian_peaks,
    normalise,
    poisson_noise,
    smooth_background,
)
from nescio.xrd.frames import merge_frames
from nescio.xrd.identify import (
    MOST_FIGURES,
    Answer,
    FitPriors,
    Identifier,
    IdentifySettings,
    Line,
    PhaseAnswer,
    SetAnswer,
    identification_figure,
    identify_patterns,
    phase_table,
    write_phases,
)
from nescio.xrd.mixtures import mix
from nescio.xrd.pattern import Crystal, Diffractometer, PatternParameters, peak_list, powder_pattern
from nescio.xrd.preparation import prepare, q_from_two_theta, rebin, two_theta_from_q
from nescio.xrd.prior import Prior
from nescio.xrd.radiation import Radiation, parse_radiation
from nescio.xrd.read import FILE_PATTERNS, read_many, read_patterns
from nescio.xrd.reflections import Reflections, compute_reflections, reciprocal_metric, structure_factor
from nescio.xrd.settings import PriorSettings
from nescio.xrd.technique import XRD

__all__ = [
    "FILE_PATTERNS",
    "MOST_FIGURES",
    "XRD",
    "Answer",
    "BackgroundMethod",
    "Crystal",
    "Diffractometer",
    "Distribution",
    "FitPriors",
    "Identifier",
    "IdentifySettings",
    "Line",
    "PatternParameters",
    "PhaseAnswer",
    "Prior",
    "PriorSettings",
    "Radiation",
    "Reflections",
    "SetAnswer",
    "Site",
    "Structure",
    "compute_reflections",
    "gaussian_noise",
    "gaussian_peaks",
    "identification_figure",
    "identify_patterns",
    "make_structure",
    "merge_frames",
    "mix",
    "normalise",
    "parse_radiation",
    "peak_list",
    "phase_table",
    "poisson_noise",
    "powder_pattern",
    "prepare",
    "q_from_two_theta",
    "read_many",
    "read_patterns",
    "read_structure",
    "read_structures",
    "rebin",
    "reciprocal_metric",
    "smooth_background",
    "structure_factor",
    "structure_from_document",
    "subtract_background",
    "two_theta_from_q",
    "write_phases",
]
