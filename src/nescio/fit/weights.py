"""Variance of counted points."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["poisson_variance"]


def poisson_variance(intensity: npt.ArrayLike, gain: float = 1.0) -> npt.NDArray[np.float64]:
    """Return the variance of points that were counted and then multiplied by a gain.

    Args:
        intensity: Shape (..., points).
        gain: Intensity of one count.

    Returns:
        Shape (..., points), in squared units of the intensity: the number of counts, but at least one, times the
        squared gain. Otherwise a point without counts would have no variance, and an infinite weight.
    """
    counts = np.abs(np.asarray(intensity, np.float64)) / gain
    return np.asarray(gain**2 * np.maximum(counts, 1.0))
