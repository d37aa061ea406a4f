"""The experiment: chooses the next measurement, stores results and applies a person's acts.

Every choice depends only on the record. An experiment that was killed therefore continues with the same choice.
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
    """An experiment: its goal, its measurements, and the choice of the next one."""

    def __init__(self, trace: Trace, settings: ExploreSettings, candidates: Candidates) -> None:
        """Continue from a record; call :meth:`create` or :meth:`open` instead."""
        self.trace = trace
        self.settings = settings
        self.candidates = candidates
        self.fit: Fit | None = None
        """The latest model."""
        self.view: View | None = None
        """The policy's input at its latest choice."""
        self.choice: Choice | None = None
        """The policy's latest choice."""
        self.instrument: Instrument | None = None
        """The instrument; None until :meth:`connect` is called."""
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
        """Start a new experiment.

        Args:
            path: The record's path, or the path of its folder.
            settings: The configuration.
            survey: The instrument's survey.
            instrument: The instrument, to connect it to the experiment at once.

        Raises:
            NescioError: The survey does not fit the configured candidates, or a record exists already.
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
        """Open an experiment to continue or inspect it.

        Args:
            path: The record's path, or the path of its folder.
            read_only: Open for reading only. This works while another process runs the experiment.
            connect: Returns the instrument for the settings. The experiment is then resumed if it is paused.

        Raises:
            TraceError: The file is not the record of an experiment, or another process runs the experiment.
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
        """Connect an instrument.

        A simulated instrument with a method ``remember`` receives the positions measured so far, so that its noise and
        drift continue from there.
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
        """Return the experiment."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the record."""
        self.close()

    # ---- what holds

    @property
    def state(self) -> State:
        """The current state; it is read from the record if necessary."""
        if self._state is None:
            self._state = read_state(self.trace, self.settings, self.candidates)
        return self._state

    @contextmanager
    def _changing(self) -> Iterator[State]:
        """Change the record and the state together; after an interruption the state is read again."""
        state = self.state
        self._state = None
        yield state
        self._state = state

    def outputs(self) -> tuple[Output, ...]:
        """Return the scalarizer's outputs, with the units of the first measured spectrum if it states them."""
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
        """Return up to `n` measured candidates with their first scalar, best first."""
        candidates, values = self.state.values()
        kept = np.flatnonzero(np.isfinite(values[:, 0]))
        order = kept[np.argsort(-self.state.steering.signs[0] * values[kept, 0], kind="stable")][:n]
        return [(int(candidates[i]), float(values[i, 0])) for i in order]

    def last_fit(self) -> Fit | None:
        """Return the model of the last decision, from memory or from the record; None if there is no model."""
        return self.fit if self.fit is not None else self._modelling.last_fit(self.state)

    def status(self) -> RunStatus:
        """Return the experiment's status, for terminals, notebooks and the dashboard."""
        return run_status(self.trace, self.state, self.outputs()[0], self.best(1), self.fit)

    def _repr_html_(self) -> str:
        return self.status().to_html()

    def to_dataset(self) -> xr.Dataset:
        """Return the whole experiment as a dataset for figures and reports (`nescio.signals`: explored)."""
        return explored(self.trace, self.state, self.outputs(), self.last_fit())

    # ---- what to do next

    def ask(self, n: int = 1) -> Next:
        """Apply waiting acts and return what to measure next; make a new decision if one is needed.

        Candidates that were returned before and are not measured yet are returned again. If the surrogate cannot be
        fitted or the policy cannot choose, the experiment pauses. No data are lost.

        Args:
            n: Maximum number of candidates. With 0 no decision is made; only a wait or the end is reported.

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
        """Decide what to measure, or pause; return messages for the user."""
        try:
            proposal = propose(self.state, self._modelling, n)
        except BaseException as error:
            # The model in memory may have had more training than the one in the record.
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
        """Store the result of a measurement; it is on disk when this method returns.

        Args:
            candidate: The measured candidate.
            spectrum: The spectrum, or None if the measurement failed.
            problem: Why there is no spectrum.
            attempts: Number of attempts.
            started: Start time, in the format of :func:`nescio.trace.now`.
            faults: Faults during the attempts.
            pause: Why the experiment must pause now. Without a spectrum, no measurement is added, and the candidate
                is measured again after a person resumes.

        Returns:
            The measurement, or None if no measurement was added.

        Raises:
            ExplorationError: The candidate does not exist.
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
        """Pause until a person resumes the experiment."""
        if why != self.state.flow.paused:
            self.event("pause", why, step=self.state.step, **details)

    def resume(self, why: str) -> None:
        """End a pause; the count of requested steps continues."""
        until = self.state.flow.until
        self.event("resume", why, **({} if until is None else {"until": until}))

    # ---- acts of a person

    def act(self, act: PersonAct, *, who: str) -> int:
        """Write an act into the record and return its number; it is applied before the next measurement."""
        row = self.trace.add_act(act.kind, act.parameters(), who=who)
        return self.trace.get(Act, row).number

    def apply_acts(self) -> list[str]:
        """Apply waiting acts; return one message for each accepted or refused act."""
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
            # Computed before the transaction, because other writers wait while it is open.
            scalars = rescalarized(self.trace, state, after.scalarizer)
        with self._changing() as state:
            keep_act(self.trace, state, row, accepted, after, scalars, act.event(state.step, record.who))
        if scalars is not None:
            # They belong to the old scalarizer.
            self.fit = self.view = self.choice = None


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())[:_LONGEST_MESSAGE]
    return text if isinstance(error, NescioError) else f"{type(error).__name__}: {text}"
