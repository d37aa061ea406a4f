"""An experiment's progress on the terminal."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import numpy as np

from nescio.explore.experiment import Experiment, Next
from nescio.explore.known import Measured
from nescio.view import LiveView, Status

__all__ = ["Terminal"]

_MESSAGES = 4


class Terminal:
    """An observer that shows the experiment live (:class:`nescio.view.LiveView`)."""

    def __init__(self, experiment: Experiment, *, resume: str) -> None:
        """Show an experiment.

        Args:
            experiment: Which.
            resume: The command that resumes it.
        """
        self._view = LiveView(experiment.settings.title, resume=resume)
        self._experiment = experiment
        self._start = time.monotonic()
        self._already = experiment.step
        self._messages: list[str] = []
        self._next: Next = Next()

    def __enter__(self) -> Self:
        """Begin to show."""
        self._view.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the last state on the screen."""
        self._view.__exit__(kind, error, trace)

    def about_to_measure(self, experiment: Experiment, choice: Next) -> None:
        """Show where it is measured next."""
        self._next = choice
        self._show(experiment, "")

    def measured(self, experiment: Experiment, one: Measured) -> None:
        """Show what came of it."""
        del one
        self._next = Next()
        self._show(experiment, "")

    def waiting(self, experiment: Experiment, why: str) -> None:
        """Show what it waits for."""
        self._show(experiment, why)

    def said(self, experiment: Experiment, messages: Sequence[str]) -> None:
        """Show what happened."""
        self._messages = [*self._messages, *messages][-_MESSAGES:]
        self._view.say(messages)
        self._show(experiment, experiment.paused)

    def _show(self, experiment: Experiment, paused: str) -> None:
        output = experiment.outputs()[0]
        best = experiment.best(1)
        last = experiment.measured[-1].scalars[0] if experiment.measured else None
        elapsed = time.monotonic() - self._start
        made = experiment.step - self._already
        fit = experiment.fit.outputs[0] if experiment.fit is not None else None
        candidate = self._next.candidate
        nan = float("nan")
        self._view.update(
            Status(
                measured=experiment.step,
                budget=experiment.points,
                quantity=output.name,
                unit="" if output.unit == "1" else output.unit,
                best_value=best[0][1] if best else nan,
                best_place=self._place(best[0][0]) if best else "",
                last_value=last.value if last else nan,
                last_uncertainty=last.uncertainty if last else nan,
                last_reason=last.reason if last else "",
                next_place="" if candidate is None else f"{self._place(candidate)} ({self._next.origin})",
                next_mean=float(fit.mean[candidate]) if fit is not None and candidate is not None else nan,
                next_sd=float(fit.sd[candidate]) if fit is not None and candidate is not None else nan,
                mean_sd=float(fit.sd.mean()) if fit is not None else nan,
                noise=fit.noise_sd if fit is not None else nan,
                policy=experiment.steering.policy.at(experiment.step).kind,
                mode=experiment.steering.mode.kind,
                paused=paused,
                elapsed=elapsed,
                remaining=elapsed / made * max(experiment.points - experiment.step, 0) if made else nan,
                best_so_far=self._best_so_far(experiment),
                messages=tuple(self._messages),
            )
        )

    def _place(self, candidate: int) -> str:
        return self._experiment.candidates.place(candidate)

    @staticmethod
    def _best_so_far(experiment: Experiment) -> tuple[float, ...]:
        sign = experiment.signs[0]
        values = np.array([sign * one.scalars[0].value for one in experiment.measured], float)
        values[[one.number in experiment.steering.rejected for one in experiment.measured]] = np.nan
        if not np.isfinite(values).any():
            return ()
        best = np.fmax.accumulate(values)
        return tuple(float(x) for x in sign * best[np.isfinite(best)])
