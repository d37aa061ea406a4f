"""Criteria for stopping an experiment; the same criteria decide when to stop training its network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, SerializeAsAny, model_validator

from nescio.configuration import Real, Settings, Whole
from nescio.errors import ExplorationError
from nescio.explore.policies import View, best_so_far, log_expected_improvement, spread_of
from nescio.registry import Kinds

__all__ = [
    "CRITERIA",
    "AnyCriterion",
    "AnyOf",
    "Budget",
    "Criterion",
    "History",
    "ImprovementExhausted",
    "MapKnown",
    "MapSettled",
    "Snapshot",
    "build_criterion",
    "take_snapshot",
]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The model's prediction and the effort after one step."""

    mean: Floats
    """Shape (n, outputs); the surrogate's mean, in units of the scalar."""
    sd: Floats
    """Shape (n, outputs); the surrogate's standard deviation."""
    improvement: float
    """Largest expected improvement among the allowed candidates, in units of the scalar; NaN if undefined."""
    spread: float
    """Standard deviation of the values so far."""
    points: int
    """Number of measurements."""
    seconds: float = 0.0
    """Total since the start."""
    dose: float = 0.0
    """Total since the start."""


History = Sequence[Snapshot]
"""One snapshot per step, oldest first. A new goal starts a new history: its maps are not comparable."""


def take_snapshot(view: View, *, seconds: float = 0.0, dose: float = 0.0) -> Snapshot:
    """Return the snapshot of a view.

    Args:
        view: The policy's view after the latest measurement.
        seconds: Time since the start.
        dose: Dose since the start.
    """
    improvement = spread = float("nan")
    if view.mean.shape[1] == 1 and len(view.values):
        spread = float(spread_of(view.values)[0])
        mean, sd = view.mean[view.allowed, 0], view.sd[view.allowed, 0]
        if not mean.size:
            improvement = 0.0
        elif np.isfinite(mean).all() and np.isfinite(sd).all():
            logarithm = log_expected_improvement(mean, sd, best_so_far(view, "noisy"))
            improvement = float(np.exp(logarithm.max()))
    return Snapshot(view.mean, view.sd, improvement, spread, view.step, seconds, dose)


class Criterion(Settings):
    """Base class of criteria."""

    kind: str

    @property
    def needs(self) -> int:
        """Number of latest snapshots that the criterion uses."""
        raise NotImplementedError

    def reason(self, history: History) -> str:
        """Return why the criterion is met, or an empty string if it is not."""
        raise NotImplementedError

    def check(self, outputs: int) -> None:
        """Check that the criterion supports this number of outputs; by default it supports any.

        Raises:
            ExplorationError: The criterion does not; the message names criteria that do.
        """
        del outputs

    def document(self) -> dict[str, Any]:
        """Return the definition as JSON-compatible values."""
        return self.model_dump(mode="json")


CRITERIA = Kinds("criterion", Criterion)
build_criterion = CRITERIA.build
AnyCriterion = Annotated[SerializeAsAny[Criterion], CRITERIA.table]
"""Type of a field for any criterion, given as a table with its kind."""

_Steps = Annotated[Whole, Field(ge=1, le=10_000)]
_Share = Annotated[Real, Field(gt=0.0, le=10.0)]


@CRITERIA.add
class MapSettled(Criterion):
    """Stop when the surrogate's map no longer changes.

    In each of the last `steps` steps, the root mean square change of the map is below `tolerance` standard deviations
    of the map. With several outputs, this must hold for each. A map without contrast never counts as settled.
    """

    kind: Literal["map-settled"] = "map-settled"
    tolerance: _Share = 0.02
    steps: _Steps = 5
    """Number of consecutive steps."""

    @property
    def needs(self) -> int:
        """Number of latest snapshots that the criterion uses."""
        return self.steps + 1

    def reason(self, history: History) -> str:
        """Return why the criterion is met, or an empty string if it is not."""
        if len(history) <= self.steps:
            return ""
        latest = history[-self.steps - 1 :]
        changes = [_change(before, after) for before, after in pairwise(latest)]
        if not all(change < self.tolerance for change in changes):
            return ""
        return (
            f"the map changed by less than {self.tolerance:g} of its standard deviation in "
            f"{_counted(self.steps)} (at most {max(changes):.2g})"
        )


