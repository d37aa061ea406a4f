"""Acts of a person on a running experiment. One class per act holds its fields, check, effect and event.

To add an act, add a class here and decorate it with ``@_act``; no other change is needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Self, TypeVar

from pydantic import Field, model_validator

from nescio.configuration import Real, Settings, Whole, validated
from nescio.errors import ConfigurationError, ExplorationError
from nescio.explore.candidates import AnyRegion, Listed
from nescio.explore.experiment.state import State
from nescio.explore.experiment.steering import Accepted, PlaceWanted, Steering, undoable
from nescio.explore.policies import AnyPolicy
from nescio.explore.scalarizers import Part
from nescio.explore.settings import Budgets, Costs, Goal, Mode
from nescio.trace import Event

__all__ = [
    "ACTS",
    "Approve",
    "ChangeBudget",
    "ChangeCosts",
    "ChangeGoal",
    "ChangeMode",
    "ChangePolicy",
    "ChangeScalarizer",
    "Decline",
    "Favour",
    "Forbid",
    "Measure",
    "PauseAct",
    "PersonAct",
    "Reject",
    "Resume",
    "Step",
    "Stop",
    "Undo",
    "accepted_act",
    "build_act",
]

_Index = Annotated[Whole, Field(ge=0)]


class PersonAct(Settings):
    """Base class of acts; the fields are the act's parameters."""

    kind: ClassVar[str]
    steers: ClassVar[bool] = True
    """Whether the act changes the next choice; such acts can be undone."""

    def parameters(self) -> dict[str, Any]:
        """Return the fields as JSON-compatible values."""
        return self.model_dump(mode="json")

    def describe(self) -> str:
        """Return a description of the act for reports and terminals."""
        parts = ", ".join(
            f"{name} {_short(value)}" for name, value in self.parameters().items() if value is not None
        )
        return f"{self.kind}: {parts}" if parts else self.kind

    def check(self, state: State, after: Steering) -> None:
        """Check that the act is possible now.

        Args:
            state: The state before the act.
            after: The steering after the act.

        Raises:
            NescioError: The act is not possible; the message says why.
        """

    def change(self, now: Steering, step: int, who: str) -> Steering:
        """Return the steering after the act.

        Args:
            now: The steering before the act.
            step: Number of measurements.
            who: The person.
        """
        return now

    def event(self, step: int, who: str) -> Event | None:
        """Return the event that the act causes, or None; arguments as for :meth:`change`."""
        return None

    def target(self, accepted: Sequence[Accepted]) -> int | None:
        """Return the number of the accepted act that this one undoes; None for all acts except :class:`Undo`."""
        return None


ACTS: dict[str, type[PersonAct]] = {}
"""The acts by kind."""

_Act = TypeVar("_Act", bound=type[PersonAct])


def _act(act: _Act) -> _Act:
    """Add a class to `ACTS`."""
    ACTS[act.kind] = act
    return act


@_act
class PauseAct(PersonAct):
    """Pause the experiment after the current measurement."""

    kind: ClassVar[str] = "pause"
    steers: ClassVar[bool] = False

    def event(self, step: int, who: str) -> Event:
        """Return the pause event."""
        return Event(kind="pause", message=f"by {who}", details={"step": step})


@_act
class Resume(PersonAct):
    """Resume a paused or stopped experiment."""

    kind: ClassVar[str] = "resume"
    steers: ClassVar[bool] = False

    def change(self, now: Steering, step: int, who: str) -> Steering:
        """Clear a stop; stopping criteria start counting again."""
        return replace(now, stopped="", resumed_at=step)

    def event(self, step: int, who: str) -> Event:
        """Return the resume event."""
        return Event(kind="resume", message=f"by {who}")


@_act
class Step(PersonAct):
    """Make a given number of measurements, then pause again."""

    kind: ClassVar[str] = "step"
    steers: ClassVar[bool] = False
    measurements: Annotated[Whole, Field(ge=1, le=100_000)] = 1

    def change(self, now: Steering, step: int, who: str) -> Steering:
        """Clear a stop; stopping criteria start counting again."""
        return replace(now, stopped="", resumed_at=step)

    def event(self, step: int, who: str) -> Event:
        """Return the resume event, with the step at which to pause again."""
        return Event(kind="resume", message=f"by {who}", details={"until": step + self.measurements})


