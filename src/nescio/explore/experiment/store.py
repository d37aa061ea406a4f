"""Write measurements, events and acts into the record and the state, completely or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nescio.errors import ScalarizerError, TraceError
from nescio.explore.experiment.load import scalarizer_record, seconds_between
from nescio.explore.experiment.state import Measured, Origin, State
from nescio.explore.experiment.steering import Accepted, Steering
from nescio.explore.scalarizers import Scalar, Scalarizer
from nescio.trace import ActOutcome, Event, Measurement, ScalarRecord, Trace, now

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["keep_act", "keep_events", "keep_measurement", "rescalarized"]


def keep_measurement(
    trace: Trace,
    state: State,
    candidate: int,
    origin: Origin,
    spectrum: xr.DataArray | None,
    problem: str = "",
    *,
    attempts: int = 1,
    started: str | None = None,
    faults: Sequence[str] = (),
    pause: str = "",
) -> Measured | None:
    """Write a measurement, or only its faults if the candidate is to be measured again after a pause.

    Raises:
        ExplorationError: The candidate does not exist.
        TraceError: The record cannot be written.
    """
    position = state.candidates.position(candidate)
    finished = now()
    scalarizer = state.steering.scalarizer
    problem = (problem or "no spectrum was given") if spectrum is None else ""
    scalars = _scalars_of(scalarizer, spectrum, problem)
    events = [Event(kind="fault", message=one, details={"candidate": candidate}) for one in faults]
    if pause:
        events.append(Event(kind="pause", message=pause, details={"step": state.step}))
    one = None
    with trace.step():
        if spectrum is not None or not pause:
            stored = None
            if spectrum is not None:
                stored, problem = _kept(trace, spectrum, events)
            record = Measurement(
                number=state.step,
                candidate=candidate,
                position=[float(x) for x in position],
                origin=origin,
                attempts=attempts,
                started=started or finished,
                finished=finished,
                spectrum=stored,
                problem=problem,
            )
            row = trace.add(record)
            _add_scalars(trace, row, scalars, scalarizer, state.scalarizer_row)
            seconds = seconds_between(record.started, record.finished)
            one = Measured(row, state.step, candidate, origin, stored, problem, seconds, scalars)
        for event in state.add(one, events):
            trace.add(event)
    return one


def keep_act(
    trace: Trace,
    state: State,
    row: int,
    accepted: Accepted,
    after: Steering,
    scalars: Sequence[tuple[Scalar, ...]] | None,
    event: Event | None,
) -> None:
    """Write an accepted act.

    Args:
        trace: The record.
        state: The state before the act; it is changed in place.
        row: Row of the act in the record.
        accepted: The act.
        after: The steering after the act.
        scalars: Scalars of all measurements, if the act changes the scalarizer.
        event: The event that the act causes, or None.
    """
    with trace.step():
        trace.add(ActOutcome(act=row, step=state.step, accepted=True))
        if scalars is not None:
            definition = trace.add(scalarizer_record(after.scalarizer, row))
            for measured, values in zip(state.measured, scalars, strict=True):
                _add_scalars(trace, measured.row, values, after.scalarizer, definition)
            state.rescalarize(definition, list(scalars))
        keep_events(trace, state, [] if event is None else [event])
        state.accepted.append(accepted)
        state.steering = after
        state.last_act = row


def keep_events(trace: Trace, state: State, events: Sequence[Event]) -> None:
    """Write events."""
    for event in events:
        trace.add(event)
        state.happened(event)


def rescalarized(trace: Trace, state: State, scalarizer: Scalarizer) -> list[tuple[Scalar, ...]]:
    """Return the scalars of all measurements from another scalarizer.

    Raises:
        ScalarizerError: The scalarizer gives no value for any spectrum.
    """
    found = []
    for one in state.measured:
        spectrum = None if one.spectrum is None else trace.get_dataarray(one.spectrum)
        found.append(_scalars_of(scalarizer, spectrum, one.problem))
    tried = [scalars for one, scalars in zip(state.measured, found, strict=True) if one.spectrum is not None]
    if tried and all(np.isnan(scalar.value) for scalars in tried for scalar in scalars):
        raise ScalarizerError(
            f"{scalarizer.kind} gives no value for any of the {len(tried)} spectra (the last: {tried[-1][0].reason})"
        )
    return found


def _scalars_of(scalarizer: Scalarizer, spectrum: xr.DataArray | None, problem: str) -> tuple[Scalar, ...]:
    """Return one scalar per output; if the scalarizer fails, NaN with the reason."""
    reason = problem
    if spectrum is not None:
        try:
            found = tuple(
                Scalar(float(value), float(uncertainty), str(why))
                for value, uncertainty, why in scalarizer(spectrum)
            )
            if len(found) == len(scalarizer.outputs):
                return found
            reason = f"{scalarizer.kind} returned {len(found)} numbers instead of {len(scalarizer.outputs)}"
        except Exception as error:
            reason = f"{scalarizer.kind} failed: {type(error).__name__}: {error}"
    return tuple(Scalar(float("nan"), reason=reason) for _ in scalarizer.outputs)


def _add_scalars(
    trace: Trace, measurement: int, scalars: Sequence[Scalar], scalarizer: Scalarizer, row: int
) -> None:
    for output, scalar in zip(scalarizer.outputs, scalars, strict=True):
        trace.add(
            ScalarRecord(
                measurement=measurement,
                scalarizer=row,
                output=output.name,
                value=scalar.value,
                uncertainty=scalar.uncertainty,
                reason=scalar.reason,
            )
        )


def _kept(trace: Trace, spectrum: xr.DataArray, events: list[Event]) -> tuple[int | None, str]:
    """Write as much of a spectrum as can be stored; return its row, or None and the reason."""
    try:
        row, left_out = _add_spectrum(trace, spectrum)
    except TraceError as error:
        return None, f"the spectrum cannot be stored: {error}"
    if left_out:
        events.append(Event(kind="warning", message=f"a spectrum was stored only in part: {left_out}"))
    return row, ""


def _add_spectrum(trace: Trace, spectrum: xr.DataArray) -> tuple[int, str]:
    """Write a spectrum; return its row and a message about omitted parts.

    Attributes that are objects, and coordinates that are times, cannot be stored and are omitted.

    Raises:
        TraceError: The numbers themselves cannot be stored, or nothing can be written.
    """
    try:
        return trace.put_dataarray(spectrum), ""
    except TraceError as error:
        problem = str(error)
    plain = spectrum.variable.copy(deep=False)
    if plain.dtype.kind in "fc" and not np.can_cast(plain.dtype, np.complex128):
        # Wider than the file formats can store.
        plain = plain.astype(np.complex128 if plain.dtype.kind == "c" else np.float64)
    plain.attrs = _texts(spectrum.attrs)
    kept: dict[str, Any] = {}
    for name, coordinate in spectrum.coords.items():
        if coordinate.dtype.kind in "biufcU":
            kept[str(name)] = coordinate.variable.copy(deep=False).to_base_variable()
            kept[str(name)].attrs = _texts(coordinate.attrs)
    name = spectrum.name if isinstance(spectrum.name, str) else None
    return trace.put_dataarray(type(spectrum)(plain, kept, name=name)), problem


def _texts(attributes: Any) -> dict[str, Any]:
    return {
        str(name): value if isinstance(value, bool | int | float | str) else str(value)[:1000]
        for name, value in attributes.items()
    }
