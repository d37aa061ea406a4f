"""The loop: ask what to measure, measure it, keep it; wait where a person is asked; survive what instruments do."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from nescio.errors import InterruptedExplorationError, NescioError, TraceError
from nescio.explore.experiment import Experiment, Next
from nescio.explore.instruments import Instrument, measure_with_retries
from nescio.explore.known import Measured
from nescio.trace import Event, Measurement, now

__all__ = ["Observer", "Silent", "drive", "interrupted", "remind", "resume_command"]


class Observer(Protocol):
    """Told what happens while an experiment runs."""

    def about_to_measure(self, experiment: Experiment, choice: Next) -> None:
        """A candidate was chosen and is measured now."""

    def measured(self, experiment: Experiment, one: Measured) -> None:
        """A measurement is in the record."""

    def waiting(self, experiment: Experiment, why: str) -> None:
        """Nothing is measured at present; called again and again while that lasts."""

    def said(self, experiment: Experiment, messages: Sequence[str]) -> None:
        """Faults, and what became of a person's acts."""


class Silent:
    """An observer that looks away."""

    def about_to_measure(self, experiment: Experiment, choice: Next) -> None:
        """Do nothing."""

    def measured(self, experiment: Experiment, one: Measured) -> None:
        """Do nothing."""

    def waiting(self, experiment: Experiment, why: str) -> None:
        """Do nothing."""

    def said(self, experiment: Experiment, messages: Sequence[str]) -> None:
        """Do nothing."""


def drive(
    experiment: Experiment,
    instrument: Instrument,
    *,
    observer: Observer | None = None,
    wait: bool = True,
    poll_seconds: float = 0.2,
    sleep: Callable[[float], object] = time.sleep,
) -> str:
    """Measure until the experiment is finished.

    Args:
        experiment: What to ask.
        instrument: Whom.
        observer: Told what happens.
        wait: Wait for a person where the experiment is paused or wants approval; otherwise return.
        poll_seconds: How often to look for a person's acts meanwhile.
        sleep: Waits.

    Returns:
        Why nothing more was measured: because it is finished, or what it waits for.

    Raises:
        InterruptedExplorationError: Ctrl-C was pressed; everything measured is in the record.
        TraceError: The record cannot be written.
    """
    observer = observer or Silent()
    try:
        while True:
            if messages := experiment.apply_acts():
                observer.said(experiment, messages)
            try:
                choice = experiment.next()
            except TraceError:
                raise
            except NescioError as error:
                # The experiment has paused itself; a person may change what it cannot do.
                observer.said(experiment, [str(error)])
                continue
            if experiment.warnings:
                observer.said(experiment, experiment.warnings)
                experiment.warnings = []
            if choice.finished:
                _finish(experiment, choice.finished)
                return choice.finished
            if choice.candidate is None:
                if not wait:
                    return choice.waiting
                observer.waiting(experiment, choice.waiting)
                sleep(poll_seconds)
                continue
            observer.about_to_measure(experiment, choice)
            _measure(experiment, instrument, choice.candidate, observer, sleep)
    except KeyboardInterrupt:
        raise interrupted(experiment) from None


def interrupted(experiment: Experiment) -> InterruptedExplorationError:
    """Write down that an experiment was interrupted, and return the error that says how to resume it."""
    kept = "all measurements are kept"
    # Whoever interrupts again is in a hurry.
    with suppress(NescioError, KeyboardInterrupt):
        measurements = experiment.trace.count(Measurement)
        kept = f"after {measurements} of {experiment.points} measurements, all of them kept"
        experiment.event("interrupt", f"by Ctrl-C or a request to end, after {measurements} measurements")
    return InterruptedExplorationError(f"interrupted: {kept}; resume with: {resume_command(experiment)}")


def resume_command(experiment: Experiment) -> str:
    """Return the command that resumes an experiment."""
    path = experiment.trace.path
    return f"nescio explore {shlex.quote(str(path.parent if path.name == 'trace.sqlite' else path))}"


def remind(instrument: Instrument, experiment: Experiment) -> None:
    """Tell a simulated instrument what it has measured already, so that its noise and its drift go on from there."""
    remember = getattr(instrument, "remember", None)
    if remember is not None:
        remember(
            [experiment.position(one.candidate) for one in experiment.measured if one.spectrum is not None]
        )


def _finish(experiment: Experiment, why: str) -> None:
    last = experiment.trace.last(Event)
    if last is None or (last[1].kind, last[1].message) != ("finish", why):
        experiment.event("finish", why)


def _measure(
    experiment: Experiment,
    instrument: Instrument,
    candidate: int,
    observer: Observer,
    sleep: Callable[[float], object],
) -> None:
    started = now()
    attempt = measure_with_retries(
        instrument,
        experiment.position(candidate),
        experiment.settings.faults,
        sleep=sleep,
        tell=lambda fault: observer.said(experiment, [f"candidate {candidate}: {fault}"]),
    )
    if attempt.must_pause and attempt.spectrum is None:
        # Not the place is at fault: it is tried again once somebody has looked.
        for fault in attempt.faults:
            experiment.event("fault", fault, candidate=candidate)
        experiment.pause(f"the instrument does not answer: {attempt.problem}")
        return
    one = experiment.tell(
        candidate,
        attempt.spectrum,
        attempt.problem,
        attempts=attempt.attempts,
        started=started,
        faults=attempt.faults,
    )
    observer.measured(experiment, one)
