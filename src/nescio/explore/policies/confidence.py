"""Policies that weigh what is expected against what is uncertain, by formula or by drawing."""

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
    """The largest value that is plausible: mean + kappa x standard deviation.

    Source: Srinivas et al., IEEE Trans. Inf. Theory 58, 3250 (2012), eq. 6, with kappa = sqrt(beta).
    """

    kind: Literal["upper-confidence-bound"] = "upper-confidence-bound"
    kappa: Annotated[Real, Field(ge=0.0, le=1e6)] = 2.0
    """How many standard deviations; 0 goes where the mean is largest, much goes where little is known."""
    final_kappa: Annotated[Real, Field(ge=0.0, le=1e6)] | None = None
    """What kappa becomes, in proportion to the budget that is spent; by default it stays."""

    def check(self, outputs: int) -> None:
        """See that there is one number to rank by."""
        check_one_output(outputs, self.kind)

    def acquisition(self, view: View) -> Floats:
        """Return the bound in the units of the scalar, shape (n,).

        Raises:
            ExplorationError: There are several outputs.
        """
        mean, sd = only_output(view, self.kind)
        final = self.kappa if self.final_kappa is None else self.final_kappa
        return mean + (self.kappa + (final - self.kappa) * view.spent) * sd


class Thompson(Policy):
    """One map drawn from the posterior, followed to its maximum: a place is chosen as often as it is probably the best.

    Source: Thompson, Biometrika 25, 285 (1933).
    """

    kind: Literal["thompson"] = "thompson"

    def check(self, outputs: int) -> None:
        """See that there is one number to rank by."""
        check_one_output(outputs, self.kind)

    def acquisition(self, view: View) -> Floats:
        """Return one joint draw in the units of the scalar, shape (n,).

        Raises:
            ExplorationError: There are several outputs, or the surrogate cannot draw.
        """
        only_output(view, self.kind)
        if view.sample is None:
            raise ExplorationError(f"policy {self.kind}: this surrogate cannot draw from its posterior")
        return np.asarray(view.sample(view.key, 1), dtype=np.float64)[0, :, 0]


class MaximumVariance(Policy):
    """Where the surrogate knows least: maps everything, looks for nothing.

    Source: MacKay, Neural Comput. 4, 590 (1992).
    """

    kind: Literal["maximum-variance"] = "maximum-variance"
    noise: bool = False
    """Whether to count what a noisy measurement would tell, in nats, rather than the standard deviation. With one
    output the order is the same; with several, those that are measured well weigh more, and costs are weighed against
    nats."""

    def acquisition(self, view: View) -> Floats:
        """Return what is unknown of each candidate, shape (n,).

        With `noise`, sum over outputs of ln(1 + (sd / noise_sd)^2) / 2. Without, the standard deviation for one output,
        and for several the root of the summed squares of each in units of the standard deviation of its values.
        """
        if self.noise:
            # A noise of zero would make every measurement infinitely telling.
            noise = np.maximum(view.noise_sd, 1e-6 * np.max(view.sd, axis=0) + np.finfo(float).tiny)
            gain: Floats = 0.5 * np.log1p((view.sd / noise) ** 2).sum(axis=1)
            return gain
        if view.sd.shape[1] == 1:
            return view.sd[:, 0]
        spread = spread_of(view.values)
        scale = np.where(spread > 0.0, spread, 1.0)
        total: Floats = np.sqrt(((view.sd / scale) ** 2).sum(axis=1))
        return total
