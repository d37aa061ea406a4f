"""Agents for numbers: an ensemble with calibrated intervals, and an autoencoder for novelty."""

from nescio.learn.numbers.agent import NumberAgent
from nescio.learn.numbers.familiarity import Familiarity, fit_familiarity
from nescio.learn.numbers.regression import Expectation, Regression, fit_regression
from nescio.learn.numbers.settings import (
    FamiliaritySettings,
    IntervalSettings,
    NumberSettings,
    RegressionSettings,
)

__all__ = [
    "Expectation",
    "Familiarity",
    "FamiliaritySettings",
    "IntervalSettings",
    "NumberAgent",
    "NumberSettings",
    "Regression",
    "RegressionSettings",
    "fit_familiarity",
    "fit_regression",
]
