"""Policies built from other policies: epsilon-greedy, cost-aware, schedules."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Annotated, Literal, Self

import jax
import numpy as np
from pydantic import Field, model_validator

from nescio.configuration import Real, Settings, Whole
from nescio.explore.policies.base import AnyPolicy, Floats, Policy, View
from nescio.explore.policies.improvement import ExpectedImprovement

__all__ = ["CostAware", "EpsilonGreedy", "Schedule", "Stage"]

_Positive = Annotated[Real, Field(gt=0.0)]
_NotNegative = Annotated[Real, Field(ge=0.0)]


class EpsilonGreedy(Policy):
    """Another policy, with occasional random choices, which protect against a misleading surrogate.

    Source: Sutton and Barto, Reinforcement Learning, 2nd ed., MIT Press (2018), section 2.2.
    """

    kind: Literal["epsilon-greedy"] = "epsilon-greedy"
    epsilon: Annotated[Real, Field(ge=0.0, le=1.0)] = 0.1
    """Probability of a random choice."""
    policy: AnyPolicy = ExpectedImprovement()
    """Policy for the other choices."""

    @property
    def logarithmic(self) -> bool:
        """As for the inner policy."""
        return self.policy.logarithmic

    @property
    def needs_model(self) -> bool:
        """As for the inner policy."""
        return self.policy.needs_model

    def check(self, outputs: int) -> None:
        """As for the inner policy."""
        self.policy.check(outputs)

    def at(self, step: int) -> Policy:
        """Return this policy around the inner policy in force at a step."""
        return self.model_copy(update={"policy": self.policy.at(step)})

    def acquisition(self, view: View) -> Floats:
        """Return the inner policy's acquisition or uniform draws (logarithms if it is logarithmic), shape (n,)."""
        coin, draws, inside = jax.random.split(view.key, 3)
        if float(jax.random.uniform(coin)) >= self.epsilon:
            return self.policy.acquisition(replace(view, key=inside))
        smallest = np.finfo(np.float32).tiny
        uniform = np.asarray(
            jax.random.uniform(draws, (len(view.positions),), minval=smallest), dtype=np.float64
        )
        return np.log(uniform) if self.logarithmic else uniform


class CostAware(Policy):
    """Another policy, weighed by the cost of a measurement: its time, the travel time, and the dose.

    The cost of a candidate in seconds is ``seconds + distance / speed + dose x seconds_per_dose``. From a logarithmic
    acquisition, ``strength x ln(cost)`` is subtracted: with strength 1, expected improvement becomes expected
    improvement per second. From any other acquisition, ``weight x cost`` is subtracted.

    Source: Snoek et al., NeurIPS 25 (2012), section 3.2.
    """

    kind: Literal["cost-aware"] = "cost-aware"
    policy: AnyPolicy = ExpectedImprovement()
    """Policy that gives the value of a measurement."""
    seconds: _Positive = 1.0
    """Time of one measurement, without travel, in seconds."""
    speed: _Positive | None = None
    """Speed of the instrument, in units of the positions per second; by default travel costs nothing."""
    dose: _NotNegative = 0.0
    """Dose of one measurement, in any unit."""
    seconds_per_dose: _NotNegative = 0.0
    """Cost of one unit of dose, in seconds."""
    strength: _NotNegative = 1.0
    """Exponent of the cost, for a logarithmic acquisition; 0 ignores the cost."""
    weight: _NotNegative | None = None
    """Value of one second in units of any other acquisition (units of the scalar for a confidence bound)."""

    @model_validator(mode="after")
    def _weighed(self) -> Self:
        if self.weight is None and not self.policy.logarithmic:
            raise ValueError(
                f"weight is missing: the value of one second in units of the acquisition of {self.policy.kind}"
            )
        return self

    @property
    def logarithmic(self) -> bool:
        """As for the inner policy."""
        return self.policy.logarithmic

    @property
    def needs_model(self) -> bool:
        """As for the inner policy."""
        return self.policy.needs_model

    def check(self, outputs: int) -> None:
        """As for the inner policy."""
        self.policy.check(outputs)

    def at(self, step: int) -> Policy:
        """Return this policy around the inner policy in force at a step."""
        return self.model_copy(update={"policy": self.policy.at(step)})

    def cost(self, view: View) -> Floats:
        """Return the cost of each candidate in seconds, shape (n,); travel to the first measurement is free."""
        cost = np.full(len(view.positions), self.seconds + self.dose * self.seconds_per_dose)
        if self.speed is not None and view.current is not None:
            cost += np.linalg.norm(view.positions - view.positions[view.current], axis=1) / self.speed
        return cost

    def acquisition(self, view: View) -> Floats:
        """Return the inner policy's acquisition reduced by the cost, shape (n,)."""
        policy = self.policy.at(view.step)
        worth, cost = policy.acquisition(view), self.cost(view)
        if policy.logarithmic:
            return worth - self.strength * np.log(cost)
        return worth - (self.weight or 0.0) * cost


class Stage(Settings):
    """One part of a schedule."""

    from_step: Annotated[Whole, Field(ge=0)] = 0
    """Number of measurements at which the stage begins."""
    policy: AnyPolicy
    """Policy from then on."""


class Schedule(Policy):
    """A sequence of policies, for example first coverage, then expected improvement."""

    kind: Literal["schedule"] = "schedule"
    stages: Annotated[tuple[Stage, ...], Field(min_length=1, max_length=1000)]
    """Stages in order; the first begins at step 0."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        begins = [stage.from_step for stage in self.stages]
        if begins[0] != 0:
            raise ValueError(f"the first stage must begin at step 0, not at step {begins[0]}")
        for before, after in pairwise(begins):
            if after <= before:
                raise ValueError(f"stages must be in increasing order: step {after} follows step {before}")
        return self

    @property
    def logarithmic(self) -> bool:
        """Whether all stages' policies are logarithmic; use `at` for the policy in force."""
        return all(stage.policy.logarithmic for stage in self.stages)

    @property
    def needs_model(self) -> bool:
        """Whether any stage's policy needs the surrogate; use `at` for the policy in force."""
        return any(stage.policy.needs_model for stage in self.stages)

    def check(self, outputs: int) -> None:
        """Check that each stage's policy supports this number of outputs."""
        for stage in self.stages:
            stage.policy.check(outputs)

    def at(self, step: int) -> Policy:
        """Return the policy of the current stage."""
        held = [stage.policy for stage in self.stages if stage.from_step <= step]
        return (held[-1] if held else self.stages[0].policy).at(step)

    def acquisition(self, view: View) -> Floats:
        """Return the acquisition of the policy in force, shape (n,)."""
        return self.at(view.step).acquisition(view)
