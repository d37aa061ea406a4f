"""Contributions to a pattern besides Bragg peaks: background, amorphous humps, noise; and scaling."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from nescio.xrd.profile import gaussian

__all__ = ["gaussian_noise", "gaussian_peaks", "normalise", "poisson_noise", "smooth_background"]


def normalise(pattern: ArrayLike) -> Array:
    """Scale patterns to the range 0 to 1: negative intensities are set to 0, the highest point becomes 1.

    Args:
        pattern: Shape (..., points). A pattern without positive values becomes zero.

    Measured patterns are scaled the same way after background subtraction. Zero is thus the background in both, not the
    lowest value of the noise.
    """
    positive = jnp.maximum(jnp.asarray(pattern), 0.0)
    highest = jnp.max(positive, axis=-1, keepdims=True)
    return positive / jnp.where(highest > 0.0, highest, 1.0)


def smooth_background(axis: ArrayLike, coefficients: ArrayLike, inverse: ArrayLike = 0.0) -> Array:
    """Return a Chebyshev series over the axis plus a hyperbola (air scatter at low angles).

    Args:
        axis: Shape (points,), increasing and positive.
        coefficients: Shape (degree + 1,), of the Chebyshev polynomials over the axis' range.
        inverse: Height of the ``1 / x`` term at the start of the axis.

    Returns:
        Shape (points,).
    """
    x = jnp.asarray(axis)
    reduced = jnp.clip(2.0 * (x - x[0]) / (x[-1] - x[0]) - 1.0, -1.0, 1.0)
    orders = jnp.arange(jnp.asarray(coefficients).shape[0])
    polynomials = jnp.cos(orders[:, None] * jnp.arccos(reduced)[None])
    return jnp.asarray(coefficients) @ polynomials + inverse * x[0] / x


def gaussian_peaks(axis: ArrayLike, height: ArrayLike, centre: ArrayLike, fwhm: ArrayLike) -> Array:
    """Return Gaussian peaks: broad ones for humps of glass or liquid, narrow ones for impurities.

    Args:
        axis: Shape (points,).
        height: Shape (peaks,).
        centre: Shape (peaks,), in the unit of the axis.
        fwhm: Shape (peaks,), full width at half maximum in the unit of the axis.

    Returns:
        Shape (points,).
    """
    width = jnp.asarray(fwhm)[:, None]
    shape = gaussian(jnp.asarray(axis)[None] - jnp.asarray(centre)[:, None], width) / gaussian(0.0, width)
    return jnp.sum(jnp.asarray(height)[:, None] * shape, axis=0)


def gaussian_noise(key: Array, pattern: Array, standard_deviation: ArrayLike) -> Array:
    """Add independent Gaussian noise with a standard deviation in units of the pattern."""
    return pattern + standard_deviation * jax.random.normal(key, pattern.shape, pattern.dtype)


def poisson_noise(key: Array, pattern: Array, counts: ArrayLike) -> Array:
    """Add counting noise to a pattern whose value 1 corresponds to `counts` counts.

    The square root of a Poisson variable is nearly normal with variance 1/4, so ``(sqrt(mean) + z / 2)^2 - 1/4`` with
    a standard normal z has exactly the Poisson mean and its variance within 1/8 of a count; unlike a count it has a
    gradient, and it needs no rejection loop. Source: Anscombe (1948), Biometrika 35, 246-254.
    """
    mean = jnp.maximum(pattern, 0.0) * counts
    z = jax.random.normal(key, pattern.shape, pattern.dtype)
    # The floor keeps the gradient of the square root finite at zero intensity.
    drawn = (jnp.sqrt(mean + 1e-12) + 0.5 * z) ** 2 - 0.25
    return drawn / counts
