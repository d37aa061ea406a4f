"""Condition the members on all measurements, and predict the candidates."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from nescio.explore.surrogates.kernel import Inputs, covariance, noise_variance, prior_variance
from nescio.explore.surrogates.likelihood import inverse_factor, padded
from nescio.explore.surrogates.parameters import Parameters

__all__ = ["Conditioned", "condition", "predict"]

# Number of candidates whose covariances are in memory at once.
_CANDIDATES = 4096


class Conditioned(NamedTuple):
    """Members conditioned on all measurements; each field has a leading axis of members."""

    inverse: Array
    """Shape (members, size, size), inverse Cholesky factor of the support's covariance: of the measurements with noise,
    or of the inducing points."""
    weights: Array
    """Shape (members, size); the mean is the sum of the covariances with the support times these weights."""
    residual: Array
    """Shape (members, n), leave-one-out residual of each measurement."""
    variance: Array
    """Shape (members, n), leave-one-out variance of the function, without noise."""
    spread: Array | None = None
    """Shape (members, size, size), for the posterior variance at inducing points; None for an exact model."""


@jax.jit
def condition(
    parameters: Parameters, inputs: Inputs, targets: Array, mask: Array, positioned: Array
) -> Conditioned:
    """Condition every member on the measurements: inputs (size, ...), targets, mask (size,), positioned (members,)."""

    def one(parameters: Parameters, positioned: Array) -> Conditioned:
        noise = noise_variance(parameters)
        matrix = padded(covariance(parameters, inputs, inputs, positioned), noise, mask)
        _, inverse = inverse_factor(matrix)
        weights = inverse.T @ (inverse @ (targets * mask))
        precision = jnp.sum(inverse * inverse, 0)
        variance = jnp.maximum(1.0 / precision - noise, 1e-8)
        return Conditioned(inverse, weights, weights / precision, variance)

    return jax.vmap(one)(parameters, positioned)


@jax.jit
def predict(
    parameters: Parameters,
    conditioned: Conditioned,
    support: Inputs,
    mask: Array,
    candidates: Inputs,
    positioned: Array,
) -> tuple[Array, Array]:
    """Return each member's mean and variance of the function at the candidates, each of shape (members, n).

    Args:
        parameters: Parameters with a leading axis of members.
        conditioned: The conditioned members.
        support: The measurements or inducing points, shape (size, ...).
        mask: Shape (size,), 1 for a point of the support.
        candidates: The candidates, shape (n, ...).
        positioned: Shape (members,), 1 if the member's kernel uses the position.
    """
    n = candidates.positions.shape[0]
    size = min(n, _CANDIDATES)
    number = -(-n // size)
    blocks = jax.tree.map(
        lambda leaf: jnp.pad(leaf, ((0, number * size - n), (0, 0))).reshape(number, size, leaf.shape[1]),
        candidates,
    )

    def one(member: tuple[Parameters, Conditioned, Array]) -> tuple[Array, Array]:
        parameters, conditioned, positioned = member

        def block(candidates: Inputs) -> tuple[Array, Array]:
            cross = covariance(parameters, support, candidates, positioned) * mask[:, None]
            variance = prior_variance(parameters) - jnp.sum((conditioned.inverse @ cross) ** 2, 0)
            if conditioned.spread is not None:
                variance += jnp.sum((conditioned.spread @ cross) ** 2, 0)
            return cross.T @ conditioned.weights, jnp.maximum(variance, 1e-8)

        mean, variance = jax.lax.map(block, blocks)
        return mean.ravel()[:n], variance.ravel()[:n]

    # One member and one block at a time: all covariances at once would take gigabytes.
    predicted: tuple[Array, Array] = jax.lax.map(one, (parameters, conditioned, positioned))
    return predicted
