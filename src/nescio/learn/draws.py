"""Any number of draws from a prior, with one compiled program of a fixed shape."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from nescio.learn.evaluation import BATCH
from nescio.techniques import Batch, Prior, sample

__all__ = ["disturb", "draw", "draw_ideal", "drawn"]

_Array = NDArray[Any]


def draw(prior: Prior, key: jax.Array, n: int) -> Batch:
    """Draw `n` labelled signals as they are measured.

    Args:
        prior: What to draw from.
        key: Random key.
        n: How many.

    Returns:
        NumPy arrays: signals (n, points), labels (n,) and conditions (n, conditions).
    """
    return _joined(drawn(prior, key, n))


def draw_ideal(prior: Prior, key: jax.Array, n: int) -> Batch:
    """Draw the same as :func:`draw`, before anything was measured; to be mixed, and then given to :func:`disturb`."""
    return _joined(_pieces(prior, key, n, ideal=True))


def drawn(prior: Prior, key: jax.Array, n: int) -> Iterator[tuple[_Array, _Array, _Array]]:
    """Draw as :func:`draw` does, in pieces of `BATCH`, the last one cut."""
    return _pieces(prior, key, n, ideal=False)


def disturb(prior: Prior, key: jax.Array, signals: _Array) -> NDArray[np.float32]:
    """Add to ideal signals (n, points) what measuring adds; returns shape (n, points), 0 to 1."""
    compiled = _compiled(prior, "_compiled_disturb", lambda: jax.jit(prior.disturb))
    pieces = []
    for number, start in enumerate(range(0, len(signals), BATCH)):
        some = np.asarray(signals[start : start + BATCH], np.float32)
        padded = np.pad(some, ((0, BATCH - len(some)), (0, 0)))
        pieces.append(np.asarray(compiled(jax.random.fold_in(key, number), padded))[: len(some)])
    return np.concatenate(pieces)


def _pieces(prior: Prior, key: jax.Array, n: int, *, ideal: bool) -> Iterator[tuple[_Array, _Array, _Array]]:
    compiled = _compiled(
        prior, "_compiled_sample", lambda: jax.jit(lambda key, n: sample(prior, key, n), static_argnums=1)
    )
    for number, start in enumerate(range(0, n, BATCH)):
        batch, before = compiled(jax.random.fold_in(key, number), BATCH)
        chosen = batch._replace(signals=before) if ideal else batch
        signals, labels, conditions = (np.asarray(part)[: n - start] for part in chosen)
        yield signals, labels, conditions


def _joined(pieces: Iterator[tuple[_Array, _Array, _Array]]) -> Batch:
    signals, labels, conditions = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
    return Batch(signals, labels, conditions)  # type: ignore[arg-type]


def _compiled(prior: Prior, name: str, make: Callable[[], Any]) -> Any:
    """Return a compiled function of a prior, made once for a prior that lives on."""
    if name not in prior.__dict__:
        object.__setattr__(prior, name, make())
    return prior.__dict__[name]
