"""The status of an experiment, for terminals, the record's summary and the dashboard."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from nescio.explore.experiment.state import State
from nescio.explore.scalarizers import Output
from nescio.explore.surrogates import Fit
from nescio.trace import Act, ActOutcome, Trace
from nescio.view import RunStatus

__all__ = ["run_status"]

Floats = NDArray[np.float64]

_NAN = float("nan")


def run_status(
    trace: Trace, state: State, output: Output, best: Sequence[tuple[int, float]], fit: Fit | None
) -> RunStatus:
    """Return the status of an experiment, running or opened for reading.

    Args:
        trace: The record.
        state: The experiment's state.
        output: The scalarizer's first output, with its unit.
        best: The best candidate with its value; empty if there is none.
        fit: The latest model, or None if it is not in memory.
    """
    place = state.candidates.place
    steering, finished = state.steering, state.finished
    last = state.measured[-1].scalars[0] if state.measured else None
    candidate = None if finished else next(iter(state.pending()), None)
    mean, sd, noise = _expected(trace, state, fit)
    acts = trace.count(Act)
    event = state.events[-1][1] if state.events else None
    return RunStatus(
        title=state.settings.title,
        measured=state.step,
        budget=state.points,
        quantity=output.name,
        unit="" if output.unit == "1" else output.unit,
        direction="maximise" if steering.signs[0] > 0 else "minimise",
        best_value=best[0][1] if best else _NAN,
        best_place=place(best[0][0]) if best else "",
        last_value=last.value if last else _NAN,
        last_uncertainty=last.uncertainty if last else _NAN,
        last_reason=last.reason if last else "",
        next_candidate=candidate,
        next_place="" if candidate is None else place(candidate),
        next_origin="" if candidate is None else state.origin,
        needs_approval=candidate is not None and state.needs_approval(),
        next_mean=_NAN if candidate is None or mean is None else float(mean[candidate]),
        next_sd=_NAN if candidate is None or sd is None else float(sd[candidate]),
        mean_sd=_NAN if sd is None else float(sd.mean()),
        noise=noise,
        policy=steering.policy.at(state.step).kind,
        mode=steering.mode.kind,
        paused=state.flow.paused,
        finished=finished,
        seconds=state.seconds,
        dose=state.dose,
        without_spectrum=sum(one.spectrum is None for one in state.measured),
        chosen_by=dict(Counter(one.origin for one in state.measured)),
        decisions=len(state.decisions),
        acts=acts,
        acts_waiting=acts - trace.count(ActOutcome),
        last_event="" if event is None else f"{event.kind}: {event.message}".removesuffix(": "),
        best_so_far=_best_so_far(state),
    )


def _expected(trace: Trace, state: State, fit: Fit | None) -> tuple[Floats | None, Floats | None, float]:
    """Return mean and sd over the candidates, and the noise sd, of the last decision's model."""
    if fit is not None:
        one = fit.outputs[0]
        return one.mean, one.sd, one.noise_sd
    last = next((one for _, one in reversed(state.decisions) if one.state is not None), None)
    if last is None or last.maps is None or last.scalarizer != state.scalarizer_row:
        return None, None, _NAN
    maps = trace.get_dataset(last.maps)
    return maps["mean"].values[:, 0], maps["sd"].values[:, 0], float(last.model["outputs"][0]["noise_sd"])


def _best_so_far(state: State) -> tuple[float, ...]:
    sign = state.steering.signs[0]
    values = np.array([sign * one.scalars[0].value for one in state.measured], float)
    values[[one.number in state.steering.rejected for one in state.measured]] = np.nan
    if not np.isfinite(values).any():
        return ()
    best = np.fmax.accumulate(values)
    return tuple(float(x) for x in compress(sign * best, np.isfinite(best)))
