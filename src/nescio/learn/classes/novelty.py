"""Novelty scores: two views of a signal on one scale."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import ArrayLike, NDArray

__all__ = ["VIEWS", "NoveltyScale", "reconstruction_scores", "refusal_score"]

VIEWS = ("reconstruction", "refusal")
"""The detectors' reconstruction error, and the classifiers' odds of "none of these"."""


def reconstruction_scores(signals: Array, reconstruction: Array, covered: Array) -> tuple[Array, Array]:
    """Return the mean squared difference and the logarithm of the mean absolute one, over the covered points.

    Args:
        signals: Shape (n, points).
        reconstruction: Shape (n, points).
        covered: Shape (n, points), 1 where measured, else 0.

    Returns:
        Two arrays of shape (n,). The absolute difference detects novelty better: a known peak that is reconstructed a
        little too narrow costs little, a peak where none should be costs its whole area.
    """
    count = jnp.maximum(jnp.sum(covered, axis=1), 1.0)
    difference = (signals - reconstruction) * covered
    squared = jnp.sum(difference**2, axis=1) / count
    absolute = jnp.sum(jnp.abs(difference), axis=1) / count
    return squared, jnp.log(absolute + 1e-9)


def refusal_score(logits: Array) -> Array:
    """Return the classifiers' mean log odds of "none of these".

    Args:
        logits: Shape (members, n, classes + 1), the last of none of them.

    Returns:
        Shape (n,).
    """
    known = jax.nn.logsumexp(logits[..., :-1], axis=-1)
    return jnp.mean(logits[..., -1] - known, axis=0)


@dataclass(frozen=True)
class NoveltyScale:
    """Median and spread of the scores of known signals, which put both views on one scale.

    Attributes:
        median: Shape (views,), of known signals' scores.
        spread: Shape (views,), 99th percentile minus median.
    """

    median: NDArray[np.float64]
    spread: NDArray[np.float64]

    @classmethod
    def fit(cls, scores: ArrayLike) -> NoveltyScale:
        """Take median and spread from scores (n, views) of known signals."""
        values = np.asarray(scores, np.float64)
        median = np.median(values, axis=0)
        spread = np.quantile(values, 0.99, axis=0) - median
        return cls(median, np.maximum(spread, 1e-9))

    def scaled(self, scores: ArrayLike) -> NDArray[np.float64]:
        """Return scores (n, views) on the common scale.

        0 is an ordinary known signal; 1 is as strange, to that view, as one known signal in a hundred.
        """
        return np.asarray((np.asarray(scores, np.float64) - self.median) / self.spread)

    def combine(self, scores: ArrayLike) -> NDArray[np.float64]:
        """Return the novelty, shape (n,), of scores (n, views): the largest of the scaled scores."""
        return np.asarray(self.scaled(scores).max(axis=1))
