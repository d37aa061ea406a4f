"""What a person's act would change, and whether it makes sense now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from nescio.errors import ExplorationError, ScalarizerError
from nescio.explore.acts import (
    Approve,
    ChangePolicy,
    Decline,
    Favour,
    Forbid,
    Measure,
    PauseAct,
    PersonAct,
    Reject,
    Resume,
    Step,
    Stop,
    Undo,
)
from nescio.explore.keeping import keep_events, keep_scalars, scalars_of
from nescio.explore.known import Known
from nescio.explore.regions import inside_any
from nescio.explore.scalarizers import Scalar, Scalarizer
from nescio.explore.steering import Accepted, Steering, steered, undo_target
from nescio.trace import ActOutcome, Event, Trace

__all__ = ["Prepared", "keep_act", "prepare_act"]


@dataclass(frozen=True, eq=False)
class Prepared:
    """An act that makes sense, and what would follow from it."""

    accepted: Accepted
    steering: Steering
    """What would hold."""
    scalars: Sequence[tuple[Scalar, ...]] | None
    """Of all measurements, where the scalarizer would be another."""


def prepare_act(trace: Trace, known: Known, accepted: Accepted) -> Prepared:
    """Return what would follow from an act.

    Raises:
        NescioError: It makes no sense now, and why.
    """
    _check(known, accepted.act)
    steering = steered(known.settings, [*known.accepted, accepted])
    steering.goal.signs(len(steering.scalarizer.outputs))
    ranking = steering.ranking()
    if isinstance(accepted.act, ChangePolicy):
        # A new scalarizer may ask for a new policy, so that one of the two must come first.
        ranking.check(len(steering.scalarizer.outputs))
    if steering.budget.idle:
        raise ExplorationError(steering.budget.idle)
    if steering.forbidden != known.steering.forbidden:
        _check_something_left(known, steering)
    scalars = None
    if steering.scalarizer != known.scalarizer:
        # Before anything is written, which others must wait for.
        scalars = _rescalarized(trace, known, steering.scalarizer)
    return Prepared(accepted, steering, scalars)


def keep_act(trace: Trace, known: Known, row: int, prepared: Prepared) -> None:
    """Write down that an act, written down in `row`, takes effect, and take it up into what is known."""
    accepted, steering, scalars = prepared.accepted, prepared.steering, prepared.scalars
    event = _event_of(accepted.act, accepted.who, known.step)
    with trace.step():
        trace.add(ActOutcome(act=row, step=known.step, accepted=True))
        if scalars is not None:
            keep_scalars(trace, known, steering.scalarizer, scalars, row)
            known.measured = [
                replace(one, scalars=values) for one, values in zip(known.measured, scalars, strict=True)
            ]
        keep_events(trace, known, [] if event is None else [event])
        known.accepted.append(accepted)
        known.steering = steering
        known.last_act = row


def _event_of(act: PersonAct, who: str, step: int) -> Event | None:
    match act:
        case PauseAct():
            return Event(kind="pause", message=f"by {who}", details={"step": step})
        case Resume():
            return Event(kind="resume", message=f"by {who}")
        case Step(measurements=measurements):
            return Event(kind="resume", message=f"by {who}", details={"until": step + measurements})
        case Stop():
            return Event(kind="stop", message=f"by {who}")
        case _:
            return None


def _rescalarized(trace: Trace, known: Known, scalarizer: Scalarizer) -> list[tuple[Scalar, ...]]:
    found = []
    for one in known.measured:
        spectrum = None if one.spectrum is None else trace.get_dataarray(one.spectrum)
        found.append(scalars_of(scalarizer, spectrum, one.problem))
    tried = [scalars for one, scalars in zip(known.measured, found, strict=True) if one.spectrum is not None]
    if tried and all(np.isnan(scalar.value) for scalars in tried for scalar in scalars):
        raise ScalarizerError(
            f"{scalarizer.kind} gives no value for any of {len(tried)} spectra (the last: {tried[-1][0].reason})"
        )
    return found


def _check(known: Known, act: PersonAct) -> None:
    match act:
        case Measure():
            _check_place(known, act)
        case Decline(candidate=candidate):
            known.position(candidate)
        case Forbid(region=region) | Favour(region=region):
            region.mask(known.candidates.positions)
        case Reject(measurement=number):
            if number >= known.step:
                raise ExplorationError(f"measurement {number + 1}: there are {known.step}")
            if number in known.steering.rejected:
                raise ExplorationError(f"measurement {number + 1} is rejected already")
        case Undo():
            undo_target(known.accepted, act)
        case Approve():
            if not known.needs_approval():
                raise ExplorationError("nothing waits for approval")
        case _:
            pass


def _check_place(known: Known, act: Measure) -> None:
    positions = known.candidates.positions
    if act.candidate is not None:
        known.position(act.candidate)
    elif act.position is not None:
        coordinates = positions.shape[1]
        if len(act.position) != coordinates:
            raise ExplorationError(f"position with {len(act.position)} coordinates: needs {coordinates}")
        low, high = positions.min(0), positions.max(0)
        if (np.array(act.position) < low).any() or (np.array(act.position) > high).any():
            raise ExplorationError(
                f"position {', '.join(f'{x:g}' for x in act.position)} lies outside the candidates "
                f"({', '.join(f'{a:g} to {b:g}' for a, b in zip(low, high, strict=True))} "
                f"{known.candidates.unit})"
            )
    candidate = known.nearest(act)
    if known.forbidden()[candidate]:
        raise ExplorationError(f"candidate {candidate} is forbidden; undo what forbids it first")


def _check_something_left(known: Known, steering: Steering) -> None:
    free = ~known.taken()
    if free.any() and not (free & ~inside_any(steering.forbidden, known.candidates.positions)).any():
        raise ExplorationError(
            "this would leave nothing to measure: every other candidate is measured or forbidden"
        )
