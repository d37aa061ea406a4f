"""Where training signals come from: drawn afresh from a prior, or picked from a stored data set."""

from __future__ import annotations

from typing import Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from nescio.errors import MeasurementError
from nescio.techniques import Batch, Prior

__all__ = ["PriorSampler", "Sampler", "StoredSampler"]


class Sampler(Protocol):
    """Draws batches; pure, so that it compiles into the training step."""

    def __call__(self, key: Array, n: int) -> Batch:
        """Draw `n` labelled signals."""


class PriorSampler(eqx.Module):
    """Draws fresh signals from a prior: no two steps see the same one."""

    prior: Prior = eqx.field(static=True)

    def __call__(self, key: Array, n: int) -> Batch:
        """Draw `n` labelled signals."""
        return self.prior.sample(key, n)


class StoredSampler(eqx.Module):
    """Picks random signals, with replacement, from arrays that are already there."""

    batch: Batch

    def __init__(self, signals: ArrayLike, labels: ArrayLike, conditions: ArrayLike | None = None) -> None:
        """Take over a data set.

        Args:
            signals: Shape (n, points), 0 to 1.
            labels: Shape (n,), whole numbers from 0.
            conditions: Shape (n, conditions), or none.

        Raises:
            MeasurementError: Shapes do not fit, or values are not finite or not within 0 to 1.
        """
        x, y = jnp.asarray(signals, jnp.float32), jnp.asarray(labels, jnp.int32)
        c = jnp.zeros((x.shape[0], 0)) if conditions is None else jnp.asarray(conditions, jnp.float32)
        if x.ndim != 2 or x.shape[0] == 0 or y.shape != x.shape[:1] or c.ndim != 2 or len(c) != len(x):
            raise MeasurementError(
                f"a data set needs signals (n, points), labels (n,) and conditions (n, any), "
                f"not {x.shape}, {y.shape} and {c.shape}"
            )
        if not bool(jnp.isfinite(x).all()) or float(x.min()) < 0.0 or float(x.max()) > 1.0:
            raise MeasurementError("signals of a data set must be finite and scaled to 0-1")
        self.batch = Batch(x, y, c)

    def __call__(self, key: Array, n: int) -> Batch:
        """Draw `n` labelled signals."""
        chosen = jax.random.randint(key, (n,), 0, self.batch.labels.shape[0])
        return Batch(*(part[chosen] for part in self.batch))
