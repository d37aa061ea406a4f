"""The state of an experiment between two measurements. It depends only on the record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from nescio.errors import ExplorationError
from nescio.explore.candidates import Candidates, inside_any
from nescio.explore.experiment.steering import Accepted, PlaceWanted, Steering, steered
from nescio.explore.scalarizers import Scalar
from nescio.explore.settings import ExploreSettings
from nescio.explore.stopping import Snapshot
from nescio.trace import Decision, Event

__all__ = ["Flow", "Maps", "Measured", "Next", "Origin", "State"]

Floats = NDArray[np.float64]
Origin = Literal["seed", "policy", "person"]

_ROUNDING = 1e-9
_SHARE_BY_DEFAULT = 0.05
_SEEDS_BY_DEFAULT = 2


@dataclass(frozen=True)
class Next:
    """The next step: measure candidates, wait for a person, or end."""

    candidates: tuple[int, ...] = ()
    """Candidates to measure, without repeats; empty while the experiment waits or when it is finished."""
    origin: Origin = "policy"
    """Who chose them."""
    waiting: str = ""
    """Why the experiment waits; empty if it does not."""
    finished: str = ""
    """Why the experiment is finished; empty if it is not."""
    messages: tuple[str, ...] = ()
    """Messages for the user: accepted acts, refused acts, warnings."""


@dataclass(frozen=True, eq=False)
class Measured:
    """One measurement; its spectrum is in the record."""

    row: int
    """Row in the record."""
    number: int
    candidate: int
    origin: Origin
    spectrum: int | None
    """Row of the spectrum in the record; None if there is no spectrum."""
    problem: str
    """Why there is no spectrum."""
    seconds: float
    """Duration of the measurement."""
    scalars: tuple[Scalar, ...]
    """Scalars from the state's scalarizer."""


@dataclass(frozen=True)
class Flow:
    """Pauses and warnings, derived from the events."""

    paused: str = ""
    """Why the experiment is paused; empty if it is not."""
    until: int | None = None
    """Number of measurements at which the experiment pauses again."""
    tried_from: int = 0
    """Number of the measurement from which consecutive failures are counted."""
    warned: frozenset[str] = frozenset()
    """Subjects of the warnings so far."""

    def after(self, event: Event) -> Flow:
        """Return the flow after one more event."""
        details = event.details
        if event.kind == "pause":
            until = details.get("until", self.until)
            tried_from = details.get("step", self.tried_from)
            return replace(self, paused=event.message or "paused", until=until, tried_from=tried_from)
        if event.kind == "resume":
            return replace(self, paused="", until=details.get("until"))
        if event.kind == "warning" and "about" in details:
            return replace(self, warned=self.warned | {str(details["about"])})
        return self


class Maps(NamedTuple):
    """A model's prediction at the time of a decision."""

    mean: NDArray[np.float32]
    """Shape (candidates, outputs)."""
    sd: NDArray[np.float32]
    """Shape (candidates, outputs)."""


