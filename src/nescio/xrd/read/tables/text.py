"""Patterns as columns of text: xy, xye, dat, txt and csv files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import xarray as xr

from nescio.errors import FileError
from nescio.files import Source, suffix_of
from nescio.xrd.read.axis import (
    KINDS,
    Title,
    mentions_inverse_length,
    names_an_angle,
    other_quantity,
    read_title,
)
from nescio.xrd.read.measured import (
    MAX_PATTERNS,
    check_unit,
    measured_dataset,
    not_an_axis,
    resolved_wavelength,
    stem_of,
    wavelength_angstrom,
)
from nescio.xrd.read.several import joined
from nescio.xrd.read.tables.columns import Role, are_titles, base_of, role_of
from nescio.xrd.read.tables.table import Table, read_tables

__all__ = ["read_text"]

# Possessive quantifiers, so that the time for a hostile line is proportional to its length.
_WAVELENGTH = re.compile(
    r"(?:wave\s*+length|lambda)\w*+(?:\s*+(?:\(([^)]*+)\)|\[([^\]]*+)\]))?(?:\s*+[=:,]|\s++)\s*+(.+)", re.I
)
_QUANTITY = re.compile(
    r"[A-Za-z][\w-]*|[-+]?(?:\d++(?:[.,]\d++)?|[.,]\d++)(?:e[+-]?\d+)?\s*"
    r"(?:angstroms?|[ÅåA]|nm|pm|k?eV|m)?\b",
    re.I,
)
_INDICES = (
    "unnamed",
    "index",
    "no",
    "nr",
    "number",
    "point",
    "points",
    "row",
    "channel",
    "time",
    "step",
    "frame",
)
_NO_TITLES = "name them in a line before the numbers"
# Shorter runs are errors in a scan rather than separate scans.
_SHORTEST_SCAN = 5
# From four counts on, one standard deviation is below half of the counts.
_LARGEST_SIGMA = 0.5


@dataclass(frozen=True)
class _Scan:
    """Columns of a table that form a scan."""

    axis: int
    kind: str
    intensities: tuple[int, ...]
    names: tuple[str, ...] | None
    """Names of the intensities, if there are several."""
    sigmas: tuple[int, ...]
    """Empty, or one for each intensity."""
    notes: tuple[str, ...] = ()


def read_text(source: Source, *, axis: str | None, wavelength: float | None) -> xr.Dataset:
    """Read columns of text: the axis, then one intensity and perhaps its uncertainty, or many patterns.

    Separators may be white space, tabs, semicolons or commas. Decimal commas are supported if no comma separates
    columns. Lines that start with ``# ! ; ' // % *`` are comments, and titles may precede the numbers. Both may name
    the axis ("2theta", "q (1/nm)", "d (A)") and the wavelength ("wavelength = 1.5406"). The title of a column
    identifies the axis. Several axes, each followed by its intensities, are scans side by side. A line of text after
    which the axis restarts begins another scan. A file without any title is over two-theta in degree, the convention of
    these formats. An unknown title, or that of another quantity, is an error that asks for the axis. Without titles, a
    third column is the uncertainty, except in ``.xy`` files, where it is ignored (a fit, a background).

    Raises:
        FileError: The text is not such a table, or has another axis; the message names the line or title.
    """
    path = source.path
    tables, notes = read_tables(source)
    # The header of the first table applies to all, and titles apply until there are new ones.
    header = tables[0].header
    words: list[str] = []
    scans: list[xr.Dataset] = []
    left_out: list[str] = []
    for number, table in enumerate(tables, 1):
        words = table.words or words
        lines = table.header if table is tables[0] else [*header, *table.header]
        try:
            if table.rows.shape[0] == 1 and len(tables) > 1:
                notes.append(f"{path}: line {table.lines[0]}: a scan of one point is skipped")
                continue
            fits = len(words) == table.rows.shape[1]
            scans += _scans(replace(table, header=lines, words=words if fits else []), path, axis, wavelength)
        except FileError as error:
            if len(tables) == 1:
                raise
            left_out.append(f"scan {number}: {str(error).removeprefix(f'{path}: ')}")
    if left_out and not scans:
        raise FileError(f"{path}: {left_out[0]}")
    return joined(source, scans, notes=notes, left_out=left_out)


def _scans(table: Table, path: Path, option: str | None, wavelength: float | None) -> list[xr.Dataset]:
    """Return the scans of one table."""
    found: list[xr.Dataset] = []
    for scan in _columns(path, table, option):
        rows = np.flatnonzero(np.isfinite(table.rows[:, scan.axis]) | (len(table.rows) < 2))
        # An axis may end before the other columns if scans of different lengths are side by side.
        rows = rows if rows.size and rows[-1] == rows.size - 1 else np.arange(len(table.rows))
        points = table.rows[rows, scan.axis]
        notes = list(scan.notes)
        pieces = _pieces(points)
        if len(pieces) > 1:
            lines = ", ".join(str(table.lines[int(rows[piece.start])]) for piece in pieces[1:4])
            notes.append(f"{path}: the axis restarts at line {lines}: read as {len(pieces)} scans")
        for piece in pieces:
            mine = rows[piece]
            found.append(
                measured_dataset(
                    path,
                    scan.kind,
                    points[piece],
                    table.rows[mine][:, scan.intensities].T,
                    wavelength=resolved_wavelength(
                        path, scan.kind, wavelength, lambda: _wavelength_in(path, table.header)
                    ),
                    names=scan.names,
                    uncertainty=table.rows[mine][:, scan.sigmas].T if scan.sigmas else None,
                    notes=notes,
                    place=lambda index, mine=mine: f"line {table.lines[int(mine[index])]}",  # type: ignore[misc]
                )
            )
            notes = []
    return found


def _pieces(points: npt.NDArray[np.float64]) -> list[slice]:
    """Return the runs in which an axis increases or decreases; a single one if some are too short for a scan."""
    whole = [slice(0, len(points))]
    steps = np.diff(points)
    if not np.isfinite(points).all() or not steps.any():
        return whole
    direction = np.sign(steps[np.flatnonzero(steps)[0]])
    ends = np.flatnonzero(np.sign(steps) == -direction) + 1
    if not ends.size:
        return whole
    edges = [0, *ends.tolist(), len(points)]
    if min(np.diff(edges)) < _SHORTEST_SCAN:
        return whole
    return [slice(start, stop) for start, stop in pairwise(edges)]


def _columns(path: Path, table: Table, option: str | None) -> list[_Scan]:
    """Return the scans in the columns of a table."""
    words = table.words
    if words and are_titles(words, separated=table.separator is not None):
        return _titled(path, table, option)
    kind = option or _kind_by_header(path, table)
    return [_untitled(path, table, kind)]


def _titled(path: Path, table: Table, option: str | None) -> list[_Scan]:
    """Return the scans of columns with titles."""
    titles = table.words
    if len(titles) > MAX_PATTERNS:
        raise FileError(f"{path}: {len(titles):,} columns; at most {MAX_PATTERNS:,} are read")
    found = {i: title for i, word in enumerate(titles) if (title := read_title(word)).kind is not None}
    wanted = [
        i for i, title in found.items() if option is not None and title.quantity == KINDS[option].quantity
    ]
    column = next(iter([*wanted, *found]), None)
    if column is None:
        # The first column may be an index without a title.
        column = 1 if len(titles) > 2 and _is_index(titles[0], table.rows[:, 0]) else 0
        kind = option or _kind_by_title(path, titles[column], table)
        return [_scan_of(path, table, column, kind, range(len(titles)))]
    kind = option or str(found[column].kind)
    if option is None:
        check_unit(f"{path}: column {titles[column][:40]!r}", found[column], table.rows[:, column])
    axes = [i for i, title in found.items() if title.kind == found[column].kind]
    edges = [*axes, len(titles)]
    if len(axes) > 1 and all(stop - start > 1 for start, stop in pairwise(edges)):
        return [_scan_of(path, table, start, kind, range(start, stop)) for start, stop in pairwise(edges)]
    return [_scan_of(path, table, column, kind, range(len(titles)))]


def _is_index(title: str, values: npt.NDArray[np.float64]) -> bool:
    """Return whether a first column is a row index: by its title, or by counting from 0 or 1 without a title."""
    if title:
        return other_quantity(title) in _INDICES
    return bool(values[0] in (0.0, 1.0) and (np.diff(values) == 1.0).all())


def _kind_by_title(path: Path, title: str, table: Table) -> str:
    """Return the kind of an axis whose title does not name it directly.

    Raises:
        FileError: The title names another quantity, or is unknown.
    """
    if names_an_angle(title):
        return "two_theta"
    if title and not (role_of(title) is Role.INTENSITY and len(table.words) > 1):
        found = None if other_quantity(title) else _by_line(table.header[:-1])
        if found is None or found.kind is None:
            raise not_an_axis(str(path), title)
        return found.kind
    return _kind_by_header(path, table)


def _kind_by_header(path: Path, table: Table) -> str:
    """Return the kind of axis in comments and titles; two-theta in degree if they name none.

    Raises:
        FileError: They name another quantity, or contain a unit of q without a quantity.
    """
    found = _by_line(table.header)
    if found is not None and found.kind is not None:
        check_unit(str(path), found, table.rows[:, 0])
        return found.kind
    for line in reversed(table.header):
        if other_quantity(line, alone=True):
            raise not_an_axis(str(path), line)
    for line in table.header:
        if mentions_inverse_length(line):
            raise not_an_axis(str(path), line)
    last = table.header[-1].split() if table.header else []
    if len(last) > 2 and role_of(last[-1]) is Role.INTENSITY and not re.search(r"[:=]|\d", table.header[-1]):
        raise not_an_axis(str(path), table.header[-1])
    return "two_theta"


def _by_line(header: Sequence[str]) -> Title | None:
    """Return the title in the last line that names an axis."""
    for line in reversed(header):
        title = read_title(line)
        if title.kind is None:
            continue
        # A single letter is a title if it begins the line or has a unit; "d" only if nothing else follows.
        if title.quantity == "d":
            if title.stands_alone:
                return title
        elif title.quantity == "two_theta" or title.start == 0 or title.unit is not None:
            return title
    return None


def _scan_of(path: Path, table: Table, axis: int, kind: str, columns: range) -> _Scan:
    """Return the scan of an axis among other columns with titles."""
    titles = table.words
    roles = {i: role_of(titles[i]) for i in columns if i != axis}
    observed = [i for i, role in roles.items() if role is Role.INTENSITY]
    sigmas = [i for i, role in roles.items() if role is Role.UNCERTAINTY and i > axis]
    # A column before the axis is an index or another axis, unless it is the intensity.
    others = [i for i, role in roles.items() if role is Role.OTHER and i > axis]
    quantities = {i for i in others if other_quantity(titles[i], alone=True)}
    notes: list[str] = []
    if observed:
        first = base_of(titles[observed[0]])
        same = [i for i in observed if base_of(titles[i]) == first]
        taken = set(same)
        unused = [titles[i] for i in (*observed, *others) if i not in taken]
        chosen = same
        if unused:
            notes.append(f"{path}: columns that are not used: {', '.join(map(repr, unused[:6]))}")
    else:
        chosen = [i for i in others if i not in quantities]
        if chosen and quantities:
            unused = [titles[i] for i in sorted(quantities)]
            notes.append(f"{path}: columns that are not used: {', '.join(map(repr, unused[:6]))}")
    if not chosen:
        raise FileError(f"{path}: no column is an intensity; the titles are {', '.join(titles)[:80]}")
    names = None
    if len(chosen) > 1:
        names = tuple(titles[i] for i in chosen)
        if len(set(names)) != len(names) or not all(names):
            names = tuple(f"{stem_of(path)}#{number}" for number in range(1, len(names) + 1))
    if len(sigmas) != len(chosen):
        if sigmas:
            notes.append(
                f"{path}: {len(sigmas)} columns of uncertainties do not fit {len(chosen)} intensities"
            )
        sigmas = []
    return _Scan(axis, kind, tuple(chosen), names, tuple(sigmas), tuple(notes))


def _untitled(path: Path, table: Table, kind: str) -> _Scan:
    """Return the scan of columns without titles: axis, intensity, and perhaps its uncertainty."""
    count = table.rows.shape[1]
    if count > 3:
        raise FileError(f"{path}: line {table.lines[0]}: {count} columns without titles; {_NO_TITLES}")
    if count == 2:
        return _Scan(0, kind, (1,), None, ())
    suffix = suffix_of(path)
    if suffix == ".xy":
        note = f"{path}: the third column has no title and is ignored, as usual in .xy files"
        return _Scan(0, kind, (1,), None, (), (note,))
    if suffix != ".xye" and not _can_be_sigma(table.rows[:, 1], table.rows[:, 2]):
        note = (
            f"{path}: the third column has no title, cannot be an uncertainty of the second, and is ignored"
        )
        return _Scan(0, kind, (1,), None, (), (note,))
    return _Scan(0, kind, (1,), None, (2,))


def _can_be_sigma(intensity: npt.NDArray[np.float64], sigma: npt.NDArray[np.float64]) -> bool:
    """Return whether a column can be the standard deviation of another: never negative, and mostly smaller."""
    if (sigma < 0.0).any():
        return False
    positive = intensity > 0.0
    if not positive.any():
        return True
    with np.errstate(over="ignore"):
        share = np.median(sigma[positive] / intensity[positive])
    return bool(share <= max(_LARGEST_SIGMA, 1.0 / np.sqrt(np.median(intensity[positive]))))


def _wavelength_in(path: Path, header: list[str]) -> float | None:
    """Return the wavelength in a comment or title; words that are not a radiation are ignored."""
    # The line closest to the numbers counts.
    for line in reversed(header):
        match = _WAVELENGTH.search(line)
        quantity = _QUANTITY.match(match[3].strip()) if match else None
        if not match or not quantity:
            continue
        text = f"{quantity[0].strip().replace(',', '.')} {match[1] or match[2] or ''}".strip()
        try:
            return wavelength_angstrom(text, f"{path}: {line[:60]!r}")
        except FileError:
            if not text[0].isalpha():
                raise
    return None
