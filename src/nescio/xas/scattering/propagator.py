"""Free propagator of an electron between the partial waves of two atoms."""

from __future__ import annotations

from math import factorial, pi
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from nescio.xas.scattering.harmonics import degrees, gaunt_coefficients, real_harmonics

__all__ = ["PairTable", "free_propagator", "outgoing_waves", "pair_table"]


class PairTable(NamedTuple):
    """The parts of the propagator between atoms that do not depend on the energy."""

    distance: Array
    """Distances in angstrom, shape (atoms, atoms); 1 on the diagonal."""
    angular: tuple[Array, ...]
    """4 pi times the sum over m'' of Gaunt coefficients and harmonics of the direction, for l'' = 2 q and 2 q + 1
    together, each of shape (atoms, waves, atoms, waves): the even l'' for even l + l', the odd l'' otherwise. Zero on
    the diagonal."""


def pair_table(positions: ArrayLike, largest: int) -> PairTable:
    """Return the table of all pairs of atoms.

    Args:
        positions: In angstrom, shape (atoms, 3), all different.
        largest: Largest l of the waves.
    """
    place = jnp.asarray(positions)
    atoms = place.shape[0]
    apart = place[None] - place[:, None]
    same = jnp.eye(atoms, dtype=bool)
    # The diagonal needs some direction too; it is multiplied by zero.
    apart = jnp.where(same[..., None], jnp.array([0.0, 0.0, 1.0], place.dtype), apart)
    distance = jnp.linalg.norm(apart, axis=-1)
    harmonics = real_harmonics(apart / distance[..., None], 2 * largest)
    harmonics = jnp.where(same[..., None], 0.0, harmonics)
    one, two = degrees(largest), degrees(2 * largest)
    # i^(l'' + l' - l), real since a Gaunt coefficient is zero where l + l' + l'' is odd.
    power = (two[None, None, :] + one[None, :, None] - one[:, None, None]) // 2
    coefficients = 4.0 * pi * gaunt_coefficients(largest) * (-1.0) ** power
    angular = []
    for q in range(largest + 1):
        chosen = np.flatnonzero(two // 2 == q)
        angular.append(
            jnp.einsum(
                "ijc,abc->iajb",
                harmonics[..., chosen],
                jnp.asarray(coefficients[..., chosen], place.dtype),
                precision="highest",
            )
        )
    return PairTable(distance, tuple(angular))


def outgoing_waves(argument: ArrayLike, largest: int) -> Array:
    """Return i times the spherical Hankel functions of the first kind, shape (largest + 1, ...).

    ``i h_l(z) = (-i)^l exp(i z) / z sum_s (l + s)! / (s! (l - s)!) (i / 2 z)^s``

    Args:
        argument: Complex, not zero.
        largest: Largest l.

    Source: DLMF 10.49.6.
    """
    z = jnp.asarray(argument)
    step = 0.5j / z
    found = []
    for ell in range(largest + 1):
        total = jnp.zeros_like(z)
        for s in range(ell, -1, -1):
            total = total * step + factorial(ell + s) // (factorial(s) * factorial(ell - s))
        found.append((-1j) ** ell * total)
    return jnp.stack(found) * (jnp.exp(1j * z) / z)


def free_propagator(table: PairTable, wavenumber: ArrayLike, sigma2: ArrayLike = 0.0) -> tuple[Array, Array]:
    """Return real and imaginary part of the propagator, each of shape (atoms waves, atoms waves).

    ``G_LL'(R) = 4 pi i sum_L'' i^(l'' + l' - l) C_LL'L'' h_l''(k R) Y_L''(R)`` expresses a wave L' from the second atom
    in regular waves L around the first. In real harmonics the matrix is symmetric.

    Args:
        table: From :func:`pair_table`.
        wavenumber: Complex, in 1/angstrom.
        sigma2: Mean square relative displacement of every pair along its axis, in angstrom^2; it damps the propagator
            by exp(-k^2 sigma2) with the real part k of the wavenumber.

    Source: Rehr and Albers, Phys. Rev. B 41, 8139 (1990), eqs. 3 to 6.
    """
    largest = len(table.angular) - 1
    k = jnp.asarray(wavenumber)
    waves = outgoing_waves(k * table.distance, 2 * largest)
    waves = waves * jnp.exp(-(jnp.real(k) ** 2) * jnp.asarray(sigma2, jnp.real(k).dtype))
    atoms = table.distance.shape[0]
    odd = jnp.asarray(np.add.outer(degrees(largest), degrees(largest)) % 2 == 1)[None, :, None, :]
    size = atoms * (largest + 1) ** 2

    def summed(part: Array) -> Array:
        total = jnp.zeros((), part.dtype)
        for q, angular in enumerate(table.angular):
            even_wave = part[2 * q][:, None, :, None]
            # The last pair has no odd half.
            odd_wave = part[min(2 * q + 1, 2 * largest)][:, None, :, None]
            total = total + jnp.where(odd, odd_wave, even_wave) * angular
        return jnp.reshape(total, (size, size))

    return summed(jnp.real(waves)), summed(jnp.imag(waves))
