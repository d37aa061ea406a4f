"""Patterns as columns of text: xy, xye, dat, txt and csv files."""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from nescio.errors import FileError
from nescio.files import Source, decoded_text, text_lines
from nescio.xrd.read.measured import (
    MAX_POINTS,
    MAX_VALUES,
    axis_kind,
    measured_dataset,
    other_quantity,
    resolved_wavelength,
    wavelength_angstrom,
)

__all__ = ["read_text"]

_COMMENT = ("#", "!", ";", "'", "//", "%", "*")
_MOST_HEADER = 5000
_LONGEST_REMARK = 300
# Possessive quantifiers, so that a hostile line costs no more than its length.
_WAVELENGTH = re.compile(
    r"(?:wave\s*+length|lambda)\w*+(?:\s*+(?:\(([^)]*+)\)|\[([^\]]*+)\]))?(?:\s*+[=:,]|\s++)\s*+(.+)", re.I
)
_QUANTITY = re.compile(
    r"[A-Za-z][\w-]*|[-+]?(?:\d++(?:[.,]\d++)?|[.,]\d++)(?:e[+-]?\d+)?\s*"
    r"(?:angstroms?|[ÅåA]|nm|pm|k?eV|m)?\b",
    re.I,
)
_SIGMA = re.compile(r"sigma|error|e\.?s\.?d|uncert|std|sig\b|σ", re.I)
_INTENSITY = re.compile(r"^(intensity|counts|iobs|i_?obs|yobs|observed|i|y|cps)\b", re.I)
_NUMBER = re.compile(r"[-+]?\d+(?:[.,]\d*)?(?:e[+-]?\d+)?", re.I)
# What begins like a number, perhaps with a letter O or l where a digit should be.
_LIKE_NUMBER = re.compile(r"[-+]?[OolI]?[.,\d]")
# A word that may hold bracketed blanks, and a word that can only be the unit of the one before it.
_WORD = re.compile(r"(?:[^\s(\[]|\([^()]{0,40}\)|\[[^\[\]]{0,40}\]|[(\[])+")
_UNIT = re.compile(r"[(\[]|1/|(?:nm|a|å|angstrom)(?:\^|\*\*)?\{?[-⁻][1¹]\}?$", re.I)
_VALUE = re.compile(r"[:=](\S|$)|^[-+]?[\d.,]+$")
_DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+(?:e[+-]?\d+)?", re.I)


@dataclass(frozen=True)
class _Table:
    """Rows of numbers and the lines they stood on."""

    rows: np.ndarray
    """Shape (points, columns)."""
    lines: Sequence[int]
    header: list[str]
    """Comments and titles before the first row, without comment signs."""
    separator: str | None
    titles: list[str] | None
    """One title a column, where the last line before the numbers holds as many."""


def read_text(source: Source, *, axis: str | None, wavelength: float | None) -> xr.Dataset:
    """Read columns of text: the axis, then one intensity and perhaps its uncertainty, or many patterns.

    Separators may be white space, tabs, semicolons or commas; a decimal comma is understood where no comma
    separates. Lines that start with ``# ! ; ' // % *`` are comments, and titles may stand before the numbers;
    both may tell the axis ("2theta", "q (1/nm)") and the wavelength ("wavelength = 1.5406"). The axis is the
    column whose title says so, else the first that has a title. Where nothing tells the axis it is two-theta in
    degree, as is the convention of these formats. Columns without titles: a third one is the uncertainty, except
    in ``.xy`` files, where it is left alone (a fit, a background).

    Raises:
        FileError: The text is not such a table, or its axis is something else; the message names line or title.
    """
    path = source.path
    table = _table(source)
    column = _axis_column(table, axis)
    kind = axis or _kind(path, table, column)
    intensity, names, sigma = _columns(path, table, column)
    return measured_dataset(
        path,
        kind,
        table.rows[:, column],
        intensity,
        wavelength=resolved_wavelength(path, kind, wavelength, lambda: _wavelength_in(path, table.header)),
        names=names,
        uncertainty=sigma,
        place=lambda index: f"line {table.lines[index]}",
    )


