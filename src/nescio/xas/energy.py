"""Energy of a photoelectron above the edge, and its wavenumber."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from scipy import constants

__all__ = ["SQUARED_WAVENUMBER_PER_EV", "energy_from_wavenumber", "wavenumber_from_energy"]

SQUARED_WAVENUMBER_PER_EV = 2.0 * constants.m_e * constants.e / constants.hbar**2 * 1e-20
"""2 m / hbar^2 in 1 / (eV square angstrom): k^2 of a free electron of 1 eV."""


def wavenumber_from_energy(energy: ArrayLike) -> Array:
    """Return the wavenumber in 1/angstrom of energies in eV above the edge; below it, minus that of the magnitude."""
    values = jnp.asarray(energy)
    return jnp.sign(values) * jnp.sqrt(jnp.abs(values) * SQUARED_WAVENUMBER_PER_EV)


def energy_from_wavenumber(wavenumber: ArrayLike) -> Array:
    """Return the energy in eV above the edge of wavenumbers in 1/angstrom; negative for negative ones."""
    values = jnp.asarray(wavenumber)
    return jnp.sign(values) * values**2 / SQUARED_WAVENUMBER_PER_EV
