"""Signals made to be refused: mixtures of known classes, and known signals with their features moved."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from nescio.learn.settings import OutlierSettings
from nescio.techniques import Batch

__all__ = ["make_outliers", "rescale"]


def rescale(signals: Array) -> Array:
    """Scale signals (..., points) so that each one's highest point is 1; all-zero ones are left."""
    highest = jnp.max(signals, axis=-1, keepdims=True)
    return signals / jnp.where(highest > 0.0, highest, 1.0)


def make_outliers(batch: Batch, settings: OutlierSettings, key: Array) -> tuple[Array, Array, Array]:
    """Make signals of no known class out of a batch of known ones.

    Args:
        batch: n known signals.
        settings: Ranges.
        key: Random key.

    Returns:
        Signals (n + n // 2, points), their conditions, and a weight for each: 0 where a mixture happened to be drawn
        from one class only. The first n are mixtures of two signals of the batch, the rest are signals whose axis is
        stretched or compressed.

    Source: outlier exposure, Hendrycks, Mazeika and Dietterich (2019), arXiv:1812.04606.
    """
    n, points = batch.signals.shape
    partner_key, share_key, stretch_key, sign_key = jax.random.split(key, 4)
    partner = jax.random.permutation(partner_key, n)
    share = jax.random.uniform(
        share_key, (n, 1), minval=settings.mixture_range[0], maxval=settings.mixture_range[1]
    )
    mixed = rescale(share * batch.signals + (1.0 - share) * batch.signals[partner])
    mixed_conditions = share * batch.conditions + (1.0 - share) * batch.conditions[partner]
    different = (batch.labels != batch.labels[partner]).astype(jnp.float32)

    half = n // 2
    amount = jax.random.uniform(
        stretch_key, (half, 1), minval=settings.stretch_range[0], maxval=settings.stretch_range[1]
    )
    factor = jnp.exp(jnp.where(jax.random.bernoulli(sign_key, 0.5, (half, 1)), amount, -amount))
    # Stretched about a point before the start of the axis, so that its first features move too.
    before = 0.2 * points
    at = (jnp.arange(points)[None] + before) * factor - before
    stretched = rescale(jax.vmap(_resample)(batch.signals[:half], at))
    return (
        jnp.concatenate([mixed, stretched]),
        jnp.concatenate([mixed_conditions, batch.conditions[:half]]),
        jnp.concatenate([different, jnp.ones(half, jnp.float32)]),
    )


def _resample(signal: Array, at: Array) -> Array:
    """Interpolate a signal (points,) linearly at fractional indices; zero outside of it."""
    last = signal.shape[0] - 1
    below = jnp.clip(jnp.floor(at).astype(jnp.int32), 0, last - 1)
    f = jnp.clip(at - below, 0.0, 1.0)
    inside = (at >= 0.0) & (at <= last)
    return jnp.where(inside, (1.0 - f) * signal[below] + f * signal[below + 1], 0.0)
