"""Energy loss of fast electrons to the plasmons of an array."""

from __future__ import annotations

from functools import partial
from math import log, pi, sqrt
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.special import i0, i1
from jax.typing import ArrayLike

from nescio.microscopy.twins.plasmon_modes import Block, Drude, Modes, permittivity

__all__ = [
    "Beam",
    "bessel_k0",
    "bessel_k1",
    "bulk_loss",
    "electron_beam",
    "electron_field",
    "plasmon_loss",
    "resolution_matrix",
]

_COULOMB = 1.439964548
"""e^2 in eV nm."""
_HBAR_C = 197.3269804
"""hbar c in eV nm."""
_REST_ENERGY = 510.99895
"""Rest energy of an electron in keV."""


class Beam(NamedTuple):
    """A beam of electrons with one energy, along z."""

    speed: float
    """hbar v in eV nm."""
    lorentz: float
    """1 / sqrt(1 - v^2/c^2)."""


def electron_beam(voltage: float) -> Beam:
    """Return the electron beam of an accelerating voltage in kV."""
    lorentz = 1.0 + voltage / _REST_ENERGY
    return Beam(_HBAR_C * sqrt(1.0 - lorentz**-2), lorentz)


def bessel_k0(x: ArrayLike) -> Array:
    """Return the modified Bessel function K0 of x > 0.

    Source: Abramowitz and Stegun, Handbook of Mathematical Functions (1964), 9.8.5 and 9.8.6.
    """
    x = jnp.asarray(x)
    small = jnp.minimum(x, 2.0)
    below = -jnp.log(0.5 * small) * i0(small) + _series(
        (-0.57721566, 0.42278420, 0.23069756, 0.03488590, 0.00262698, 0.00010750, 0.00000740),
        (0.5 * small) ** 2,
    )
    return jnp.where(x <= 2.0, below, _tail(_TAIL_K0, x))


def bessel_k1(x: ArrayLike) -> Array:
    """Return the modified Bessel function K1 of x > 0.

    Source: Abramowitz and Stegun (1964), 9.8.7 and 9.8.8.
    """
    x = jnp.asarray(x)
    small = jnp.minimum(x, 2.0)
    below = (
        jnp.log(0.5 * small) * i1(small)
        + _series(
            (1.0, 0.15443144, -0.67278579, -0.18156897, -0.01919402, -0.00110404, -0.00004686),
            (0.5 * small) ** 2,
        )
        / small
    )
    return jnp.where(x <= 2.0, below, _tail(_TAIL_K1, x))


_TAIL_K0 = (1.25331414, -0.07832358, 0.02189568, -0.01062446, 0.00587872, -0.00251540, 0.00053208)
_TAIL_K1 = (1.25331414, 0.23498619, -0.03655620, 0.01504268, -0.00780353, 0.00325614, -0.00068245)


def _tail(coefficients: tuple[float, ...], x: Array) -> Array:
    large = jnp.maximum(x, 2.0)
    return jnp.exp(-large) / jnp.sqrt(large) * _series(coefficients, 2.0 / large)


