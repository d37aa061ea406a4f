"""Spectra out of files of columns: XDI, and those of beamlines that came before it."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nescio.errors import FileError, MeasurementError
from nescio.files import decoded_text, read_source, text_lines
from nescio.xas.spectrum import Spectrum, checked

__all__ = ["COLUMNS", "absorption_of", "read_columns"]

Floats = NDArray[np.float64]

_LARGEST = 100_000_000
_MOST_NUMBERS = 10_000_000
_MOST_COMMENTS = 100_000
_LONGEST_COMMENT = 10_000
_MOST_WIDTHS = 5
_HEADER = re.compile(r"^[#%;*\s]*([A-Za-z]+)[.:]\s*(\w+)\s*:\s*(.*)$")
COLUMNS = {
    "energy": ("energy", "e", "energy_ev"),
    "i0": ("i0", "io", "monitor"),
    "itrans": ("itrans", "i1", "it", "i", "trans"),
    "ifluor": ("ifluor", "fluor", "if", "iff", "fluorescence"),
    "mu": ("mutrans", "xmu", "mu", "mufluor", "normtrans", "normfluor", "absorption"),
}
"""What energy, incident, transmitted and fluorescent beam and the absorption itself are called, in lower case."""


def read_columns(path: str | Path, *, energy: int | None = None, mu: int | None = None) -> Spectrum:
    """Read a spectrum from columns of numbers with a header of comments.

    By the names of an XDI header (or of the last line of comments), mu is the logarithm of i0 over itrans, ifluor over
    i0, or a column that holds it. Without names, the first column is the energy and the second mu.

    Args:
        path: Of the file.
        energy: Number of the energy's column, counted from 1, where the header does not tell.
        mu: Number of mu's column.

    Raises:
        FileError: It cannot be read as columns of numbers.
        MeasurementError: The spectrum cannot be used; see :func:`nescio.xas.spectrum.checked`.
    """
    file = Path(path)
    source = read_source(file, _LARGEST)
    file = source.path
    table, comments = _table(file, text_lines(source, decoded_text(source)))
    fields = {f"{m[1]}.{m[2]}".lower(): m[3].strip() for line in comments if (m := _HEADER.match(line))}
    names = _names(fields, comments, table.shape[1])
    columns = {
        role: next((names.index(one) for one in known if one in names), None)
        for role, known in COLUMNS.items()
    }
    for role, given in (("energy", energy), ("mu", mu)):
        if given is not None:
            if not 1 <= given <= table.shape[1]:
                raise FileError(f"{file}: column {given} for {role}: there are {table.shape[1]}")
            columns[role] = given - 1
    x = table[:, columns["energy"] or 0]
    units = fields.get(f"column.{(columns['energy'] or 0) + 1}", "").lower().split()[1:]
    if units == ["kev"]:
        with np.errstate(over="ignore"):
            x = 1000.0 * x
    return checked(
        Spectrum(
            name=fields.get("sample.name", "") or file.stem,
            energy=x,
            mu=absorption_of(file, file.name, table, columns, asked=mu is not None),
            source=str(file),
            element=fields.get("element.symbol", "").capitalize(),
            edge=fields.get("element.edge", "").upper(),
        )
    )


def absorption_of(
    file: Path, name: str, table: Floats, columns: dict[str, int | None], *, asked: bool = False
) -> Floats:
    """Return the absorption that columns tell.

    Args:
        file: For messages.
        name: Of the spectrum, for messages.
        table: Shape (n, columns).
        columns: Index of each of `COLUMNS`, or None.
        asked: Whether the column of mu was asked for, whatever else there is.

    Raises:
        FileError: There is one column only.
        MeasurementError: A detector counted nothing.
    """
    i0, itrans, ifluor, mu = (columns[name] for name in ("i0", "itrans", "ifluor", "mu"))
    if asked and mu is not None:
        return table[:, mu]
    if i0 is not None and (second := itrans if itrans is not None else ifluor) is not None:
        above, below = (
            (table[:, i0], table[:, second]) if itrans is not None else (table[:, second], table[:, i0])
        )
        if (above <= 0.0).any() or (below <= 0.0).any():
            raise MeasurementError(
                f"{name}: a detector counted nothing at some energies; was the shutter closed?"
            )
        # Counts too small or too large for a ratio give no number, which is told later, with the place.
        with np.errstate(all="ignore"):
            return np.asarray(np.log(above / below) if itrans is not None else above / below)
    if mu is not None:
        return table[:, mu]
    if table.shape[1] < 2:
        raise FileError(f"{file}: one column of numbers; needs energy and mu")
    return table[:, 1]


def _names(fields: dict[str, str], comments: list[str], columns: int) -> list[str]:
    told = [fields.get(f"column.{number}", "").lower().split()[:1] for number in range(1, columns + 1)]
    if any(told):
        return ["".join(one) for one in told]
    words = comments[-1].lstrip("#%;*! ").lower().split() if comments else []
    return words if len(words) == columns else [""] * columns


def _table(file: Path, lines: Iterable[str]) -> tuple[Floats, list[str]]:
    """Return the rows of numbers, shape (n, columns), and the comments."""
    rows, widths, comments = array("d"), set[int](), list[str]()
    for number, line in enumerate(lines, 1):
        if line.lstrip()[:1] in ("#", "%", ";", "*", "!"):
            comments.append(line[:_LONGEST_COMMENT])
            if len(comments) > _MOST_COMMENTS:
                raise FileError(f"{file}: more than {_MOST_COMMENTS:,} lines of comments")
            continue
        words = line.replace(",", " ").split()
        if not words:
            continue
        try:
            row = [float(word) for word in words]
        except ValueError:
            if rows:
                raise FileError(
                    f"{file}, line {number}: {line.strip()[:60]!r} is no row of numbers"
                ) from None
            continue
        rows.extend(row)
        widths.add(len(row))
        if len(rows) > _MOST_NUMBERS or len(widths) > _MOST_WIDTHS:
            break
    if len(rows) > _MOST_NUMBERS:
        raise FileError(f"{file}: more than {_MOST_NUMBERS:,} numbers, no spectrum")
    if len(widths) != 1:
        told = f"rows of {' and '.join(map(str, sorted(widths)))} numbers" if widths else "no rows of numbers"
        raise FileError(f"{file}: {told}; needs columns of energy and absorption")
    return np.array(rows).reshape(-1, widths.pop()), comments