@CRITERIA.add
class MapKnown(Criterion):
    """Stop when the surrogate's uncertainty is small.

    In each of the last `steps` steps, the root mean square uncertainty is below `fraction` standard deviations of the
    map. With several outputs, this must hold for each.
    """

    kind: Literal["map-known"] = "map-known"
    fraction: _Share = 0.2
    steps: _Steps = 5
    """Number of consecutive steps."""

    @property
    def needs(self) -> int:
        """Number of latest snapshots that the criterion uses."""
        return self.steps

    def reason(self, history: History) -> str:
        """Return why the criterion is met, or an empty string if it is not."""
        if len(history) < self.steps:
            return ""
        shares = [_largest_share(one.sd, one.mean) for one in history[-self.steps :]]
        if not all(share < self.fraction for share in shares):
            return ""
        return (
            f"the uncertainty of the map was below {self.fraction:g} of its standard deviation in "
            f"{_counted(self.steps)} (now {shares[-1]:.2g})"
        )


@CRITERIA.add
class ImprovementExhausted(Criterion):
    """Stop when no candidate promises a relevant improvement; for goals with one output.

    In each of the last `steps` steps, the largest expected improvement is below `fraction` standard deviations of the
    values so far.
    """

    kind: Literal["improvement-exhausted"] = "improvement-exhausted"
    fraction: _Share = 0.01
    steps: _Steps = 5
    """Number of consecutive steps."""

    @property
    def needs(self) -> int:
        """Number of latest snapshots that the criterion uses."""
        return self.steps

    def check(self, outputs: int) -> None:
        """Check that the scalarizer has one output."""
        if outputs != 1:
            raise ExplorationError(
                f"criterion {self.kind}: the goal has {outputs} outputs, but the improvement is only "
                "defined for one; use map-settled or map-known"
            )

    def reason(self, history: History) -> str:
        """Return why the criterion is met, or an empty string if it is not."""
        if len(history) < self.steps:
            return ""
        latest = history[-self.steps :]
        if not all(one.improvement < self.fraction * one.spread for one in latest):
            return ""
        return (
            f"the largest expected improvement was below {self.fraction:g} of the values' standard deviation in "
            f"{_counted(self.steps)} (now {latest[-1].improvement / latest[-1].spread:.2g})"
        )


@CRITERIA.add
class Budget(Criterion):
    """Stop when a limit of points, time or dose is reached."""

    kind: Literal["budget"] = "budget"
    points: Annotated[Whole, Field(ge=1)] | None = None
    """Maximum number of measurements."""
    seconds: Annotated[Real, Field(gt=0.0)] | None = None
    """Total since the start."""
    dose: Annotated[Real, Field(gt=0.0)] | None = None
    """In the unit of the instrument's dose."""

    @property
    def needs(self) -> int:
        """Number of latest snapshots that the criterion uses."""
        return 1

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.points is None and self.seconds is None and self.dose is None:
            raise ValueError("a budget needs at least one of points, seconds and dose")
        return self

    def reason(self, history: History) -> str:
        """Return why the criterion is met, or an empty string if it is not."""
        if not history:
            return ""
        now = history[-1]
        if self.points is not None and now.points >= self.points:
            return f"{now.points} of {self.points} points are measured"
        if self.seconds is not None and now.seconds >= self.seconds:
            return f"{now.seconds:.0f} of {self.seconds:g} seconds have passed"
        if self.dose is not None and now.dose >= self.dose:
            return f"a dose of {now.dose:g} of {self.dose:g} is spent"
        return ""


@CRITERIA.add
class AnyOf(Criterion):
    """Stop when any of several criteria is met."""

    kind: Literal["any"] = "any"
    criteria: Annotated[tuple[AnyCriterion, ...], Field(min_length=1, max_length=100)]

    @property
    def needs(self) -> int:
        """Number of latest snapshots that the criterion uses."""
        return max(one.needs for one in self.criteria)

    def check(self, outputs: int) -> None:
        """Check each criterion."""
        for one in self.criteria:
            one.check(outputs)

    def reason(self, history: History) -> str:
        """Return why one of the criteria is met, or an empty string if none is."""
        return next((reason for one in self.criteria if (reason := one.reason(history))), "")


def _change(before: Snapshot, after: Snapshot) -> float:
    if before.mean.shape != after.mean.shape:
        return float("inf")
    return _largest_share(after.mean - before.mean, after.mean)


def _largest_share(part: Floats, whole: Floats) -> float:
    """Return the root mean square of `part` over the standard deviation of `whole`, for the worst output.

    The result is infinite if `whole` has no contrast or values are missing.
    """
    contrast = np.std(whole, axis=0)
    size = np.sqrt(np.mean(part**2, axis=0))
    share = np.full(size.shape, np.inf)
    known = np.isfinite(size) & np.isfinite(contrast) & (contrast > 0.0)
    share[known] = size[known] / contrast[known]
    return float(np.max(share))


def _counted(steps: int) -> str:
    return "the last step" if steps == 1 else f"each of the last {steps} steps"
