"""An experiment between two measurements: it says what to measure next, keeps results, and obeys a person's acts.

What happens depends on the record alone, so that an experiment that was killed continues with the same choice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from nescio.configuration import validated
from nescio.errors import NescioError, TraceError
from nescio.explore.candidates import Candidates
from nescio.explore.experiment.acts import PersonAct, accepted_act, build_act
from nescio.explore.experiment.dataset import explored
from nescio.explore.experiment.decision import Modelling, keep_proposal, propose
from nescio.explore.experiment.load import begin_trace, read_candidates, read_state
from nescio.explore.experiment.state import Measured, Next, State
from nescio.explore.experiment.status import run_status
from nescio.explore.experiment.steering import steered
from nescio.explore.experiment.store import keep_act, keep_events, keep_measurement, rescalarized
from nescio.explore.instruments import Instrument
from nescio.explore.policies import Choice, View
from nescio.explore.scalarizers import Output, Scalarizer
from nescio.explore.settings import ExploreSettings
from nescio.explore.surrogates import Fit
from nescio.trace import Act, ActOutcome, Event, Trace
from nescio.view import RunStatus

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Experiment"]

EventKind = Literal["fault", "pause", "resume", "interrupt", "finish", "warning", "stop"]

_LONGEST_MESSAGE = 1000


class Experiment:
    """A goal, the measurements so far, and what to measure next."""

    def __init__(self, trace: Trace, settings: ExploreSettings, candidates: Candidates) -> None:
        """Continue what a record holds; made by :meth:`create` and :meth:`open`."""
        self.trace = trace
        self.settings = settings
        self.candidates = candidates
        self.fit: Fit | None = None
        """The latest model."""
        self.view: View | None = None
        """What the policy saw at its latest choice."""
        self.choice: Choice | None = None
        """The latest choice of the policy."""
        self.instrument: Instrument | None = None
        """What measures, once :meth:`connect` was called."""
        self._modelling = Modelling(trace)
        self._outputs: tuple[Scalarizer, tuple[Output, ...]] | None = None
        self._state: State | None = read_state(trace, settings, candidates)

    # ---- beginning and end

    @classmethod
    def create(
        cls,
        path: str | Path,
        settings: ExploreSettings,
        survey: xr.Dataset,
        instrument: Instrument | None = None,
    ) -> Self:
        """Begin an experiment.

        Args:
            path: Path of the record, or of its folder.
            settings: The configuration.
            survey: The instrument's survey.
            instrument: What measures, if it is to be kept with the experiment.

        Raises:
            NescioError: The survey does not give candidates as configured, or there is a record already.
        """
        return cls._of(begin_trace(path, settings, survey), connect=lambda _: instrument)

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        read_only: bool = False,
        connect: Callable[[ExploreSettings], Instrument] | None = None,
    ) -> Self:
        """Continue an experiment, or look at it.

        Args:
            path: Path of the record, or of the folder that holds it.
            read_only: Only look; works while another process runs the experiment.
            connect: Gives the instrument that measures; the experiment is then resumed where it is paused.

        Raises:
            TraceError: It is no record of an experiment, or another process runs it.
        """
        opened = cls._of(Trace.open(path, read_only=read_only), read_only=read_only, connect=connect)
        if connect is not None and (opened.state.flow.paused or not opened.state.finished):
            try:
                opened.resume(f"after {opened.state.step} measurements")
            except BaseException:
                opened.close()
                raise
        return opened

    @classmethod
    def _of(
        cls,
        trace: Trace,
        *,
        read_only: bool = False,
        connect: Callable[[ExploreSettings], Instrument | None] | None = None,
    ) -> Self:
        try:
            if not read_only:
                trace.claim_run()
            settings = validated(ExploreSettings, trace.experiment.configuration, str(trace.path))
            made = cls(trace, settings, read_candidates(trace))
            if connect is not None and (instrument := connect(settings)) is not None:
                made.connect(instrument)
        except BaseException:
            trace.close()
            raise
        return made

    def connect(self, instrument: Instrument) -> None:
        """Take the instrument that measures; a simulated one is given the positions that were measured so far.

        From these its noise and its drift continue, where it has a method ``remember``.
        """
        self.instrument = instrument
        remember = getattr(instrument, "remember", None)
        if remember is not None:
            measured = [one.candidate for one in self.state.measured if one.spectrum is not None]
            remember([self.candidates.position(candidate) for candidate in measured])

    def close(self) -> None:
        """Close the record."""
        self.trace.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the record."""
        self.close()

    # ---- what holds

    @property
    def state(self) -> State:
        """All that holds now, as the record has it."""
        if self._state is None:
            self._state = read_state(self.trace, self.settings, self.candidates)
        return self._state

    @contextmanager
    def _changing(self) -> Iterator[State]:
        """Change the record and the state together; where that is cut short, the state is read again."""
        state = self.state
        self._state = None
        yield state
        self._state = state

    def outputs(self) -> tuple[Output, ...]:
        """Return the outputs of the scalarizer, with the units that a spectrum states once there is one."""
        scalarizer = self.state.steering.scalarizer
        if self._outputs is None or self._outputs[0] is not scalarizer:
            first = next((one.spectrum for one in self.state.measured if one.spectrum is not None), None)
            if first is None:
                return tuple(scalarizer.outputs)
            try:
                outputs = tuple(scalarizer.outputs_for(self.trace.get_dataarray(first)))
            except NescioError:
                outputs = tuple(scalarizer.outputs)
            self._outputs = (scalarizer, outputs)
        return self._outputs[1]

    def best(self, n: int) -> list[tuple[int, float]]:
        """Return the best measured candidates with their first scalar, best first."""
        candidates, values = self.state.values()
        kept = np.flatnonzero(np.isfinite(values[:, 0]))
        order = kept[np.argsort(-self.state.steering.signs[0] * values[kept, 0], kind="stable")][:n]
        return [(int(candidates[i]), float(values[i, 0])) for i in order]

    def last_fit(self) -> Fit | None:
        """Return the model of the last decision, from the record where it is not in memory; none if there is none."""
        return self.fit if self.fit is not None else self._modelling.last_fit(self.state)

    def status(self) -> RunStatus:
        """Return how the experiment stands, for terminals, notebooks and the dashboard."""
        return run_status(self.trace, self.state, self.outputs()[0], self.best(1), self.fit)

    def _repr_html_(self) -> str:
        return self.status().to_html()

    def to_dataset(self) -> xr.Dataset:
        """Return all of the experiment as figures and reports take it (`nescio.signals`: explored)."""
        return explored(self.trace, self.state, self.outputs(), self.last_fit())

    # ---- what to do next

    def ask(self, n: int = 1) -> Next:
        """Apply the acts that have arrived, and return what to measure now; decide where nothing is decided yet.

        Candidates that were asked for and not measured yet are returned again. Where the surrogate cannot be fitted or
        the policy cannot choose, the experiment pauses, and nothing is lost.

        Args:
            n: Most candidates to return; with 0 nothing is decided, and only a wait or the end is reported.

        Raises:
            TraceError: The record cannot be written.
        """
        messages = self.apply_acts()
        if self.state.steps_complete:
            self.pause("the requested steps are complete", until=None)
        following = self.state.next(n)
        if following is None and n > 0:
            messages += self._decide(max(n, self.settings.batch))
            # The new model may meet the criterion for stopping.
            following = self.state.next(n)
        if following is None:
            following = Next()
        if following.finished:
            self._finish(following.finished)
        return replace(following, messages=tuple(messages))

    def _decide(self, n: int) -> list[str]:
        """Decide what to measure, or pause; return messages for a person."""
        try:
            proposal = propose(self.state, self._modelling, n)
        except BaseException as error:
            # The model in memory may be trained further than the one in the record.
            self._modelling.forget()
            if isinstance(error, TraceError) or not isinstance(error, Exception):
                raise
            message = _one_line(error)
            self.pause(f"no choice could be made: {message}")
            return [message]
        try:
            with self._changing() as state:
                keep_proposal(self.trace, state, proposal)
        except BaseException:
            self._modelling.forget()
            raise
        self.fit, self.view, self.choice = proposal.fit, proposal.view, proposal.choice
        return list(proposal.warnings.values())

    def _finish(self, why: str) -> None:
        events = self.state.events
        if not events or (events[-1][1].kind, events[-1][1].message) != ("finish", why):
            self.event("finish", why)

    # ---- results

    def tell(
        self,
        candidate: int,
        spectrum: xr.DataArray | None,
        problem: str = "",
        *,
        attempts: int = 1,
        started: str | None = None,
        faults: Sequence[str] = (),
        pause: str = "",
    ) -> Measured | None:
        """Keep the result of a measurement; it is safely in the record when this returns.

        Args:
            candidate: Where it was measured.
            spectrum: The spectrum, or none.
            problem: Why there is none.
            attempts: Number of tries.
            started: When it began, as :func:`nescio.trace.now` gives it.
            faults: What went wrong on the way.
            pause: Why the experiment must pause now. If there is no spectrum either, the candidate is not to blame: no
                measurement is added, and it is tried again once a person has resumed.

        Returns:
            The measurement; none where none was added.

        Raises:
            ExplorationError: There is no such candidate.
            TraceError: The record cannot be written.
        """
        with self._changing() as state:
            return keep_measurement(
                self.trace,
                state,
                candidate,
                state.origin_of(candidate),
                spectrum,
                problem,
                attempts=attempts,
                started=started,
                faults=faults,
                pause=pause,
            )

    # ---- events

    def event(self, kind: EventKind, message: str, **details: Any) -> None:
        """Write an event into the record."""
        with self._changing() as state:
            keep_events(self.trace, state, [Event(kind=kind, message=message, details=details)])

    def pause(self, why: str, **details: Any) -> None:
        """Pause until a person resumes."""
        if why != self.state.flow.paused:
            self.event("pause", why, step=self.state.step, **details)

    def resume(self, why: str) -> None:
        """End a pause; the count of requested steps goes on."""
        until = self.state.flow.until
        self.event("resume", why, **({} if until is None else {"until": until}))

    # ---- acts of a person

    def act(self, act: PersonAct, *, who: str) -> int:
        """Write an act into the record; it is applied before the next measurement. Returns its number."""
        row = self.trace.add_act(act.kind, act.parameters(), who=who)
        return self.trace.get(Act, row).number

    def apply_acts(self) -> list[str]:
        """Apply the acts that have arrived, and return in words which were accepted or refused."""
        messages = []
        for row, record in self.trace.since(Act, self.state.last_act):
            try:
                act = build_act(record.kind, record.parameters)
                self._apply(act, row, record)
                messages.append(f"{record.who}: {act.describe()}")
            except TraceError:
                raise
            except Exception as error:
                message = _one_line(error)
                with self._changing() as state:
                    self.trace.add(ActOutcome(act=row, step=state.step, accepted=False, message=message))
                    state.last_act = row
                messages.append(f"{record.who}: {record.kind} refused: {message}")
        return messages

    def _apply(self, act: PersonAct, row: int, record: Act) -> None:
        state = self.state
        accepted = accepted_act(act, record.number, state.step, record.who, state.accepted)
        after = steered(self.settings, [*state.accepted, accepted])
        act.check(state, after)
        state.check(after)
        scalars = None
        if after.scalarizer != state.steering.scalarizer:
            # Computed before the transaction begins, since other writers wait for that.
            scalars = rescalarized(self.trace, state, after.scalarizer)
        with self._changing() as state:
            keep_act(self.trace, state, row, accepted, after, scalars, act.event(state.step, record.who))
        if scalars is not None:
            # They describe other numbers.
            self.fit = self.view = self.choice = None


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())[:_LONGEST_MESSAGE]
    return text if isinstance(error, NescioError) else f"{type(error).__name__}: {text}"
