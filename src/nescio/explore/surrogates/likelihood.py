"""Marginal likelihood of a Gaussian process, with an explicit gradient."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.linalg import solve_triangular

__all__ = ["inverse_factor", "negative_log_likelihood", "padded"]


def padded(covariance: Array, noise: Array, mask: Array) -> Array:
    """Return the covariance of measurements (n, n), with rows of the unit matrix for padding.

    Args:
        covariance: Covariance of the function, shape (n, n).
        noise: Noise variance of a measurement.
        mask: Shape (n,), 1 for a measurement and 0 for padding.
    """
    kept = covariance * mask[:, None] * mask[None, :]
    return kept + jnp.diag(jnp.where(mask > 0, noise, 1.0))


def inverse_factor(matrix: Array) -> tuple[Array, Array]:
    """Return the diagonal of the Cholesky factor L of a matrix (n, n), and the inverse of L."""
    factor = jnp.linalg.cholesky(matrix)
    unit = jnp.eye(matrix.shape[0], dtype=matrix.dtype)
    return jnp.diagonal(factor), solve_triangular(factor, unit, lower=True)


@jax.custom_vjp
def negative_log_likelihood(matrix: Array, targets: Array) -> Array:
    """Return ``(y^T K^-1 y + log |K|) / 2`` for the covariance K of measurements (n, n) and targets y (n,).

    The gradient is ``(K^-1 - a a^T) / 2`` with ``a = K^-1 y``; both use the inverse of the Cholesky factor.

    Source: Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), eqs. 2.30 and 5.9.
    """
    return _forward(matrix, targets)[0]


def _forward(matrix: Array, targets: Array) -> tuple[Array, tuple[Array, Array]]:
    diagonal, inverse = inverse_factor(matrix)
    whitened = inverse @ targets
    value = 0.5 * (whitened @ whitened) + jnp.sum(jnp.log(diagonal))
    return value, (inverse, inverse.T @ whitened)


def _backward(kept: tuple[Array, Array], slope: Array) -> tuple[Any, ...]:
    inverse, weights = kept
    gradient = 0.5 * (inverse.T @ inverse - jnp.outer(weights, weights))
    return slope * gradient, slope * weights


negative_log_likelihood.defvjp(_forward, _backward)
