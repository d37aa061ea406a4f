"""How far a surrogate's uncertainty can be believed: leave-one-out residuals of networks that never saw the point."""

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
    """Each measurement as predicted from all the others, by members whose embedding was trained without it."""

    residual: Floats
    """Shape (n,); measured minus predicted, standardised."""
    variance: Floats
    """Shape (n,); of the function, without noise; members' disagreement included."""
    noise: float
    """Variance of a measurement, as the members learned it."""


@dataclass(frozen=True)
class Scale:
    """What makes the left-out residuals as large as they were said to be."""

    model: float
    """Factor of the model's variance."""
    noise: float
    """Variance of a measurement, standardised."""
    log_likelihood: float
    """Mean over the left-out measurements of the logarithm of their density."""
    coverage: float
    """Share of them within their 95 % interval."""


def fit_scale(left: LeftOut) -> Scale:
    """Return the factor of the model's variance and the noise under which left-out residuals are most likely.

    Both have a log-normal prior of width 1 about 1 and about the members' own noise, so that a handful of
    measurements does not move them far.

    Source: leave-one-out in closed form: Rasmussen and Williams, Gaussian Processes for Machine Learning (2006),
    eqs. 5.10-5.12; scaling the variance by it: Bachoc, Comput. Stat. Data Anal. 66, 55 (2013).
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
