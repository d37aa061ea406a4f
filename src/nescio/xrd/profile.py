"""Peak shapes: the pseudo-Voigt of Thompson, Cox and Hastings, and contributions to the width of a peak."""

from __future__ import annotations

import math

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

__all__ = [
    "caglioti_fwhm",
    "combine_widths",
    "gaussian",
    "lorentzian",
    "pseudo_voigt",
    "scherrer_fwhm",
    "split_width",
    "strain_fwhm",
]

_LN2 = math.log(2.0)
# Widths (degree) and their squares are kept above these, so that gradients of roots stay finite where
# a contribution is absent; four orders of magnitude below the narrowest line a powder diffractometer resolves.
_SMALLEST_WIDTH = 1e-6
_SMALLEST_SQUARE = _SMALLEST_WIDTH**2


def gaussian(offset: ArrayLike, fwhm: ArrayLike) -> Array:
    """Return a Gaussian of unit area at distance `offset` from its centre, in units of 1 / `fwhm`'s."""
    u = jnp.asarray(offset) / fwhm
    return 2.0 * math.sqrt(_LN2 / math.pi) / jnp.asarray(fwhm) * jnp.exp(-4.0 * _LN2 * u * u)


def lorentzian(offset: ArrayLike, fwhm: ArrayLike) -> Array:
    """Return a Lorentzian of unit area at distance `offset` from its centre, in units of 1 / `fwhm`'s."""
    u = jnp.asarray(offset) / fwhm
    return 2.0 / math.pi / (jnp.asarray(fwhm) * (1.0 + 4.0 * u * u))


def pseudo_voigt(offset: ArrayLike, fwhm: ArrayLike, mixing: ArrayLike) -> Array:
    """Return ``mixing * lorentzian + (1 - mixing) * gaussian``, both of the same `fwhm`; unit area."""
    m = jnp.asarray(mixing)
    return m * lorentzian(offset, fwhm) + (1.0 - m) * gaussian(offset, fwhm)


def combine_widths(gaussian_fwhm: ArrayLike, lorentzian_fwhm: ArrayLike) -> tuple[Array, Array]:
    """Return full width and mixing of the pseudo-Voigt nearest to a Voigt function.

    Args:
        gaussian_fwhm: Full width at half maximum of the Gaussian part, any unit.
        lorentzian_fwhm: The same of the Lorentzian part, same unit.

    Returns:
        Full width at half maximum in that unit, and the Lorentzian share (0 to 1).

    Source: Thompson, Cox and Hastings (1987), J. Appl. Cryst. 20, 79-83, equations 2 and 3.
    """
    g = jnp.maximum(jnp.asarray(gaussian_fwhm), _SMALLEST_WIDTH)
    x = jnp.asarray(lorentzian_fwhm) / g
    # In units of g, so that the fifth power cannot underflow in single precision.
    polynomial = 1.0 + x * (2.69269 + x * (2.42843 + x * (4.47163 + x * (0.07842 + x))))
    fwhm = g * polynomial**0.2
    q = jnp.asarray(lorentzian_fwhm) / fwhm
    mixing = q * (1.36603 + q * (-0.47719 + q * 0.11116))
    return fwhm, jnp.clip(mixing, 0.0, 1.0)


def split_width(fwhm: ArrayLike, mixing: ArrayLike) -> tuple[Array, Array]:
    """Return the Gaussian and Lorentzian widths of the Voigt function with this width and mixing.

    The inverse of :func:`combine_widths`, good to 1 % of `fwhm`.

    Source: Thompson, Cox and Hastings (1987), J. Appl. Cryst. 20, 79-83, equations 4 and 5.
    """
    m = jnp.asarray(mixing)
    square = 1.0 - m * (0.74417 + m * (0.24781 + m * 0.00810))
    gaussian_part = jnp.sqrt(jnp.maximum(square, _SMALLEST_SQUARE))
    lorentzian_part = m * (0.72928 + m * (0.19289 + m * 0.07783))
    return jnp.asarray(fwhm) * gaussian_part, jnp.asarray(fwhm) * lorentzian_part


def caglioti_fwhm(u: ArrayLike, v: ArrayLike, w: ArrayLike, theta: ArrayLike) -> Array:
    """Return the instrument's Gaussian width ``sqrt(u tan^2 + v tan + w)``.

    Args:
        u: Coefficient of tan^2 theta in degree^2.
        v: Coefficient of tan theta in degree^2.
        w: Constant in degree^2.
        theta: Bragg angle in radian.

    Returns:
        Full width at half maximum in degree of two-theta; where the polynomial is negative, almost zero.

    Source: Caglioti, Paoletti and Ricci (1958), Nucl. Instrum. 3, 223-228.
    """
    t = jnp.tan(theta)
    return jnp.sqrt(jnp.maximum((jnp.asarray(u) * t + v) * t + w, _SMALLEST_SQUARE))


def scherrer_fwhm(size_nm: ArrayLike, wavelength_angstrom: ArrayLike, theta: ArrayLike) -> Array:
    """Return the width due to a finite crystallite size, ``0.9 wavelength / (size cos theta)``.

    Args:
        size_nm: Volume-weighted crystallite size in nanometre.
        wavelength_angstrom: Wavelength in angstrom.
        theta: Bragg angle in radian.

    Returns:
        Full width at half maximum in degree of two-theta.

    Source: Langford and Wilson (1978), J. Appl. Cryst. 11, 102-113.
    """
    return jnp.rad2deg(
        0.9 * jnp.asarray(wavelength_angstrom) / (10.0 * jnp.asarray(size_nm) * jnp.cos(theta))
    )


def strain_fwhm(microstrain: ArrayLike, theta: ArrayLike) -> Array:
    """Return the width due to a spread of lattice spacings, ``4 microstrain tan theta``.

    Args:
        microstrain: Maximum (upper limit) strain, dimensionless.
        theta: Bragg angle in radian.

    Returns:
        Full width at half maximum in degree of two-theta.

    Source: Stokes and Wilson (1944), Proc. Phys. Soc. 56, 174-181.
    """
    return jnp.rad2deg(4.0 * jnp.asarray(microstrain) * jnp.tan(theta))
