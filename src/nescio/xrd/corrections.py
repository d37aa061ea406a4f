"""Corrections of peak position and intensity: geometry, polarisation, thermal motion."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

__all__ = ["debye_waller", "displacement_shift", "lorentz_polarisation"]


def lorentz_polarisation(theta: ArrayLike, polarisation: ArrayLike = 1.0) -> Array:
    """Return the Lorentz-polarisation factor of a flat powder sample.

    Args:
        theta: Bragg angle in radian.
        polarisation: Factor of cos^2 of two-theta: 1 for an unpolarised beam, cos^2 of the monochromator's
            own two-theta behind a monochromator, 0 for a beam polarised perpendicular to the scattering plane.

    Returns:
        ``(1 + A cos^2 2theta) / ((1 + A) sin^2 theta cos theta)``.

    Source: International Tables for Crystallography C (2006), section 6.2.
    """
    a = jnp.asarray(polarisation)
    c = jnp.cos(2.0 * jnp.asarray(theta))
    return (1.0 + a * c * c) / ((1.0 + a) * jnp.sin(theta) ** 2 * jnp.cos(theta))


def displacement_shift(displacement_mm: ArrayLike, radius_mm: ArrayLike, theta: ArrayLike) -> Array:
    """Return the shift in two-theta, in degree, of a sample out of the focusing circle.

    Args:
        displacement_mm: Distance of the surface behind the axis (away from source and detector), in mm.
        radius_mm: Goniometer radius in mm.
        theta: Bragg angle in radian.

    Source: ``-2 s cos(theta) / R``, Klug and Alexander (1974), X-ray Diffraction Procedures, chapter 5.
    """
    return jnp.rad2deg(-2.0 * jnp.asarray(displacement_mm) * jnp.cos(theta) / jnp.asarray(radius_mm))


def debye_waller(b_iso: ArrayLike, inverse_d_squared: ArrayLike) -> Array:
    """Return the factor of isotropic thermal motion on an intensity, ``exp(-2 B sin^2 theta / wavelength^2)``.

    Args:
        b_iso: Isotropic displacement parameter B in angstrom^2.
        inverse_d_squared: 1/d^2 in 1/angstrom^2.
    """
    return jnp.exp(-0.5 * jnp.asarray(b_iso) * jnp.asarray(inverse_d_squared))
