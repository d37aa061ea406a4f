"""Weights of measured points."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["poisson_weights"]

Floats = npt.NDArray[np.float64]


def poisson_weights(counts: npt.ArrayLike, *, relative: npt.ArrayLike = 0.0, floor: float = 0.0) -> Floats:
    """Return one over the variance of counted points.

    Args:
        counts: Shape (..., points); points that were not measured are NaN and get no weight.
        relative: Standard deviation by which a model is wrong, in counts, of a shape that broadcasts.
        floor: The same, equal for all points.

    Returns:
        Shape (..., points).
    """
    measured = np.asarray(counts, np.float64)
    variance = np.maximum(measured, 1.0) + np.asarray(relative, np.float64) ** 2 + floor**2
    return np.asarray(
        np.where(np.isfinite(measured), 1.0 / np.where(np.isfinite(variance), variance, 1.0), 0.0)
    )
