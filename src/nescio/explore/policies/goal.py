"""Quantities that several policies derive from a view: its only output, the best so far, the spread of values."""

from __future__ import annotations

from typing import Literal

import numpy as np

from nescio.errors import ExplorationError
from nescio.explore.policies.base import Floats, View

__all__ = ["Best", "best_so_far", "check_one_output", "only_output", "so_far", "spread_of"]

Best = Literal["noisy", "observed"]


def check_one_output(outputs: int, kind: str) -> None:
    """Check that a goal has one output.

    Raises:
        ExplorationError: The goal has several outputs.
    """
    if outputs != 1:
        raise ExplorationError(
            f"policy {kind}: the goal has {outputs} outputs, but this policy needs one; "
            "use hypervolume-improvement for two, or combine them in the scalarizer"
        )


def only_output(view: View, kind: str) -> tuple[Floats, Floats]:
    """Return mean and standard deviation, each of shape (n,), of a goal with one output.

    Raises:
        ExplorationError: The goal has several outputs.
    """
    check_one_output(view.mean.shape[1], kind)
    return view.mean[:, 0], view.sd[:, 0]


def so_far(view: View, best: Best) -> Floats:
    """Return the values reached so far, shape (k, outputs).

    Args:
        view: A view with at least one value.
        best: "noisy" for the posterior means at measured candidates, "observed" for the measured values.
    """
    if best == "noisy" and view.measured.any():
        return view.mean[view.measured]
    return view.values


def best_so_far(view: View, best: Best) -> float:
    """Return the largest value reached so far, for a goal with one output."""
    return float(np.max(so_far(view, best)))


def spread_of(values: Floats) -> Floats:
    """Return the standard deviation of each output's values, shape (outputs,); zero for fewer than two values.

    Args:
        values: Shape (m, outputs).
    """
    if len(values) < 2:
        return np.zeros(values.shape[1])
    spread: Floats = np.std(values, axis=0)
    return spread
