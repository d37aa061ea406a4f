"""Measured absorption spectra: the edge they belong to, checks and normalisation, and cleaning."""

from nescio.xas.spectra.cleaning import aligned, deglitched, merged
from nescio.xas.spectra.edges import (
    EDGES,
    SQUARED_WAVENUMBER_PER_EV,
    edge_energy,
    energy_from_wavenumber,
    wavenumber_from_energy,
)
from nescio.xas.spectra.spectrum import (
    HALF,
    MOST_SPECTRA,
    Normalised,
    Spectrum,
    broadened,
    checked,
    edge_position,
    normalised,
)

__all__ = [
    "EDGES",
    "HALF",
    "MOST_SPECTRA",
    "SQUARED_WAVENUMBER_PER_EV",
    "Normalised",
    "Spectrum",
    "aligned",
    "broadened",
    "checked",
    "deglitched",
    "edge_energy",
    "edge_position",
    "energy_from_wavenumber",
    "merged",
    "normalised",
    "wavenumber_from_energy",
]
