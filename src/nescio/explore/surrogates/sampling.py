"""Joint draws of the posterior over thousands of candidates, without their covariance."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array

from nescio.explore.surrogates.ensemble import Conditioned
from nescio.explore.surrogates.kernel import Inputs, covariance
from nescio.explore.surrogates.likelihood import JITTER
from nescio.explore.surrogates.parameters import Parameters

__all__ = ["draw_functions"]

_WAVES = 1024
# A Matern function of smoothness 5/2 has a spectrum of Student's t with 5 degrees of freedom.
_DEGREES = 5.0


def _waves(key: Array, dimensions: int) -> tuple[Array, Array]:
    """Return frequencies (waves, d) and phases (waves,) of random Fourier features of a Matern-5/2 kernel."""
    normal_key, chi_key, phase_key = jax.random.split(key, 3)
    normal = jax.random.normal(normal_key, (_WAVES, dimensions))
    chi = 2.0 * jax.random.gamma(chi_key, _DEGREES / 2.0, (_WAVES, 1))
    return normal * jnp.sqrt(_DEGREES / chi), 2.0 * jnp.pi * jax.random.uniform(phase_key, (_WAVES,))


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
    """Return draws of one member's posterior at the candidates, standardised, shape (draws, n).

    A draw of the prior from random Fourier features is moved onto the measurements by Matheron's rule.

    Source: Wilson et al., Proc. ICML 119, 10292 (2020), eqs. 6 and 13; Rahimi and Recht, NIPS 20 (2007).
    """
    waves_key, weight_key, region_key, region_weight_key, noise_key = jax.random.split(key, 5)
    signal = jnp.exp(parameters.log_signal)

    def beside(inputs: Inputs) -> Array:
        scaled = inputs.positions * jnp.exp(-parameters.log_position)
        if inputs.features.shape[1] == 0:
            return scaled
        return jnp.concatenate([inputs.features @ parameters.head, positioned * scaled], 1)

    embedded = float(measured.features.shape[1] > 0)
    share = 1.0 - embedded * positioned * (1.0 - jax.nn.sigmoid(parameters.share))

    def function(points: Array, key: Array, weight_key: Array) -> Array:
        frequency, phase = _waves(key, points.shape[1])
        wave = jnp.sqrt(2.0 / _WAVES) * jnp.cos(points @ frequency.T + phase)
        return wave @ jax.random.normal(weight_key, (_WAVES, draws))

    def prior(inputs: Inputs) -> Array:
        region = inputs.positions * jnp.exp(-parameters.log_region)
        return signal * (
            jnp.sqrt(share) * function(beside(inputs), waves_key, weight_key)
            + jnp.sqrt(1.0 - share) * function(region, region_key, region_weight_key)
        )

    noise = jnp.sqrt(jnp.exp(2.0 * parameters.log_noise) + JITTER)
    shifted = prior(measured) + noise * jax.random.normal(noise_key, (targets.shape[0], draws))
    gap = (targets[:, None] - shifted) * mask[:, None]
    cross = covariance(parameters, measured, candidates, positioned) * mask[:, None]
    moved = prior(candidates) + cross.T @ (conditioned.inverse.T @ (conditioned.inverse @ gap))
    return moved.T
