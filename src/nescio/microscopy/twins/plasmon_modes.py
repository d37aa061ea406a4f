"""Plasmon modes of an array of particles as coupled point dipoles."""

from __future__ import annotations

from functools import partial
from math import asin, atanh, pi, sqrt
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

__all__ = [
    "Block",
    "Drude",
    "Modes",
    "depolarisation",
    "interaction",
    "modes",
    "permittivity",
    "polarisability",
    "stable",
]


class Drude(NamedTuple):
    """A metal or doped semiconductor; energies in eV."""

    plasma_energy: ArrayLike
    """Plasma energy of the free electrons; an array if particles have different doping."""
    background: ArrayLike = 1.0
    """Permittivity far above the plasma energy."""
    damping: ArrayLike = 0.1


class Block(NamedTuple):
    """Modes with in-plane or out-of-plane polarisation."""

    squared_energy: Array
    """Squared energies in eV^2, ascending, shape (modes,)."""
    coupling: Array
    """Coupling of each mode to the external field at each dipole, in eV nm^(3/2), shape (modes, dipoles)."""


class Modes(NamedTuple):
    """All plasmon modes of an array in the plane z = 0."""

    in_plane: Block
    """Dipoles are the x components of all particles, then the y components."""
    out_of_plane: Block


def permittivity(energy: ArrayLike, drude: Drude) -> Array:
    """Return the complex relative permittivity at energies in eV."""
    energy = jnp.asarray(energy)
    return jnp.asarray(drude.background) - jnp.asarray(drude.plasma_energy) ** 2 / (
        energy**2 + 1j * energy * drude.damping
    )


def depolarisation(aspect: float) -> tuple[float, float]:
    """Return the depolarisation factors of a spheroid, perpendicular and parallel to its axis; 1/3 for a sphere.

    Args:
        aspect: Ratio of height (along the axis) to width; below 1 for a disc.

    Source: Bohren and Huffman, Absorption and Scattering of Light by Small Particles (1983), sec. 5.3.
    """
    if abs(aspect - 1.0) < 1e-3:
        # Both formulas are inaccurate near a sphere; use the series.
        along = 1.0 / 3.0 - 4.0 / 15.0 * (aspect - 1.0)
    elif aspect < 1.0:
        e = sqrt(1.0 - aspect**2)
        along = (1.0 - aspect * asin(e) / e) / e**2
    else:
        e = sqrt(1.0 - aspect**-2)
        along = (1.0 - e**2) / e**2 * (atanh(e) / e - 1.0)
    return 0.5 * (1.0 - along), along


def polarisability(energy: ArrayLike, volume: ArrayLike, factor: ArrayLike, drude: Drude) -> Array:
    """Return the complex quasi-static polarisability of an ellipsoid in vacuum along one of its axes, in nm^3.

    Args:
        energy: Energy in eV.
        volume: Volume in nm^3.
        factor: Depolarisation factor L of the axis; for a sphere (1/3), the resonance is at Re(epsilon) = -2.
        drude: The material.

    Source: Bohren and Huffman (1983), sec. 5.3, in Gaussian units.
    """
    excess = permittivity(energy, drude) - 1.0
    return jnp.asarray(volume) / (4.0 * pi) * excess / (1.0 + factor * excess)


@jax.jit
def interaction(positions: ArrayLike) -> tuple[Array, Array]:
    """Return the interaction matrices of dipoles (the field of each at all others), in 1/nm^3.

    Args:
        positions: Positions in nm (y, x), shape (n, 2); all must differ.

    Returns:
        The matrix for in-plane dipoles, shape (2n, 2n), x components first, and for out-of-plane dipoles, shape (n, n).
        The two do not couple, since all particles are in one plane.
    """
    positions = jnp.asarray(positions)
    n = len(positions)
    delta = positions[:, None, :] - positions[None, :, :]
    square = (delta**2).sum(axis=-1)
    apart = ~jnp.eye(n, dtype=bool)
    inverse = jnp.where(apart, jnp.where(apart, square, 1.0) ** -1.5, 0.0)
    y, x = jnp.moveaxis(delta, -1, 0) / jnp.sqrt(jnp.where(apart, square, 1.0))
    in_plane = jnp.block(
        [
            [(3.0 * x * x - 1.0) * inverse, 3.0 * x * y * inverse],
            [3.0 * x * y * inverse, (3.0 * y * y - 1.0) * inverse],
        ]
    )
    return in_plane, -inverse


@partial(jax.jit, static_argnames="factors")
def modes(positions: ArrayLike, volumes: ArrayLike, factors: tuple[float, float], drude: Drude) -> Modes:
    """Return the plasmon modes of spheroids with equal aspect ratio and any sizes and dopings, exact for dipoles.

    The polarisability of a Drude particle is a constant B plus one resonance, S / (w^2 - E^2 - i damping E). The
    constant part is eliminated: it screens the external field and the interaction G by T = (1 - G B)^-1. The remaining
    oscillators have equal damping, so the symmetric matrix w^2 - S^(1/2) T G S^(1/2) gives all modes, and no linear
    system is solved for each energy. This is valid without retardation within the array.

    Args:
        positions: Positions in nm (y, x), shape (n, 2).
        volumes: Volumes in nm^3, shape (n,).
        factors: In-plane and out-of-plane depolarisation factors.
        drude: The material, with one plasma energy or one for each particle, shape (n,).
    """
    in_plane, across = interaction(positions)
    return Modes(
        _block(in_plane, jnp.tile(jnp.asarray(volumes), 2), factors[0], drude, 2),
        _block(across, jnp.asarray(volumes), factors[1], drude, 1),
    )


def _block(field: Array, volumes: Array, factor: float, drude: Drude, repeats: int) -> Block:
    excess = jnp.asarray(drude.background) - 1.0
    plasma = jnp.broadcast_to(jnp.asarray(drude.plasma_energy), volumes.shape[0] // repeats)
    resonance = jnp.tile(plasma, repeats) ** 2 * factor / (1.0 + factor * excess)
    constant = volumes / (4.0 * pi) * excess / (1.0 + factor * excess)
    # At zero energy, a metal screens completely: B + S / w^2 = V / (4 pi L).
    strength = jnp.sqrt((volumes / (4.0 * pi * factor) - constant) * resonance)
    screening = jnp.linalg.inv(jnp.eye(len(volumes)) - field * constant)
    matrix = jnp.diag(resonance) - strength[:, None] * (screening @ field) * strength
    squared, vectors = jnp.linalg.eigh(0.5 * (matrix + matrix.T))
    return Block(squared, (vectors.T * strength) @ screening)


def stable(positions: ArrayLike, volumes: ArrayLike, factors: tuple[float, float]) -> bool:
    """Return whether the static polarisation of conducting particles is finite in the dipole model.

    If point dipoles are too strong and too close, the energy of the lowest mode is imaginary.

    Args:
        positions: Positions in nm (y, x), shape (n, 2).
        volumes: Volumes in nm^3, shape (n,).
        factors: In-plane and out-of-plane depolarisation factors.
    """
    volumes = np.asarray(volumes)
    for field, factor in zip(interaction(positions), factors, strict=True):
        root = np.sqrt(np.resize(volumes, len(field)) / (4.0 * pi * factor))
        matrix = np.eye(len(field)) - root[:, None] * np.asarray(field, float) * root
        try:
            np.linalg.cholesky(matrix)
        except np.linalg.LinAlgError:
            return False
    return True
