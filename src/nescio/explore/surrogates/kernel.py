"""The kernel: a Matern function of embedding and position, plus one of the position only."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from nescio.explore.surrogates.parameters import Parameters

__all__ = ["Inputs", "covariance", "matern52", "noise_variance", "prior_variance", "squared_distance"]

# Added to the noise variance, for targets of unit variance.
_JITTER = 1e-4


class Inputs(NamedTuple):
    """Inputs of the kernel."""

    features: Array
    """Shape (n, features), standardised."""
    positions: Array
    """Shape (n, coordinates), standardised."""


def squared_distance(a: Array, b: Array) -> Array:
    """Return squared Euclidean distances of points (n, d) and (m, d), shape (n, m)."""
    squares = jnp.sum(a * a, 1)[:, None] + jnp.sum(b * b, 1)[None, :]
    return jnp.maximum(squares - 2.0 * jnp.matmul(a, b.T, precision="highest"), 0.0)


def matern52(squared: Array) -> Array:
    """Return the Matern function of smoothness 5/2 of squared distances in lengthscales.

    Source: Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), eq. 4.17.
    """
    # The small offset avoids the infinite slope of the root at zero.
    r = jnp.sqrt(5.0 * squared + 1e-12)
    return (1.0 + r + r * r / 3.0) * jnp.exp(-r)


def covariance(parameters: Parameters, a: Inputs, b: Inputs, positioned: Array) -> Array:
    """Return the covariance of the function at points a and b, shape (n, m).

    If `positioned` is 1, the kernel is ``s^2 [w M(|z|^2 + |p / l|^2) + (1 - w) M(|p / r|^2)]`` with the embedding z,
    the position p and the Matern function M. If it is 0, the kernel is ``s^2 M(|z|^2)``. Without features, it is
    ``s^2 M(|p / l|^2)``.
    """
    signal = jnp.exp(2.0 * parameters.log_signal)
    lengths = jnp.exp(-parameters.log_position)
    beside = squared_distance(a.positions * lengths, b.positions * lengths)
    if a.features.shape[1] == 0:
        return signal * matern52(beside)
    embedded = squared_distance(a.features @ parameters.head, b.features @ parameters.head)
    alone = squared_distance(a.positions, b.positions) * jnp.exp(-2.0 * parameters.log_region)
    share = 1.0 - positioned * (1.0 - jax.nn.sigmoid(parameters.share))
    return signal * (share * matern52(embedded + positioned * beside) + (1.0 - share) * matern52(alone))


def prior_variance(parameters: Parameters) -> Array:
    """Return the prior variance of the function at a point."""
    return jnp.exp(2.0 * parameters.log_signal)


def noise_variance(parameters: Parameters) -> Array:
    """Return the noise variance of a measurement, large enough to avoid a singular covariance.

    In single precision, the minimum grows with the largest eigenvalue of the covariance, hence with the prior variance.
    """
    least = _JITTER * jnp.maximum(1.0, prior_variance(parameters))
    return jnp.exp(2.0 * parameters.log_noise) + least
