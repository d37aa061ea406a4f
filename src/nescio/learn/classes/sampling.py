"""Sources of training signals: new draws from a prior, or a stored data set."""

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
from nescio.learn.autoencoders import check_scaled
from nescio.learn.classes.outliers import Outliers, make_outliers
from nescio.learn.classes.settings import OutlierSettings
from nescio.techniques import Batch, ClassPrior, sample

__all__ = ["PriorSampler", "Sampler", "StoredSampler", "TrainingDraw"]


class TrainingDraw(NamedTuple):
    """Signals of one training step."""

    known: Batch
    outliers: Outliers


class Sampler(Protocol):
    """Source of training signals; pure, so that it compiles into the training step."""

    def __call__(self, key: Array, n: int, outliers: OutlierSettings) -> TrainingDraw:
        """Draw `n` labelled signals, and outliers made from them."""


class PriorSampler(eqx.Module):
    """Source of new signals from a prior; no signal is used twice."""

    prior: ClassPrior = eqx.field(static=True)

    def __call__(self, key: Array, n: int, outliers: OutlierSettings) -> TrainingDraw:
        """Draw `n` labelled signals, and outliers made from them with the same noise and background."""
        sample_key, outlier_key, disturb_key = jax.random.split(key, 3)
        known, ideal = sample(self.prior, sample_key, n)
        made = make_outliers(known._replace(signals=ideal), outliers, outlier_key)
        return TrainingDraw(known, made._replace(signals=self.prior.disturb(disturb_key, made.signals)))


class StoredSampler(eqx.Module):
    """Source of random signals, with replacement, from a stored data set.

    Stored signals contain noise, so a mixture of two has less noise than each. New draws from a prior therefore make
    better outliers.
    """

    batch: Batch

    def __init__(self, signals: ArrayLike, labels: ArrayLike, conditions: ArrayLike | None = None) -> None:
        """Store a data set.

        Args:
            signals: Shape (n, points), 0 to 1.
            labels: Shape (n,), integers from 0.
            conditions: Shape (n, conditions), or None.

        Raises:
            MeasurementError: Shapes do not match, or values are not finite or not within 0 to 1.
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
        """Draw `n` labelled signals, and outliers made from them."""
        choice_key, outlier_key = jax.random.split(key)
        chosen = jax.random.randint(choice_key, (n,), 0, self.batch.labels.shape[0])
        known = Batch(*(part[chosen] for part in self.batch))
        return TrainingDraw(known, make_outliers(known, outliers, outlier_key))

    def check(self, prior: ClassPrior) -> None:
        """Raise MeasurementError if the data do not match a prior."""
        points, classes, known = prior.axis.size, len(prior.labels), len(prior.condition_names)
        signals, labels, conditions = self.batch
        if signals.shape[1] != points or conditions.shape[1] != known:
            raise MeasurementError(
                f"the data set has signals of {signals.shape[1]} points and {conditions.shape[1]} conditions; "
                f"the prior's have {points} and {known}"
            )
        lowest, highest = int(labels.min()), int(labels.max())
        if lowest < 0 or highest >= classes:
            raise MeasurementError(
                f"labels of the data set range from {lowest} to {highest}; the prior's classes from 0 to {classes - 1}"
            )

    @property
    def digest(self) -> str:
        """SHA-256 of the data set."""
        digest = hashlib.sha256()
        for part in self.batch:
            digest.update(str(part.shape).encode() + np.asarray(part).tobytes())
        return digest.hexdigest()
