"""Twins: simulated instruments with known true values, for testing experiments before using a real instrument."""

from nescio.microscopy.twins.base import Twin, TwinSettings
from nescio.microscopy.twins.ferroelectric import FerroelectricSettings, FerroelectricTwin
from nescio.microscopy.twins.plasmon import PlasmonSettings, PlasmonTwin

__all__ = [
    "FerroelectricSettings",
    "FerroelectricTwin",
    "PlasmonSettings",
    "PlasmonTwin",
    "Twin",
    "TwinSettings",
]
