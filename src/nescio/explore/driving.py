"""The loop: ask what to measure, measure it, keep it; wait where a person is asked; survive what instruments do."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from nescio.errors import InterruptedExplorationError, NescioError
from nescio.explore.experiment import Experiment, Measured, Next
from nescio.explore.instruments import Instrument, measure_with_retries
from nescio.trace import now

__all__ = ["Observer", "Silent", "drive"]


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
    """
    observer = observer or Silent()
    try:
        while True:
            if messages := experiment.apply_acts():
                observer.said(experiment, messages)
            try:
                choice = experiment.next()
            except NescioError as error:
                # The experiment has paused itself; a person may change what it cannot do.
                observer.said(experiment, [str(error)])
                continue
            if choice.finished:
                experiment.event("finish", choice.finished)
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
        experiment.event("interrupt", f"by the keyboard, after {experiment.step} measurements")
        raise InterruptedExplorationError(
            f"interrupted after {experiment.step} of {experiment.points} measurements, all of them kept; "
            f"resume with: nescio explore {experiment.trace.path.parent}"
        ) from None


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
