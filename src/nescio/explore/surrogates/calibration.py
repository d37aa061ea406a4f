"""Calibrate a surrogate's uncertainty with leave-one-out residuals of members not trained on the point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["LeftOut", "Scale", "fit_scale"]

Floats = NDArray[np.float64]

_SCALES = np.exp(np.linspace(-2.0, 3.0, 51))
_NOISES = np.exp(np.linspace(-3.0, 1.0, 41))


@dataclass(frozen=True, eq=False)
class LeftOut:
    """Leave-one-out predictions by members whose embedding was not trained on the measurement."""

    residual: Floats
    """Shape (n,); measured minus predicted, standardised."""
    variance: Floats
    """Shape (n,); variance of the function, without noise, including the members' disagreement."""
    noise: float
    """Noise variance of a measurement, as learned by the members."""


@dataclass(frozen=True)
class Scale:
    """Calibration that makes the leave-one-out residuals as large as predicted."""

    model: float
    """Factor on the model's variance."""
    noise: float
    """Noise variance of a measurement, standardised."""
    log_likelihood: float
    """Mean log predictive density of the left-out measurements."""
    coverage: float
    """Fraction of the left-out measurements inside their 95 % interval."""


def fit_scale(left: LeftOut) -> Scale:
    """Fit the factor on the model's variance and the noise variance to the leave-one-out residuals.

    Both maximise the likelihood times a log-normal prior of width 1, centred at 1 and at the members' noise. A few
    measurements therefore change them little.

    Source: leave-one-out in closed form: Rasmussen and Williams, Gaussian Processes for Machine Learning (2006),
    eqs. 5.10-5.12; scaling of the variance: Bachoc, Comput. Stat. Data Anal. 66, 55 (2013).
    """
    squared = left.residual**2
    total = _SCALES[:, None, None] * left.variance + _NOISES[None, :, None] * left.noise
    score = -0.5 * (squared / total + np.log(total)).sum(-1)
    score -= 0.5 * (np.log(_SCALES)[:, None] ** 2 + np.log(_NOISES)[None, :] ** 2)
    row, column = np.unravel_index(int(score.argmax()), score.shape)
    variance = total[row, column]
    return Scale(
        model=float(_SCALES[row]),
        noise=float(_NOISES[column] * left.noise),
        log_likelihood=float(np.mean(-0.5 * (squared / variance + np.log(2.0 * np.pi * variance)))),
        coverage=float(np.mean(squared < 1.959964**2 * variance)),
    )