@_act
class Approve(PersonAct):
    """Approve the choice that waits for approval."""

    kind: ClassVar[str] = "approve"
    steers: ClassVar[bool] = False

    def check(self, state: State, after: Steering) -> None:
        """Check that a choice waits for approval."""
        if not state.needs_approval():
            raise ExplorationError("nothing waits for approval")

    def change(self, now: Steering, step: int, who: str) -> Steering:
        """Add the approval."""
        return replace(now, approvals=(*now.approvals, step))


@_act
class Decline(PersonAct):
    """Decline a chosen candidate: it is never measured, and another one is chosen."""

    kind: ClassVar[str] = "decline"
    candidate: _Index

    def check(self, state: State, after: Steering) -> None:
        """Check that the candidate exists."""
        state.candidates.check(self.candidate)

    def change(self, now: Steering, step: int, who: str) -> Steering:
        """Forbid the candidate."""
        return replace(now, forbidden=(*now.forbidden, Listed(candidates=(self.candidate,))))


@_act
class Stop(PersonAct):
    """End the experiment."""

    kind: ClassVar[str] = "stop"
    steers: ClassVar[bool] = False

    def change(self, now: Steering, step: int, who: str) -> Steering:
        """Set the stop."""
        return replace(now, stopped=f"stopped by {who}")

    def event(self, step: int, who: str) -> Event:
        """Return the stop event."""
        return Event(kind="stop", message=f"by {who}")


@_act
class ChangePolicy(PersonAct):
    """Replace the policy."""

    kind: ClassVar[str] = "policy"
    policy: AnyPolicy

    def check(self, state: State, after: Steering) -> None:
        """Check that the policy supports the scalarizer's number of outputs."""
        # Checked only here: a new scalarizer may need a new policy, and one of the two must come first.
        after.ranking().check(len(after.scalarizer.outputs))

    def change(self, now: Steering, step: int, who: str) -> Steering:
        """Replace the policy."""
        return replace(now, policy=self.policy)


@_act
class ChangeScalarizer(PersonAct):
    """Replace the scalarizer; all spectra so far are scalarized again."""

    kind: ClassVar[str] = "scalarizer"
    scalarizer: Part
    goal: Goal = Goal()

    @model_validator(mode="after")
    def _goal_fits(self) -> Self:
        try:
            self.goal.signs(len(self.scalarizer.outputs))
        except ConfigurationError as error:
            raise ValueError(str(error)) from None
        return self

    def change(self, now: Steering, step: int, who: str) -> Steering:
        """Replace the scalarizer and the goal."""
        return replace(now, scalarizer=self.scalarizer, goal=self.goal)


@_act
class ChangeGoal(PersonAct):
    """Replace the goal: maximise or minimise."""

    kind: ClassVar[str] = "goal"
    goal: Goal

    def change(self, now: Steering, step: int, who: str) -> Steering:
        """Replace the goal."""
        return replace(now, goal=self.goal)


@_act
class ChangeCosts(Costs, PersonAct):
    """Weigh the policy by the cost of measurements; without fields, ignore costs again."""

    kind: ClassVar[str] = "costs"

    def change(self, now: Steering, step: int, who: str) -> Steering:
        """Replace the costs."""
        costs = Costs.model_validate(self.model_dump())
        return replace(now, costs=None if costs == Costs() else costs)


@_act
class ChangeMode(PersonAct):
    """Replace the mode: automatic, approve or watch."""

    kind: ClassVar[str] = "mode"
    mode: Mode

    def change(self, now: Steering, step: int, who: str) -> Steering:
        """Replace the mode."""
        return replace(now, mode=self.mode)


@_act
class ChangeBudget(PersonAct):
    """Change the budget: given limits replace the present ones, the others stay; None removes a limit."""

    kind: ClassVar[str] = "budget"
    budget: Budgets

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.budget.model_fields_set:
            raise ValueError(f"needs at least one of {', '.join(Budgets.model_fields)}")
        return self

    def parameters(self) -> dict[str, Any]:
        """Return the given limits."""
        return self.model_dump(mode="json", exclude_unset=True)

    def change(self, now: Steering, step: int, who: str) -> Steering:
        """Replace the given limits."""
        given = {name: getattr(self.budget, name) for name in self.budget.model_fields_set}
        return replace(now, budget=now.budget.model_copy(update=given))


