"""Scalarizers turn a spectrum into the number, or numbers, that an experiment optimises."""

from nescio.explore.scalarizers.agent import AgentReading
from nescio.explore.scalarizers.bands import BandIntegral, BandRatio, integral_weights, value_weights
from nescio.explore.scalarizers.base import (
    SCALARIZERS,
    Output,
    Part,
    Scalar,
    Scalarizer,
    build_scalarizer,
    named_from,
)
from nescio.explore.scalarizers.batch import scalarize
from nescio.explore.scalarizers.composition import Ratio, Several, WeightedSum
from nescio.explore.scalarizers.curve import Curve, CurveScalarizer, noise_sd, selected, stated_unit
from nescio.explore.scalarizers.fields import Band, Selection
from nescio.explore.scalarizers.magnitude import MeanMagnitude
from nescio.explore.scalarizers.peaks import Peak, PeakRatio
from nescio.explore.scalarizers.polynomial import Polynomial
from nescio.explore.scalarizers.profiles import Fit, FittedPeak, fit_peaks
from nescio.explore.scalarizers.similarity import Similarity
from nescio.explore.scalarizers.units import power, product, quotient

__all__ = [
    "SCALARIZERS",
    "AgentReading",
    "Band",
    "BandIntegral",
    "BandRatio",
    "Curve",
    "CurveScalarizer",
    "Fit",
    "FittedPeak",
    "MeanMagnitude",
    "Output",
    "Part",
    "Peak",
    "PeakRatio",
    "Polynomial",
    "Ratio",
    "Scalar",
    "Scalarizer",
    "Selection",
    "Several",
    "Similarity",
    "WeightedSum",
    "build_scalarizer",
    "fit_peaks",
    "integral_weights",
    "named_from",
    "noise_sd",
    "power",
    "product",
    "quotient",
    "scalarize",
    "selected",
    "stated_unit",
    "value_weights",
]