def _table(source: Source) -> _Table:
    path = source.path
    header: list[str] = []
    last_title, title_line = "", 0
    separator: str | None = None
    decimal_comma = False
    rows, lines, width = array("d"), array("q"), 0
    for number, line in enumerate(text_lines(source, decoded_text(source)), start=1):
        stripped = line.strip()
        comment = stripped.startswith(_COMMENT)
        if not stripped or (comment and rows):
            continue
        if len(header) > _MOST_HEADER:
            raise FileError(f"{path}: no row of numbers in the first {_MOST_HEADER:,} lines")
        if comment:
            last_title = stripped.lstrip("#!;'/%* \t")
            header.append(last_title[:_LONGEST_REMARK])
            continue
        if not rows:
            separator, decimal_comma = _convention(stripped)
        values = _numbers(stripped, separator, decimal_comma)
        if not rows and (values is None or len(values) < 2):
            last_title, title_line = stripped, number
            header.append(stripped[:_LONGEST_REMARK])
            continue
        if not rows and title_line == number - 1 and _is_spoilt_row(last_title, separator, len(values or [])):
            raise FileError(f"{path}: line {title_line}: {last_title[:40]!r} is not a row of numbers")
        if values is None:
            raise FileError(f"{path}: line {number}: {stripped[:40]!r} is not a row of numbers")
        if rows and len(values) != width:
            raise FileError(
                f"{path}: line {number}: {len(values)} numbers where the rows before it have {width}"
            )
        width = len(values)
        rows.extend(values)
        lines.append(number)
        if len(lines) > MAX_POINTS or len(rows) > MAX_VALUES:
            raise FileError(f"{path}: line {number}: more than {MAX_POINTS} rows or {MAX_VALUES} numbers")
    if not rows:
        raise FileError(f"{path}: holds no rows of at least two numbers (axis, intensity)")
    titles = _titles(last_title, separator)
    source.spend(16 * len(rows), "its numbers")
    table = np.array(rows).reshape(-1, width)
    return _Table(table, lines, header, separator, titles if len(titles) == width else None)


def _titles(line: str, separator: str | None) -> list[str]:
    """Return the titles of columns, each with its unit."""
    if separator is not None:
        return [title.strip().strip("\"'") for title in _split(line, separator)]
    titles: list[str] = []
    for word in _WORD.findall(line):
        if titles and _UNIT.match(word):
            titles[-1] += f" {word}"
        else:
            titles.append(word.strip("\"'"))
    return titles


def _is_spoilt_row(title: str, separator: str | None, columns: int) -> bool:
    """Say whether what would be a title is rather a first row with a slip in it."""
    tokens = [token.strip() for token in _split(title, separator)]
    if len(tokens) != columns or axis_kind(tokens[0]):
        return False
    if _NUMBER.fullmatch(tokens[0]):
        return True
    # "2O.0 100" is a slip; "Temperature 300" is a remark.
    return bool(_LIKE_NUMBER.match(tokens[0])) and any(map(_NUMBER.fullmatch, tokens[1:]))


def _convention(line: str) -> tuple[str | None, bool]:
    """Return the separator (None: white space) and whether the comma is the decimal sign."""
    for separator in (";", "\t"):
        if separator in line.rstrip(separator):
            tokens = [token.strip() for token in line.split(separator)]
            return separator, any(_DECIMAL_COMMA.fullmatch(token) for token in tokens)
    if "," not in line:
        return None, False
    tokens = line.split()
    # "10,02 200" and "10,02 200,5" hold decimal commas; "10.02,200" and "10.02, 200" separate by commas.
    if (
        len(tokens) > 1
        and "." not in line
        and all("," not in t or _DECIMAL_COMMA.fullmatch(t) for t in tokens)
    ):
        return None, True
    return ",", False


def _split(line: str, separator: str | None) -> list[str]:
    return line.split() if separator is None else line.rstrip(separator + " ").split(separator)


