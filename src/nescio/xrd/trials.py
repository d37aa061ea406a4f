"""Simulated patterns of known make-up, to try an agent on: pure, mixed, and of a phase it was never taught."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax.typing import ArrayLike
from numpy.typing import NDArray

from nescio.signals import simulated_measurements
from nescio.xrd.mixtures import mix
from nescio.xrd.prior import Prior

__all__ = ["FRACTIONS", "MIXED", "PURE", "UNKNOWN", "mixtures", "phase_patterns", "trial_measurements"]

PURE, MIXED, UNKNOWN = "pure", "mixed", "unknown"
"""Kinds of measurement, as ``group`` names them."""
FRACTIONS = np.linspace(0.0, 1.0, 21)
"""Shares of the first phase at which curves against the mixing ratio are measured."""
_AT_ONCE = 200


def phase_patterns(prior: Prior, key: jax.Array, phase: int, n: int) -> NDArray[np.float32]:
    """Draw patterns of one phase with one compiled program, whatever their number.

    Args:
        prior: What to draw from.
        key: Random key.
        phase: Index into the prior's labels.
        n: How many.

    Returns:
        Shape (n, points).
    """
    sample = _compiled(prior)
    pieces = [
        np.asarray(sample(jax.random.fold_in(key, number), phase, _AT_ONCE))
        for number in range(-(-n // _AT_ONCE))
    ]
    return np.concatenate([np.empty((0, prior.axis.size), np.float32), *pieces])[:n]


@lru_cache(maxsize=4)
def _compiled(prior: Prior) -> Any:
    """Return the prior's `sample_phase`, compiled once for each phase."""
    return jax.jit(prior.sample_phase, static_argnums=(1, 2))


def mixtures(
    prior: Prior, key: jax.Array, pair: Sequence[int], fraction: ArrayLike, *, first: int = 0
) -> xr.Dataset:
    """Draw mixtures of two phases, in the prepared form.

    Args:
        prior: What to draw from.
        key: Random key.
        pair: Indices of the two phases into the prior's labels.
        fraction: Shape (n,), the share of the first.
        first: Number of the first measurement in its name.

    Returns:
        With ``pair`` ("A + B") and ``fraction`` (of A) for each measurement.
    """
    share = np.asarray(fraction, np.float64)
    one, other = (
        phase_patterns(prior, jax.random.fold_in(key, side), phase, share.size)
        for side, phase in enumerate(pair)
    )
    signals = np.asarray(mix(jnp.asarray(one), jnp.asarray(other), share))
    names = [f"{MIXED}#{first + i}" for i in range(share.size)]
    words = " + ".join(prior.labels[phase] for phase in pair)
    return simulated_measurements(prior.axis, signals, names).assign_coords(
        pair=("measurement", np.full(share.size, words)), fraction=("measurement", share)
    )


def trial_measurements(
    known: Prior, unknown: Prior, key: jax.Array, *, each: int = 300, per_fraction: int = 20
) -> xr.Dataset:
    """Draw pure patterns, mixtures of every pair over the whole range of ratios, and patterns of untaught phases.

    Args:
        known: The prior of the agent.
        unknown: Another on the same axis; every phase of it is untaught.
        key: Random key.
        each: Patterns of each phase.
        per_fraction: Mixtures of each pair at each of :data:`FRACTIONS`.

    Returns:
        Prepared measurements with ``group``, and for the mixtures ``pair`` and ``fraction``; what holds nothing of
        one side counts as pure.
    """
    pieces = []
    for kind, prior in ((PURE, known), (UNKNOWN, unknown)):
        for phase, label in enumerate(prior.labels):
            key, own = jax.random.split(key)
            names = [f"{label}#{i}" for i in range(each)]
            pure = simulated_measurements(prior.axis, phase_patterns(prior, own, phase, each), names)
            pieces.append(_described(pure, np.full(each, kind)))
    fraction = np.repeat(FRACTIONS, per_fraction)
    for number, pair in enumerate(combinations(range(len(known.labels)), 2)):
        key, own = jax.random.split(key)
        mixed = mixtures(known, own, pair, fraction, first=number * fraction.size)
        kinds = np.where((fraction > 0.0) & (fraction < 1.0), MIXED, PURE)
        pieces.append(_described(mixed, kinds))
    return xr.concat(pieces, "measurement", coords="different", compat="equals")


def _described(measurements: xr.Dataset, group: NDArray[Any]) -> xr.Dataset:
    """Add the group, and an empty pair and fraction where there are none."""
    n = measurements.sizes["measurement"]
    if "pair" not in measurements.coords:
        measurements = measurements.assign_coords(
            pair=("measurement", np.full(n, "", dtype="<U1")), fraction=("measurement", np.full(n, np.nan))
        )
    return measurements.assign_coords(group=("measurement", group))
