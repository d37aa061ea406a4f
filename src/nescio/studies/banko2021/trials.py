"""Simulated test patterns with known true phases: pure, mixed, and of phases that are not in the training."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax.typing import ArrayLike
from numpy.typing import NDArray

from nescio.learn import BATCH, disturb, draw, draw_ideal
from nescio.signals import simulated_measurements
from nescio.xrd import Prior, mix

__all__ = ["FRACTIONS", "MIXED", "PURE", "UNKNOWN", "mixtures", "patterns_by_phase", "trial_measurements"]

PURE, MIXED, UNKNOWN = "pure", "mixed", "unknown"
"""Kinds of measurement, the values of ``group``."""
FRACTIONS = np.linspace(0.0, 1.0, 21)
"""Shares of the first phase in curves against the mixing ratio."""


def patterns_by_phase(
    prior: Prior, key: jax.Array, each: int, *, ideal: bool = False
) -> list[NDArray[np.float32]]:
    """Draw `each` patterns of every phase, with the compiled program that training also uses.

    Args:
        prior: Prior of the patterns.
        key: Random key.
        each: Number of patterns of each phase.
        ideal: Draw Bragg peaks only, to be mixed and disturbed afterwards.

    Returns:
        An array of shape (each, points) for each phase.
    """
    pieces = -(-each // (BATCH // len(prior.labels)))
    signals, labels, _ = (
        np.asarray(part) for part in (draw_ideal if ideal else draw)(prior, key, pieces * BATCH)
    )
    return [signals[labels == phase][:each] for phase in range(len(prior.labels))]


def mixtures(
    prior: Prior,
    pair: Sequence[int],
    sides: Sequence[ArrayLike],
    fraction: ArrayLike,
    key: jax.Array,
    *,
    first: int = 0,
) -> xr.Dataset:
    """Mix ideal patterns of two phases, and simulate measurements of the mixtures.

    Args:
        prior: Prior of the patterns.
        pair: Indices of the two phases in the prior's labels.
        sides: Ideal patterns (Bragg peaks only) of each phase: two arrays of shape (n, points).
        fraction: Share of the first phase, shape (n,).
        key: Random key for the disturbances of the measurement.
        first: Number of the first measurement, used in the names.

    Returns:
        Prepared measurements, with ``pair`` ("A + B") and ``fraction`` (of A) for each.
    """
    share = np.asarray(fraction, np.float64)
    signals = disturb(prior, key, np.asarray(mix(jnp.asarray(sides[0]), jnp.asarray(sides[1]), share)))
    names = [f"{MIXED}#{first + i}" for i in range(share.size)]
    words = " + ".join(prior.labels[phase] for phase in pair)
    return simulated_measurements(prior.axis, signals, names).assign_coords(
        pair=("measurement", np.full(share.size, words)), fraction=("measurement", share)
    )


def trial_measurements(
    known: Prior, unknown: Prior, key: jax.Array, *, each: int = 300, per_fraction: int = 20
) -> xr.Dataset:
    """Draw pure patterns, mixtures of all pairs over the whole range of ratios, and patterns of unknown phases.

    Args:
        known: Prior of the agent.
        unknown: Another prior on the same axis, whose phases are not in the training.
        key: Random key.
        each: Number of patterns of each phase.
        per_fraction: Number of mixtures of each pair at each of :data:`FRACTIONS`.

    Returns:
        Prepared measurements with ``group``, and for mixtures ``pair`` and ``fraction``. Mixtures with a fraction of 0
        or 1 count as pure.
    """
    pieces = []
    for kind, prior in ((PURE, known), (UNKNOWN, unknown)):
        key, own = jax.random.split(key)
        for label, patterns in zip(prior.labels, patterns_by_phase(prior, own, each), strict=True):
            pure = simulated_measurements(prior.axis, patterns, [f"{label}#{i}" for i in range(each)])
            pieces.append(_described(pure, np.full(each, kind)))
    fraction = np.repeat(FRACTIONS, per_fraction)
    kinds = np.where((fraction > 0.0) & (fraction < 1.0), MIXED, PURE)
    for number, pair in enumerate(combinations(range(len(known.labels)), 2)):
        key, own, measuring = jax.random.split(key, 3)
        drawn = patterns_by_phase(known, own, fraction.size, ideal=True)
        sides = [drawn[phase] for phase in pair]
        mixed = mixtures(known, pair, sides, fraction, measuring, first=number * fraction.size)
        pieces.append(_described(mixed, kinds))
    return xr.concat(pieces, "measurement", coords="different", compat="equals")


def _described(measurements: xr.Dataset, group: NDArray[Any]) -> xr.Dataset:
    """Add the group, and an empty pair and fraction if these are missing."""
    n = measurements.sizes["measurement"]
    if "pair" not in measurements.coords:
        measurements = measurements.assign_coords(
            pair=("measurement", np.full(n, "", dtype="<U1")), fraction=("measurement", np.full(n, np.nan))
        )
    return measurements.assign_coords(group=("measurement", group))
