"""Policies that balance the posterior mean and its uncertainty: confidence bounds, Thompson sampling, variance."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from nescio.configuration import Real
from nescio.errors import ExplorationError
from nescio.explore.policies.base import Floats, Policy, View
from nescio.explore.policies.goal import check_one_output, only_output, spread_of

__all__ = ["MaximumVariance", "Thompson", "UpperConfidenceBound"]


class UpperConfidenceBound(Policy):
    """Upper confidence bound: mean + kappa x standard deviation.

    Source: Srinivas et al., IEEE Trans. Inf. Theory 58, 3250 (2012), eq. 6, with kappa = sqrt(beta).
    """

    kind: Literal["upper-confidence-bound"] = "upper-confidence-bound"
    kappa: Annotated[Real, Field(ge=0.0, le=1e6)] = 2.0
    """Number of standard deviations. 0 chooses the largest mean; large values choose uncertain candidates."""
    final_kappa: Annotated[Real, Field(ge=0.0, le=1e6)] | None = None
    """Kappa at the end of the budget; in between it changes linearly. By default kappa is constant."""

    def check(self, outputs: int) -> None:
        """Check that there is one output."""
        check_one_output(outputs, self.kind)

    def acquisition(self, view: View) -> Floats:
        """Return the bound in units of the scalar, shape (n,).

        Raises:
            ExplorationError: The goal has several outputs.
        """
        mean, sd = only_output(view, self.kind)
        final = self.kappa if self.final_kappa is None else self.final_kappa
        return mean + (self.kappa + (final - self.kappa) * view.spent) * sd


class Thompson(Policy):
    """Thompson sampling: draw one map from the posterior and choose its maximum.

    Source: Thompson, Biometrika 25, 285 (1933).
    """

    kind: Literal["thompson"] = "thompson"

    def check(self, outputs: int) -> None:
        """Check that there is one output."""
        check_one_output(outputs, self.kind)

    def acquisition(self, view: View) -> Floats:
        """Return one joint draw in units of the scalar, shape (n,).

        Raises:
            ExplorationError: The goal has several outputs, or the surrogate cannot draw samples.
        """
        only_output(view, self.kind)
        if view.sample is None:
            raise ExplorationError(
                f"policy {self.kind}: the surrogate cannot draw samples from its posterior"
            )
        return np.asarray(view.sample(view.key, 1), dtype=np.float64)[0, :, 0]


class MaximumVariance(Policy):
    """Maximum posterior variance: maps the whole sample instead of searching for an optimum.

    Source: MacKay, Neural Comput. 4, 590 (1992).
    """

    kind: Literal["maximum-variance"] = "maximum-variance"
    noise: bool = False
    """Use the information gain of a noisy measurement, in nats, instead of the standard deviation. With one output the
    order is the same. With several, outputs with low noise weigh more. A cost weight is then in nats per second."""

    def acquisition(self, view: View) -> Floats:
        """Return the uncertainty of each candidate, shape (n,).

        With `noise`: the sum over outputs of ln(1 + (sd / noise_sd)^2) / 2. Without: the standard deviation for one
        output; for several, the root of the summed squares, each in units of the standard deviation of its values.
        """
        if self.noise:
            # Zero noise would make the information gain infinite.
            noise = np.maximum(view.noise_sd, 1e-6 * np.max(view.sd, axis=0) + np.finfo(float).tiny)
            gain: Floats = 0.5 * np.log1p((view.sd / noise) ** 2).sum(axis=1)
            return gain
        if view.sd.shape[1] == 1:
            return view.sd[:, 0]
        spread = spread_of(view.values)
        scale = np.where(spread > 0.0, spread, 1.0)
        total: Floats = np.sqrt(((view.sd / scale) ** 2).sum(axis=1))
        return total
