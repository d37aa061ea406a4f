"""Twins: simulated instruments whose truth is known, to try an experiment on before the real one."""

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
