"""Policies from the expected size or the probability of an improvement on the best value so far."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from nescio.configuration import Real
from nescio.explore.policies.base import Floats, Policy, View
from nescio.explore.policies.goal import Best, best_so_far, check_one_output, only_output, spread_of
from nescio.explore.policies.normal import log_excess, log_probability, positive_sd

__all__ = ["ExpectedImprovement", "ProbabilityOfImprovement", "log_expected_improvement"]

_Margin = Annotated[Real, Field(ge=0.0, le=100.0)]


def log_expected_improvement(mean: Floats, sd: Floats, best: float) -> Floats:
    """Return the logarithm of the expectation of max(y - best, 0) for normally distributed y.

    Args:
        mean: Shape (n,).
        sd: Shape (n,).
        best: Best value so far, in units of `mean`.

    Returns:
        Shape (n,), finite.

    Source: Jones et al., J. Global Optim. 13, 455 (1998), eq. 15, as in Ament et al., NeurIPS 36 (2023), eq. 8.
    """
    sd = positive_sd(sd)
    return log_excess((mean - best) / sd) + np.log(sd)


class _Improvement(Policy):
    xi: _Margin = 0.0
    """Required improvement on the best so far, in standard deviations of the measured values; larger explores more."""
    best: Best = "noisy"
    """Definition of the best so far: the largest posterior mean at measured candidates ("noisy", robust to one outlier)
    or the largest measured value ("observed", for exact measurements)."""

    @property
    def logarithmic(self) -> bool:
        """The acquisition is a logarithm."""
        return True

    def check(self, outputs: int) -> None:
        """Check that there is one output."""
        check_one_output(outputs, self.kind)

    def _mark(self, view: View) -> float:
        return best_so_far(view, self.best) + self.xi * float(spread_of(view.values)[0])


class ExpectedImprovement(_Improvement):
    """Expected improvement on the best so far.

    The acquisition is its logarithm, which ranks candidates even if the expectation itself underflows.

    Source: Jones et al., J. Global Optim. 13, 455 (1998); Ament et al., NeurIPS 36 (2023).
    """

    kind: Literal["expected-improvement"] = "expected-improvement"

    def acquisition(self, view: View) -> Floats:
        """Return the logarithm of the expected improvement, shape (n,).

        Raises:
            ExplorationError: The goal has several outputs.
        """
        mean, sd = only_output(view, self.kind)
        return log_expected_improvement(mean, sd, self._mark(view))


class ProbabilityOfImprovement(_Improvement):
    """Probability of exceeding the best so far by any amount, or by `xi` if it is above zero.

    Source: Kushner, J. Basic Eng. 86, 97 (1964).
    """

    kind: Literal["probability-of-improvement"] = "probability-of-improvement"

    def acquisition(self, view: View) -> Floats:
        """Return the logarithm of the probability of improvement, shape (n,).

        Raises:
            ExplorationError: The goal has several outputs.
        """
        mean, sd = only_output(view, self.kind)
        return log_probability((mean - self._mark(view)) / positive_sd(sd))
