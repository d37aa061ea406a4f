"""How an experiment is set up, validated and frozen: the whole of its TOML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, SerializeAsAny, model_validator

from nescio.configuration import Real, Settings, Whole, read_toml, validated
from nescio.errors import ConfigurationError, NescioError
from nescio.explore.candidates import AnyRegion
from nescio.explore.instruments import FaultPolicy
from nescio.explore.policies import AnyPolicy, UpperConfidenceBound
from nescio.explore.scalarizers import Part, named_from
from nescio.explore.stopping import AnyCriterion
from nescio.explore.surrogates import SurrogateSettings
from nescio.registry import Kinds

__all__ = ["Budgets", "Costs", "ExploreSettings", "Goal", "Mode", "SeedSettings", "read_settings"]


INSTRUMENTS = Kinds("instrument", BaseModel, group="nescio.instruments")
CANDIDATES = Kinds("kind of candidates", BaseModel, group="nescio.candidates")


class Goal(Settings):
    """What is wanted of the scalars."""

    direction: Literal["maximise", "minimise"] | tuple[Literal["maximise", "minimise"], ...] = "maximise"
    """Of all of them, or of each in order."""

    def signs(self, outputs: int) -> tuple[float, ...]:
        """Return 1 for each scalar that is maximised and -1 for each that is minimised.

        Raises:
            ConfigurationError: There are directions for another number of scalars.
        """
        directions = (self.direction,) * outputs if isinstance(self.direction, str) else self.direction
        if len(directions) != outputs:
            raise ConfigurationError(
                f"goal: {len(directions)} directions, but the scalarizer gives {outputs} numbers"
            )
        return tuple(1.0 if direction == "maximise" else -1.0 for direction in directions)


class SeedSettings(Settings):
    """The first measurements, before there is anything to learn from."""

    points: Annotated[Whole, Field(ge=1, le=10_000)] = 20
    choice: Literal["random", "coverage"] = "random"
    """At random, or spread over the features as evenly as may be."""


class Budgets(Settings):
    """What may be spent; the experiment ends when any is."""

    points: Annotated[Whole, Field(ge=1, le=1_000_000)] | None = None
    """Measurements, seeds included; by default 5 % of the candidates, but at least twice the seeds."""
    seconds: Annotated[Real, Field(gt=0.0)] | None = None
    """Of the instrument's time, measurements and waits for it."""
    dose: Annotated[Real, Field(gt=0.0)] | None = None
    """In the unit of `dose_per_point`; what would exceed it is not measured."""
    dose_per_point: Annotated[Real, Field(ge=0.0)] = 0.0

    @property
    def idle(self) -> str:
        """Why a limit would limit nothing; empty where all of them do."""
        if self.dose is not None and self.dose_per_point == 0.0:
            return f"budget: a dose of {self.dose:g} limits nothing while dose_per_point is 0"
        return ""


class Costs(Settings):
    """What measurements cost, as :class:`nescio.explore.policies.CostAware` weighs it."""

    seconds: Annotated[Real, Field(gt=0.0)] | None = None
    speed: Annotated[Real, Field(gt=0.0)] | None = None
    dose: Annotated[Real, Field(ge=0.0)] = 0.0
    seconds_per_dose: Annotated[Real, Field(ge=0.0)] = 0.0
    strength: Annotated[Real, Field(ge=0.0)] = 1.0
    weight: Annotated[Real, Field(ge=0.0)] | None = None


class Mode(Settings):
    """How much the experiment decides on its own."""

    kind: Literal["automatic", "approve", "watch"] = "automatic"
    """Measure what was chosen; wait for a person's approval; or only say what would be chosen, and measure nothing but
    what a person points at."""
    every: Annotated[Whole, Field(ge=1, le=100_000)] = 1
    """With "approve": every how many-th choice needs it."""


class ExploreSettings(Settings):
    """An experiment that chooses its own measurements."""

    title: Annotated[str, Field(max_length=200)] = "Exploration"
    seed: Annotated[Whole, Field(ge=0, le=2**31 - 1)] = 0
    """Of all random draws."""
    instrument: Annotated[SerializeAsAny[BaseModel], INSTRUMENTS.table]
    candidates: Annotated[SerializeAsAny[BaseModel], CANDIDATES.table]
    scalarizer: Part
    goal: Goal = Goal()
    surrogate: SurrogateSettings = SurrogateSettings()
    policy: AnyPolicy = UpperConfidenceBound(kappa=2.0, final_kappa=0.2)
    batch: Annotated[Whole, Field(ge=1, le=1000)] = 1
    """How many are chosen at once."""
    seeds: SeedSettings = SeedSettings()
    budget: Budgets = Budgets()
    stop: AnyCriterion | None = None
    """Ends the experiment before its budget is spent."""
    freeze: AnyCriterion | None = None
    """Ends the training, and lets the rest run faster: the model is still given every measurement."""
    mode: Mode = Mode()
    forbidden: tuple[AnyRegion, ...] = ()
    """Where nothing is measured."""
    favoured: tuple[AnyRegion, ...] = ()
    """Where to measure rather than elsewhere, by one standard deviation of the acquisition."""
    faults: FaultPolicy = FaultPolicy()
    failures_in_a_row: Annotated[Whole, Field(ge=1, le=100_000)] = 5
    """After so many measurements without any value the experiment pauses."""

    @model_validator(mode="after")
    def _dose_counts(self) -> Self:
        if self.budget.idle:
            raise ValueError(self.budget.idle)
        return self

    @model_validator(mode="after")
    def _goal_fits(self) -> Self:
        outputs = len(self.scalarizer.outputs)
        try:
            self.goal.signs(outputs)
            self.policy.check(outputs)
            for criterion in (self.stop, self.freeze):
                if criterion is not None:
                    criterion.check(outputs)
        except NescioError as error:
            raise ValueError(str(error)) from None
        return self

    def document(self) -> dict[str, Any]:
        """Return it as JSON-compatible values, from which it can be built again."""
        return self.model_dump(mode="json")


def read_settings(path: Path) -> ExploreSettings:
    """Read an experiment's TOML file.

    Raises:
        FileError: It cannot be read.
        ConfigurationError: It is no valid configuration; one line that names the key and what would be right.
    """
    document = read_toml(path)
    if "scalarizer" in document:
        document["scalarizer"] = named_from(path.parent, document["scalarizer"])
    return validated(ExploreSettings, document, str(path))
