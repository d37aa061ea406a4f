"""Conformal p-values and tempered class probabilities."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "conformal_p_values",
    "expected_calibration_error",
    "fit_temperature",
    "flagged_fraction",
    "tempered_probabilities",
]


def conformal_p_values(scores: ArrayLike, calibration: ArrayLike) -> NDArray[np.float64]:
    """Return the conformal p-value of each score: the share of known measurements with at least this score.

    Args:
        scores: Shape (n,), larger is more novel.
        calibration: Shape (m,), scores of held-out known measurements.

    Returns:
        Shape (n,): ``(1 + #{calibration >= score}) / (m + 1)``. For a new known measurement, the probability of a
        p-value of at most alpha is at most alpha, and at least alpha - 1 / (m + 1) without ties; ties count as larger
        scores. A score that is NaN gives 1 / (m + 1).

    Source: Vovk, Gammerman and Shafer (2005), Algorithmic Learning in a Random World, section 2.2; Bates et al.
    (2023), Ann. Statist. 51, 149-178, equation 1.
    """
    known = np.sort(np.asarray(calibration, np.float64))
    asked = np.nan_to_num(np.asarray(scores, np.float64), nan=np.inf)
    at_least = known.size - np.searchsorted(known, asked, side="left")
    return np.asarray((1.0 + at_least) / (known.size + 1.0))


def flagged_fraction(p_values: ArrayLike, alpha: float) -> float:
    """Return the share of p-values at most `alpha`."""
    return float(np.mean(np.asarray(p_values) <= alpha))


def tempered_probabilities(logits: ArrayLike, temperature: float) -> NDArray[np.float64]:
    """Return class probabilities of an ensemble.

    Args:
        logits: Shape (members, n, classes).
        temperature: Temperature; values above 1 make the probabilities more equal.

    Returns:
        Shape (n, classes), mean over the members of the softmax of ``logits / temperature``.
    """
    z = np.asarray(logits, np.float64) / temperature
    z = np.exp(z - z.max(axis=-1, keepdims=True))
    return np.asarray((z / z.sum(axis=-1, keepdims=True)).mean(axis=0))


def fit_temperature(logits: ArrayLike, labels: ArrayLike) -> float:
    """Return the temperature with the largest likelihood of the labels.

    Args:
        logits: Shape (members, n, classes).
        labels: Shape (n,).

    Returns:
        The temperature, within 0.05 to 20.

    Source: Guo et al. (2017), arXiv:1706.04599, with the mean over the ensemble inside the logarithm.
    """
    from scipy.optimize import minimize_scalar

    z, y = np.asarray(logits, np.float64), np.asarray(labels)

    def negative_log_likelihood(log_temperature: float) -> float:
        p = tempered_probabilities(z, float(np.exp(log_temperature)))
        return float(-np.mean(np.log(np.maximum(p[np.arange(y.size), y], 1e-300))))

    found = minimize_scalar(negative_log_likelihood, bounds=(np.log(0.05), np.log(20.0)), method="bounded")
    return float(np.exp(found.x))


def expected_calibration_error(probabilities: ArrayLike, labels: ArrayLike, bins: int = 15) -> float:
    """Return the expected calibration error: mean difference between probability and accuracy of the top class.

    Args:
        probabilities: Shape (n, classes).
        labels: Shape (n,).
        bins: Number of equal-width bins of the largest probability.

    Source: Guo et al. (2017), arXiv:1706.04599, equation 3.
    """
    p, y = np.asarray(probabilities), np.asarray(labels)
    sure = p.max(axis=1)
    right = p.argmax(axis=1) == y
    index = np.minimum((sure * bins).astype(int), bins - 1)
    gaps = [
        np.sum(index == b) * abs(sure[index == b].mean() - right[index == b].mean())
        for b in range(bins)
        if np.any(index == b)
    ]
    return float(np.sum(gaps) / y.size)
