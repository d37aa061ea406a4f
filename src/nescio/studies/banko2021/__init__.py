"""Reproduction of Banko et al., npj Computational Materials 7, 104 (2021): three known phases and an unknown one."""

from nescio.studies.banko2021.priors import banko2021_prior, sigma_prior
from nescio.studies.banko2021.reproduction import BANKO2021_TARGETS, Sizes, reproduce_banko2021
from nescio.studies.banko2021.trials import (
    FRACTIONS,
    MIXED,
    PURE,
    UNKNOWN,
    mixtures,
    patterns_by_phase,
    trial_measurements,
)

__all__ = [
    "BANKO2021_TARGETS",
    "FRACTIONS",
    "MIXED",
    "PURE",
    "UNKNOWN",
    "Sizes",
    "banko2021_prior",
    "mixtures",
    "patterns_by_phase",
    "reproduce_banko2021",
    "sigma_prior",
    "trial_measurements",
]
