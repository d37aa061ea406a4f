"""Expected hypervolume improvement, for goals with two outputs."""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy.special import logsumexp

from nescio.configuration import Real
from nescio.errors import ExplorationError
from nescio.explore.policies.base import Floats, Policy, View
from nescio.explore.policies.goal import Best, so_far, spread_of
from nescio.explore.policies.normal import log_excess, positive_sd

__all__ = [
    "HypervolumeImprovement",
    "default_reference",
    "hypervolume",
    "log_expected_hypervolume_improvement",
    "pareto_front",
]


def pareto_front(values: Floats) -> Floats:
    """Return the Pareto front: values that no other exceeds in both outputs, sorted by increasing first output.

    Args:
        values: Shape (m, 2).

    Returns:
        Shape (k, 2).
    """
    order = np.lexsort((-values[:, 1], -values[:, 0]))
    ordered = values[order]
    before = np.concatenate([[-np.inf], ordered[:, 1]])[: len(ordered)]
    highest = np.maximum.accumulate(before)
    return ordered[ordered[:, 1] > highest][::-1]


def default_reference(front: Floats, spread: Floats) -> Floats:
    """Return a reference point slightly worse than the front's worst value in each output, shape (2,).

    The distance is a tenth of the front's extent, or of `spread` if the front is one point.

    Args:
        front: Shape (k, 2).
        spread: Shape (2,); standard deviations of the values.

    Source: Ishibuchi et al., Evol. Comput. 26, 411 (2018).
    """
    extent = np.ptp(front, axis=0)
    extent = np.where(extent > 0.0, extent, np.where(spread > 0.0, spread, 1.0))
    reference: Floats = front.min(axis=0) - 0.1 * extent
    return reference


def hypervolume(front: Floats, reference: Floats) -> float:
    """Return the area between a front and a reference point.

    Args:
        front: Shape (k, 2), as from :func:`pareto_front`.
        reference: Shape (2,).
    """
    above = front[(front > reference).all(axis=1)]
    left = np.concatenate([[reference[0]], above[:-1, 0]]) if len(above) else above[:, 0]
    return float(np.sum((above[:, 0] - left) * (above[:, 1] - reference[1])))


def log_expected_hypervolume_improvement(
    mean: Floats, sd: Floats, front: Floats, reference: Floats
) -> Floats:
    """Return the logarithm of the expected gain in hypervolume for two independent normal outputs.

    The area beyond the front is divided into one stripe per interval of the first output, open at the top. The gain in
    a stripe is the product of the reach of the first output into it and the excess of the second output over the front.
    The expectations of both factors are known. All terms are positive and summed as logarithms to avoid underflow.

    Args:
        mean: Shape (n, 2).
        sd: Shape (n, 2).
        front: Shape (k, 2), as from :func:`pareto_front`; may have no rows.
        reference: Shape (2,); values below it are ignored.

    Returns:
        Shape (n,), finite; before the logarithm, the unit is the product of both units.

    Source: Emmerich et al., IEEE CEC, 2147 (2011); stripes: Yang et al., J. Global Optim. 75, 3 (2019).
    """
    front = front[(front > reference).all(axis=1)]
    edges = np.concatenate([[reference[0]], front[:, 0]])
    levels = np.concatenate([front[:, 1], [reference[1]]])
    first, second = (positive_sd(sd[:, output])[:, None] for output in (0, 1))
    reached = log_excess((mean[:, :1] - edges) / first)
    # The next edge is further away, so its excess is smaller. The last stripe has no next edge.
    next_edge = np.concatenate([reached[:, 1:], np.full_like(reached[:, :1], -np.inf)], axis=1)
    with np.errstate(divide="ignore"):
        width = reached + np.log(-np.expm1(np.minimum(next_edge - reached, 0.0)))
    height = log_excess((mean[:, 1:] - levels) / second)
    total: Floats = logsumexp(width + height, axis=1) + np.log(first[:, 0]) + np.log(second[:, 0])
    return total


class HypervolumeImprovement(Policy):
    """Expected growth of the area dominated by the Pareto front of two outputs.

    The outputs are treated as independent. The acquisition is the logarithm of the expectation.

    Source: Emmerich et al., IEEE CEC, 2147 (2011); Yang et al., J. Global Optim. 75, 3 (2019).
    """

    kind: Literal["hypervolume-improvement"] = "hypervolume-improvement"
    reference: tuple[Real, Real] | None = None
    """Values of the two outputs below which nothing counts. Larger is better: reverse the sign of a minimised output.
    Default: a tenth of the front's extent below its worst values."""
    best: Best = "noisy"
    """Values of the front: posterior means at measured candidates ("noisy") or measured values ("observed")."""

    @property
    def logarithmic(self) -> bool:
        """The acquisition is a logarithm."""
        return True

    def check(self, outputs: int) -> None:
        """Check that there are two outputs."""
        if outputs != 2:
            raise ExplorationError(f"policy {self.kind}: needs a goal with two outputs, not {outputs}")

    def acquisition(self, view: View) -> Floats:
        """Return the logarithm of the expected hypervolume improvement, shape (n,).

        Raises:
            ExplorationError: The goal does not have two outputs.
        """
        self.check(view.mean.shape[1])
        front = pareto_front(so_far(view, self.best))
        if self.reference is None:
            reference = default_reference(front, spread_of(view.values))
        else:
            reference = np.array(self.reference, dtype=np.float64)
        return log_expected_hypervolume_improvement(view.mean, view.sd, front, reference)
