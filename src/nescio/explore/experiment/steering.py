"""The steering: the configuration plus all accepted acts that were not undone, applied in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from nescio.errors import ExplorationError
from nescio.explore.candidates import Region
from nescio.explore.policies import CostAware, Policy
from nescio.explore.scalarizers import Scalarizer
from nescio.explore.settings import Budgets, Costs, ExploreSettings, Goal, Mode

__all__ = ["Accepted", "PlaceWanted", "Steering", "steered", "undoable"]


class PlaceWanted(NamedTuple):
    """A place that a person requested: a candidate, or the one nearest to a position."""

    candidate: int | None
    position: tuple[float, ...] | None
    step: int
    """Number of measurements at the time of the request."""


@dataclass(frozen=True)
class Steering:
    """The settings that a person may change. Two are equal if they lead to the same choice."""

    policy: Policy
    scalarizer: Scalarizer
    goal: Goal
    budget: Budgets = field(compare=False)
    mode: Mode = field(compare=False)
    costs: Costs | None = None
    forbidden: tuple[Region, ...] = ()
    favoured: tuple[tuple[Region, float], ...] = ()
    rejected: frozenset[int] = frozenset()
    """Numbers of measurements that the model ignores."""
    wanted: tuple[PlaceWanted, ...] = ()
    """Requested places, in order."""
    stopped: str = field(default="", compare=False)
    """Who stopped the experiment; empty if nobody did, or if somebody has resumed it since."""
    resumed_at: int = field(default=-1, compare=False)
    """Number of measurements when a person last resumed the experiment; -1 if nobody did."""
    approvals: tuple[int, ...] = field(default=(), compare=False)
    """Number of measurements at each approval."""

    @classmethod
    def configured(cls, settings: ExploreSettings) -> Steering:
        """Return the steering of a configuration, before any act."""
        return cls(
            settings.policy,
            settings.scalarizer,
            settings.goal,
            settings.budget,
            settings.mode,
            forbidden=settings.forbidden,
            favoured=tuple((region, 1.0) for region in settings.favoured),
        )

    @property
    def signs(self) -> tuple[float, ...]:
        """1 for each output that is maximised, -1 for each that is minimised."""
        return self.goal.signs(len(self.scalarizer.outputs))

    def ranking(self) -> Policy:
        """Return the policy, weighed by the costs if there are any.

        Raises:
            ExplorationError: This policy cannot be combined with the costs.
        """
        if self.costs is None:
            return self.policy
        try:
            return CostAware(policy=self.policy, **self.costs.model_dump(exclude_none=True))
        except ValueError as error:
            reason = str(error).split("Value error, ")[-1].split(" [type=")[0]
            raise ExplorationError(f"costs: {' '.join(reason.split())}") from None


class SteeringAct(Protocol):
    """The part of :class:`nescio.explore.PersonAct` that this module needs."""

    @property
    def steers(self) -> bool:
        """Whether the act changes the next choice; such acts can be undone."""

    def change(self, now: Steering, step: int, who: str) -> Steering:
        """Return the steering after the act."""


@dataclass(frozen=True)
class Accepted:
    """An act that took effect."""

    number: int
    """Index among all acts, including refused ones."""
    act: SteeringAct
    step: int
    """Number of measurements when it took effect."""
    who: str = ""
    undoes: int | None = None
    """Number of the act that this one undoes, or None."""


def steered(settings: ExploreSettings, accepted: Sequence[Accepted]) -> Steering:
    """Return the steering after the acts, applied in order."""
    now = Steering.configured(settings)
    active = _active(accepted)
    for one in accepted:
        if one.number in active:
            now = one.act.change(now, one.step, one.who)
    return now


def undoable(accepted: Sequence[Accepted]) -> list[Accepted]:
    """Return the acts that can be undone, in order."""
    active = _active(accepted)
    return [one for one in accepted if one.number in active and one.act.steers]


def _active(accepted: Sequence[Accepted]) -> set[int]:
    """Return the numbers of the active acts; an undo that was itself undone has no effect."""
    active: set[int] = set()
    undone: set[int] = set()
    # Latest first, because an undo comes after the act that it undoes.
    for one in reversed(accepted):
        if one.number in undone:
            continue
        active.add(one.number)
        if one.undoes is not None:
            undone.add(one.undoes)
    return active
