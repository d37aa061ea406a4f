"""Patterns that Fit2D integrated (``.chi``): four lines of titles and the number of points, then two columns.

Described in the manual of Fit2D (Hammersley, ESRF), output format "CHIPLOT".
"""

from __future__ import annotations

from itertools import islice

import numpy as np
import xarray as xr

from nescio.errors import FileError
from nescio.files import Source, decoded_text, text_lines
from nescio.xrd.read.axis import read_title
from nescio.xrd.read.measured import check_unit, measured_dataset, not_an_axis, resolved_wavelength
from nescio.xrd.read.vendors.scans import number, rows_in

__all__ = ["is_chi", "read_chi"]

_HEADER = 4


def is_chi(content: bytes) -> bool:
    """Say whether the fourth line of a text is a whole number, and the fifth a row of two or three numbers."""
    lines = content[:8000].decode("latin-1").splitlines()[: _HEADER + 1]
    if len(lines) <= _HEADER or not any(character.isalpha() for character in lines[1]):
        return False
    count, row = lines[_HEADER - 1].split(), lines[_HEADER].split()
    return (
        len(count) == 1
        and all(word.isdecimal() and word.isascii() for word in count)
        and len(row) in (2, 3)
        and all(number(word) is not None for word in row)
    )


def read_chi(source: Source, *, axis: str | None, wavelength: float | None) -> xr.Dataset:
    """Read the pattern; the second line names the axis and its unit.

    Raises:
        FileError: The axis is none of a pattern ("Radial Distance (mm)"), or a row is no row of numbers.
    """
    path = source.path
    lines = text_lines(source, decoded_text(source))
    head = list(islice(lines, _HEADER))
    if len(head) < _HEADER:
        raise FileError(f"{path}: ends within the four lines of titles")
    title = read_title(head[1])
    rows, width = rows_in(lines, f"{path}:", _HEADER + 1)
    if not rows:
        raise FileError(f"{path}: has no points")
    source.spend(6 * 8 * len(rows), "its numbers")
    table = np.array(rows).reshape(-1, width)
    kind = axis or title.kind
    if kind is None:
        raise not_an_axis(str(path), head[1].strip())
    if axis is None:
        check_unit(str(path), title, table[:, 0])
    announced = head[3].split()[0] if head[3].split() else ""
    notes = []
    if announced != str(len(table)):
        notes.append(f"{path}: {announced[:20]} points are announced, {len(table):,} are in the file")
    return measured_dataset(
        path,
        kind,
        table[:, 0],
        table[:, 1],
        wavelength=resolved_wavelength(path, kind, wavelength, lambda: None),
        uncertainty=table[:, 2] if width == 3 else None,
        notes=notes,
        place=lambda index: f"point {index + 1}",
    )
