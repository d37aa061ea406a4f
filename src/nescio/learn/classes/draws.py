"""Draws from a prior with classes, using one compiled program of fixed shape."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from nescio.techniques import Batch, ClassPrior, sample

__all__ = ["BATCH", "disturb", "draw", "draw_ideal", "drawn"]

_Array = NDArray[Any]

BATCH = 512
"""Number of signals drawn and evaluated together."""


def draw(prior: ClassPrior, key: jax.Array, n: int) -> Batch:
    """Draw `n` labelled measured signals.

    Args:
        prior: Prior to draw from.
        key: Random key.
        n: Number of signals.

    Returns:
        NumPy arrays: signals (n, points), labels (n,) and conditions (n, conditions).
    """
    return _joined(drawn(prior, key, n))


def draw_ideal(prior: ClassPrior, key: jax.Array, n: int) -> Batch:
    """Draw the same signals as :func:`draw` without noise and background, to mix them before :func:`disturb`."""
    return _joined(_pieces(prior, key, n, ideal=True))


def drawn(prior: ClassPrior, key: jax.Array, n: int) -> Iterator[tuple[_Array, _Array, _Array]]:
    """Draw in pieces of `BATCH` signals; the last piece is cut."""
    return _pieces(prior, key, n, ideal=False)


def disturb(prior: ClassPrior, key: jax.Array, signals: _Array) -> NDArray[np.float32]:
    """Add background, noise and other disturbances to ideal signals; returns shape (n, points), 0 to 1."""
    pieces = []
    for number, start in enumerate(range(0, len(signals), BATCH)):
        some = np.asarray(signals[start : start + BATCH], np.float32)
        padded = np.pad(some, ((0, BATCH - len(some)), (0, 0)))
        pieces.append(np.asarray(_disturb(prior, jax.random.fold_in(key, number), padded))[: len(some)])
    return np.concatenate(pieces)


# Compiled once for each prior, since equal static arguments share a program.
_sample = partial(jax.jit, static_argnums=(0, 2))(sample)


@partial(jax.jit, static_argnums=0)
def _disturb(prior: ClassPrior, key: jax.Array, signals: jax.Array) -> jax.Array:
    return prior.disturb(key, signals)


def _pieces(
    prior: ClassPrior, key: jax.Array, n: int, *, ideal: bool
) -> Iterator[tuple[_Array, _Array, _Array]]:
    for number, start in enumerate(range(0, n, BATCH)):
        batch, before = _sample(prior, jax.random.fold_in(key, number), BATCH)
        chosen = batch._replace(signals=before) if ideal else batch
        signals, labels, conditions = (np.asarray(part)[: n - start] for part in chosen)
        yield signals, labels, conditions


def _joined(pieces: Iterator[tuple[_Array, _Array, _Array]]) -> Batch:
    signals, labels, conditions = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
    return Batch(signals, labels, conditions)  # type: ignore[arg-type]
