"""Verify that a trace is complete and consistent."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nescio.errors import TraceError
from nescio.progress import track
from nescio.trace.content import read_array, read_arrays, read_dataarray, read_dataset, stored_shape
from nescio.trace.database import locate
from nescio.trace.log import Alone, count_beside, log_is_cut, log_is_missing, read_alone
from nescio.trace.records import (
    RECORDS,
    DatasetRecord,
    Decision,
    Measurement,
    ScalarizerRecord,
    StoredArray,
    Variable,
)
from nescio.trace.schema import trigger_sql
from nescio.trace.trace import Trace

__all__ = ["verify"]

_TRIES, _PAUSE = 3, 0.2


def verify(path: str | Path) -> list[str]:
    """Return the problems of a trace, one line each; empty if there are none.

    The checks are: the write-ahead log exists and belongs to the trace; the file passes the
    checks of SQLite; each array matches its length and SHA-256; each row matches its model; numbers have no gaps;
    candidates in decisions and measurements exist; the scalars are complete. The latest scalarizer needs scalars of all
    spectra, an earlier one needs those up to the last spectrum that it was used on.

    Raises:
        TraceError: The trace cannot be opened.
    """
    problems: list[str] = []
    file = locate(path)
    # The order matters: the trace may grow meanwhile, and what is read later contains at least as much.
    unlogged, alone, counted = log_is_missing(file), read_alone(file), count_beside(file)
    with Trace.open(path, read_only=True) as trace, trace.snapshot():
        problems += [f"{trace.path}: {problem}" for problem in _log(trace, unlogged, alone, counted)]
        for check in (_file, _triggers, _rows, _arrays, _datasets, _numbers, _candidates, _scalars):
            try:
                problems += [f"{trace.path}: {problem}" for problem in check(trace)]
            except TraceError as error:
                problems.append(str(error))
    # Several checks may find the same fault.
    return list(dict.fromkeys(problems))


def _log(trace: Trace, unlogged: bool, alone: Alone | None, counted: tuple[str, int] | None) -> list[str]:
    problems = []
    made = trace.count(Measurement)
    seals = trace.database.rows("SELECT id, token, measurements FROM seal ORDER BY id")
    log = f"the write-ahead log {trace.path.name}-wal"
    if alone is not None and alone.version > 1:
        if alone.ahead and unlogged and log_is_missing(trace.path):
            problems.append(
                f"{log} is missing: the trace was copied or moved without it before it was closed; measurements after "
                f"number {made} were in it"
            )
        if alone.ahead and log_is_cut(trace.path):
            problems.append(
                f"{log} is cut short, by a power cut, a full disk or an incomplete copy: measurements after number "
                f"{made} may be lost"
            )
        tries = 1
        # A writer may be merging its log into the file at this moment.
        while (differ := _differ(alone, seals)) and tries < _TRIES:
            time.sleep(_PAUSE)
            alone = read_alone(trace.path) or alone
            tries += 1
        if differ:
            problems.append(f"{log} belongs to another trace, or to another copy of this trace")
    if counted is not None:
        token, expected = counted
        if token not in {seal[1] for seal in seals}:
            problems.append(
                f"{log} is missing or belongs to another trace: {trace.path.name}-count does not match this trace"
            )
        if made < expected:
            problems.append(
                f"{expected} measurements were made, but the trace has {made}: {log} is missing or cut short"
            )
    return problems


def _differ(alone: Alone, seals: list[tuple[Any, ...]]) -> bool:
    """Return whether the seals without the log differ from the first seals with the log."""
    return any(one != other for one, other in zip(alone.seals, seals, strict=False))


def _file(trace: Trace) -> list[str]:
    found = [str(row[0]) for row in trace.database.rows("PRAGMA integrity_check(20)")]
    problems = [f"damaged ({line})" for line in found if line != "ok"]
    for table, row, target, _ in trace.database.rows("PRAGMA foreign_key_check"):
        problems.append(f"{table} {row} refers to a missing {target}")
    return problems


def _triggers(trace: Trace) -> list[str]:
    found = {row[0] for row in trace.database.rows("SELECT name FROM sqlite_master WHERE type = 'trigger'")}
    wanted = {name for model in RECORDS for name in trigger_sql(model)}
    return [f"trigger {name} is missing: rows may have been changed" for name in sorted(wanted - found)]


def _rows(trace: Trace) -> list[str]:
    problems = []
    for model in RECORDS:
        if model is StoredArray:
            continue
        try:
            trace.all(model)
        except TraceError:
            problems += _each(trace, model.table, lambda row, model=model: trace.get(model, row))  # type: ignore[misc]
    if (experiments := trace.database.rows("SELECT count(*) FROM experiment")[0][0]) != 1:
        problems.append(f"contains {experiments} experiments instead of one")
    return problems


def _arrays(trace: Trace) -> list[str]:
    def check(row: int) -> None:
        read_array(trace.database, row, trace.database.budget(), check_digest=True)

    return _each(trace, "array", check)


def _datasets(trace: Trace) -> list[str]:
    def check(row: int) -> None:
        kind = trace.get(DatasetRecord, row).kind
        {"dataset": read_dataset, "dataarray": read_dataarray, "arrays": read_arrays}[kind](
            trace.database, row
        )

    return _each(trace, "dataset", check)


def _each(trace: Trace, table: str, check: Callable[[int], object]) -> list[str]:
    """Return the problems that `check` finds in the rows of a table."""
    problems = []
    rows = trace.database.rows(f'SELECT id FROM "{table}" ORDER BY id')  # noqa: S608
    with track(f"Verifying {table}", len(rows)) as advance:
        for (row,) in rows:
            try:
                check(row)
            except TraceError as error:
                problems.append(str(error).removeprefix(f"{trace.path}: "))
            advance(1)
    return problems


def _numbers(trace: Trace) -> list[str]:
    problems = []
    for model in RECORDS:
        if model.numbered:
            rows = trace.database.rows(f'SELECT number FROM "{model.table}" ORDER BY id')  # noqa: S608
            for expected, (number,) in enumerate(rows):
                if number != expected:
                    problems.append(f"{model.table} has number {number} in place of {expected}")
                    break
    return problems


def _candidates(trace: Trace) -> list[str]:
    problems = []
    measurements = trace.all(Measurement)
    known = _number_of_candidates(trace)
    if known is not None:
        problems += [
            f"measurement {measurement.number} refers to candidate {measurement.candidate}, but there are {known}"
            for _, measurement in measurements
            if measurement.candidate >= known
        ]
    for row, decision in trace.all(Decision):
        if decision.step > len(measurements):
            problems.append(
                f"decision {row} refers to {decision.step} measurements, but there are {len(measurements)}"
            )
        beyond = [chosen for chosen in decision.chosen if known is not None and chosen >= known]
        if beyond:
            problems.append(f"decision {row} chose candidate {beyond[0]}, but there are {known}")
    return problems


def _number_of_candidates(trace: Trace) -> int | None:
    """Return the length of the dimension ``candidate`` of the dataset "candidates", or None."""
    found = trace.database.read(DatasetRecord, "WHERE name = 'candidates' ORDER BY id DESC LIMIT 1")
    if not found:
        return None
    for _, variable in trace.database.read(Variable, "WHERE dataset = ?", (found[0][0],)):
        if "candidate" in variable.dimensions:
            shape = stored_shape(trace.database, variable.array).shape
            return dict(zip(variable.dimensions, shape, strict=False)).get("candidate")
    return None


def _scalars(trace: Trace) -> list[str]:
    problems = []
    measured = {row: item.number for row, item in trace.all(Measurement) if item.spectrum is not None}
    scalarizers = trace.all(ScalarizerRecord)
    for place, (scalarizer, record) in enumerate(scalarizers):
        names = {output.name for output in record.outputs}
        there: dict[int, set[str]] = {}
        for _, scalar in trace.scalars(scalarizer):
            there.setdefault(scalar.measurement, set()).add(scalar.output)
        is_latest = place == len(scalarizers) - 1
        until = max(measured, default=0) if is_latest else max(there, default=0)
        for row, number in measured.items():
            if row <= until and (lacking := names - there.get(row, set())):
                problems.append(f"measurement {number} has no {min(lacking)!r} of scalarizer {scalarizer}")
        for row, found in there.items():
            if strange := found - names:
                problems.append(
                    f"measurement row {row} has output {min(strange)!r}, which scalarizer {scalarizer} does not define"
                )
    return problems
