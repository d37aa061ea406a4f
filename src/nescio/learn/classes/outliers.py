"""Simulated outliers: mixtures of known classes, and known signals with shifted or blurred features."""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from nescio.learn.classes.settings import OutlierSettings
from nescio.techniques import Batch

__all__ = ["Outliers", "make_outliers", "rescale"]


class Outliers(NamedTuple):
    """Signals of no known class."""

    signals: Array
    """Shape (m, points), scaled to 0-1."""
    conditions: Array
    """Shape (m, conditions)."""
    weight: Array
    """Shape (m,), 0 if both signals of a mixture belong to the same class, otherwise 1."""


def rescale(signals: Array) -> Array:
    """Scale signals (..., points) to a maximum of 1; signals of zeros are unchanged."""
    highest = jnp.max(signals, axis=-1, keepdims=True)
    return signals / jnp.where(highest > 0.0, highest, 1.0)


def make_outliers(batch: Batch, settings: OutlierSettings, key: Array) -> Outliers:
    """Make signals of no known class from a batch of known signals.

    Args:
        batch: n known ideal signals; with noise in each, a mixture would be recognised by its lower noise.
        settings: Ranges of the outliers.
        key: Random key.

    Returns:
        n mixtures of two signals of the batch, n // 2 signals with a stretched or compressed axis, and n // 4 signals
        with broadened features.

    Source: outlier exposure, Hendrycks, Mazeika and Dietterich (2019), arXiv:1812.04606.
    """
    n, points = batch.signals.shape
    partner_key, share_key, stretch_key, sign_key, blur_key = jax.random.split(key, 5)
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
    # The fixed point lies before the start of the axis, so that the first features move too.
    before = 0.2 * points
    at = (jnp.arange(points)[None] + before) * factor - before
    stretched = rescale(jax.vmap(_resample)(batch.signals[:half], at))

    quarter = n // 4
    fwhm = jax.random.uniform(
        blur_key, (quarter, 1), minval=settings.blur_range[0], maxval=settings.blur_range[1]
    )
    blurred = rescale(_spread(batch.signals[half : half + quarter], fwhm * points))
    return Outliers(
        jnp.concatenate([mixed, stretched, blurred]),
        jnp.concatenate([mixed_conditions, batch.conditions[: half + quarter]]),
        jnp.concatenate([different, jnp.ones(half + quarter, jnp.float32)]),
    )


def _spread(signals: Array, fwhm: Array) -> Array:
    """Convolve signals (n, points) with Gaussians of full widths at half maximum (n, 1) in points."""
    points = signals.shape[-1]
    # Padded to twice the length, so that nothing wraps around.
    frequency = jnp.fft.rfftfreq(2 * points)
    transfer = jnp.exp(-((math.pi * fwhm * frequency) ** 2) / (4.0 * math.log(2.0)))
    return jnp.fft.irfft(jnp.fft.rfft(signals, 2 * points) * transfer, 2 * points)[:, :points]


def _resample(signal: Array, at: Array) -> Array:
    """Interpolate a signal (points,) linearly at fractional indices; zero outside."""
    last = signal.shape[0] - 1
    below = jnp.clip(jnp.floor(at).astype(jnp.int32), 0, last - 1)
    f = jnp.clip(at - below, 0.0, 1.0)
    inside = (at >= 0.0) & (at <= last)
    return jnp.where(inside, (1.0 - f) * signal[below] + f * signal[below + 1], 0.0)
