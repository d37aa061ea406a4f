"""When an experiment has seen enough; the same criteria say when a network has learned enough to be kept as it is."""

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
    """What was known and spent after one step."""

    mean: Floats
    """Shape (n, outputs); what the surrogate expects, in the units of the scalar."""
    sd: Floats
    """Shape (n, outputs); its own uncertainty."""
    improvement: float
    """The largest expected improvement among the allowed candidates, in the units of the scalar; NaN if not defined."""
    spread: float
    """Standard deviation of the values so far."""
    points: int
    """Measurements so far."""
    seconds: float = 0.0
    """Since the beginning."""
    dose: float = 0.0
    """Since the beginning."""


History = Sequence[Snapshot]
"""One snapshot a step, the oldest first. A new goal begins a new one: maps of different scalars do not compare."""


def take_snapshot(view: View, *, seconds: float = 0.0, dose: float = 0.0) -> Snapshot:
    """Return what the criteria need of a view.

    Args:
        view: After the latest measurement.
        seconds: Since the beginning.
        dose: Since the beginning.
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
    """Base of all criteria."""

    kind: str

    @property
    def needs(self) -> int:
        """How many of the latest snapshots it looks at."""
        raise NotImplementedError

    def reason(self, history: History) -> str:
        """Return a sentence that says why it is met, or nothing while it is not."""
        raise NotImplementedError

    def check(self, outputs: int) -> None:
        """See that it can be met where the scalarizer gives that many numbers; by default with any.

        Raises:
            ExplorationError: It cannot, and what could.
        """
        del outputs

    def document(self) -> dict[str, Any]:
        """Return its definition as JSON-compatible values."""
        return self.model_dump(mode="json")


CRITERIA = Kinds("criterion", Criterion)
build_criterion = CRITERIA.build
AnyCriterion = Annotated[SerializeAsAny[Criterion], CRITERIA.table]
"""A field that holds any criterion, written as a table with its kind."""

_Steps = Annotated[Whole, Field(ge=1, le=10_000)]
_Share = Annotated[Real, Field(gt=0.0, le=10.0)]


@CRITERIA.add
class MapSettled(Criterion):
    """The map that the surrogate expects has stopped moving.

    The root mean square of its change in one step is below `tolerance` standard deviations of the map, step after step;
    for several outputs, for each of them. A map without any contrast never counts as settled.
    """

    kind: Literal["map-settled"] = "map-settled"
    tolerance: _Share = 0.02
    steps: _Steps = 5
    """How many in a row."""

    @property
    def needs(self) -> int:
        """How many of the latest snapshots it looks at."""
        return self.steps + 1

    def reason(self, history: History) -> str:
        """Return why it is met, or nothing."""
        if len(history) <= self.steps:
            return ""
        latest = history[-self.steps - 1 :]
        changes = [_change(before, after) for before, after in pairwise(latest)]
        if not all(change < self.tolerance for change in changes):
            return ""
        return (
            f"the expected map moved by less than {self.tolerance:g} of its standard deviation in "
            f"{_counted(self.steps)} (at most {max(changes):.2g})"
        )


@CRITERIA.add
class MapKnown(Criterion):
    """The surrogate is sure of the map.

    The root mean square of its uncertainty is below `fraction` standard deviations of the map, step after step; for
    several outputs, for each of them.
    """

    kind: Literal["map-known"] = "map-known"
    fraction: _Share = 0.2
    steps: _Steps = 5
    """How many in a row."""

    @property
    def needs(self) -> int:
        """How many of the latest snapshots it looks at."""
        return self.steps

    def reason(self, history: History) -> str:
        """Return why it is met, or nothing."""
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
    """Nowhere is a better value expected that would be worth the measurement; for goals with one output.

    The largest expected improvement is below `fraction` standard deviations of the values so far, step after step.
    """

    kind: Literal["improvement-exhausted"] = "improvement-exhausted"
    fraction: _Share = 0.01
    steps: _Steps = 5
    """How many in a row."""

    @property
    def needs(self) -> int:
        """How many of the latest snapshots it looks at."""
        return self.steps

    def check(self, outputs: int) -> None:
        """See that there is one number to improve."""
        if outputs != 1:
            raise ExplorationError(
                f"criterion {self.kind}: the goal has {outputs} outputs, and only of one is an improvement "
                "defined; use map-settled or map-known"
            )

    def reason(self, history: History) -> str:
        """Return why it is met, or nothing."""
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
    """What there is to spend is spent."""

    kind: Literal["budget"] = "budget"
    points: Annotated[Whole, Field(ge=1)] | None = None
    """Measurements."""
    seconds: Annotated[Real, Field(gt=0.0)] | None = None
    """Since the beginning."""
    dose: Annotated[Real, Field(gt=0.0)] | None = None
    """In the unit that the instrument counts."""

    @property
    def needs(self) -> int:
        """How many of the latest snapshots it looks at."""
        return 1

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.points is None and self.seconds is None and self.dose is None:
            raise ValueError("a budget needs points, seconds or dose")
        return self

    def reason(self, history: History) -> str:
        """Return why it is met, or nothing."""
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
    """Several criteria, of which the first that is met decides."""

    kind: Literal["any"] = "any"
    criteria: Annotated[tuple[AnyCriterion, ...], Field(min_length=1, max_length=100)]

    @property
    def needs(self) -> int:
        """How many of the latest snapshots it looks at."""
        return max(one.needs for one in self.criteria)

    def check(self, outputs: int) -> None:
        """See that each of them can be met."""
        for one in self.criteria:
            one.check(outputs)

    def reason(self, history: History) -> str:
        """Return why one of them is met, or nothing."""
        return next((reason for one in self.criteria if (reason := one.reason(history))), "")


def _change(before: Snapshot, after: Snapshot) -> float:
    if before.mean.shape != after.mean.shape:
        return float("inf")
    return _largest_share(after.mean - before.mean, after.mean)


def _largest_share(part: Floats, whole: Floats) -> float:
    """Return the root mean square of `part` over the standard deviation of `whole`, of the worst output.

    Infinite where `whole` has no contrast, or anything is missing.
    """
    contrast = np.std(whole, axis=0)
    size = np.sqrt(np.mean(part**2, axis=0))
    share = np.full(size.shape, np.inf)
    known = np.isfinite(size) & np.isfinite(contrast) & (contrast > 0.0)
    share[known] = size[known] / contrast[known]
    return float(np.max(share))


def _counted(steps: int) -> str:
    return "the last step" if steps == 1 else f"each of the last {steps} steps"
