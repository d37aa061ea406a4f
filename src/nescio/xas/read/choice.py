"""Which of the columns are energy and absorption."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nescio.errors import MeasurementError
from nescio.xas.read.names import Column, Role

__all__ = ["HOW_TO_CHOOSE", "Choice", "NoColumnError", "Signal", "choose", "listed"]

Floats = NDArray[np.float64]

_MOST_LISTED = 30
_MOST_NOTED = 8
# A detector whose counts are not positive (or not negative) at more of the points did not count the beam.
_MOST_DEAD = 0.05
HOW_TO_CHOOSE = "choose with --columns, such as --columns energy=1,mu=ln(2/3) or --columns energy=1,mu=2"


class NoColumnError(MeasurementError):
    """No column is an energy, or none an absorption, by the names that the file gives them."""


@dataclass(frozen=True)
class Signal:
    """An absorption, shape (n,), and which columns it is."""

    mu: Floats
    words: str
    name: str = ""
    """Of the spectrum, where a file holds several."""


@dataclass(frozen=True)
class Choice:
    """What the columns of a table are."""

    energy: Column
    signals: tuple[Signal, ...]
    notes: tuple[str, ...] = ()


def listed(columns: Sequence[Column]) -> str:
    """Return columns by number and name for messages."""
    shown = ", ".join(map(str, columns[:_MOST_LISTED]))
    return shown if len(columns) <= _MOST_LISTED else f"{shown} and {len(columns) - _MOST_LISTED} more"


def choose(table: Floats, columns: Sequence[Column], *, groups: bool = False) -> Choice:
    """Return which columns are energy and absorption, by their names.

    A column that is called absorption is taken first; else the logarithm of the incident over the transmitted beam;
    else fluorescence over the incident beam. Of several detectors of a kind the first one that counted is taken. What
    else could have been taken is in the notes. A third ion chamber, I2, gives a second spectrum.

    Args:
        table: Shape (n, columns).
        columns: Of the table.
        groups: Columns with names of their own are spectra, as in an export of several groups.

    Raises:
        NoColumnError: No column is an energy, or nothing is an absorption.
        MeasurementError: No detector counted.
    """
    if all(column.role is Role.UNNAMED for column in columns):
        return _unnamed(table, columns, by_suffix=groups)
    energy = _energy(columns)
    by_role = {role: [one for one in columns if one.role is role] for role in Role}
    candidates, problems = _candidates(table, by_role)
    if candidates:
        return _first(table, energy, by_role, candidates)
    if problems:
        raise MeasurementError(problems[0])
    # A group of an export may be called "reference".
    spectra = (Role.UNKNOWN, Role.REFERENCE) if groups else (Role.UNKNOWN,)
    others = [one for one in columns if one.role in spectra]
    if others and (groups or len(columns) == 2):
        notes = (
            () if groups else (f"column {others[0]} is taken as the absorption; its name does not say so",)
        )
        signals = tuple(
            Signal(table[:, one.number - 1], str(one), one.name if len(others) > 1 else "") for one in others
        )
        return Choice(energy, signals, notes)
    raise NoColumnError(
        f"no column is an absorption (mu) or a pair of detectors (i0 and it, or i0 and if); the columns are "
        f"{listed(columns)}; {HOW_TO_CHOOSE}"
    )


def _unnamed(table: Floats, columns: Sequence[Column], *, by_suffix: bool) -> Choice:
    if len(columns) < 2:
        raise NoColumnError("one column of numbers; needs energy and mu")
    if len(columns) > 2 and not by_suffix:
        raise NoColumnError(f"{len(columns)} columns without names; {HOW_TO_CHOOSE}")
    notes = (f"columns without names: 1 is taken as energy, 2 as mu, {len(columns) - 2} more are not used",)
    return Choice(columns[0], (Signal(table[:, 1], "2"),), notes if len(columns) > 2 else ())


def _energy(columns: Sequence[Column]) -> Column:
    found = [one for one in columns if one.role is Role.ENERGY]
    if not found:
        found = [one for one in columns if one.role is Role.ANGLE]
    if not found:
        what = "holds chi(k), not mu(E)" if any(one.role is Role.WAVENUMBER for one in columns) else ""
        raise NoColumnError(
            what or f"no column is an energy; the columns are {listed(columns)}; {HOW_TO_CHOOSE}"
        )
    # Athena's exports of chi(k) hold energies as well.
    if columns[0].role is Role.WAVENUMBER:
        raise NoColumnError("holds chi(k), not mu(E)")
    return min(found, key=lambda one: one.rank)


@dataclass(frozen=True)
class _Candidate:
    """Something that can be the absorption."""

    words: str
    mu: Floats
    kind: Role
    passed_over: str = ""
    """Why something that would have been taken before it cannot be."""


def _candidates(table: Floats, by_role: dict[Role, list[Column]]) -> tuple[list[_Candidate], list[str]]:
    """Return all that can be the absorption, what to take first at the beginning; and why others cannot be it."""
    found: list[_Candidate] = []
    problems: list[str] = []
    for column in by_role[Role.MU]:
        values = table[:, column.number - 1]
        if np.isfinite(values).any() and np.nanmin(values) != np.nanmax(values):
            found.append(_Candidate(str(column), values, Role.MU, "; ".join(problems[:1])))
        else:
            problems.append(f"column {column} does not change")
    pairs: list[tuple[Role, Callable[[Column, Column], tuple[Column, Column]]]] = [
        (Role.TRANSMITTED, lambda i0, one: (i0, one)),
        (Role.FLUORESCENCE, lambda i0, one: (one, i0)),
    ]
    for role, order in pairs:
        for column in by_role[role]:
            for i0 in by_role[Role.I0]:
                above, below = order(i0, column)
                words, ratio, problem = _ratio(table, above, below)
                if problem:
                    problems.append(problem)
                    continue
                transmitted = role is Role.TRANSMITTED
                with np.errstate(all="ignore"):
                    mu = np.log(ratio) if transmitted else ratio
                words = f"ln({words})" if transmitted else words
                found.append(_Candidate(words, mu, role, "; ".join(problems[:1])))
                break
    return found, problems


def _ratio(table: Floats, above: Column, below: Column) -> tuple[str, Floats, str]:
    """Return the words for a ratio of two columns, the ratio, NaN where a detector did not count, and what is wrong."""
    words = f"{above.name or above.number}/{below.name or below.number}"
    one, other = table[:, above.number - 1], table[:, below.number - 1]
    with np.errstate(all="ignore"):
        ratio = one / other
        # Amplifiers may count negative, but not one positive and the other negative.
        good = (ratio > 0.0) & np.isfinite(ratio)
    missing = len(ratio) - int(good.sum())
    if missing > max(_MOST_DEAD * len(ratio), 1.0) or not good.any():
        where = f"at {missing} of {len(ratio)} energies"
        problem = f"a detector counted nothing, or with the other sign, {where}; was the shutter closed?"
        return words, ratio, f"{words}: {problem}"
    return words, np.where(good, ratio, np.nan), ""


def _first(
    table: Floats,
    energy: Column,
    by_role: dict[Role, list[Column]],
    candidates: list[_Candidate],
) -> Choice:
    """Return the choice of the first candidate, with notes on the others and on what cannot be used."""
    first, *others = candidates
    signals = [Signal(first.mu, first.words)]
    notes = []
    if first.kind is Role.TRANSMITTED:
        for column in by_role[Role.SECOND]:
            before = by_role[Role.TRANSMITTED][0]
            words, ratio, problem = _ratio(table, before, column)
            if problem:
                notes.append(f"no second spectrum: {problem}")
                continue
            with np.errstate(all="ignore"):
                signals.append(Signal(np.log(ratio), f"ln({words})", f"ln({words})"))
            notes.append(f"ln({words}) is read as a second spectrum; it is often that of a foil")
    # The detectors behind a column that is called mu need no note.
    unused = [one for one in others if one.kind is first.kind or first.kind is not Role.MU]
    if unused:
        words = ", ".join(one.words for one in unused[:_MOST_NOTED])
        more = f" and {len(unused) - _MOST_NOTED} more" if len(unused) > _MOST_NOTED else ""
        notes.append(f"mu is {first.words}; not used: {words}{more}")
    if references := by_role[Role.REFERENCE]:
        notes.append(f"not used, since it is a reference: {', '.join(map(str, references[:_MOST_NOTED]))}")
    if first.passed_over:
        notes.append(f"mu is {first.words}, since {first.passed_over}")
    return Choice(energy, tuple(signals), tuple(notes))
