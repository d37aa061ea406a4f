"""Policies made of others: now and then at random, weighed against cost, one after the other."""

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
    """Another policy, but now and then any candidate, which guards against a surrogate that misleads itself.

    Source: Sutton and Barto, Reinforcement Learning, 2nd ed., MIT Press (2018), section 2.2.
    """

    kind: Literal["epsilon-greedy"] = "epsilon-greedy"
    epsilon: Annotated[Real, Field(ge=0.0, le=1.0)] = 0.1
    """How probably a choice is random."""
    policy: AnyPolicy = ExpectedImprovement()
    """Makes the other choices."""

    @property
    def logarithmic(self) -> bool:
        """As the policy inside."""
        return self.policy.logarithmic

    @property
    def needs_model(self) -> bool:
        """As the policy inside."""
        return self.policy.needs_model

    def check(self, outputs: int) -> None:
        """As the policy inside."""
        self.policy.check(outputs)

    def at(self, step: int) -> Policy:
        """Return it around what the policy inside is at a step."""
        return self.model_copy(update={"policy": self.policy.at(step)})

    def acquisition(self, view: View) -> Floats:
        """Return that of the policy inside, or uniform draws (their logarithms, if that gives such), shape (n,)."""
        coin, draws, inside = jax.random.split(view.key, 3)
        if float(jax.random.uniform(coin)) >= self.epsilon:
            return self.policy.acquisition(replace(view, key=inside))
        smallest = np.finfo(np.float32).tiny
        uniform = np.asarray(
            jax.random.uniform(draws, (len(view.positions),), minval=smallest), dtype=np.float64
        )
        return np.log(uniform) if self.logarithmic else uniform


class CostAware(Policy):
    """Another policy, weighed against what a measurement costs: time there, the way to it, and dose.

    The cost of a candidate in seconds is ``seconds + distance / speed + dose x seconds_per_dose``. Of a
    logarithmic acquisition, ``strength x ln(cost)`` is taken off: with strength 1, expected improvement becomes that
    per second. Of any other, ``weight x cost`` is.

    Source: Snoek et al., NeurIPS 25 (2012), section 3.2.
    """

    kind: Literal["cost-aware"] = "cost-aware"
    policy: AnyPolicy = ExpectedImprovement()
    """What the measurement is worth."""
    seconds: _Positive = 1.0
    """Seconds that a measurement takes once the instrument is there."""
    speed: _Positive | None = None
    """How fast the instrument moves, in units of the positions a second; by default the way costs nothing."""
    dose: _NotNegative = 0.0
    """Dose of one measurement, in whatever unit."""
    seconds_per_dose: _NotNegative = 0.0
    """The price of dose: how many seconds one unit of it is worth."""
    strength: _NotNegative = 1.0
    """Exponent of the cost by which a logarithmic acquisition is divided; 0 ignores it."""
    weight: _NotNegative | None = None
    """What a second is worth in units of any other acquisition (those of the scalar, for a confidence bound)."""

    @model_validator(mode="after")
    def _weighed(self) -> Self:
        if self.weight is None and not self.policy.logarithmic:
            raise ValueError(
                f"weight is missing: what a second is worth in units of the acquisition of {self.policy.kind}"
            )
        return self

    @property
    def logarithmic(self) -> bool:
        """As the policy inside."""
        return self.policy.logarithmic

    @property
    def needs_model(self) -> bool:
        """As the policy inside."""
        return self.policy.needs_model

    def check(self, outputs: int) -> None:
        """As the policy inside."""
        self.policy.check(outputs)

    def at(self, step: int) -> Policy:
        """Return it around what the policy inside is at a step."""
        return self.model_copy(update={"policy": self.policy.at(step)})

    def cost(self, view: View) -> Floats:
        """Return the cost of each candidate in seconds, shape (n,); the way is free before the first measurement."""
        cost = np.full(len(view.positions), self.seconds + self.dose * self.seconds_per_dose)
        if self.speed is not None and view.current is not None:
            cost += np.linalg.norm(view.positions - view.positions[view.current], axis=1) / self.speed
        return cost

    def acquisition(self, view: View) -> Floats:
        """Return the acquisition of the policy inside less what the cost takes off, shape (n,)."""
        policy = self.policy.at(view.step)
        worth, cost = policy.acquisition(view), self.cost(view)
        if policy.logarithmic:
            return worth - self.strength * np.log(cost)
        return worth - (self.weight or 0.0) * cost


class Stage(Settings):
    """One part of a schedule."""

    from_step: Annotated[Whole, Field(ge=0)] = 0
    """How many measurements there are when it begins."""
    policy: AnyPolicy
    """What holds from then on."""


class Schedule(Policy):
    """Policies that follow one another: first see what there is, then look for the best."""

    kind: Literal["schedule"] = "schedule"
    stages: Annotated[tuple[Stage, ...], Field(min_length=1, max_length=1000)]
    """In order; the first begins at step 0."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        begins = [stage.from_step for stage in self.stages]
        if begins[0] != 0:
            raise ValueError(f"the first stage must begin at step 0, not {begins[0]}")
        for before, after in pairwise(begins):
            if after <= before:
                raise ValueError(f"a stage from step {after} cannot follow one from step {before}")
        return self

    @property
    def logarithmic(self) -> bool:
        """Whether all of its policies are; ask what `at` returns for the one that holds."""
        return all(stage.policy.logarithmic for stage in self.stages)

    @property
    def needs_model(self) -> bool:
        """Whether any of its policies does; ask what `at` returns for the one that holds."""
        return any(stage.policy.needs_model for stage in self.stages)

    def check(self, outputs: int) -> None:
        """See that each of its policies can rank by that many numbers."""
        for stage in self.stages:
            stage.policy.check(outputs)

    def at(self, step: int) -> Policy:
        """Return the policy of the last stage that has begun."""
        held = [stage.policy for stage in self.stages if stage.from_step <= step]
        return (held[-1] if held else self.stages[0].policy).at(step)

    def acquisition(self, view: View) -> Floats:
        """Return that of the policy that holds, shape (n,)."""
        return self.at(view.step).acquisition(view)
