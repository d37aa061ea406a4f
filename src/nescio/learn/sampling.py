"""Where training signals come from: drawn afresh from a prior, or picked from a stored data set."""

from __future__ import annotations

import hashlib
from typing import NamedTuple, Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from nescio.errors import MeasurementError
from nescio.learn.outliers import Outliers, make_outliers
from nescio.learn.settings import OutlierSettings
from nescio.techniques import Batch, Prior, sample

__all__ = ["PriorSampler", "Sampler", "StoredSampler", "TrainingDraw", "check_scaled"]


class TrainingDraw(NamedTuple):
    """What the networks see in one step."""

    known: Batch
    outliers: Outliers


class Sampler(Protocol):
    """Draws what training sees; pure, so that it compiles into the training step."""

    def __call__(self, key: Array, n: int, outliers: OutlierSettings) -> TrainingDraw:
        """Draw `n` labelled signals, and outliers of them."""


class PriorSampler(eqx.Module):
    """Draws fresh signals from a prior: no two steps see the same one."""

    prior: Prior = eqx.field(static=True)

    def __call__(self, key: Array, n: int, outliers: OutlierSettings) -> TrainingDraw:
        """Draw `n` labelled signals, and outliers of them that are measured like any other signal."""
        sample_key, outlier_key, disturb_key = jax.random.split(key, 3)
        known, ideal = sample(self.prior, sample_key, n)
        made = make_outliers(known._replace(signals=ideal), outliers, outlier_key)
        return TrainingDraw(known, made._replace(signals=self.prior.disturb(disturb_key, made.signals)))


def check_scaled(values: Array) -> None:
    """Raise MeasurementError unless values of any shape, not empty, are finite and within 0 to 1."""
    if not bool(jnp.isfinite(values).all()) or float(values.min()) < 0.0 or float(values.max()) > 1.0:
        raise MeasurementError("signals of a data set must be finite and scaled to 0-1")


class StoredSampler(eqx.Module):
    """Picks random signals, with replacement, from arrays that are already there.

    Their noise is their own, so that a mixture of two is quieter than either; a prior's draws teach refusal better.
    """

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
        check_scaled(x)
        self.batch = Batch(x, y, c)

    def __call__(self, key: Array, n: int, outliers: OutlierSettings) -> TrainingDraw:
        """Draw `n` labelled signals, and outliers of them."""
        choice_key, outlier_key = jax.random.split(key)
        chosen = jax.random.randint(choice_key, (n,), 0, self.batch.labels.shape[0])
        known = Batch(*(part[chosen] for part in self.batch))
        return TrainingDraw(known, make_outliers(known, outliers, outlier_key))

    def check(self, prior: Prior) -> None:
        """Raise MeasurementError unless a prior's networks can learn from these data."""
        points, classes, told = prior.axis.size, len(prior.labels), len(prior.condition_names)
        signals, labels, conditions = self.batch
        if signals.shape[1] != points or conditions.shape[1] != told:
            raise MeasurementError(
                f"the data set has signals of {signals.shape[1]} points and {conditions.shape[1]} conditions; "
                f"the prior's have {points} and {told}"
            )
        lowest, highest = int(labels.min()), int(labels.max())
        if lowest < 0 or highest >= classes:
            raise MeasurementError(
                f"labels of the data set go from {lowest} to {highest}; the prior's classes from 0 to {classes - 1}"
            )

    @property
    def digest(self) -> str:
        """SHA-256 of the data set."""
        digest = hashlib.sha256()
        for part in self.batch:
            digest.update(str(part.shape).encode() + np.asarray(part).tobytes())
        return digest.hexdigest()
