"""Novelty scores from two views of a signal, on a common scale."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import ArrayLike, NDArray

__all__ = ["VIEWS", "NoveltyScale", "reconstruction_scores", "refusal_score"]

VIEWS = ("reconstruction", "refusal")
"""The reconstruction error of the detectors, and the odds of "none of these" of the classifiers."""


def reconstruction_scores(signals: Array, reconstruction: Array, covered: Array) -> tuple[Array, Array]:
    """Return the mean squared difference and the logarithm of the mean absolute difference over the covered points.

    Args:
        signals: Shape (n, points).
        reconstruction: Shape (n, points).
        covered: Shape (n, points), 1 where measured, else 0.

    Returns:
        Two arrays of shape (n,). The absolute difference detects novelty better: a known peak with a small error in
        width adds little, an unexpected peak adds its whole area.
    """
    count = jnp.maximum(jnp.sum(covered, axis=1), 1.0)
    difference = (signals - reconstruction) * covered
    squared = jnp.sum(difference**2, axis=1) / count
    absolute = jnp.sum(jnp.abs(difference), axis=1) / count
    return squared, jnp.log(absolute + 1e-9)


def refusal_score(logits: Array) -> Array:
    """Return the classifiers' mean log odds of "none of these".

    Args:
        logits: Shape (members, n, classes + 1); the last is "none of these".

    Returns:
        Shape (n,).
    """
    known = jax.nn.logsumexp(logits[..., :-1], axis=-1)
    return jnp.mean(logits[..., -1] - known, axis=0)


@dataclass(frozen=True)
class NoveltyScale:
    """Median and spread of the scores of known signals, for a common scale of both views.

    Attributes:
        median: Median of the scores, shape (views,).
        spread: 99th percentile minus median, shape (views,).
    """

    median: NDArray[np.float64]
    spread: NDArray[np.float64]

    @classmethod
    def fit(cls, scores: ArrayLike) -> NoveltyScale:
        """Compute median and spread from scores (n, views) of known signals."""
        values = np.asarray(scores, np.float64)
        median = np.median(values, axis=0)
        spread = np.quantile(values, 0.99, axis=0) - median
        return cls(median, np.maximum(spread, 1e-9))

    def scaled(self, scores: ArrayLike) -> NDArray[np.float64]:
        """Return scores (n, views) on the common scale.

        0 is the median of known signals; 1 is exceeded by one known signal in a hundred.
        """
        return np.asarray((np.asarray(scores, np.float64) - self.median) / self.spread)

    def combine(self, scores: ArrayLike) -> NDArray[np.float64]:
        """Return the novelty, shape (n,), of scores (n, views): the largest of the scaled scores."""
        return np.asarray(self.scaled(scores).max(axis=1))
