"""Policies that ask how far, or how probably, a place would exceed the best one so far."""

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
    """Return the logarithm of the mean of max(y - best, 0) for normal y.

    Args:
        mean: Shape (n,).
        sd: Shape (n,).
        best: In the units of `mean`.

    Returns:
        Shape (n,), finite.

    Source: Jones et al., J. Global Optim. 13, 455 (1998), eq. 15, as in Ament et al., NeurIPS 36 (2023), eq. 8.
    """
    sd = positive_sd(sd)
    return log_excess((mean - best) / sd) + np.log(sd)


class _Improvement(Policy):
    xi: _Margin = 0.0
    """What counts as an improvement must exceed the best so far by this much, in standard deviations of the values so
    far; larger explores more."""
    best: Best = "noisy"
    """What is the best so far: the largest posterior mean at measured places ("noisy": one lucky measurement does not
    set the mark), or the largest value ("observed": right where measurements are exact)."""

    @property
    def logarithmic(self) -> bool:
        """The acquisition is a logarithm."""
        return True

    def check(self, outputs: int) -> None:
        """See that there is one number to rank by."""
        check_one_output(outputs, self.kind)

    def _mark(self, view: View) -> float:
        return best_so_far(view, self.best) + self.xi * float(spread_of(view.values)[0])


class ExpectedImprovement(_Improvement):
    """By how much a place is expected to exceed the best so far; the default.

    The acquisition is its logarithm, which ranks places also where the expectation itself is too small for a number.

    Source: Jones et al., J. Global Optim. 13, 455 (1998); Ament et al., NeurIPS 36 (2023).
    """

    kind: Literal["expected-improvement"] = "expected-improvement"

    def acquisition(self, view: View) -> Floats:
        """Return the logarithm of the expected improvement, shape (n,).

        Raises:
            ExplorationError: There are several outputs.
        """
        mean, sd = only_output(view, self.kind)
        return log_expected_improvement(mean, sd, self._mark(view))


class ProbabilityOfImprovement(_Improvement):
    """How probably a place exceeds the best so far, by however little; with `xi` above zero, by that much.

    Source: Kushner, J. Basic Eng. 86, 97 (1964).
    """

    kind: Literal["probability-of-improvement"] = "probability-of-improvement"

    def acquisition(self, view: View) -> Floats:
        """Return the logarithm of the probability of improvement, shape (n,).

        Raises:
            ExplorationError: There are several outputs.
        """
        mean, sd = only_output(view, self.kind)
        return log_probability((mean - self._mark(view)) / positive_sd(sd))
