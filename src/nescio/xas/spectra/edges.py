"""Absorption edges: their energies, and the wavenumber of a photoelectron above an edge."""

from __future__ import annotations

from functools import lru_cache

import gemmi
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from numpy.typing import NDArray
from scipy import constants

from nescio.errors import ConfigurationError

__all__ = [
    "EDGES",
    "SQUARED_WAVENUMBER_PER_EV",
    "edge_energy",
    "energy_from_wavenumber",
    "wavenumber_from_energy",
]

EDGES = ("K", "L1", "L2", "L3")
SQUARED_WAVENUMBER_PER_EV = 2.0 * constants.m_e * constants.e / constants.hbar**2 * 1e-20
"""2 m / hbar^2 in 1 / (eV angstrom^2): k^2 of a free electron with 1 eV."""
_LOWEST, _HIGHEST = 300.0, 120_000.0
_JUMP = 1.08
_FINE = 1.0


@lru_cache
def edge_energy(element: str, edge: str) -> float:
    """Return the energy of an edge in eV, to a few eV.

    Args:
        element: Symbol.
        edge: One of `EDGES`.

    Raises:
        ConfigurationError: The element or edge does not exist, or the edge lies below 300 eV or above 120 keV.

    Source: the jumps of the absorption of Cromer and Liberman, J. Chem. Phys. 53, 1891 (1970).
    """
    number = gemmi.Element(element).atomic_number
    if number < 3 or element != gemmi.Element(element).name:
        raise ConfigurationError(f"element {element!r}: needs the symbol of one heavier than helium")
    if edge not in EDGES:
        raise ConfigurationError(f"edge {edge!r} is not known (known: {', '.join(EDGES)})")
    found = _jumps(number)
    # From the highest energy down: K, L1, L2, L3.
    place = EDGES.index(edge)
    if place >= len(found):
        raise ConfigurationError(f"{element} has no {edge} edge between {_LOWEST:g} and {_HIGHEST:g} eV")
    return float(found[::-1][place])


def _jumps(number: int) -> NDArray[np.float64]:
    """Return the energies at which f'' jumps, in ascending order."""
    coarse = np.geomspace(_LOWEST, _HIGHEST, 4000)
    rises = np.flatnonzero(np.diff(np.log(_imaginary(number, coarse))) > np.log(_JUMP))
    found = []
    for i in rises:
        fine = np.arange(coarse[i] - _FINE, coarse[i + 1] + 2.0 * _FINE, _FINE)
        found.append(fine[np.argmax(np.diff(_imaginary(number, fine)))] + 0.5 * _FINE)
    return np.array(found)


def _imaginary(number: int, energy: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([gemmi.cromer_liberman(number, float(one))[1] for one in energy])


def wavenumber_from_energy(energy: ArrayLike) -> Array:
    """Return wavenumbers in 1/angstrom for energies in eV above the edge; negative for energies below it."""
    values = jnp.asarray(energy)
    return jnp.sign(values) * jnp.sqrt(jnp.abs(values) * SQUARED_WAVENUMBER_PER_EV)


def energy_from_wavenumber(wavenumber: ArrayLike) -> Array:
    """Return energies in eV above the edge for wavenumbers in 1/angstrom; negative for negative wavenumbers."""
    values = jnp.asarray(wavenumber)
    return jnp.sign(values) * values**2 / SQUARED_WAVENUMBER_PER_EV
