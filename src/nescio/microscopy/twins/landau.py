"""Polarisation of a ferroelectric film seen from above: free energy and relaxation."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

__all__ = [
    "Film",
    "Landau",
    "coercive_field",
    "energy",
    "landau_density",
    "relax",
    "wall_energy",
    "wall_profile",
]


class Landau(NamedTuple):
    """A Landau polynomial, in units in which energy density and spontaneous polarisation are near 1.

    For one component, f = quadratic/2 P^2 + quartic/4 P^4 + sextic/6 P^6 + gradient/2 (dP/dx)^2.
    """

    quadratic: ArrayLike = -1.0
    quartic: ArrayLike = 1.0
    sextic: ArrayLike = 0.0
    coupling: ArrayLike = 6.0
    """Coefficient of P_i^2 P_j^2 / 2; above `quartic`, the polarisation is along a crystal axis (tetragonal)."""
    gradient: ArrayLike = 1.0
    """For changes perpendicular to the polarisation, in square pixels; walls are sqrt(2 g / -quadratic) wide."""
    gradient_along: ArrayLike = 4.0
    """For changes parallel to the polarisation, in square pixels."""


class Film(NamedTuple):
    """A film on a substrate; lengths in pixels, crystal axes a and b in the plane, c out of it."""

    landau: Landau = Landau()
    young: ArrayLike = 3.0
    """Young's modulus, times the square of the strain of a fully polarised crystal."""
    poisson: ArrayLike = 0.3
    strain_along: ArrayLike = 1.0
    """Electrostriction Q11: strain along a polarisation of 1."""
    strain_across: ArrayLike = -0.3
    """Electrostriction Q12; the ratio to Q11 is that of PbTiO3."""
    strain_shear: ArrayLike = 0.38
    """Electrostriction Q44 / 2."""
    misfit: ArrayLike = -0.08
    """In-plane strain imposed by the substrate: -0.3 favours c domains only, 0.35 equal shares of a and b domains."""
    thickness: ArrayLike = 40.0
    stray: ArrayLike = 0.1
    """Energy of the unscreened surface charge."""
    angle: ArrayLike = 0.0
    """Angle from the image's x axis to the crystal's a axis, in radian."""


def landau_density(polarisation: ArrayLike, landau: Landau) -> Array:
    """Return the local energy density of a polarisation, shape (components, ...) -> (...).

    Source: Chen, J. Am. Ceram. Soc. 91, 1835 (2008), for the Landau polynomial; here with one coupling constant.
    """
    square = jnp.asarray(polarisation) ** 2
    total = square.sum(axis=0)
    own = square * (
        0.5 * landau.quadratic + square * (0.25 * landau.quartic + square * (landau.sextic / 6.0))
    )
    pairs = 0.5 * (total**2 - (square**2).sum(axis=0))
    return own.sum(axis=0) + 0.5 * landau.coupling * pairs


def coercive_field(landau: Landau) -> Array:
    """Return the field at which a uniform polarisation becomes unstable, for a quartic polynomial.

    For f = a/2 P^2 + b/4 P^4 it is (2/3) sqrt(|a|^3 / (3 b)).
    """
    return 2.0 / 3.0 * jnp.sqrt(jnp.abs(landau.quadratic) ** 3 / (3.0 * jnp.asarray(landau.quartic)))


def wall_profile(distance: ArrayLike, landau: Landau) -> Array:
    """Return the polarisation across a 180-degree wall at distances in pixels, for a quartic polynomial."""
    a = jnp.abs(jnp.asarray(landau.quadratic))
    width = jnp.sqrt(2.0 * landau.gradient / a)
    return jnp.sqrt(a / landau.quartic) * jnp.tanh(jnp.asarray(distance) / width)


def wall_energy(landau: Landau) -> Array:
    """Return the energy of a 180-degree wall per length, for a quartic polynomial: sqrt(8 g |a|) P0^2 / 3."""
    a = jnp.abs(jnp.asarray(landau.quadratic))
    return jnp.sqrt(8.0 * landau.gradient * a) / 3.0 * a / landau.quartic


class _Waves(NamedTuple):
    stiffness: Array
    """Stiffness from gradient and stray field for each component, shape (3, height, frequencies)."""
    across_xx: Array
    """t_x t_x, where t is the unit vector along the wave's crests, in crystal axes."""
    across_yy: Array
    across_xy: Array
    held: Array
    """Share of a wave's strain that the substrate clamps; also the share of its surface charge that acts back."""


def _waves(shape: tuple[int, int], film: Film) -> _Waves:
    ky, kx = np.meshgrid(
        2.0 * np.pi * np.fft.fftfreq(shape[0]), 2.0 * np.pi * np.fft.rfftfreq(shape[1]), indexing="ij"
    )
    square = jnp.asarray(kx**2 + ky**2, jnp.float32)
    number = jnp.sqrt(square)
    safe = jnp.where(number > 0.0, number, 1.0)
    cosine, sine = jnp.cos(film.angle), jnp.sin(film.angle)
    along_x, along_y = (cosine * kx + sine * ky) / safe, (cosine * ky - sine * kx) / safe
    depth = safe * film.thickness
    held = jnp.where(number > 0.0, (1.0 - jnp.exp(-depth)) / depth, 1.0)
    across, along = jnp.asarray(film.landau.gradient), jnp.asarray(film.landau.gradient_along)
    stiffness = jnp.stack(
        [
            (across + (along - across) * along_x**2) * square,
            (across + (along - across) * along_y**2) * square,
            across * square + film.stray * held,
        ]
    )
    return _Waves(stiffness, along_y**2, along_x**2, -along_x * along_y, held)