@_act
class Measure(PersonAct):
    """Measure a candidate next, given by its index or as the nearest one to a position."""

    kind: ClassVar[str] = "measure"
    candidate: _Index | None = None
    position: tuple[Real, ...] | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.candidate is None) == (self.position is None):
            raise ValueError("needs either a candidate or a position, not both")
        return self

    def check(self, state: State, after: Steering) -> None:
        """Check that the place is a candidate and not forbidden."""
        if self.candidate is not None:
            state.candidates.check(self.candidate)
        elif self.position is not None:
            state.candidates.check_position(self.position)
        candidate = state.nearest(after.wanted[-1])
        if state.forbidden()[candidate]:
            raise ExplorationError(f"candidate {candidate} is forbidden; undo the act that forbids it first")

    def change(self, now: Steering, step: int, who: str) -> Steering:
        """Add the place to the requested ones."""
        return replace(now, wanted=(*now.wanted, PlaceWanted(self.candidate, self.position, step)))


@_act
class Forbid(PersonAct):
    """Forbid measurements in a region."""

    kind: ClassVar[str] = "forbid"
    region: AnyRegion

    def check(self, state: State, after: Steering) -> None:
        """Check that the region fits the candidates."""
        self.region.mask(state.candidates.positions)

    def change(self, now: Steering, step: int, who: str) -> Steering:
        """Add the region to the forbidden ones."""
        return replace(now, forbidden=(*now.forbidden, self.region))


@_act
class Favour(PersonAct):
    """Prefer measurements in a region."""

    kind: ClassVar[str] = "favour"
    region: AnyRegion
    weight: Annotated[Real, Field(ge=0.0, le=1e3)] = 1.0
    """Bonus in standard deviations of the acquisition."""

    def check(self, state: State, after: Steering) -> None:
        """Check that the region fits the candidates."""
        self.region.mask(state.candidates.positions)

    def change(self, now: Steering, step: int, who: str) -> Steering:
        """Add the region to the favoured ones."""
        return replace(now, favoured=(*now.favoured, (self.region, self.weight)))


@_act
class Reject(PersonAct):
    """Exclude a measurement from the model; its candidate may be measured again."""

    kind: ClassVar[str] = "reject"
    measurement: _Index
    """Index from 0; reports and terminals count from 1."""
    why: Annotated[str, Field(max_length=1000)] = ""

    def describe(self) -> str:
        """Return a description of the act, with the measurement's number in the report."""
        return f"reject: measurement {self.measurement + 1}" + (f", {self.why}" if self.why else "")

    def check(self, state: State, after: Steering) -> None:
        """Check that the measurement exists and is not rejected yet."""
        if self.measurement >= state.step:
            raise ExplorationError(
                f"measurement {self.measurement + 1} does not exist: there are {state.step}"
            )
        if self.measurement in state.steering.rejected:
            raise ExplorationError(f"measurement {self.measurement + 1} is rejected already")

    def change(self, now: Steering, step: int, who: str) -> Steering:
        """Add the measurement to the rejected ones."""
        return replace(now, rejected=now.rejected | {self.measurement})


@_act
class Undo(PersonAct):
    """Undo an act, by default the last one that can be undone."""

    kind: ClassVar[str] = "undo"
    act: _Index | None = None
    """Index from 0; reports and terminals count from 1."""

    def describe(self) -> str:
        """Return a description of the act, with the other act's number in the report."""
        return "undo" if self.act is None else f"undo: act {self.act + 1}"

    def target(self, accepted: Sequence[Accepted]) -> int:
        """Return the number of the act that this one undoes.

        Raises:
            ExplorationError: No act can be undone, or this act cannot.
        """
        can = undoable(accepted)
        if self.act is None:
            last = [one.number for one in can if one.undoes is None]
            if not last:
                raise ExplorationError("there is nothing to undo")
            return last[-1]
        if self.act not in {one.number for one in can}:
            known = ", ".join(str(one.number + 1) for one in can) or "none"
            raise ExplorationError(f"act {self.act + 1} cannot be undone (acts that can: {known})")
        return self.act


def build_act(kind: str, parameters: Mapping[str, Any]) -> PersonAct:
    """Build an act.

    Args:
        kind: A key of `ACTS`.
        parameters: The act's fields.

    Raises:
        ConfigurationError: The act is unknown, or a field is unknown or invalid.
    """
    if kind not in ACTS:
        raise ConfigurationError(f"act {kind!r} is not known (known: {', '.join(ACTS)})")
    return validated(ACTS[kind], parameters, kind)


def accepted_act(act: PersonAct, number: int, step: int, who: str, earlier: Sequence[Accepted]) -> Accepted:
    """Return an accepted act, to follow the acts accepted earlier.

    Raises:
        ExplorationError: It undoes an act that cannot be undone.
    """
    return Accepted(number, act, step, who, act.target(earlier))


def _short(value: Any) -> str:
    text = str(value.get("kind", value)) if isinstance(value, Mapping) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."
