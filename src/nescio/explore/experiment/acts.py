"""Acts of a person on a running experiment. Each act is one class: its fields, its check, its effect and its event.

A new act is a class here, decorated with ``@_act``; nothing else needs to know of it.
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
    """Base of all acts: the fields of a class are the parameters of the act."""

    kind: ClassVar[str]
    steers: ClassVar[bool] = True
    """Whether it changes what is chosen next; such an act can be undone."""

    def parameters(self) -> dict[str, Any]:
        """Return its fields as JSON-compatible values."""
        return self.model_dump(mode="json")

    def describe(self) -> str:
        """Return the act in words, as reports and terminals show it."""
        parts = ", ".join(
            f"{name} {_short(value)}" for name, value in self.parameters().items() if value is not None
        )
        return f"{self.kind}: {parts}" if parts else self.kind

    def check(self, state: State, after: Steering) -> None:
        """See that the act makes sense now.

        Args:
            state: Before the act.
            after: The steering that the act leads to.

        Raises:
            NescioError: It does not, and why.
        """

    def change(self, now: Steering, step: int, who: str) -> Steering:
        """Return the steering after the act.

        Args:
            now: The steering before it.
            step: Number of measurements.
            who: Whose act it is.
        """
        return now

    def event(self, step: int, who: str) -> Event | None:
        """Return the event that the act is for the experiment, if it is one; arguments as for :meth:`change`."""
        return None

    def target(self, accepted: Sequence[Accepted]) -> int | None:
        """Return the number of the accepted act that this one takes back; none for all acts but :class:`Undo`."""
        return None


ACTS: dict[str, type[PersonAct]] = {}
"""All acts by kind."""

_Act = TypeVar("_Act", bound=type[PersonAct])


def _act(act: _Act) -> _Act:
    """Add a class to `ACTS`."""
    ACTS[act.kind] = act
    return act


@_act
class PauseAct(PersonAct):
    """Pause the experiment; a measurement under way is completed."""

    kind: ClassVar[str] = "pause"
    steers: ClassVar[bool] = False

    def event(self, step: int, who: str) -> Event:
        """Return the pause."""
        return Event(kind="pause", message=f"by {who}", details={"step": step})


@_act
class Resume(PersonAct):
    """Resume the experiment where it is paused or stopped."""

    kind: ClassVar[str] = "resume"
    steers: ClassVar[bool] = False

    def change(self, now: Steering, step: int, who: str) -> Steering:
        """Clear a stop; criteria for stopping count from here."""
        return replace(now, stopped="", resumed_at=step)

    def event(self, step: int, who: str) -> Event:
        """Return the end of the pause."""
        return Event(kind="resume", message=f"by {who}")


@_act
class Step(PersonAct):
    """Make a number of measurements, then pause again."""

    kind: ClassVar[str] = "step"
    steers: ClassVar[bool] = False
    measurements: Annotated[Whole, Field(ge=1, le=100_000)] = 1

    def change(self, now: Steering, step: int, who: str) -> Steering:
        """Clear a stop; criteria for stopping count from here."""
        return replace(now, stopped="", resumed_at=step)

    def event(self, step: int, who: str) -> Event:
        """Return the end of the pause, and when the next begins."""
        return Event(kind="resume", message=f"by {who}", details={"until": step + self.measurements})


@_act
class Approve(PersonAct):
    """Approve the choice that waits for a person."""

    kind: ClassVar[str] = "approve"
    steers: ClassVar[bool] = False

    def check(self, state: State, after: Steering) -> None:
        """See that something waits for approval."""
        if not state.needs_approval():
            raise ExplorationError("nothing waits for approval")

    def change(self, now: Steering, step: int, who: str) -> Steering:
        """Count the approval."""
        return replace(now, approvals=(*now.approvals, step))


@_act
class Decline(PersonAct):
    """Decline a candidate that was chosen: it is not measured, now or later, and another one is chosen."""

    kind: ClassVar[str] = "decline"
    candidate: _Index

    def check(self, state: State, after: Steering) -> None:
        """See that there is such a candidate."""
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
        """Stop."""
        return replace(now, stopped=f"stopped by {who}")

    def event(self, step: int, who: str) -> Event:
        """Return the stop."""
        return Event(kind="stop", message=f"by {who}")


@_act
class ChangePolicy(PersonAct):
    """Choose by another policy."""

    kind: ClassVar[str] = "policy"
    policy: AnyPolicy

    def check(self, state: State, after: Steering) -> None:
        """See that the policy can rank by as many outputs as there are."""
        # Only here: a new scalarizer may need a new policy, and one of the two must come first.
        after.ranking().check(len(after.scalarizer.outputs))

    def change(self, now: Steering, step: int, who: str) -> Steering:
        """Replace the policy."""
        return replace(now, policy=self.policy)


@_act
class ChangeScalarizer(PersonAct):
    """Compute other numbers; all spectra so far are scalarized again."""

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
        """Replace the scalarizer, and the goal with it."""
        return replace(now, scalarizer=self.scalarizer, goal=self.goal)


@_act
class ChangeGoal(PersonAct):
    """Maximise what was minimised, or the other way round."""

    kind: ClassVar[str] = "goal"
    goal: Goal

    def change(self, now: Steering, step: int, who: str) -> Steering:
        """Replace the goal."""
        return replace(now, goal=self.goal)


@_act
class ChangeCosts(Costs, PersonAct):
    """Weigh the policy against what measurements cost; without any field, no longer."""

    kind: ClassVar[str] = "costs"

    def change(self, now: Steering, step: int, who: str) -> Steering:
        """Replace the costs."""
        costs = Costs.model_validate(self.model_dump())
        return replace(now, costs=None if costs == Costs() else costs)


@_act
class ChangeMode(PersonAct):
    """Change how much the experiment decides on its own."""

    kind: ClassVar[str] = "mode"
    mode: Mode

    def change(self, now: Steering, step: int, who: str) -> Steering:
        """Replace the mode."""
        return replace(now, mode=self.mode)


@_act
class ChangeBudget(PersonAct):
    """Change the budget: the limits that are given replace those that held, the others stay; none removes a limit."""

    kind: ClassVar[str] = "budget"
    budget: Budgets

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.budget.model_fields_set:
            raise ValueError(f"needs one of {', '.join(Budgets.model_fields)}")
        return self

    def parameters(self) -> dict[str, Any]:
        """Return the limits that were given."""
        return self.model_dump(mode="json", exclude_unset=True)

    def change(self, now: Steering, step: int, who: str) -> Steering:
        """Replace the limits that are given."""
        given = {name: getattr(self.budget, name) for name in self.budget.model_fields_set}
        return replace(now, budget=now.budget.model_copy(update=given))


@_act
class Measure(PersonAct):
    """Measure a place next: a candidate by its index, or the one nearest to a position."""

    kind: ClassVar[str] = "measure"
    candidate: _Index | None = None
    position: tuple[Real, ...] | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.candidate is None) == (self.position is None):
            raise ValueError("needs either a candidate or a position")
        return self

    def check(self, state: State, after: Steering) -> None:
        """See that the place is among the candidates and not forbidden."""
        if self.candidate is not None:
            state.candidates.check(self.candidate)
        elif self.position is not None:
            state.candidates.check_position(self.position)
        candidate = state.nearest(after.wanted[-1])
        if state.forbidden()[candidate]:
            raise ExplorationError(f"candidate {candidate} is forbidden; undo what forbids it first")

    def change(self, now: Steering, step: int, who: str) -> Steering:
        """Add the place to those that a person wants measured."""
        return replace(now, wanted=(*now.wanted, PlaceWanted(self.candidate, self.position, step)))


@_act
class Forbid(PersonAct):
    """Measure nothing in a region."""

    kind: ClassVar[str] = "forbid"
    region: AnyRegion

    def check(self, state: State, after: Steering) -> None:
        """See that the region fits the candidates."""
        self.region.mask(state.candidates.positions)

    def change(self, now: Steering, step: int, who: str) -> Steering:
        """Add the region to the forbidden ones."""
        return replace(now, forbidden=(*now.forbidden, self.region))


@_act
class Favour(PersonAct):
    """Prefer to measure in a region."""

    kind: ClassVar[str] = "favour"
    region: AnyRegion
    weight: Annotated[Real, Field(ge=0.0, le=1e3)] = 1.0
    """In standard deviations of the acquisition."""

    def check(self, state: State, after: Steering) -> None:
        """See that the region fits the candidates."""
        self.region.mask(state.candidates.positions)

    def change(self, now: Steering, step: int, who: str) -> Steering:
        """Add the region to the favoured ones."""
        return replace(now, favoured=(*now.favoured, (self.region, self.weight)))


@_act
class Reject(PersonAct):
    """Take a measurement out of the model; its place may be measured again."""

    kind: ClassVar[str] = "reject"
    measurement: _Index
    """Its index; people count from 1."""
    why: Annotated[str, Field(max_length=1000)] = ""

    def describe(self) -> str:
        """Return the act in words, with the number that the report gives the measurement."""
        return f"reject: measurement {self.measurement + 1}" + (f", {self.why}" if self.why else "")

    def check(self, state: State, after: Steering) -> None:
        """See that there is such a measurement, not rejected yet."""
        if self.measurement >= state.step:
            raise ExplorationError(f"measurement {self.measurement + 1}: there are {state.step}")
        if self.measurement in state.steering.rejected:
            raise ExplorationError(f"measurement {self.measurement + 1} is rejected already")

    def change(self, now: Steering, step: int, who: str) -> Steering:
        """Add the measurement to the rejected ones."""
        return replace(now, rejected=now.rejected | {self.measurement})


@_act
class Undo(PersonAct):
    """Take back an act, by default the last one that can be."""

    kind: ClassVar[str] = "undo"
    act: _Index | None = None
    """Its index; people count from 1."""

    def describe(self) -> str:
        """Return the act in words, with the number that the report gives the other act."""
        return "undo" if self.act is None else f"undo: act {self.act + 1}"

    def target(self, accepted: Sequence[Accepted]) -> int:
        """Return the number of the act that this one takes back.

        Raises:
            ExplorationError: There is none, or it cannot be undone.
        """
        can = undoable(accepted)
        if self.act is None:
            last = [one.number for one in can if one.undoes is None]
            if not last:
                raise ExplorationError("nothing to undo")
            return last[-1]
        if self.act not in {one.number for one in can}:
            known = ", ".join(str(one.number + 1) for one in can) or "none"
            raise ExplorationError(f"act {self.act + 1} cannot be undone (can be: {known})")
        return self.act


def build_act(kind: str, parameters: Mapping[str, Any]) -> PersonAct:
    """Return an act.

    Args:
        kind: One of `ACTS`.
        parameters: Its fields.

    Raises:
        ConfigurationError: There is no such act, or a field is unknown or impossible.
    """
    if kind not in ACTS:
        raise ConfigurationError(f"act {kind!r} is not known (known: {', '.join(ACTS)})")
    return validated(ACTS[kind], parameters, kind)


def accepted_act(act: PersonAct, number: int, step: int, who: str, earlier: Sequence[Accepted]) -> Accepted:
    """Return an act as one that takes effect after those accepted earlier.

    Raises:
        ExplorationError: It would take back an act that cannot be undone.
    """
    return Accepted(number, act, step, who, act.target(earlier))


def _short(value: Any) -> str:
    text = str(value.get("kind", value)) if isinstance(value, Mapping) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."
