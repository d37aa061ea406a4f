"""Plasmons of an array of particles, each a point dipole in the field of all others."""

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
    """Of the free electrons alone; may be an array, as each particle may be doped differently."""
    background: ArrayLike = 1.0
    """Permittivity far above the plasma energy."""
    damping: ArrayLike = 0.1


class Block(NamedTuple):
    """Modes of one polarisation: along the array, or across it."""

    squared_energy: Array
    """Shape (modes,), in eV^2, ascending."""
    coupling: Array
    """Shape (modes, dipoles), in eV nm^(3/2): what a mode takes from the external field at each dipole."""


class Modes(NamedTuple):
    """All plasmons of an array in the plane z = 0."""

    in_plane: Block
    """Dipoles are x of all particles, then y of all."""
    out_of_plane: Block


def permittivity(energy: ArrayLike, drude: Drude) -> Array:
    """Return the complex relative permittivity at energies in eV."""
    energy = jnp.asarray(energy)
    return jnp.asarray(drude.background) - jnp.asarray(drude.plasma_energy) ** 2 / (
        energy**2 + 1j * energy * drude.damping
    )


def depolarisation(aspect: float) -> tuple[float, float]:
    """Return the depolarisation factors of a spheroid, across its axis and along it; 1/3 each for a sphere.

    Args:
        aspect: Height along the axis over width; below 1 for a disc.

    Source: Bohren and Huffman, Absorption and Scattering of Light by Small Particles (1983), sec. 5.3.
    """
    if abs(aspect - 1.0) < 1e-3:
        # Both formulas lose all digits here.
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
        energy: In eV.
        volume: In nm^3.
        factor: Depolarisation factor L of that axis; for a sphere, 1/3, the resonance is where Re(epsilon) = -2.
        drude: Its material.

    Source: Bohren and Huffman (1983), sec. 5.3, in Gaussian units.
    """
    excess = permittivity(energy, drude) - 1.0
    return jnp.asarray(volume) / (4.0 * pi) * excess / (1.0 + factor * excess)


@jax.jit
def interaction(positions: ArrayLike) -> tuple[Array, Array]:
    """Return the field of each dipole at each other one, in 1/nm^3.

    Args:
        positions: Shape (n, 2), y and x in nm; no two may coincide.

    Returns:
        (2n, 2n) for dipoles in the plane (x of all, then y of all), and (n, n) for dipoles that stand on it: the two
        do not mix, as all particles lie in one plane.
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
    """Return the plasmons of an array of equal spheroids of any sizes and dopings, exact for coupled dipoles.

    The polarisability of a Drude particle is a constant B and one resonance, S / (w^2 - E^2 - i damping E). The
    constant part is eliminated: it screens the external field and the interaction G by T = (1 - G B)^-1. What is left
    are oscillators of equal damping, so that one symmetric matrix, w^2 - S^(1/2) T G S^(1/2), has all modes, and no
    linear system need be solved for each energy. This holds as long as retardation within the array is left out.

    Args:
        positions: Shape (n, 2), y and x in nm.
        volumes: Shape (n,), in nm^3.
        factors: Depolarisation factors in the plane and across it.
        drude: With a plasma energy for each, shape (n,), or one for all.
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
    # At zero energy a metal screens all: B + S / w^2 = V / (4 pi L).
    strength = jnp.sqrt((volumes / (4.0 * pi * factor) - constant) * resonance)
    screening = jnp.linalg.inv(jnp.eye(len(volumes)) - field * constant)
    matrix = jnp.diag(resonance) - strength[:, None] * (screening @ field) * strength
    squared, vectors = jnp.linalg.eigh(0.5 * (matrix + matrix.T))
    return Block(squared, (vectors.T * strength) @ screening)


def stable(positions: ArrayLike, volumes: ArrayLike, factors: tuple[float, float]) -> bool:
    """Return whether conducting particles polarise one another by a finite amount in a static field.

    Point dipoles that are too strong and too close do not: the lowest mode's energy would be imaginary.

    Args:
        positions: Shape (n, 2), y and x in nm.
        volumes: Shape (n,), in nm^3.
        factors: Depolarisation factors in the plane and across it.
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