def _numbers(line: str, separator: str | None, decimal_comma: bool) -> list[float] | None:
    """Return the numbers of a row, or None where it is not one."""
    if decimal_comma and "." in line:
        # One of the two would have to separate thousands: too doubtful to guess.
        return None
    numbers = []
    for token in _split(line, separator):
        token = token.strip().strip('"')
        token = token.replace(",", ".") if decimal_comma else token
        # Python would also read underscores as part of a number.
        if "_" in token:
            return None
        try:
            numbers.append(float(token))
        except ValueError:
            return None
    return numbers


def _axis_column(table: _Table, axis: str | None) -> int:
    """Return which column holds the axis: the one whose title says so, of the wanted kind where a kind is wanted."""
    titles = table.titles
    if titles is None:
        return 0
    kinds = {i: kind for i, title in enumerate(titles) if (kind := axis_kind(title))}
    wanted = [i for i, kind in kinds.items() if axis is not None and kind[0] == axis[0]]
    column = next(iter([*wanted, *kinds]), None)
    # Of words separated by white space, "sample 2theta scan", only those that name an intensity too are titles.
    if column is not None and (table.separator is not None or any(map(_INTENSITY.match, titles))):
        return column
    return 1 if not titles[0] and len(titles) > 2 else 0


def _kind(path: Path, table: _Table, column: int) -> str:
    """Return the kind of axis that the titles and comments tell; two-theta in degree where they tell nothing.

    Raises:
        FileError: They tell that it is another quantity.
    """
    title = table.titles[column] if table.titles else ""
    found = axis_kind(title)
    # "energy = 8.05" is a remark over two columns, not their titles.
    if other_quantity(title) and not any(map(_VALUE.search, table.titles or ())):
        raise _not_an_axis(path, title)
    found = found or next((kind for line in reversed(table.header) if (kind := axis_kind(line))), None)
    if found is not None:
        return found
    for line in reversed(table.header):
        if other_quantity(line, alone=True):
            raise _not_an_axis(path, line)
    return "two_theta"


def _not_an_axis(path: Path, title: str) -> FileError:
    return FileError(
        f"{path}: {title[:40]!r} is neither two-theta nor q; if it is one of them all the same, say so with"
        " --axis two_theta, q (1/angstrom) or q_nm (1/nm)"
    )


def _columns(path: Path, table: _Table, axis: int) -> tuple[np.ndarray, list[str] | None, np.ndarray | None]:
    """Return intensity (n, points), names, and uncertainty (n, points) or None."""
    count = table.rows.shape[1]
    titles = table.titles
    # Titles separated by white space are trusted only where they say what they are: "scan of sample" are none.
    others = [i for i in range(count) if i != axis]
    if titles and not (axis_kind(titles[axis]) or any(_INTENSITY.match(titles[i]) for i in others)):
        titles = None
    # What stands before the axis is an index or another axis, unless it is the intensity.
    after = [i for i in others if i > axis]
    if titles is None:
        if len(after) > 2:
            raise FileError(
                f"{path}: line {table.lines[0]}: {count} columns without titles; name them in a line before the numbers"
            )
        third_is_sigma = len(after) == 2 and path.suffix.lower() != ".xy"
        return table.rows[:, after[0]][None], None, table.rows[:, after[1]][None] if third_is_sigma else None
    observed = [i for i in others if _INTENSITY.match(titles[i])]
    sigmas = [i for i in after if _SIGMA.search(titles[i])]
    chosen = observed[:1] or [i for i in after if i not in sigmas]
    if not chosen:
        raise FileError(f"{path}: no column holds an intensity; the titles are {', '.join(titles)[:80]}")
    if len(chosen) == 1:
        sigma = table.rows[:, sigmas[0]][None] if len(sigmas) == 1 else None
        return table.rows[:, chosen[0]][None], None, sigma
    names = [titles[i] for i in chosen]
    if len(set(names)) != len(names) or not all(names):
        raise FileError(f"{path}: the titles of the columns must differ, and none may be empty")
    return table.rows[:, chosen].T, names, None


def _wavelength_in(path: Path, header: list[str]) -> float | None:
    """Return the wavelength that a comment or title tells; words that name no radiation tell nothing."""
    for line in header:
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
