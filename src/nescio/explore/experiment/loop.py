"""The loop: choose, measure, store; wait for a person if needed; survive instrument failures."""

from __future__ import annotations

import shlex
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Protocol

from nescio.errors import ExplorationError, InterruptedExplorationError, NescioError
from nescio.explore.experiment.experiment import Experiment
from nescio.explore.instruments import Instrument, measure_with_retries
from nescio.trace import Measurement, now
from nescio.view import RunStatus

__all__ = ["Observer", "drive", "resumable", "resume_command"]

_MESSAGES = 4


class Observer(Protocol):
    """Follows a running experiment; :class:`nescio.view.LiveView` is one."""

    def update(self, status: RunStatus) -> None:
        """Receive the status; called before and after each measurement, and repeatedly while the experiment waits."""

    def say(self, messages: Sequence[str]) -> None:
        """Receive messages for the user: faults, warnings, accepted and refused acts."""


def drive(
    experiment: Experiment,
    instrument: Instrument | None = None,
    *,
    observer: Observer | None = None,
    wait: bool = True,
    poll_seconds: float = 0.2,
    sleep: Callable[[float], object] = time.sleep,
) -> str:
    """Measure until the experiment is finished.

    Args:
        experiment: The experiment.
        instrument: The instrument; default: the one connected to the experiment.
        observer: Receives the status and messages.
        wait: If the experiment is paused or needs approval, wait for a person; otherwise return.
        poll_seconds: Interval at which to look for acts while waiting.
        sleep: Function that waits for a number of seconds.

    Returns:
        Why the loop ended: why the experiment is finished, or what it waits for.

    Raises:
        InterruptedExplorationError: Ctrl-C was pressed; all measurements are in the record.
        ExplorationError: No instrument is given or connected.
        TraceError: The record cannot be written.
    """
    instrument = instrument or experiment.instrument
    if instrument is None:
        raise ExplorationError("no instrument: pass one to drive(), or connect one to the experiment")
    progress = _Progress(experiment, observer)
    with resumable(experiment):
        while True:
            choice = experiment.ask()
            progress.say(choice.messages)
            if choice.finished:
                return choice.finished
            if choice.waiting:
                if not wait:
                    return choice.waiting
                progress.update(waiting=choice.waiting)
                sleep(poll_seconds)
                continue
            progress.update()
            _measure(experiment, instrument, choice.candidates[0], progress, sleep)
            progress.update()


class _Progress:
    """Passes the status of an experiment to the observer, if there is one."""

    def __init__(self, experiment: Experiment, observer: Observer | None) -> None:
        self._experiment, self._observer = experiment, observer
        self._start, self._already = time.monotonic(), experiment.state.step
        self._recent: deque[str] = deque(maxlen=_MESSAGES)

    def say(self, messages: Sequence[str]) -> None:
        if messages and self._observer is not None:
            self._recent.extend(messages)
            self._observer.say(messages)
            self.update(waiting=self._experiment.state.flow.paused)

    def update(self, waiting: str = "") -> None:
        if self._observer is None:
            return
        status = self._experiment.status()
        elapsed = time.monotonic() - self._start
        made = status.measured - self._already
        left = max((status.budget or 0) - status.measured, 0)
        self._observer.update(
            replace(
                status,
                elapsed=elapsed,
                remaining=elapsed / made * left if made else float("nan"),
                paused=waiting,
                messages=tuple(self._recent),
            )
        )


@contextmanager
def resumable(experiment: Experiment) -> Iterator[None]:
    """On Ctrl-C, write an event into the record and raise an error that says how to resume.

    Raises:
        InterruptedExplorationError: Ctrl-C was pressed.
    """
    try:
        yield
    except KeyboardInterrupt:
        kept, resume = "all measurements are stored", f"resume with: {resume_command(experiment)}"
        # The user may press Ctrl-C again meanwhile.
        with suppress(NescioError, KeyboardInterrupt):
            measurements = experiment.trace.count(Measurement)
            kept = f"after {measurements} of {experiment.state.points} measurements, all of them stored"
            experiment.event("interrupt", f"by Ctrl-C or a request to end, after {measurements} measurements")
        raise InterruptedExplorationError(f"interrupted: {kept}; {resume}") from None


def resume_command(experiment: Experiment) -> str:
    """Return the command that resumes an experiment."""
    path = experiment.trace.path
    return f"nescio explore {shlex.quote(str(path.parent if path.name == 'trace.sqlite' else path))}"


def _measure(
    experiment: Experiment,
    instrument: Instrument,
    candidate: int,
    progress: _Progress,
    sleep: Callable[[float], object],
) -> None:
    started = now()
    attempt = measure_with_retries(
        instrument,
        experiment.candidates.position(candidate),
        experiment.settings.faults,
        sleep=sleep,
        tell=lambda fault: progress.say([f"candidate {candidate}: {fault}"]),
    )
    experiment.tell(
        candidate,
        attempt.spectrum,
        attempt.problem,
        attempts=attempt.attempts,
        started=started,
        faults=attempt.faults,
        pause=f"the instrument does not answer: {attempt.problem}" if attempt.must_pause else "",
    )
