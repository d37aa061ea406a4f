"""Held-out patterns and their findings: known phases, the unknown phase, and mixtures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from nescio.compute import return_freed_memory
from nescio.learn import ClassAgent, draw
from nescio.progress import Advance
from nescio.signals import simulated_measurements
from nescio.studies.banko2021.priors import sigma_prior
from nescio.studies.banko2021.trials import FRACTIONS, mixtures
from nescio.xrd import Prior

__all__ = ["Sample", "fraction_curves", "known_sample", "mixed_sample", "novel_sample"]

_AT_ONCE = 2_000
# Number of patterns of each kind whose signals are kept for the figures.
_KEPT = 600
_DRAWN_AT_ONCE = 200
# Random keys; training and calibration use others.
_NOVEL_KEY, _PAIR_KEY, _FRACTION_KEY = 101, 102, 103


@dataclass(frozen=True)
class Sample:
    """Findings of patterns of one kind."""

    numbers: xr.Dataset
    """All findings, without signals."""
    whole: xr.Dataset
    """Some findings, with signals."""


def _assessed(agent: ClassAgent, pieces: Iterable[xr.Dataset], tell: Advance) -> Sample:
    """Assess pieces one by one, to hold the signals of only one piece in memory; keep some of the first piece."""
    return _gathered(agent, (agent.assess(piece, progress=False) for piece in pieces), tell, _KEPT)


def _gathered(agent: ClassAgent, pieces: Iterable[xr.Dataset], tell: Advance, kept: int) -> Sample:
    numbers, whole = [], None
    for findings in pieces:
        n = findings.sizes["measurement"]
        if whole is None:
            whole = findings.isel(measurement=np.linspace(0, n - 1, min(n, kept)).astype(int))
        numbers.append(findings.drop_dims(str(agent.prior.axis.name)))
        tell(n, "")
    if whole is None:
        raise ValueError("nothing to assess")
    return_freed_memory()
    return Sample(xr.concat(numbers, "measurement"), whole)


def known_sample(agent: ClassAgent, n: int, seed: int, tell: Advance) -> Sample:
    """Return findings of `n` patterns of the known phases."""
    pieces = (
        agent.reference(min(_AT_ONCE, n - start), seed=1000 * seed + number + 1)
        for number, start in enumerate(range(0, n, _AT_ONCE))
    )
    return _gathered(agent, pieces, tell, 3 * _KEPT)


def novel_sample(agent: ClassAgent, n: int, seed: int, tell: Advance, *, hard: bool) -> Sample:
    """Return findings of `n` patterns of the sigma phase; `hard` doubles the ranges, see :func:`sigma_prior`."""
    signals = draw(sigma_prior(hard=hard), _key(seed, _NOVEL_KEY), n).signals
    names = [f"novel#{i}" for i in range(n)]
    return _assessed(agent, [simulated_measurements(agent.prior.axis, signals, names)], tell)


def mixed_sample(
    agent: ClassAgent, prior: Prior, pairs: list[tuple[int, int]], n: int, seed: int, tell: Advance
) -> Sample:
    """Return findings of mixtures of all pairs, with the share of the first phase uniform in 30-70 %."""
    each = n // len(pairs)
    pieces = []
    for number, pair in enumerate(pairs):
        key = jax.random.fold_in(_key(seed, _PAIR_KEY), number)
        fraction = jax.random.uniform(jax.random.fold_in(key, 2), (each,), minval=0.3, maxval=0.7)
        pieces.append(_mixture(prior, key, pair, np.asarray(fraction), number * each))
    return _assessed(agent, [xr.concat(pieces, "measurement")], tell)


def fraction_curves(
    agent: ClassAgent, prior: Prior, pairs: list[tuple[int, int]], each: int, seed: int, tell: Advance
) -> xr.Dataset:
    """Return findings, without signals, of mixtures of all pairs over the whole range of fractions."""
    fraction = np.repeat(FRACTIONS, each)
    pieces = (
        _mixture(
            prior,
            jax.random.fold_in(_key(seed, _FRACTION_KEY), number),
            pair,
            fraction,
            number * fraction.size,
        )
        for number, pair in enumerate(pairs)
    )
    return _assessed(agent, pieces, tell).numbers


def _mixture(
    prior: Prior, key: jax.Array, pair: tuple[int, int], fraction: NDArray[np.floating[Any]], first: int
) -> xr.Dataset:
    sides = [
        _phase_patterns(prior, jax.random.fold_in(key, side), phase, fraction.size)
        for side, phase in enumerate(pair)
    ]
    return mixtures(prior, pair, sides, fraction, jax.random.fold_in(key, 3), first=first)


def _phase_patterns(prior: Prior, key: jax.Array, phase: int, n: int) -> NDArray[np.float32]:
    """Draw ideal patterns (Bragg peaks only) of one phase in batches of fixed size, so that JAX compiles once."""
    pieces = [
        np.asarray(prior.sample_phase(jax.random.fold_in(key, number), phase, _DRAWN_AT_ONCE))
        for number in range(-(-n // _DRAWN_AT_ONCE))
    ]
    return np.concatenate(pieces)[:n]


def _key(seed: int, stream: int) -> jax.Array:
    return jax.random.fold_in(jax.random.key(seed), stream)
