"""The settings of an experiment, validated and frozen; its TOML file contains them."""

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
    """Whether to maximise or minimise the scalars."""

    direction: Literal["maximise", "minimise"] | tuple[Literal["maximise", "minimise"], ...] = "maximise"
    """One direction for all scalars, or one for each in order."""

    def signs(self, outputs: int) -> tuple[float, ...]:
        """Return 1 for each scalar that is maximised and -1 for each that is minimised.

        Raises:
            ConfigurationError: The number of directions differs from the number of scalars.
        """
        directions = (self.direction,) * outputs if isinstance(self.direction, str) else self.direction
        if len(directions) != outputs:
            raise ConfigurationError(
                f"goal: {len(directions)} directions, but the scalarizer gives {outputs} numbers"
            )
        return tuple(1.0 if direction == "maximise" else -1.0 for direction in directions)


class SeedSettings(Settings):
    """The first measurements, made before the model can be fitted."""

    points: Annotated[Whole, Field(ge=1, le=10_000)] = 20
    choice: Literal["random", "coverage"] = "random"
    """Random, or spread evenly over the feature space."""


class Budgets(Settings):
    """Limits of the experiment; it ends when the first one is reached."""

    points: Annotated[Whole, Field(ge=1, le=1_000_000)] | None = None
    """Measurements, including the first points; default: 5 % of the candidates, but at least twice the first points."""
    seconds: Annotated[Real, Field(gt=0.0)] | None = None
    """Instrument time: measurements and waits for the instrument."""
    dose: Annotated[Real, Field(gt=0.0)] | None = None
    """In the unit of `dose_per_point`; a measurement that would exceed it is not made."""
    dose_per_point: Annotated[Real, Field(ge=0.0)] = 0.0

    @property
    def idle(self) -> str:
        """Why a limit would have no effect; empty if all limits have one."""
        if self.dose is not None and self.dose_per_point == 0.0:
            return f"budget: a dose limit of {self.dose:g} has no effect while dose_per_point is 0"
        return ""


class Costs(Settings):
    """The cost of measurements; the fields are those of :class:`nescio.explore.policies.CostAware`."""

    seconds: Annotated[Real, Field(gt=0.0)] | None = None
    speed: Annotated[Real, Field(gt=0.0)] | None = None
    dose: Annotated[Real, Field(ge=0.0)] = 0.0
    seconds_per_dose: Annotated[Real, Field(ge=0.0)] = 0.0
    strength: Annotated[Real, Field(ge=0.0)] = 1.0
    weight: Annotated[Real, Field(ge=0.0)] | None = None


class Mode(Settings):
    """How independently the experiment decides."""

    kind: Literal["automatic", "approve", "watch"] = "automatic"
    """Measure each choice ("automatic"); wait for a person's approval ("approve"); or only report the choice and
    measure only what a person requests ("watch")."""
    every: Annotated[Whole, Field(ge=1, le=100_000)] = 1
    """With "approve": 1 asks for approval of each choice, n of each n-th choice."""


class ExploreSettings(Settings):
    """An experiment that chooses its own measurements."""

    title: Annotated[str, Field(max_length=200)] = "Exploration"
    seed: Annotated[Whole, Field(ge=0, le=2**31 - 1)] = 0
    """Seed of all random draws."""
    instrument: Annotated[SerializeAsAny[BaseModel], INSTRUMENTS.table]
    candidates: Annotated[SerializeAsAny[BaseModel], CANDIDATES.table]
    scalarizer: Part
    goal: Goal = Goal()
    surrogate: SurrogateSettings = SurrogateSettings()
    policy: AnyPolicy = UpperConfidenceBound(kappa=2.0, final_kappa=0.2)
    batch: Annotated[Whole, Field(ge=1, le=1000)] = 1
    """Number of candidates chosen at once."""
    seeds: SeedSettings = SeedSettings()
    budget: Budgets = Budgets()
    stop: AnyCriterion | None = None
    """Ends the experiment before its budget is spent."""
    freeze: AnyCriterion | None = None
    """Ends the training, which makes the rest faster; the model still uses every new measurement."""
    mode: Mode = Mode()
    forbidden: tuple[AnyRegion, ...] = ()
    """Regions in which nothing is measured."""
    favoured: tuple[AnyRegion, ...] = ()
    """Regions with an acquisition raised by one standard deviation."""
    faults: FaultPolicy = FaultPolicy()
    failures_in_a_row: Annotated[Whole, Field(ge=1, le=100_000)] = 5
    """Number of consecutive measurements without a value after which the experiment pauses."""

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
        """Return the settings as JSON-compatible values, from which they can be built again."""
        return self.model_dump(mode="json")


def read_settings(path: Path) -> ExploreSettings:
    """Read an experiment's TOML file.

    Raises:
        FileError: The file cannot be read.
        ConfigurationError: The configuration is invalid; the message is one line with the key and the valid values.
    """
    document = read_toml(path)
    if "scalarizer" in document:
        document["scalarizer"] = named_from(path.parent, document["scalarizer"])
    return validated(ExploreSettings, document, str(path))
