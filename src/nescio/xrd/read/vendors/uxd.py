"""Ranges in Bruker's text format UXD.

The keywords are those of the manual of DIFFRAC plus XCH (Bruker AXS, 2002).
"""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from nescio.errors import FileError
from nescio.files import Source, decoded_text, text_lines
from nescio.xrd.read.vendors.scans import Beam, Scans, is_two_theta, numbers_in, text_number

__all__ = ["is_uxd", "read_uxd"]

_MARK = re.compile(rb"^[ \t]*_(?:FILEVERSION|DRIVE|STEPSIZE|2THETAC(?:OUNTS|PS)|COUNTS)\b", re.I | re.M)
_DATA = {
    "_COUNTS": (1, True), "_COUNT": (1, True), "_CPS": (1, False),
    "_2THETACOUNTS": (2, True), "_2THETACPS": (2, False), "_2THETACOUNTSTIME": (3, True),
}  # fmt: skip
"""Keywords before numbers: numbers of each point, and whether intensities are counts."""


@dataclass
class _Range:
    """A range that is being read."""

    values: dict[str, str] = field(default_factory=dict)
    columns: int = 0
    counts: bool = False
    numbers: array[float] = field(default_factory=lambda: array("d"))


def is_uxd(content: bytes) -> bool:
    """Say whether a text can be a UXD file."""
    return _MARK.search(content[:20_000]) is not None


def read_uxd(source: Source, *, axis: str | None, wavelength: float | None) -> xr.Dataset:
    """Read all ranges over two-theta; each is a measurement of its own.

    Counts have uncertainties from counting statistics; counts per second have none. A range over another drive, or a
    list of peaks, is left out.

    Raises:
        FileError: The file holds no range over two-theta, or a line is not what it should be.
    """
    scans = Scans(source, axis, wavelength)
    shared: dict[str, str] = {}
    current: _Range | None = None
    reading = False
    for line_number, line in enumerate(text_lines(source, decoded_text(source)), 1):
        words = line.strip()
        if not words or words.startswith(";"):
            continue
        if words.startswith("_"):
            keyword, _, value = words.partition("=")
            keyword = keyword.strip().upper()
            if keyword == "_DRIVE" or (reading and keyword in _DATA):
                _close(scans, shared, current)
                current = _Range()
            reading = keyword in _DATA
            if reading:
                current = current or _Range()
                current.columns, current.counts = _DATA[keyword]
            else:
                target = shared if current is None else current.values
                target[keyword] = value.strip().strip("'\" ")
                if len(target) > 1000:
                    raise FileError(f"{source.name}: line {line_number}: more than 1,000 keywords in a range")
        elif reading and current is not None:
            place = f"{source.name}: line {line_number}"
            numbers_in(words.replace(",", " ").split(), place, current.numbers)
    _close(scans, shared, current)
    return scans.dataset("range")


def _close(scans: Scans, shared: dict[str, str], current: _Range | None) -> None:
    """Add a range that was read."""
    if current is None or not current.columns:
        return
    name = scans.next()
    values = {**shared, **current.values}
    drive = values.get("_DRIVE", "COUPLED")
    if not is_two_theta(drive) and drive.upper() != "DETECTOR":
        scans.leave_out(f"{name}: runs over {drive[:30]!r}, not over two-theta")
        return
    scans.source.spend(16 * len(current.numbers), name)
    numbers = np.array(current.numbers)
    rest = numbers.size % current.columns
    if rest:
        scans.note(f"{name}: its last point is cut short and is left out")
        numbers = numbers[:-rest]
    rows = numbers.reshape(-1, current.columns)
    if current.columns > 1:
        two_theta, intensity = rows[:, 0], rows[:, 1]
    else:
        start = text_number(values.get("_2THETA", values.get("_START")))
        step = text_number(values.get("_STEPSIZE"))
        if start is None or step is None:
            scans.leave_out(f"{name}: has no _START or no _STEPSIZE")
            return
        two_theta, intensity = start + step * np.arange(len(rows)), rows[:, 0]
    beam = Beam(
        text_number(values.get("_WL1")),
        text_number(values.get("_WL2")),
        text_number(values.get("_WLRATIO")),
        values.get("_ANODE", ""),
    )
    unit = values.get("_WL_UNIT", "A").upper()
    if unit == "NM":
        beam = Beam(10.0 * (beam.alpha1 or 0.0), 10.0 * (beam.alpha2 or 0.0), beam.ratio, beam.anode)
    seconds = text_number(values.get("_STEPTIME"))
    scans.add(name, two_theta, intensity, beam=beam, seconds=seconds, counts=current.counts)
