"""Members given all measurements, and what they then expect of the candidates."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from nescio.explore.surrogates.kernel import Inputs, covariance, noise_variance, prior_variance
from nescio.explore.surrogates.likelihood import inverse_factor, padded
from nescio.explore.surrogates.parameters import Parameters

__all__ = ["Conditioned", "condition", "predict"]

# Candidates whose covariances are in memory at once.
_CANDIDATES = 4096


class Conditioned(NamedTuple):
    """Members given all measurements; each field with a leading axis of members."""

    inverse: Array
    """Shape (members, size, size), inverse of the Cholesky factor of the covariance of the support: of the measurements
    with their noise, or of the inducing points."""
    weights: Array
    """Shape (members, size), with which the covariances with the support add up to the mean."""
    residual: Array
    """Shape (members, n), of each measurement as predicted from all others."""
    variance: Array
    """Shape (members, n), of the function there, without noise."""
    spread: Array | None = None
    """Shape (members, size, size), what inducing points leave open; none where the support is measured."""


@jax.jit
def condition(
    parameters: Parameters, inputs: Inputs, targets: Array, mask: Array, positioned: Array
) -> Conditioned:
    """Give every member all measurements: inputs (size, ...), targets and mask (size,), positioned (members,)."""

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
    """Return every member's mean and variance of the function at the candidates, each of shape (members, n).

    Args:
        parameters: With a leading axis of members.
        conditioned: The members, given all measurements.
        support: What they were conditioned on, shape (size, ...): the measurements, or the inducing points.
        mask: Shape (size,), 1 for a point of the support.
        candidates: Shape (n, ...).
        positioned: Shape (members,), 1 where the kernel sees the position.
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

    # One member and one block after the other: all covariances at once would take gigabytes.
    predicted: tuple[Array, Array] = jax.lax.map(one, (parameters, conditioned, positioned))
    return predicted
