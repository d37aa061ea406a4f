"""How what was measured is kept: the spectrum, its scalars, and what went wrong, all of it or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nescio.errors import TraceError
from nescio.explore.known import Known, Measured
from nescio.explore.record import add_scalarizer, seconds_between
from nescio.explore.scalarizers import Scalar, Scalarizer
from nescio.trace import Event, Measurement, ScalarRecord, Trace, now

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["keep_events", "keep_measurement", "keep_scalars", "scalars_of"]


def keep_measurement(
    trace: Trace,
    known: Known,
    candidate: int,
    spectrum: xr.DataArray | None,
    problem: str = "",
    *,
    attempts: int = 1,
    started: str | None = None,
    faults: Sequence[str] = (),
) -> Measured:
    """Write down what came of a candidate, and take it up into what is known.

    Where measurements give nothing, over and over, the experiment is paused: a night of missing values helps nobody.

    Raises:
        ExplorationError: There is no such candidate.
        TraceError: The record cannot be written.
    """
    position = known.position(candidate)
    finished = now()
    origin = known.origin_of(candidate)
    problem = (problem or "no spectrum was given") if spectrum is None else ""
    scalars = scalars_of(known.scalarizer, spectrum, problem)
    events = [Event(kind="fault", message=one, details={"candidate": candidate}) for one in faults]
    with trace.step():
        stored = None
        if spectrum is not None:
            stored, problem = _kept(trace, spectrum, events)
        record = Measurement(
            number=known.step,
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
        _add_scalars(trace, row, scalars, known.scalarizer, known.scalarizer_row)
        seconds = seconds_between(record.started, record.finished)
        one = Measured(row, known.step, candidate, origin, stored, problem, seconds, scalars)
        known.measured.append(one)
        keep_events(trace, known, [*events, *_failing(known)])
    return one


def keep_scalars(
    trace: Trace, known: Known, scalarizer: Scalarizer, scalars: Sequence[tuple[Scalar, ...]], act: int
) -> None:
    """Write down what another scalarizer, asked for by an act, makes of all measurements."""
    row = add_scalarizer(trace, scalarizer, act)
    for measured, values in zip(known.measured, scalars, strict=True):
        _add_scalars(trace, measured.row, values, scalarizer, row)
    known.scalarizer_row = row


def keep_events(trace: Trace, known: Known, events: Sequence[Event]) -> None:
    """Write down what happened."""
    for event in events:
        trace.add(event)
        known.flow = known.flow.after(event)


def scalars_of(scalarizer: Scalarizer, spectrum: xr.DataArray | None, problem: str) -> tuple[Scalar, ...]:
    """Return what a scalarizer makes of a spectrum: one number for each output, whatever it does."""
    reason = problem
    if spectrum is not None:
        try:
            found = tuple(
                Scalar(float(value), float(uncertainty), str(why))
                for value, uncertainty, why in scalarizer(spectrum)
            )
            if len(found) == len(scalarizer.outputs):
                return found
            reason = f"{scalarizer.kind} gave {len(found)} numbers, not {len(scalarizer.outputs)}"
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


def _add_spectrum(trace: Trace, spectrum: xr.DataArray) -> tuple[int, str]:
    """Write down a spectrum, and return its row and what of it could not be kept.

    What a file cannot hold (an attribute that is an object, a coordinate of times) is left out: the numbers matter.

    Raises:
        TraceError: The numbers themselves cannot be kept, or nothing can be written.
    """
    try:
        return trace.put_dataarray(spectrum), ""
    except TraceError as error:
        problem = str(error)
    plain = spectrum.variable.copy(deep=False)
    if plain.dtype.kind in "fc" and not np.can_cast(plain.dtype, np.complex128):
        # Wider than any file format knows.
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


def _kept(trace: Trace, spectrum: xr.DataArray, events: list[Event]) -> tuple[int | None, str]:
    """Write down as much of a spectrum as a file can hold, and return its row, or why there is none."""
    try:
        row, left_out = _add_spectrum(trace, spectrum)
    except TraceError as error:
        return None, f"the spectrum cannot be kept: {error}"
    if left_out:
        events.append(Event(kind="warning", message=f"a spectrum was kept only in part: {left_out}"))
    return row, ""


def _failing(known: Known) -> list[Event]:
    limit = known.settings.failures_in_a_row
    if known.failures() < limit:
        return []
    last = known.measured[-1]
    reason = last.scalars[0].reason or last.problem
    message = f"{limit} measurements in a row gave no value (the last: {reason})"
    # Counted from here on: after resuming there are as many tries again.
    return [Event(kind="pause", message=message, details={"step": known.step})]
