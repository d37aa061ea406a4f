"""Batched, bounded least squares on JAX models; knows no technique."""

from nescio.fit.evidence import log_evidence
from nescio.fit.linear import nonnegative_solution
from nescio.fit.model import Limits, Linear, Model
from nescio.fit.solve import Fit, FitSettings, Stop, best_of, fit, fit_many
from nescio.fit.weights import poisson_variance

__all__ = [
    "Fit",
    "FitSettings",
    "Limits",
    "Linear",
    "Model",
    "Stop",
    "best_of",
    "fit",
    "fit_many",
    "log_evidence",
    "nonnegative_solution",
    "poisson_variance",
]
