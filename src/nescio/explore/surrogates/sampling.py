"""Joint draws from the posterior over thousands of candidates, without their full covariance."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax import Array

from nescio.explore.surrogates.conditioned import Conditioned
from nescio.explore.surrogates.kernel import Inputs, covariance, noise_variance
from nescio.explore.surrogates.parameters import Parameters

__all__ = ["draw_functions"]

_WAVES = 1024
# The spectral density of a Matern-5/2 kernel is Student's t with 5 degrees of freedom.
_DEGREES = 5


def _prior_functions(key: Array, dimensions: int, draws: int) -> Callable[[Array], Array]:
    """Draw functions from a Matern-5/2 prior of unit variance by random Fourier features.

    Returns:
        A function from points (n, dimensions), in lengthscales, to values (n, draws).
    """
    normal_key, phase_key = jax.random.split(key)
    # Sampling is slow to compile, so draw all normal variates at once, and chi squared as a sum of squares.
    normal = jax.random.normal(normal_key, (_WAVES, dimensions + _DEGREES + draws))
    direction, squares, weights = jnp.split(normal, [dimensions, dimensions + _DEGREES], axis=1)
    frequency = direction * jnp.sqrt(_DEGREES / jnp.sum(squares**2, 1, keepdims=True))
    phase = 2.0 * jnp.pi * jax.random.uniform(phase_key, (_WAVES,))
    return lambda points: jnp.sqrt(2.0 / _WAVES) * jnp.cos(points @ frequency.T + phase) @ weights


@partial(jax.jit, static_argnames=("draws",))
def draw_functions(
    key: Array,
    parameters: Parameters,
    conditioned: Conditioned,
    measured: Inputs,
    targets: Array,
    mask: Array,
    candidates: Inputs,
    positioned: Array,
    *,
    draws: int,
) -> Array:
    """Return draws from one member's posterior at the candidates, standardised, shape (draws, n).

    A draw from the prior by random Fourier features is corrected by Matheron's rule to fit the measurements, or a draw
    of the values at the inducing points. `targets` is only used if the support consists of the measurements.

    Source: Wilson et al., Proc. ICML 119, 10292 (2020), eqs. 6 and 13; Rahimi and Recht, NIPS 20 (2007).
    """
    one_key, other_key, noise_key = jax.random.split(key, 3)
    signal = jnp.exp(parameters.log_signal)

    def beside(inputs: Inputs) -> Array:
        scaled = inputs.positions * jnp.exp(-parameters.log_position)
        if inputs.features.shape[1] == 0:
            return scaled
        return jnp.concatenate([inputs.features @ parameters.head, positioned * scaled], 1)

    embedded = float(measured.features.shape[1] > 0)
    share = 1.0 - embedded * positioned * (1.0 - jax.nn.sigmoid(parameters.share))

    one = _prior_functions(one_key, beside(measured).shape[1], draws)
    other = _prior_functions(other_key, measured.positions.shape[1], draws)

    def prior(inputs: Inputs) -> Array:
        region = inputs.positions * jnp.exp(-parameters.log_region)
        return signal * (jnp.sqrt(share) * one(beside(inputs)) + jnp.sqrt(1.0 - share) * other(region))

    cross = covariance(parameters, measured, candidates, positioned) * mask[:, None]
    drawn = prior(measured)
    if conditioned.spread is None:
        noise = jnp.sqrt(noise_variance(parameters)) * jax.random.normal(noise_key, drawn.shape)
        gap = (targets[:, None] - drawn - noise) * mask[:, None]
        moved = conditioned.inverse.T @ (conditioned.inverse @ gap)
    else:
        # Draw the values at the inducing points from their posterior.
        left_open = conditioned.spread.T @ jax.random.normal(noise_key, drawn.shape)
        known = conditioned.inverse.T @ (conditioned.inverse @ (drawn * mask[:, None]))
        moved = conditioned.weights[:, None] + left_open - known
    return (prior(candidates) + cross.T @ moved).T
