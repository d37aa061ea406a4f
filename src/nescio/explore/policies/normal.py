"""Expectations over normal distributions, accurate far into the tails."""

from __future__ import annotations

import numpy as np
from scipy.special import erfcx, log_ndtr, ndtr

from nescio.explore.policies.base import Floats

__all__ = ["log_excess", "log_probability", "positive_sd"]

_HALF_LOG_TWO_PI = 0.5 * np.log(2.0 * np.pi)
_SERIES = -100.0
_FLOOR = 1e-9


def log_excess(z: Floats) -> Floats:
    """Return the logarithm of h(z) = phi(z) + z Phi(z), the expectation of max(z + x, 0) for a standard normal x.

    Args:
        z: Any shape.

    Returns:
        The same shape; finite and increasing down to z = -1e150.

    Source: Ament et al., NeurIPS 36 (2023), eq. 9. Below z = -100 their middle branch subtracts nearly equal numbers,
    so the asymptotic series of Mills' ratio is used instead.
    """
    z = np.maximum(np.asarray(z, dtype=np.float64), -1e150)
    result = np.empty_like(z)
    near, far = z > -1.0, z < _SERIES
    middle = ~(near | far)

    part = z[near]
    result[near] = np.log(np.exp(-0.5 * np.minimum(part, 1e9) ** 2 - _HALF_LOG_TWO_PI) + part * ndtr(part))
    part = -z[middle]
    mills = np.sqrt(0.5 * np.pi) * erfcx(part / np.sqrt(2.0))
    result[middle] = -0.5 * part**2 - _HALF_LOG_TWO_PI + np.log1p(-part * mills)
    part = -z[far]
    inverse = part**-2.0
    series = -inverse * (3.0 - inverse * (15.0 - inverse * (105.0 - 945.0 * inverse)))
    result[far] = -0.5 * part**2 - _HALF_LOG_TWO_PI - 2.0 * np.log(part) + np.log1p(series)
    return result


def log_probability(z: Floats) -> Floats:
    """Return the logarithm of Phi(z), finite down to z = -1e150; any shape."""
    result: Floats = log_ndtr(np.maximum(np.asarray(z, dtype=np.float64), -1e150))
    return result


def positive_sd(sd: Floats) -> Floats:
    """Return the standard deviations with zeros replaced by a small positive number.

    A model without noise gives zero at measured candidates.

    Args:
        sd: Shape (n,).
    """
    largest = float(np.max(sd, initial=0.0, where=np.isfinite(sd)))
    return np.maximum(sd, _FLOOR * (largest if largest > 0.0 else 1.0))