@dataclass(eq=False)
class State:
    """The state between two measurements."""

    settings: ExploreSettings
    candidates: Candidates
    maps: Callable[[int], Maps]
    """Reads the maps of a decision from their row."""
    steering: Steering
    """The settings that a person may change."""
    scalarizers: list[tuple[int, int]]
    """Each scalarizer so far: the number of measurements when it became active, and its row."""
    scalars: dict[int, list[tuple[Scalar, ...]]] = field(default_factory=dict)
    """Scalars of the measurements by the scalarizer's row, as far as they were computed."""
    measured: list[Measured] = field(default_factory=list)
    accepted: list[Accepted] = field(default_factory=list)
    """Acts that took effect."""
    decisions: list[tuple[int, Decision]] = field(default_factory=list)
    """Decisions with their rows."""
    events: list[tuple[int, Event]] = field(default_factory=list)
    """Events, each with the number of measurements at that time."""
    flow: Flow = field(default_factory=Flow)
    last_act: int = 0
    """Row of the last act that was accepted or refused."""

    def at(self, step: int) -> Self:
        """Return the state after `step` measurements, just before the next one was added.

        Args:
            step: 0 for the state before the first measurement; the current number for the current state.

        Raises:
            ExplorationError: The experiment has fewer than `step` measurements.
        """
        if not 0 <= step <= self.step:
            raise ExplorationError(f"step {step} does not exist: there are {self.step} measurements")
        accepted = [one for one in self.accepted if one.step <= step]
        scalarizers = [one for one in self.scalarizers if one[0] <= step]
        values = self.scalars[scalarizers[-1][1]]
        decisions = [one for one in self.decisions if one[1].step <= step]
        events = [one for one in self.events if one[0] <= step]
        flow = Flow()
        for _, event in events:
            flow = flow.after(event)
        return replace(
            self,
            steering=steered(self.settings, accepted),
            scalarizers=scalarizers,
            measured=[replace(one, scalars=values[one.number]) for one in self.measured[:step]],
            accepted=accepted,
            decisions=decisions,
            events=events,
            flow=flow,
        )

    # ---- scalars

    @property
    def scalarizer_row(self) -> int:
        """Row of the current scalarizer."""
        return self.scalarizers[-1][1]

    def rescalarize(self, row: int, scalars: list[tuple[Scalar, ...]]) -> None:
        """Change to another scalarizer.

        Args:
            row: The scalarizer's row.
            scalars: Its scalars of all measurements.
        """
        self.scalarizers.append((self.step, row))
        self.scalars[row] = list(scalars)
        self.measured = [
            replace(one, scalars=values) for one, values in zip(self.measured, scalars, strict=True)
        ]

    def add(self, one: Measured | None, events: Sequence[Event]) -> list[Event]:
        """Add a measurement and its events; pause if too many measurements in a row gave no value.

        Args:
            one: The measurement, or None if an attempt led only to events.
            events: The events during the attempt.

        Returns:
            All events, including such a pause.
        """
        found = list(events)
        if one is not None:
            self.measured.append(one)
            self.scalars[self.scalarizer_row].append(one.scalars)
            if (limit := self.settings.failures_in_a_row) <= self._failures():
                reason = one.scalars[0].reason or one.problem
                message = f"{limit} measurements in a row gave no value (the last: {reason})"
                # Count failures from here, so that the experiment gets the same number of tries after resuming.
                found.append(Event(kind="pause", message=message, details={"step": self.step}))
        for event in found:
            self.happened(event)
        return found

    def happened(self, event: Event) -> None:
        """Add an event."""
        self.events.append((self.step, event))
        self.flow = self.flow.after(event)

    def values(self) -> tuple[NDArray[np.intp], Floats]:
        """Return candidates (m,) and scalars (m, outputs; NaN if missing) of measurements that are not rejected."""
        used = [one for one in self.measured if one.number not in self.steering.rejected]
        candidates = np.array([one.candidate for one in used], np.intp)
        table = np.array([[s.value for s in one.scalars] for one in used], np.float64)
        return candidates, table.reshape(len(used), len(self.steering.scalarizer.outputs))

    def _failures(self) -> int:
        """Return the number of consecutive latest measurements without a value since the last pause."""
        count = 0
        for one in reversed(self.measured[self.flow.tried_from :]):
            if not np.isnan([scalar.value for scalar in one.scalars]).all():
                break
            count += 1
        return count

    # ---- budget

    @property
    def step(self) -> int:
        """Number of measurements."""
        return len(self.measured)

    @property
    def points(self) -> int:
        """Maximum number of measurements."""
        if (given := self.steering.budget.points) is not None:
            return given
        share = max(
            round(_SHARE_BY_DEFAULT * len(self.candidates)), _SEEDS_BY_DEFAULT * self.settings.seeds.points
        )
        return min(share, len(self.candidates))

    @property
    def seconds(self) -> float:
        """Total time of all measurements."""
        return sum(one.seconds for one in self.measured)

    @property
    def dose(self) -> float:
        """Total dose of all measurements."""
        return self.steering.budget.dose_per_point * self.step

    @property
    def spent(self) -> float:
        """Fraction of the budget spent, 0 to 1, for the limit that is closest."""
        budget = self.steering.budget
        shares = [self.step / self.points]
        if budget.seconds is not None:
            shares.append(self.seconds / budget.seconds)
        if budget.dose is not None:
            shares.append(self.dose / budget.dose)
        return min(max(shares), 1.0)

    # ---- what may be measured

    def nearest(self, wanted: PlaceWanted) -> int:
        """Return the candidate of a place that a person requested."""
        if wanted.candidate is not None:
            return wanted.candidate
        return self.candidates.nearest(wanted.position or ())

    def queue(self) -> list[int]:
        """Return the candidates that a person requested and that were not measured since, in order."""
        if not self.steering.wanted:
            return []
        served = [(one.number, one.candidate) for one in self.measured if one.origin == "person"]
        forbidden = self.forbidden()
        left = []
        for wanted in self.steering.wanted:
            candidate = self.nearest(wanted)
            mine = next((one for one in served if one[1] == candidate and one[0] >= wanted.step), None)
            if mine is not None:
                served.remove(mine)
            elif not forbidden[candidate]:
                left.append(candidate)
        return left

    def taken(self) -> NDArray[np.bool_]:
        """Return which candidates have a measurement that is not rejected, shape (candidates,)."""
        taken = np.zeros(len(self.candidates), bool)
        taken[[one.candidate for one in self.measured if one.number not in self.steering.rejected]] = True
        return taken

    def forbidden(self) -> NDArray[np.bool_]:
        """Return which candidates are forbidden, shape (candidates,)."""
        return inside_any(self.steering.forbidden, self.candidates.positions)

    def allowed(self) -> NDArray[np.bool_]:
        """Return which candidates the policy may choose, shape (candidates,)."""
        return ~self.taken() & ~self.forbidden()

    def check(self, after: Steering) -> None:
        """Check a changed steering.

        Raises:
            NescioError: Goal, policy, costs or budget do not fit together, or no candidate would be left to measure.
        """
        after.goal.signs(len(after.scalarizer.outputs))
        after.ranking()
        if after.budget.idle:
            raise ExplorationError(after.budget.idle)
        if after.forbidden != self.steering.forbidden:
            free = ~self.taken()
            if free.any() and not (free & ~inside_any(after.forbidden, self.candidates.positions)).any():
                raise ExplorationError(
                    "this would leave no candidate to measure: all others are measured or forbidden"
                )

    # ---- the end

    @property
    def finished(self) -> str:
        """Why the experiment is finished; empty if it is not."""
        if self.steering.stopped:
            return self.steering.stopped
        if self.queue():
            return ""
        budget = self.steering.budget
        if self.step >= self.points:
            return f"{self.step} of {self.points} points are measured"
        if budget.seconds is not None and self.seconds >= budget.seconds:
            return f"{self.seconds:.0f} of {budget.seconds:g} seconds have passed"
        if budget.dose is not None and self.dose + budget.dose_per_point > budget.dose * (1.0 + _ROUNDING):
            return f"a dose of {self.dose:g} of {budget.dose:g} is spent; another point needs {budget.dose_per_point:g}"
        if not self.allowed().any():
            return "no candidate is left: all are measured or forbidden"
        return self.criterion_met

    @property
    def criterion_met(self) -> str:
        """Why the stopping criterion is met since a person last resumed; empty if it is not."""
        if self.settings.stop is None:
            return ""
        return self.settings.stop.reason(
            [one for one in self.history() if one.points > self.steering.resumed_at]
        )

    def history(self) -> list[Snapshot]:
        """Return snapshots of the latest decisions, oldest first, as many as the criteria need.

        The history starts after the last decision under another goal or scalarizer, even if that goal was undone.
        """
        criteria = (self.settings.stop, self.settings.freeze)
        most = max((one.needs for one in criteria if one is not None), default=0)
        goal = self.steering.goal.model_dump(mode="json")
        found: list[Snapshot] = []
        for _, one in reversed(self.decisions):
            if len(found) == most:
                break
            if one.maps is None:
                continue
            if one.scalarizer != self.scalarizer_row or one.goal != goal:
                break
            found.append(self.snapshot(one, self.maps(one.maps)))
        return found[::-1]

    def snapshot(self, decision: Decision, maps: Maps) -> Snapshot:
        """Return the snapshot of a decision under the current goal, at the precision of the record."""
        model = decision.model
        return Snapshot(
            maps.mean.astype(np.float64) * np.array(self.steering.signs),
            maps.sd.astype(np.float64),
            float(model["improvement"]),
            float(model["spread"]),
            decision.step,
            float(model["seconds"]),
            float(model["dose"]),
        )

    # ---- what to do

    def next(self, n: int) -> Next | None:
        """Return the next step, or None if a decision is needed first.

        Args:
            n: Maximum number of candidates.
        """
        if finished := self.finished:
            return Next(finished=finished)
        if self.flow.paused:
            return Next(waiting=self.flow.paused)
        if not (pending := self.pending()):
            return None
        mode = self.steering.mode.kind
        if self.origin != "person" and mode == "watch":
            return Next(waiting=f"watch mode; would measure candidate {pending[0]}")
        if self.needs_approval():
            return Next(waiting=f"candidate {pending[0]} needs approval")
        most = 1 if mode == "approve" else n
        if self.flow.until is not None:
            most = min(most, self.flow.until - self.step)
        return Next(tuple(pending[: max(most, 1)]), self.origin)

    @property
    def steps_complete(self) -> bool:
        """Whether the number of requested measurements is reached and a pause is due."""
        return not self.flow.paused and self.flow.until is not None and self.step >= self.flow.until

    def steering_of(self, decision: Decision) -> Steering:
        """Return the steering under which a decision was made."""
        return steered(self.settings, self.accepted[: int(decision.model["acts"])])

    @property
    def origin(self) -> Origin:
        """Who made the last decision."""
        return self.decisions[-1][1].origin

    def pending(self) -> list[int]:
        """Return chosen candidates that are not measured yet; none if a person has since changed the steering."""
        if not self.decisions:
            return []
        last = self.decisions[-1][1]
        if int(last.model["acts"]) != len(self.accepted) and self.steering_of(last) != self.steering:
            return []
        done = {one.candidate for one in self.measured[last.step :]}
        return [candidate for candidate in last.chosen if candidate not in done]

    def origin_of(self, candidate: int) -> Origin:
        """Return who last decided to measure a candidate; "person" if no decision chose it."""
        for _, one in reversed(self.decisions):
            if candidate in one.chosen:
                later = self.measured[one.step :]
                return "person" if any(two.candidate == candidate for two in later) else one.origin
        return "person"

    def needs_approval(self) -> bool:
        """Return whether the pending choice needs a person's approval."""
        mode = self.steering.mode
        if mode.kind != "approve" or not self.pending() or self.origin != "policy":
            return False
        made = sum(one.origin == "policy" for one in self.measured)
        if (made + 1) % mode.every:
            return False
        before = self.steering_of(self.decisions[-1][1]).approvals
        return self.step not in self.steering.approvals[len(before) :]