def _series(coefficients: tuple[float, ...], x: Array) -> Array:
    total = jnp.full_like(x, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        total = total * x + coefficient
    return total


def electron_field(
    energy: ArrayLike, distance: ArrayLike, radius: ArrayLike, beam: Beam
) -> tuple[Array, Array]:
    """Return the field of the electron at particles: the radial component, and the axial one (a quarter period later).

    If the beam is outside a particle, it is the field at the particle's centre, E K1(E R / (hbar v gamma)) and
    E K0(...) / gamma. If the beam passes through the particle, where this field diverges, it is the mean over a sphere,
    in the limit of a small argument.

    Args:
        energy: Energy in eV.
        distance: Distance from the beam to the particle's centre in nm; broadcast with `energy`.
        radius: Radius of the sphere of equal volume in nm.
        beam: The electron beam.

    Returns:
        Both components in eV; multiplied by 2 e / (hbar^2 v^2 gamma) they give the Fourier transform of the field.

    Source: Garcia de Abajo, Rev. Mod. Phys. 82, 209 (2010), field of a uniformly moving charge.
    """
    energy, distance, radius = jnp.asarray(energy), jnp.asarray(distance), jnp.asarray(radius)
    wave = energy / (beam.speed * beam.lorentz)
    inside = jnp.minimum(distance / radius, 1.0)
    chord = jnp.sqrt(jnp.maximum(1.0 - inside**2, 0.0))
    # 1 - chord^3 is the share of a sphere that is closer to its axis than the beam. This form is accurate near the
    # axis, where the share is 3/2 of the squared distance.
    enclosed = inside * (1.0 + chord + chord**2) / (1.0 + chord)
    outside = jnp.maximum(distance, radius)
    radial = bessel_k1(wave * outside) * jnp.where(distance < radius, enclosed, 1.0)
    axial = bessel_k0(wave * outside) + chord + chord**3 / 3.0 - jnp.log1p(chord)
    return energy * radial, energy * axial / beam.lorentz


@partial(jax.jit, static_argnames=("beam", "nodes"))
def plasmon_loss(
    places: ArrayLike,
    energies: ArrayLike,
    positions: ArrayLike,
    radii: ArrayLike,
    plasmons: Modes,
    damping: ArrayLike,
    beam: Beam,
    nodes: int = 12,
) -> Array:
    """Return the loss probability due to the plasmons of an array, per electron and eV.

    It is Im(E* . p) / (pi hbar), summed over dipoles: for each mode, the squared overlap with the field of the electron
    times a Lorentzian. The overlap is a smooth function of energy; it is computed at a few energies and interpolated by
    a polynomial.

    Args:
        places: Positions of the beam, shape (n, 2), y and x in nm.
        energies: Energies above 0 in eV, shape (energies,).
        positions: Positions of the particles in nm, shape (particles, 2).
        radii: Radii of spheres of equal volume in nm, shape (particles,).
        plasmons: Modes of these particles.
        damping: Damping of the material in eV.
        beam: The electron beam.
        nodes: Number of energies at which the field is computed.

    Returns:
        Loss probability in 1/eV, shape (n, energies).

    Source: Garcia de Abajo, Rev. Mod. Phys. 82, 209 (2010); for one particle 4 e^2 w^2 / (pi hbar^2 v^4 gamma^2)
    [K1^2 + K0^2 / gamma^2] Im(alpha) for each hbar w.
    """
    energies, positions = jnp.asarray(energies), jnp.asarray(positions)
    at, weights = _interpolation(energies, nodes)
    lines = [_lorentzians(block, energies, damping) for block in plasmons]

    def at_one(place: Array) -> Array:
        delta = positions - place
        distance = jnp.sqrt((delta**2).sum(axis=1))
        y, x = delta.T / jnp.where(distance > 0.0, distance, 1.0)
        radial, axial = electron_field(at[:, None], distance, radii, beam)
        fields = jnp.concatenate([radial * x, radial * y], axis=1), axial
        total = jnp.zeros((nodes, len(energies)))
        for block, field, line in zip(plasmons, fields, lines, strict=True):
            total += (field @ block.coupling.T) ** 2 @ line
        return (weights * total.T).sum(axis=1)

    scale = 4.0 * _COULOMB / (pi * beam.speed**4 * beam.lorentz**2)
    # Rounding errors of the polynomial can give small negative values.
    return jnp.maximum(scale * jax.vmap(at_one)(jnp.asarray(places)), 0.0)


def _lorentzians(block: Block, energies: Array, damping: ArrayLike) -> Array:
    """Return Im[1 / (w^2 - E^2 - i damping E)] of all modes, shape (modes, energies), in 1/eV^2."""
    width = jnp.asarray(damping) * energies
    detuning = block.squared_energy[:, None] - energies**2
    return width / (detuning**2 + width**2)


def _interpolation(energies: Array, nodes: int) -> tuple[Array, Array]:
    """Return the nodes of the interpolation, and the weights of the nodes at each energy, shape (energies, nodes)."""
    angle = (np.arange(nodes) + 0.5) * np.pi / nodes
    low, high = energies.min(), energies.max()
    # Scale to -1 to 1, where differences of Chebyshev nodes are most accurate.
    scaled = (2.0 * energies - low - high) / (high - low)
    known = -np.cos(angle)
    itself = np.eye(nodes, dtype=bool)
    between = np.where(itself, 1.0, known[:, None] - known)
    weights = jnp.where(itself, 1.0, (scaled[:, None, None] - known) / between).prod(axis=-1)
    return 0.5 * (low + high) + 0.5 * (high - low) * jnp.asarray(known), weights


def bulk_loss(thickness: ArrayLike, energies: ArrayLike, radii: ArrayLike, drude: Drude, beam: Beam) -> Array:
    """Return the loss probability due to bulk plasmons, per electron and eV.

    Momenta range from the inverse radius of the particle to `_CUTOFF`. Smaller momenta, down to E / (hbar v), excite
    the dipole of the particle instead (begrenzung effect).

    Args:
        thickness: Path length of the beam in each particle in nm, shape (n, particles).
        energies: Energies in eV, shape (energies,).
        radii: Radii in nm, shape (particles,).
        drude: The material, with a plasma energy of shape (particles,) or ().
        beam: The electron beam.

    Returns:
        Loss probability in 1/eV, shape (n, energies).

    Source: Garcia de Abajo, Rev. Mod. Phys. 82, 209 (2010), bulk losses in the non-retarded limit.
    """
    radii = jnp.asarray(radii)
    plasma = jnp.broadcast_to(jnp.asarray(drude.plasma_energy), radii.shape)
    response = jnp.imag(-1.0 / permittivity(energies, drude._replace(plasma_energy=plasma[:, None])))
    momenta = jnp.maximum(jnp.log(_CUTOFF * radii), 0.0)
    scale = 2.0 * _COULOMB / (pi * beam.speed**2)
    return scale * (jnp.asarray(thickness) * momenta) @ response


_CUTOFF = 1.5
"""Largest collected momentum in 1/nm."""


def resolution_matrix(axis: ArrayLike, energies: ArrayLike, width: float) -> Array:
    """Return the matrix that converts spectra to the channels of a spectrometer with a Gaussian resolution.

    Args:
        axis: Equidistant energies of the input, shape (m,); must extend beyond `energies` by a few widths.
        energies: Energies of the channels, shape (energies,).
        width: Full width at half maximum of the resolution, in the same unit.

    Returns:
        The matrix, shape (m, energies); columns sum to 1.
    """
    sigma = width / (2.0 * sqrt(2.0 * log(2.0)))
    peaks = jnp.exp(-0.5 * ((jnp.asarray(axis)[:, None] - jnp.asarray(energies)) / sigma) ** 2)
    return jnp.asarray(peaks / peaks.sum(axis=0))
