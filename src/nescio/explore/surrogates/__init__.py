"""Surrogates: calibrated Gaussian processes with trained embeddings, over all candidates."""

from nescio.explore.surrogates.calibration import LeftOut, Scale, fit_scale
from nescio.explore.surrogates.fit import Fit, OutputFit
from nescio.explore.surrogates.settings import SurrogateSettings
from nescio.explore.surrogates.surrogate import Surrogate

__all__ = ["Fit", "LeftOut", "OutputFit", "Scale", "Surrogate", "SurrogateSettings", "fit_scale"]
