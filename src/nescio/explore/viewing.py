"""What a policy may ask of a fitted surrogate beyond mean and uncertainty."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import jax
import numpy as np
from numpy.typing import NDArray

from nescio.explore.policies import View
from nescio.explore.surrogates import Fit

__all__ = ["with_model"]

Floats = NDArray[np.float64]


def with_model(view: View, fit: Fit, signs: Floats) -> View:
    """Return a view that can draw from a fit's posterior, and imagine measurements; so can what it imagines.

    Args:
        view: With the fit's mean and uncertainty.
        fit: Of the scalars as measured.
        signs: Shape (outputs,), -1 for each that is minimised.
    """

    def fantasize(chosen: Sequence[int]) -> View:
        imagined = fit.fantasize(chosen)
        return replace(view, mean=imagined.mean * signs, sd=imagined.sd, sample=_sampler(imagined, signs))

    return replace(view, sample=_sampler(fit, signs), fantasize=fantasize)


def _sampler(fit: Fit, signs: Floats) -> Callable[[jax.Array, int], Floats]:
    def sample(key: jax.Array, draws: int) -> Floats:
        return np.asarray(fit.sample(key, draws) * signs)

    return sample
