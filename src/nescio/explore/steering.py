"""What holds at a moment: the configuration, and every act of a person that was accepted since and not undone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from nescio.errors import ExplorationError
from nescio.explore.acts import (
    ChangeBudget,
    ChangeCosts,
    ChangeGoal,
    ChangeMode,
    ChangePolicy,
    ChangeScalarizer,
    Decline,
    Favour,
    Forbid,
    Measure,
    PersonAct,
    Reject,
    Undo,
)
from nescio.explore.policies import CostAware, Policy
from nescio.explore.regions import Listed, Region
from nescio.explore.scalarizers import Scalarizer
from nescio.explore.settings import Budgets, ExploreSettings, Goal, Mode

__all__ = ["Accepted", "Steering", "steered", "undo_target"]


@dataclass(frozen=True)
class Accepted:
    """An act that took effect."""

    number: int
    act: PersonAct
    step: int
    """How many measurements there were."""
    who: str = ""


@dataclass(frozen=True)
class Steering:
    """All that a person may change, as it is now."""

    policy: Policy
    scalarizer: Scalarizer
    goal: Goal
    budget: Budgets
    mode: Mode
    costs: ChangeCosts | None = None
    forbidden: tuple[Region, ...] = ()
    favoured: tuple[tuple[Region, float], ...] = ()
    rejected: frozenset[int] = frozenset()
    """Numbers of measurements."""
    pointed: tuple[tuple[Measure, int], ...] = ()
    """Places to measure, in order, each with the step since when."""

    @classmethod
    def configured(cls, settings: ExploreSettings) -> Steering:
        """Return what holds before anybody has done anything."""
        return cls(
            settings.policy,
            settings.scalarizer,
            settings.goal,
            settings.budget,
            settings.mode,
            forbidden=settings.forbidden,
            favoured=tuple((region, 1.0) for region in settings.favoured),
        )

    def chooses_like(self, other: Steering) -> bool:
        """Whether the same would be chosen: whatever may be spent, and however far the experiment goes on its own."""
        return self is other or replace(self, budget=other.budget, mode=other.mode) == other

    def ranking(self) -> Policy:
        """Return the policy, weighed against costs where there are any.

        Raises:
            ExplorationError: The costs cannot be weighed against this policy.
        """
        if self.costs is None:
            return self.policy
        given = {name: value for name, value in self.costs.parameters().items() if value is not None}
        try:
            return CostAware(policy=self.policy, **given)
        except ValueError as error:
            reason = str(error).split("Value error, ")[-1].split(" [type=")[0]
            raise ExplorationError(f"costs: {' '.join(reason.split())}") from None


def undo_target(accepted: Sequence[Accepted], act: Undo) -> int:
    """Return the number of the act that `act` takes back.

    Raises:
        ExplorationError: There is none, or it cannot be undone.
    """
    active = _active(accepted, _targets(accepted))
    can = [one for one in accepted if one.number in active and one.act.steers]
    if act.act is None:
        last = [one.number for one in can if not isinstance(one.act, Undo)]
        if not last:
            raise ExplorationError("nothing to undo")
        return last[-1]
    if act.act not in {one.number for one in can}:
        known = ", ".join(str(one.number + 1) for one in can) or "none"
        raise ExplorationError(f"act {act.act + 1} cannot be undone (can be: {known})")
    return act.act


def steered(settings: ExploreSettings, accepted: Sequence[Accepted]) -> Steering:
    """Return what holds after acts, given in their order."""
    now = Steering.configured(settings)
    active = _active(accepted, _targets(accepted))
    for one in accepted:
        if one.number in active:
            now = _changed(now, one)
    return now


def _targets(accepted: Sequence[Accepted]) -> dict[int, int]:
    """Return what each undo takes back, by number."""
    targets: dict[int, int] = {}
    for place, one in enumerate(accepted):
        if isinstance(one.act, Undo):
            if one.act.act is not None:
                targets[one.number] = one.act.act
                continue
            earlier = accepted[:place]
            active = _active(earlier, targets)
            targets[one.number] = max(
                (
                    other.number
                    for other in earlier
                    if other.number in active and other.act.steers and not isinstance(other.act, Undo)
                ),
                default=-1,
            )
    return targets


def _active(accepted: Sequence[Accepted], targets: Mapping[int, int]) -> set[int]:
    """Return the numbers of the acts that hold: an undo that is itself undone takes nothing back."""
    active: set[int] = set()
    undone: set[int] = set()
    # The latest first: what takes an act back comes after it.
    for one in reversed(accepted):
        if one.number in undone:
            continue
        active.add(one.number)
        if one.number in targets:
            undone.add(targets[one.number])
    return active


def _changed(now: Steering, one: Accepted) -> Steering:
    match one.act:
        case ChangePolicy(policy=policy):
            return replace(now, policy=policy)
        case ChangeScalarizer(scalarizer=scalarizer, goal=goal):
            return replace(now, scalarizer=scalarizer, goal=goal)
        case ChangeGoal(goal=goal):
            return replace(now, goal=goal)
        case ChangeCosts() as costs:
            return replace(now, costs=costs if costs != ChangeCosts() else None)
        case ChangeMode(mode=mode):
            return replace(now, mode=mode)
        case ChangeBudget(budget=budget):
            given = {name: getattr(budget, name) for name in budget.model_fields_set}
            return replace(now, budget=now.budget.model_copy(update=given))
        case Measure() as measure:
            return replace(now, pointed=(*now.pointed, (measure, one.step)))
        case Forbid(region=region):
            return replace(now, forbidden=(*now.forbidden, region))
        case Decline(candidate=candidate):
            return replace(now, forbidden=(*now.forbidden, Listed(candidates=(candidate,))))
        case Favour(region=region, weight=weight):
            return replace(now, favoured=(*now.favoured, (region, weight)))
        case Reject(measurement=measurement):
            return replace(now, rejected=now.rejected | {measurement})
        case _:
            return now
