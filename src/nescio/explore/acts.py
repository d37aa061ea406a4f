"""What a person may do while an experiment runs: typed, checked before they take effect, and undone by number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field, SerializeAsAny, model_validator

from nescio.configuration import Real, Settings, Whole, validated
from nescio.errors import ConfigurationError
from nescio.explore.policies import AnyPolicy
from nescio.explore.regions import AnyRegion
from nescio.explore.scalarizers import Scalarizer
from nescio.explore.settings import Budgets, Goal, Mode, scalarizer_field

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
    "build_act",
]

_Index = Annotated[Whole, Field(ge=0)]


class PersonAct(Settings):
    """Base of all acts: its fields are what it needs."""

    kind: ClassVar[str]
    steers: ClassVar[bool] = True
    """Whether it changes what is chosen next; such an act can be undone."""

    def parameters(self) -> dict[str, Any]:
        """Return its fields as JSON-compatible values."""
        return self.model_dump(mode="json")

    def told(self) -> str:
        """Return it in words."""
        parts = ", ".join(
            f"{name} {_short(value)}" for name, value in self.parameters().items() if value is not None
        )
        return f"{self.kind}: {parts}" if parts else self.kind


class PauseAct(PersonAct):
    """Measure nothing more until told to; what is being measured is finished."""

    kind: ClassVar[str] = "pause"
    steers: ClassVar[bool] = False


class Resume(PersonAct):
    """Go on."""

    kind: ClassVar[str] = "resume"
    steers: ClassVar[bool] = False


class Step(PersonAct):
    """Make some measurements and pause again."""

    kind: ClassVar[str] = "step"
    steers: ClassVar[bool] = False
    measurements: Annotated[Whole, Field(ge=1, le=100_000)] = 1


class Approve(PersonAct):
    """Measure what was chosen, where that needs a person's approval."""

    kind: ClassVar[str] = "approve"
    steers: ClassVar[bool] = False


class Decline(PersonAct):
    """Do not measure a candidate that was chosen, now or later; something else is chosen."""

    kind: ClassVar[str] = "decline"
    candidate: _Index


class Stop(PersonAct):
    """End the experiment."""

    kind: ClassVar[str] = "stop"
    steers: ClassVar[bool] = False


class ChangePolicy(PersonAct):
    """Rank candidates in another way."""

    kind: ClassVar[str] = "policy"
    policy: AnyPolicy


class ChangeScalarizer(PersonAct):
    """Care about other numbers: all spectra so far are scalarized anew."""

    kind: ClassVar[str] = "scalarizer"
    scalarizer: Annotated[SerializeAsAny[Scalarizer], scalarizer_field]
    goal: Goal = Goal()

    @model_validator(mode="after")
    def _goal_fits(self) -> ChangeScalarizer:
        try:
            self.goal.signs(len(self.scalarizer.outputs))
        except ConfigurationError as error:
            raise ValueError(str(error)) from None
        return self


class ChangeGoal(PersonAct):
    """Maximise what was minimised, or the other way round."""

    kind: ClassVar[str] = "goal"
    goal: Goal


class ChangeCosts(PersonAct):
    """Weigh the policy against what measurements cost; without any field, no more."""

    kind: ClassVar[str] = "costs"
    seconds: Annotated[Real, Field(gt=0.0)] | None = None
    speed: Annotated[Real, Field(gt=0.0)] | None = None
    dose: Annotated[Real, Field(ge=0.0)] = 0.0
    seconds_per_dose: Annotated[Real, Field(ge=0.0)] = 0.0
    strength: Annotated[Real, Field(ge=0.0)] = 1.0
    weight: Annotated[Real, Field(ge=0.0)] | None = None


class ChangeMode(PersonAct):
    """Let the experiment go on by itself more, or less."""

    kind: ClassVar[str] = "mode"
    mode: Mode


class ChangeBudget(PersonAct):
    """Spend more, or less: what is given replaces what held, a limit of none takes it away, and the rest stays."""

    kind: ClassVar[str] = "budget"
    budget: Budgets

    @model_validator(mode="after")
    def _something(self) -> ChangeBudget:
        if not self.budget.model_fields_set:
            raise ValueError(f"needs one of {', '.join(Budgets.model_fields)}")
        return self

    def parameters(self) -> dict[str, Any]:
        """Return its fields as JSON-compatible values; of the budget only what was given."""
        return self.model_dump(mode="json", exclude_unset=True)


class Measure(PersonAct):
    """Measure a place next: a candidate by its index, or the nearest one to a position."""

    kind: ClassVar[str] = "measure"
    candidate: _Index | None = None
    position: tuple[Real, ...] | None = None

    @model_validator(mode="after")
    def _one(self) -> Measure:
        if (self.candidate is None) == (self.position is None):
            raise ValueError("needs either a candidate or a position")
        return self


class Forbid(PersonAct):
    """Measure nothing in a region."""

    kind: ClassVar[str] = "forbid"
    region: AnyRegion


class Favour(PersonAct):
    """Rather measure in a region."""

    kind: ClassVar[str] = "favour"
    region: AnyRegion
    weight: Annotated[Real, Field(ge=0.0, le=1e3)] = 1.0
    """In standard deviations of the acquisition."""


class Reject(PersonAct):
    """Learn nothing from a measurement; its place may be measured again."""

    kind: ClassVar[str] = "reject"
    measurement: _Index
    """Its index; people count from 1."""
    why: Annotated[str, Field(max_length=1000)] = ""

    def told(self) -> str:
        """Return it in words, with the number that the report gives the measurement."""
        return f"reject: measurement {self.measurement + 1}" + (f", {self.why}" if self.why else "")


class Undo(PersonAct):
    """Take back an act, by default the last one that can be."""

    kind: ClassVar[str] = "undo"
    act: _Index | None = None
    """Its index; people count from 1."""

    def told(self) -> str:
        """Return it in words, with the number that the report gives the act."""
        return "undo" if self.act is None else f"undo: act {self.act + 1}"


ACTS: Mapping[str, type[PersonAct]] = {
    act.kind: act
    for act in (
        PauseAct,
        Resume,
        Step,
        Approve,
        Decline,
        Stop,
        ChangePolicy,
        ChangeScalarizer,
        ChangeGoal,
        ChangeCosts,
        ChangeMode,
        ChangeBudget,
        Measure,
        Forbid,
        Favour,
        Reject,
        Undo,
    )
}
"""All kinds of acts."""


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


def _short(value: Any) -> str:
    text = str(value.get("kind", value)) if isinstance(value, Mapping) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."
