"""An experiment between two measurements: asked what to measure next, told what was found, steered by a person.

What happens depends on the record alone, so that one that was killed goes on with the choice it would have made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from nescio.configuration import validated
from nescio.errors import ExplorationError, NescioError, TraceError
from nescio.explore.acting import keep_act, prepare_act
from nescio.explore.acts import PersonAct, build_act
from nescio.explore.candidates import Candidates
from nescio.explore.choosing import Choice
from nescio.explore.deciding import Modelling, keep_proposal, propose
from nescio.explore.keeping import keep_events, keep_measurement
from nescio.explore.known import Known, Measured, Origin
from nescio.explore.policies import View
from nescio.explore.record import begin_trace, read_candidates, read_known
from nescio.explore.scalarizers import Output, Scalarizer, outputs_for
from nescio.explore.settings import ExploreSettings
from nescio.explore.steering import Accepted, Steering
from nescio.explore.stopping import Snapshot
from nescio.explore.surrogates import Fit
from nescio.trace import Act, ActOutcome, Event, Trace

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Experiment", "Measured", "Next"]

Floats = NDArray[np.float64]
EventKind = Literal["fault", "pause", "resume", "interrupt", "finish", "warning", "stop"]

_LONGEST_MESSAGE = 1000


@dataclass(frozen=True)
class Next:
    """What to do now."""

    candidate: int | None = None
    """To be measured; none while the experiment waits or is over."""
    origin: Origin = "policy"
    waiting: str = ""
    """Why nothing is to be measured at present."""
    finished: str = ""
    """Why nothing is to be measured any more."""


class Experiment:
    """A person's question to an instrument, the answers so far, and what to ask next."""

    def __init__(self, trace: Trace, settings: ExploreSettings, candidates: Candidates) -> None:
        """Go on with what a trace holds; made by :meth:`create` and :meth:`open`."""
        self.trace = trace
        self.settings = settings
        self.candidates = candidates
        self.fit: Fit | None = None
        """The latest model."""
        self.view: View | None = None
        """What the policy last looked at."""
        self.choice: Choice | None = None
        """The latest choice of the policy."""
        self.warnings: list[str] = []
        """What the latest choices were made in spite of; whoever tells a person takes them away."""
        self._modelling = Modelling(trace)
        self._outputs: tuple[Scalarizer, tuple[Output, ...]] | None = None
        self._known: Known | None = read_known(trace, settings, candidates)

    # ---- beginning

    @classmethod
    def create(cls, path: str | Path, settings: ExploreSettings, survey: xr.Dataset) -> Self:
        """Begin an experiment.

        Args:
            path: Of the trace, or of the folder for it.
            settings: How it goes.
            survey: What the instrument gave for an overview.

        Raises:
            NescioError: The survey does not give candidates as configured, or there is a trace already.
        """
        return cls._of(begin_trace(path, settings, survey), read_only=False)

    @classmethod
    def open(cls, path: str | Path, *, read_only: bool = False) -> Self:
        """Go on with an experiment, or look at it.

        Args:
            path: Of the trace, or of the folder that holds it.
            read_only: Only look; works while another process runs it.

        Raises:
            TraceError: It is no trace, or another process runs it.
        """
        return cls._of(Trace.open(path, read_only=read_only), read_only=read_only)

    @classmethod
    def _of(cls, trace: Trace, *, read_only: bool) -> Self:
        try:
            if not read_only:
                trace.claim_run()
            settings = validated(ExploreSettings, trace.experiment.configuration, str(trace.path))
            return cls(trace, settings, read_candidates(trace))
        except BaseException:
            trace.close()
            raise

    def close(self) -> None:
        """Close the record."""
        self.trace.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the record."""
        self.close()

    # ---- what is known

    @property
    def known(self) -> Known:
        """All that is known, as the record has it."""
        if self._known is None:
            self._known = read_known(self.trace, self.settings, self.candidates)
        return self._known

    @contextmanager
    def _changing(self) -> Iterator[Known]:
        """Change the record and what is at hand of it; where that is cut short, the record counts."""
        known = self.known
        self._known = None
        yield known
        self._known = known

    @property
    def paused(self) -> str:
        """Why it is paused; empty while it is not."""
        return self.known.flow.paused

    @property
    def scalarizer(self) -> Scalarizer:
        """What turns spectra into the numbers cared about."""
        return self.known.scalarizer

    @property
    def steering(self) -> Steering:
        """All that a person may change, as it is now."""
        return self.known.steering

    @property
    def signs(self) -> tuple[float, ...]:
        """1 for each number that is maximised, -1 for each that is minimised."""
        return self.known.signs

    @property
    def measured(self) -> Sequence[Measured]:
        """All measurements, in order."""
        return self.known.measured

    @property
    def accepted(self) -> Sequence[Accepted]:
        """All acts that took effect, in order."""
        return self.known.accepted

    @property
    def history(self) -> list[Snapshot]:
        """What criteria of stopping and freezing see, if there are any."""
        return self.known.history()

    @property
    def step(self) -> int:
        """How many measurements there are."""
        return self.known.step

    @property
    def points(self) -> int:
        """How many measurements may be made."""
        return self.known.points

    @property
    def seconds(self) -> float:
        """How long the instrument was at work."""
        return self.known.seconds

    @property
    def dose(self) -> float:
        """What was spent."""
        return self.known.dose

    @property
    def finished(self) -> str:
        """Why nothing more is to be measured; empty while something is."""
        return self.known.finished

    def outputs(self) -> tuple[Output, ...]:
        """Return what the scalars are, with the units that a spectrum states once one was measured."""
        if self._outputs is None or self._outputs[0] is not self.scalarizer:
            first = next((one.spectrum for one in self.measured if one.spectrum is not None), None)
            if first is None:
                return tuple(self.scalarizer.outputs)
            try:
                told = tuple(outputs_for(self.scalarizer, self.trace.get_dataarray(first)))
            except NescioError:
                told = tuple(self.scalarizer.outputs)
            self._outputs = (self.scalarizer, told)
        return self._outputs[1]

    def position(self, candidate: int) -> Floats:
        """Return where a candidate is, shape (coordinates,)."""
        return self.known.position(candidate)

    def values(self) -> tuple[NDArray[np.intp], Floats]:
        """Return the candidates (m,) and scalars (m, outputs) of measurements that are not rejected, NaN if missing."""
        return self.known.values()

    def best(self, n: int) -> list[tuple[int, float]]:
        """Return the best measured candidates with the first of their scalars, best first."""
        candidates, values = self.values()
        kept = np.flatnonzero(np.isfinite(values[:, 0]))
        order = kept[np.argsort(-self.signs[0] * values[kept, 0], kind="stable")][:n]
        return [(int(candidates[i]), float(values[i, 0])) for i in order]

    def last_fit(self) -> Fit | None:
        """Return the model of the last decision, from the record where it is not at hand; none if there is none."""
        return self.fit if self.fit is not None else self._modelling.last_fit(self.known)

    # ---- what to do next

    def next(self) -> Next:
        """Return what to measure now; decides if nothing is decided yet.

        Raises:
            TraceError: The record cannot be written.
            NescioError: The policy or the surrogate cannot say; the experiment is paused, and nothing is lost.
        """
        return self._next(self.settings.batch)

    def ask(self, n: int = 1) -> list[int]:
        """Return the candidates to measure next, at most `n`, none twice; none while the experiment waits.

        What was asked for and not told yet is returned again.
        """
        self.apply_acts()
        if self._next(max(n, self.settings.batch)).candidate is None:
            return []
        known = self.known
        most = 1 if known.steering.mode.kind == "approve" else n
        if known.flow.until is not None:
            most = min(most, known.flow.until - known.step)
        return known.pending()[: max(most, 1)]

    def _next(self, n: int) -> Next:
        known = self.known
        if finished := known.finished:
            return Next(finished=finished)
        if known.flow.paused:
            return Next(waiting=known.flow.paused)
        if known.flow.until is not None and known.step >= known.flow.until:
            self.pause("the steps asked for are made", until=None)
            return Next(waiting=self.paused)
        if not known.pending():
            self._decide(n)
            # What was just learned may be what a criterion waited for.
            if finished := self.finished:
                return Next(finished=finished)
        candidate, origin = known.pending()[0], known.origin
        if origin != "person" and known.steering.mode.kind == "watch":
            return Next(waiting=f"only watching; would measure candidate {candidate}")
        if known.needs_approval():
            return Next(waiting=f"candidate {candidate} needs approval")
        return Next(candidate, origin)

    def _decide(self, n: int) -> None:
        try:
            proposal = propose(self.known, self._modelling, n)
        except BaseException as error:
            # Trained further, perhaps, than the record knows.
            self._modelling.forget()
            if isinstance(error, TraceError) or not isinstance(error, Exception):
                raise
            message = _told(error)
            self.pause(f"no choice could be made: {message}")
            raise ExplorationError(message) from error
        try:
            with self._changing() as known:
                keep_proposal(self.trace, known, proposal)
        except BaseException:
            self._modelling.forget()
            raise
        self.fit, self.view, self.choice = proposal.fit, proposal.view, proposal.choice
        self.warnings += proposal.warnings.values()

    # ---- what was found

    def tell(
        self,
        candidate: int,
        spectrum: xr.DataArray | None,
        problem: str = "",
        *,
        attempts: int = 1,
        started: str | None = None,
        faults: Sequence[str] = (),
    ) -> Measured:
        """Keep what came of a candidate: in the record, and safe from anything, when this returns.

        Args:
            candidate: Which.
            spectrum: What was measured, or none.
            problem: Why there is none.
            attempts: How often it was tried.
            started: When, as :func:`nescio.trace.now` gives it.
            faults: What went wrong on the way.

        Raises:
            ExplorationError: There is no such candidate.
            TraceError: The record cannot be written.
        """
        with self._changing() as known:
            return keep_measurement(
                self.trace,
                known,
                candidate,
                spectrum,
                problem,
                attempts=attempts,
                started=started,
                faults=faults,
            )

    # ---- what happens to it

    def event(self, kind: EventKind, message: str, **details: Any) -> None:
        """Write down something that happened."""
        with self._changing() as known:
            keep_events(self.trace, known, [Event(kind=kind, message=message, details=details)])

    def pause(self, why: str, **details: Any) -> None:
        """Measure nothing more until a person resumes."""
        if why != self.paused:
            self.event("pause", why, step=self.step, **details)

    def resume(self, why: str) -> None:
        """Go on where it is paused; steps that a person asked for stay counted."""
        until = self.known.flow.until
        self.event("resume", why, **({} if until is None else {"until": until}))

    # ---- acts of a person

    def act(self, act: PersonAct, *, who: str) -> int:
        """Write down what a person wants; it takes effect before the next measurement. Returns its number."""
        row = self.trace.add_act(act.kind, act.parameters(), who=who)
        return self.trace.get(Act, row).number

    def apply_acts(self) -> list[str]:
        """Let acts that arrived take effect, and return what became of each in words."""
        told = []
        for row, record in self.trace.since(Act, self.known.last_act):
            try:
                act = build_act(record.kind, record.parameters)
                prepared = prepare_act(
                    self.trace, self.known, Accepted(record.number, act, self.step, record.who)
                )
                with self._changing() as known:
                    keep_act(self.trace, known, row, prepared)
                if prepared.scalars is not None:
                    # Of other numbers.
                    self.fit = self.view = self.choice = None
                told.append(f"{record.who}: {act.told()}")
            except TraceError:
                raise
            except Exception as error:
                message = _told(error)
                with self._changing() as known:
                    self.trace.add(ActOutcome(act=row, step=known.step, accepted=False, message=message))
                    known.last_act = row
                told.append(f"{record.who}: {record.kind} refused: {message}")
        return told


def _told(error: Exception) -> str:
    text = " ".join(str(error).split())[:_LONGEST_MESSAGE]
    return text if isinstance(error, NescioError) else f"{type(error).__name__}: {text}"
