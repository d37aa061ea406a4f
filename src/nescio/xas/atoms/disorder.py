"""Displacements of atoms: static disorder, and correlated vibrations."""

from __future__ import annotations

import numpy as np
from gemmi import Element
from numpy.typing import NDArray
from scipy import constants

from nescio.errors import ConfigurationError
from nescio.xas.atoms.clusters import Cluster

__all__ = [
    "debye_covariance",
    "debye_displacements",
    "einstein_displacements",
    "relative_displacement",
    "static_disorder",
]

Floats = NDArray[np.float64]

_FREQUENCIES = 400
_SQUARE_ANGSTROM = 1e20


def static_disorder(cluster: Cluster, sigma: float, *, seed: int = 0, frames: int = 1) -> Floats:
    """Return independent displacements of all atoms, in angstrom, shape (frames, n, 3).

    Args:
        cluster: The cluster.
        sigma: Standard deviation along each axis, in angstrom.
        seed: Random seed.
        frames: Number of draws.
    """
    if not sigma >= 0.0:
        raise ConfigurationError(f"disorder {sigma:g} angstrom: needs 0 or more")
    return sigma * np.random.default_rng(seed).normal(size=(frames, len(cluster), 3))


def debye_covariance(
    distance: Floats, mass: float, debye: float, temperature: float, density: float
) -> Floats:
    """Return the covariance of the displacements of two atoms along one axis, in angstrom^2.

    ``hbar / 2 M  integral rho(w) / w coth(hbar w / 2 k T) sin(w R / c) / (w R / c) dw``, with Debye's
    rho = 3 w^2 / w_D^3 and c = w_D / k_D, k_D = (6 pi^2 n)^(1/3). At zero distance it is the mean square displacement.

    Args:
        distance: In angstrom, any shape.
        mass: Atomic mass, in atomic mass units.
        debye: Debye temperature in kelvin.
        temperature: In kelvin; at 0 only the zero-point motion remains.
        density: Number density of atoms, in 1/angstrom^3.

    Source: Beni and Platzman, Phys. Rev. B 14, 1514 (1976), eqs. 14 to 16.
    """
    if not (mass > 0.0 and debye > 0.0 and temperature >= 0.0 and density > 0.0):
        raise ConfigurationError(
            f"mass {mass:g}, Debye temperature {debye:g} K, temperature {temperature:g} K and density {density:g}: "
            "need to be positive"
        )
    # Midpoint rule, in units of the Debye frequency: the integrand is smooth and finite at zero.
    w = (np.arange(_FREQUENCIES) + 0.5) / _FREQUENCIES
    occupied = np.ones_like(w) if temperature == 0.0 else 1.0 / np.tanh(w * debye / (2.0 * temperature))
    zone = (6.0 * np.pi**2 * density) ** (1.0 / 3.0)
    together = np.sinc(np.multiply.outer(np.asarray(distance, np.float64), w * zone / np.pi))
    frequency = constants.k * debye / constants.hbar
    scale = 3.0 * constants.hbar / (2.0 * mass * constants.atomic_mass * frequency)
    return np.asarray(scale * _SQUARE_ANGSTROM * (together @ (w * occupied)) / _FREQUENCIES)


def relative_displacement(
    distance: Floats, mass: float, debye: float, temperature: float, density: float
) -> Floats:
    """Return the mean square relative displacement of two atoms along their axis, sigma2 of EXAFS, in angstrom^2."""
    alone = debye_covariance(np.zeros(1), mass, debye, temperature, density)
    return np.asarray(2.0 * (alone - debye_covariance(distance, mass, debye, temperature, density)))


def debye_displacements(
    cluster: Cluster, debye: float, temperature: float, *, seed: int = 0, frames: int = 1
) -> Floats:
    """Return correlated displacements of all atoms, in angstrom, shape (frames, n, 3).

    They are drawn from the normal distribution with the covariance of :func:`debye_covariance`, for the mean mass and
    the density of a close-packed metal with the same nearest-neighbour distance.

    Args:
        cluster: The cluster.
        debye: Debye temperature in kelvin.
        temperature: In kelvin.
        seed: Random seed.
        frames: Number of draws.
    """
    apart = np.linalg.norm(cluster.positions[:, None] - cluster.positions[None], axis=-1)
    nearest = float(np.min(apart + np.diag(np.full(len(cluster), np.inf)))) if len(cluster) > 1 else 2.5
    mass = float(np.mean([Element(symbol).weight for symbol in cluster.elements]))
    # Density of close-packed spheres of that diameter.
    covariance = debye_covariance(apart, mass, debye, temperature, np.sqrt(2.0) / nearest**3)
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    draws = np.random.default_rng(seed).normal(size=(frames, len(cluster), 3))
    return np.asarray(np.einsum("ij,fjk->fik", root, draws))


def einstein_displacements(
    cluster: Cluster, einstein: float, temperature: float, *, seed: int = 0, frames: int = 1
) -> Floats:
    """Return displacements of independent oscillators, in angstrom, shape (frames, n, 3).

    The mean square along an axis is ``hbar / 2 M w coth(hbar w / 2 k T)``.

    Args:
        cluster: The cluster.
        einstein: Einstein temperature in kelvin.
        temperature: In kelvin.
        seed: Random seed.
        frames: Number of draws.
    """
    if not (einstein > 0.0 and temperature >= 0.0):
        raise ConfigurationError(
            f"Einstein temperature {einstein:g} K and temperature {temperature:g} K: need to be positive"
        )
    occupied = 1.0 if temperature == 0.0 else 1.0 / np.tanh(einstein / (2.0 * temperature))
    masses = np.array([Element(symbol).weight for symbol in cluster.elements]) * constants.atomic_mass
    frequency = constants.k * einstein / constants.hbar
    squares = constants.hbar / (2.0 * masses * frequency) * occupied * _SQUARE_ANGSTROM
    draws = np.random.default_rng(seed).normal(size=(frames, len(cluster), 3))
    return np.asarray(np.sqrt(squares)[None, :, None] * draws)