def _forward(fields: Array) -> Array:
    return jnp.fft.rfft2(fields)


def _back(waves: Array, shape: tuple[int, int]) -> Array:
    return jnp.fft.irfft2(waves, s=shape)


def _strain(polarisation: Array, film: Film) -> Array:
    """Return the strain (xx, yy, xy) of a free crystal minus the strain imposed by the substrate."""
    x, y, z = polarisation
    along, across = jnp.asarray(film.strain_along), jnp.asarray(film.strain_across)
    return jnp.stack(
        [
            along * x**2 + across * (y**2 + z**2) - film.misfit,
            along * y**2 + across * (x**2 + z**2) - film.misfit,
            film.strain_shear * x * y,
        ]
    )


def _stress(strain: Array, waves: _Waves, film: Film) -> Array:
    """Return the stress (xx, yy, xy) of waves of strain.

    In a free plate, only the stress along the crests of a wave remains (Khachaturyan's microelasticity, isotropic,
    plane stress); for the share that the substrate clamps, all stress remains.
    """
    xx, yy, xy = strain
    crest = (
        film.young
        * (1.0 - waves.held)
        * (waves.across_xx * xx + waves.across_yy * yy + 2.0 * waves.across_xy * xy)
    )
    nu = jnp.asarray(film.poisson)
    plate = film.young / (1.0 - nu**2) * waves.held
    return jnp.stack(
        [
            waves.across_xx * crest + plate * (xx + nu * yy),
            waves.across_yy * crest + plate * (yy + nu * xx),
            waves.across_xy * crest + plate * (1.0 - nu) * xy,
        ]
    )


def energy(polarisation: ArrayLike, field: ArrayLike, film: Film) -> Array:
    """Return the free energy of a periodic film.

    Args:
        polarisation: Shape (3, height, width): along the crystal's a and b axes, and out of the plane.
        field: Quenched field, broadcast to the same shape.
        film: Constants of the film.

    Returns:
        The sum over pixels of Landau, gradient, elastic and stray-field energy.

    Source: terms of Li, Hu, Liu, and Chen, Appl. Phys. Lett. 78, 3878 (2001), averaged over the thickness of the film;
    elastic interaction of domains as in Nambu and Sagala, Phys. Rev. B 50, 5838 (1994), but in plane stress.
    """
    p = jnp.asarray(polarisation)
    shape = (p.shape[1], p.shape[2])
    waves = _waves(shape, film)
    strain = _strain(p, film)
    stress = _back(_stress(_forward(strain), waves, film), shape)
    elastic = 0.5 * (stress * strain * jnp.array([1.0, 1.0, 2.0])[:, None, None]).sum()
    resistance = _back(waves.stiffness * _forward(p), shape)
    return (
        (landau_density(p, film.landau) - (jnp.asarray(field) * p).sum(axis=0)).sum()
        + 0.5 * (p * resistance).sum()
        + elastic
    )


@partial(jax.jit, static_argnames="steps")
def relax(polarisation: ArrayLike, field: ArrayLike, film: Film, steps: int, step: float = 3.0) -> Array:
    """Relax a periodic film by gradient descent of its free energy: dP/dt = -dF/dP.

    Args:
        polarisation: Initial state, shape (3, height, width); magnitudes above about 1.5 diverge with this step.
        field: Quenched field, broadcast to the same shape.
        film: Constants of the film.
        steps: Number of steps.
        step: Time of one step.

    Returns:
        The relaxed polarisation, shape (3, height, width).

    Source: the semi-implicit Fourier method of Chen and Shen, Comput. Phys. Commun. 108, 147 (1998). A constant is
    added to the implicit part and subtracted from the explicit part, so that the energy decreases even with long steps.
    """
    start = jnp.asarray(polarisation)
    shape = (start.shape[1], start.shape[2])
    waves = _waves(shape, film)
    local = jax.grad(lambda p: (landau_density(p, film.landau) - (jnp.asarray(field) * p).sum(axis=0)).sum())
    implicit = 1.0 / (1.0 + step * (_DAMPING + waves.stiffness))

    def advance(p_waves: Array, _: None) -> tuple[Array, None]:
        p = _back(p_waves, shape)
        x, y, z = p
        xx, yy, xy = _back(_stress(_forward(_strain(p, film)), waves, film), shape)
        along, across = 2.0 * jnp.asarray(film.strain_along), 2.0 * jnp.asarray(film.strain_across)
        shear = 2.0 * jnp.asarray(film.strain_shear)
        elastic = jnp.stack(
            [
                (along * xx + across * yy) * x + shear * xy * y,
                (along * yy + across * xx) * y + shear * xy * x,
                across * (xx + yy) * z,
            ]
        )
        push = _forward(_DAMPING * p - local(p) - elastic)
        return implicit * (p_waves + step * push), None

    p_waves, _ = jax.lax.scan(advance, _forward(start), None, length=steps)
    return _back(p_waves, shape)


# About half the largest curvature of the local energy at polarisations that occur.
_DAMPING = 4.0
