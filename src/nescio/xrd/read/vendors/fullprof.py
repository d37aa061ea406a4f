"""Intensities on a regular grid, as FullProf reads them (``.dat``): start, step and end, then numbers.

Described in the manual of FullProf (Rodriguez-Carvajal, Laboratoire Leon Brillouin): the free format (INSTRM = 0), and
those of the ILL and PSI with a few lines before the grid and uncertainties after the intensities (INSTRM = 6, 8).
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable

import numpy as np
import xarray as xr

from nescio.files import Source, decoded_text, text_lines
from nescio.xrd.read.vendors.scans import Beam, Scans, number, numbers_in

__all__ = ["is_grid", "read_grid"]

_MOST_HEADER = 8
_FEWEST = 10
_COMMENTS = ("#", "!")
_WAVELENGTH = re.compile(r"(?:lambda|wavelength)\s{0,9}=\s{0,9}(\d{1,3}\.\d{1,9})", re.I)


def is_grid(content: bytes) -> bool:
    """Say whether a text begins with a line of start, step and end, after at most seven others, and then numbers.

    The rows after that line must have another number of words than it: else it is a table with three columns.
    """
    lines = [line for line in content[:4000].decode("latin-1").splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith(_COMMENTS)]
    found = _grid(lines)
    if found is None or len(lines) < found[0] + 2:
        return False
    row = lines[found[0] + 1].split()
    others = len(_leading_numbers(lines[found[0]]))
    return len(row) > 3 and len(row) != others and all(number(word) is not None for word in row)


def read_grid(source: Source, *, axis: str | None, wavelength: float | None) -> xr.Dataset:
    """Read intensities over two-theta; as many numbers again are their uncertainties.

    Points at negative angles are left out, with a note.

    Raises:
        FileError: A word among the intensities is no number, or there are too few.
    """
    scans = Scans(source, axis, wavelength)
    name = scans.next()
    head: list[str] = []
    found: tuple[int, tuple[float, float, float]] | None = None
    numbers: array[float] = array("d")
    width = 1
    for line_number, line in enumerate(text_lines(source, decoded_text(source)), 1):
        if not line.strip() or line.startswith(_COMMENTS):
            continue
        if found is None:
            head.append(line)
            found = _grid(head) if len(head) <= _MOST_HEADER else None
        else:
            words = line.split()
            width = max(width, len(words))
            numbers_in(words, f"{source.name}: line {line_number}", numbers)
    if found is None:
        return scans.dataset()
    start, step, _ = found[1]
    points = _points(found[1])
    source.spend(32 * len(numbers), "its numbers")
    values = np.array(numbers)
    intensity = values[:points]
    sigma = values[points : 2 * points] if len(values) >= 2 * points else None
    if len(values) < points:
        scans.note(f"{points:,} points are announced, {len(values):,} are in the file")
    elif width <= len(values) - points < points:
        scans.note(f"{len(values) - points:,} numbers after the {points:,} intensities are not used")
    two_theta = start + step * np.arange(intensity.size)
    kept = two_theta >= 0.0
    if not kept.all():
        scans.note(f"{int((~kept).sum()):,} points at negative angles are left out")
        two_theta, intensity = two_theta[kept], intensity[kept]
        sigma = None if sigma is None else sigma[kept]
    scans.add(name, two_theta, intensity, beam=Beam(_wavelength(head)), uncertainty=sigma)
    return scans.dataset()


def _grid(lines: Iterable[str]) -> tuple[int, tuple[float, float, float]] | None:
    """Return the index of the line of start, step and end, and these; None where there is none."""
    for index, line in enumerate(lines):
        if index == _MOST_HEADER:
            return None
        numbers = _leading_numbers(line)
        if len(numbers) < 3:
            continue
        start, step, end = numbers[:3]
        if step <= 0.0 or end <= start or (end - start) / step > 1e9:
            continue
        count = (end - start) / step + 1.0
        if count >= _FEWEST and abs(count - round(count)) < 0.01:
            return index, (start, step, end)
    return None


def _points(grid: tuple[float, float, float]) -> int:
    start, step, end = grid
    return round((end - start) / step) + 1


def _leading_numbers(line: str) -> list[float]:
    found = []
    for word in line[:300].split():
        value = number(word.rstrip(","))
        if value is None:
            break
        found.append(value)
    return found


def _wavelength(head: Iterable[str]) -> float | None:
    match = next((match for line in head if (match := _WAVELENGTH.search(line[:300]))), None)
    return float(match[1]) if match else None
