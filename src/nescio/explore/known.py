"""What is known between two measurements: all of it follows from the record, and from nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nescio.errors import ExplorationError
from nescio.explore.acts import Approve, Measure, Resume, Step, Stop
from nescio.explore.candidates import Candidates
from nescio.explore.regions import inside_any
from nescio.explore.scalarizers import Scalar, Scalarizer
from nescio.explore.settings import ExploreSettings
from nescio.explore.steering import Accepted, Steering
from nescio.explore.stopping import Snapshot
from nescio.trace import Decision, Event

__all__ = ["Flow", "Known", "Measured", "Origin"]

Floats = NDArray[np.float64]
Origin = Literal["seed", "policy", "person"]

_ROUNDING = 1e-9
_SHARE_BY_DEFAULT = 0.05
_SEEDS_BY_DEFAULT = 2


@dataclass(frozen=True, eq=False)
class Measured:
    """One measurement, as the experiment keeps it at hand; its spectrum is in the record."""

    row: int
    number: int
    candidate: int
    origin: Origin
    spectrum: int | None
    problem: str
    seconds: float
    scalars: tuple[Scalar, ...]


@dataclass(frozen=True)
class Flow:
    """Whether the experiment goes on, as its events say."""

    paused: str = ""
    """Why it is paused; empty while it is not."""
    until: int | None = None
    """At how many measurements it pauses again."""
    tried_from: int = 0
    """Since which measurement failures in a row are counted."""
    warned: frozenset[str] = frozenset()
    """About what a warning was given."""

    def after(self, event: Event) -> Flow:
        """Return what holds after one more event."""
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


@dataclass(eq=False)
class Known:
    """An experiment between two measurements."""

    settings: ExploreSettings
    candidates: Candidates
    scalarizer_row: int
    steering: Steering
    """All that a person may change, as it is now."""
    flow: Flow = field(default_factory=Flow)
    measured: list[Measured] = field(default_factory=list)
    accepted: list[Accepted] = field(default_factory=list)
    decisions: list[tuple[int, Decision]] = field(default_factory=list)
    """With their rows."""
    decided_under: Steering | None = None
    """What held at the last decision."""
    snapshots: dict[int, Snapshot] = field(default_factory=dict)
    """By the row of the decision; kept where a criterion wants to see them."""
    last_act: int = 0
    """Row of the last act that something has become of."""

    # ---- what was asked for

    @property
    def scalarizer(self) -> Scalarizer:
        """What turns spectra into the numbers cared about."""
        return self.steering.scalarizer

    @property
    def signs(self) -> tuple[float, ...]:
        """1 for each number that is maximised, -1 for each that is minimised."""
        return self.steering.goal.signs(len(self.scalarizer.outputs))

    @property
    def changes(self) -> int:
        """How many acts were accepted that change what is chosen."""
        return sum(one.act.steers for one in self.accepted)

    @property
    def points(self) -> int:
        """How many measurements may be made."""
        if (given := self.steering.budget.points) is not None:
            return given
        share = max(
            round(_SHARE_BY_DEFAULT * len(self.candidates)), _SEEDS_BY_DEFAULT * self.settings.seeds.points
        )
        return min(share, len(self.candidates))

    @property
    def stopped(self) -> str:
        """Who ended the experiment; empty where nobody did, or somebody resumed it since."""
        for one in reversed(self.accepted):
            if isinstance(one.act, Stop):
                return f"stopped by {one.who}"
            if isinstance(one.act, Resume | Step):
                break
        return ""

    # ---- what was measured

    @property
    def step(self) -> int:
        """How many measurements there are."""
        return len(self.measured)

    @property
    def seconds(self) -> float:
        """How long the instrument was at work."""
        return sum(one.seconds for one in self.measured)

    @property
    def dose(self) -> float:
        """What was spent."""
        return self.steering.budget.dose_per_point * self.step

    def position(self, candidate: int) -> Floats:
        """Return where a candidate is, shape (coordinates,)."""
        if not 0 <= candidate < len(self.candidates):
            raise ExplorationError(f"candidate {candidate}: there are 0 to {len(self.candidates) - 1}")
        position: Floats = self.candidates.positions[candidate]
        return position

    def values(self) -> tuple[NDArray[np.intp], Floats]:
        """Return the candidates (m,) and scalars (m, outputs) of measurements that are not rejected, NaN if missing."""
        used = [one for one in self.measured if one.number not in self.steering.rejected]
        candidates = np.array([one.candidate for one in used], np.intp)
        table = np.array([[s.value for s in one.scalars] for one in used], np.float64)
        return candidates, table.reshape(len(used), len(self.scalarizer.outputs))

    def failures(self) -> int:
        """Return how many of the latest measurements gave no value, since it was last paused."""
        count = 0
        for one in reversed(self.measured[self.flow.tried_from :]):
            if not np.isnan([scalar.value for scalar in one.scalars]).all():
                break
            count += 1
        return count

    # ---- what may be measured

    def nearest(self, act: Measure) -> int:
        """Return the candidate that a person points at."""
        if act.candidate is not None:
            return act.candidate
        distance = np.linalg.norm(self.candidates.positions - np.array(act.position), axis=1)
        return int(distance.argmin())

    def queue(self) -> list[int]:
        """Return the candidates that a person pointed at and that were not measured since, in order."""
        if not self.steering.pointed:
            return []
        served = [(one.number, one.candidate) for one in self.measured if one.origin == "person"]
        forbidden = self.forbidden()
        left = []
        for act, since in self.steering.pointed:
            candidate = self.nearest(act)
            mine = next((one for one in served if one[1] == candidate and one[0] >= since), None)
            if mine is not None:
                served.remove(mine)
            elif not forbidden[candidate]:
                left.append(candidate)
        return left

    def taken(self) -> NDArray[np.bool_]:
        """Return where something was measured and not rejected, shape (candidates,)."""
        taken = np.zeros(len(self.candidates), bool)
        taken[[one.candidate for one in self.measured if one.number not in self.steering.rejected]] = True
        return taken

    def forbidden(self) -> NDArray[np.bool_]:
        """Return where a person wants nothing to be measured, shape (candidates,)."""
        return inside_any(self.steering.forbidden, self.candidates.positions)

    def allowed(self) -> NDArray[np.bool_]:
        """Return what the policy may choose, shape (candidates,)."""
        return ~self.taken() & ~self.forbidden()

    @property
    def finished(self) -> str:
        """Why nothing more is to be measured; empty while something is."""
        if stopped := self.stopped:
            return stopped
        if self.queue():
            return ""
        budget = self.steering.budget
        if self.step >= self.points:
            return f"{self.step} of {self.points} points are measured"
        if budget.seconds is not None and self.seconds >= budget.seconds:
            return f"{self.seconds:.0f} of {budget.seconds:g} seconds have passed"
        if budget.dose is not None and self.dose + budget.dose_per_point > budget.dose * (1.0 + _ROUNDING):
            return f"a dose of {self.dose:g} of {budget.dose:g} is spent, and one more takes {budget.dose_per_point:g}"
        if not self.allowed().any():
            return "nothing is left to measure: every candidate is measured or forbidden"
        return self.seen_enough

    @property
    def seen_enough(self) -> str:
        """Why the criterion for stopping is met; whoever resumes after that wants to see more than there was then."""
        if self.settings.stop is None:
            return ""
        since = max((one.step for one in self.accepted if isinstance(one.act, Resume | Step)), default=-1)
        return self.settings.stop.reason([one for one in self.history() if one.points > since])

    @property
    def spent(self) -> float:
        """Share of the budget that is spent, 0 to 1; of whichever part of it will be spent first."""
        budget = self.steering.budget
        shares = [self.step / self.points]
        if budget.seconds is not None:
            shares.append(self.seconds / budget.seconds)
        if budget.dose is not None:
            shares.append(self.dose / budget.dose)
        return min(max(shares), 1.0)

    def history(self) -> list[Snapshot]:
        """Return one snapshot for each decision since the goal or the scalarizer was changed, as far as they are kept.

        What was decided under another goal ends it, even where that goal was taken back.
        """
        goal = self.steering.goal.model_dump(mode="json")
        found = []
        for row, one in reversed(self.decisions):
            if one.maps is None:
                continue
            if one.scalarizer != self.scalarizer_row or one.goal != goal:
                break
            if row in self.snapshots:
                found.append(self.snapshots[row])
        return found[::-1]

    # ---- what was decided

    @property
    def origin(self) -> Origin:
        """Who decided last."""
        return self.decisions[-1][1].origin

    def pending(self) -> list[int]:
        """Return what was decided and not measured since; nothing where a person has changed what is chosen by."""
        if self.decided_under is None or not self.decided_under.chooses_like(self.steering):
            return []
        last = self.decisions[-1][1]
        done = {one.candidate for one in self.measured[last.step :]}
        return [candidate for candidate in last.chosen if candidate not in done]

    def origin_of(self, candidate: int) -> Origin:
        """Return who had a candidate measured: whoever decided so last, else a person."""
        for _, one in reversed(self.decisions):
            if candidate in one.chosen:
                later = self.measured[one.step :]
                return "person" if any(two.candidate == candidate for two in later) else one.origin
        return "person"

    def needs_approval(self) -> bool:
        """Whether what is pending waits for a person."""
        mode = self.steering.mode
        if mode.kind != "approve" or not self.pending() or self.origin != "policy":
            return False
        made = sum(one.origin == "policy" for one in self.measured)
        if (made + 1) % mode.every:
            return False
        since = int(self.decisions[-1][1].model["acts"])
        later: Sequence[Accepted] = self.accepted[since:]
        return not any(isinstance(one.act, Approve) and one.step == self.step for one in later)
