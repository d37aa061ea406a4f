"""Ranges in Bruker's binary RAW files of versions 3 (``RAW1.01``) and 4 (``RAW4.00``).

The layout of version 3 is described in the manual of DIFFRAC plus XCH (Bruker AXS, 2002, appendix A). That of version 4
is known from comparisons of files with their exports, as documented by xylib, FAIRmat's readers-xrd and geddes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import xarray as xr

from nescio.errors import FileError
from nescio.files import Source
from nescio.xrd.read.vendors.scans import Beam, Fields, Scans, is_two_theta

__all__ = ["read_bruker_raw"]

_Floats = npt.NDArray[np.float64]

_FILE_HEADER_3 = 712
_SMALLEST_HEADER_3 = 260
_LARGEST_HEADER = 2**24
# Types of scan of version 3 that move two-theta: locked and unlocked coupled, detector scan, and the coupled scan of
# high-resolution instruments.
_TYPES_3 = {0, 1, 2, 20}
_FILE_HEADER_4 = 61
_RANGE_HEADER_4 = 160
_RANGE_MARKS = (0, 160)
_TYPES_4 = ("lockedcoupled", "unlockedcoupled", "unlockedcoupledhrxrd", "detectorscan")
_SOURCE, _DRIVE = 30, 50
_SAME_POSITION = 1e-5


def read_bruker_raw(source: Source, *, axis: str | None, wavelength: float | None) -> xr.Dataset:
    """Read all ranges over two-theta; each is a measurement of its own.

    Whole numbers are taken for counts, with uncertainties from counting statistics. A range over another drive is left
    out, with the reason.

    Raises:
        FileError: The file is of another version, is cut short, or holds no range over two-theta.
    """
    fields = Fields(source)
    scans = Scans(source, axis, wavelength)
    if source.content.startswith(b"RAW1.01"):
        _read_3(fields, scans)
    elif source.content.startswith(b"RAW4.00"):
        _read_4(fields, scans)
    else:
        raise FileError(
            f"{source.name}: is a Bruker RAW file of another version than 3 (RAW1.01) and 4 (RAW4.00); convert it to "
            "RAW4, UXD or xy"
        )
    return scans.dataset("range")


def _read_3(fields: Fields, scans: Scans) -> None:
    count = fields.whole(12, "the file header")
    beam = Beam(
        fields.double(624, "the file header"),
        fields.double(632, "the file header"),
        fields.double(648, "the file header"),
        fields.text(608, 4),
    )
    place = _FILE_HEADER_3
    for _ in range(count):
        name = scans.next()
        if place >= len(fields):
            scans.leave_out(f"{name}: the file ends before this range")
            return
        header = fields.whole(place, name)
        points = fields.whole(place + 4, name)
        kind = fields.whole(place + 196, name)
        varying = fields.whole(place + 248, name)
        stride = fields.whole(place + 252, name)
        extra = fields.whole(place + 256, name)
        if not _SMALLEST_HEADER_3 <= header < _LARGEST_HEADER or extra >= _LARGEST_HEADER:
            raise FileError(f"{fields.name}: {name} has a header of {header:,} bytes; the file is damaged")
        if stride != 4 + 8 * varying.bit_count():
            raise FileError(
                f"{fields.name}: {name} has records of {stride} bytes, which do not fit what is recorded in them"
            )
        data = place + header + extra
        place_of_range, place = place, data + stride * points
        if kind not in _TYPES_3:
            scans.leave_out(f"{name}: is of scan type {kind}, which does not run over two-theta")
            continue
        try:
            intensity = fields.column(data, points, stride, "<f4", name)
            if varying & 1:
                two_theta = fields.column(data + 4, points, stride, "<f8", name)
            else:
                start, step = (fields.double(place_of_range + at, name) for at in (16, 176))
                two_theta = _angles(start, step, points)
        except FileError as error:
            scans.leave_out(str(error).removeprefix(f"{fields.name}: "))
            return
        own, seconds = fields.double(place_of_range + 240, name), fields.single(place_of_range + 192, name)
        _add(scans, name, two_theta, intensity, beam, own, seconds)


def _read_4(fields: Fields, scans: Scans) -> None:
    beam = Beam()
    place = _FILE_HEADER_4
    while place + 8 <= len(fields):
        kind = fields.whole(place, "a segment")
        if kind not in _RANGE_MARKS:
            size = _segment_size(fields, place, len(fields))
            if kind == _SOURCE and size >= 120:
                alpha1, alpha2, ratio = (fields.double(place + at, "the source") for at in (80, 88, 104))
                beam = Beam(alpha1, alpha2, ratio, fields.text(place + 116, 4))
            place += size
            continue
        name = scans.next()
        points = fields.whole(place + 88, name)
        stride = fields.whole(place + 136, name)
        header = fields.whole(place + 140, name)
        if stride < 4 or stride % 4 or stride > _LARGEST_HEADER or header > _LARGEST_HEADER:
            raise FileError(f"{fields.name}: {name} has records of {stride} bytes; the file is damaged")
        data = place + _RANGE_HEADER_4 + header
        range_place, place = place, data + stride * points
        try:
            start, step = fields.double(range_place + 72, name), fields.double(range_place + 80, name)
            if why := _not_two_theta(fields, range_place, data, start):
                scans.leave_out(f"{name}: {why}")
                continue
            intensity = fields.column(data, points, stride, "<f4", name)
            two_theta = _angles(start, step, points)
        except FileError as error:
            scans.leave_out(str(error).removeprefix(f"{fields.name}: "))
            continue
        own, seconds = fields.double(range_place + 112, name), fields.single(range_place + 92, name)
        _add(scans, name, two_theta, intensity, beam, own, seconds)


def _add(
    scans: Scans, name: str, two_theta: _Floats, intensity: _Floats, beam: Beam, own: float, seconds: float
) -> None:
    """Add a range; its own wavelength stands in where the file names no source."""
    beam = beam if beam.alpha1 else replace(beam, alpha1=own)
    scans.add(name, two_theta, intensity, beam=beam, seconds=seconds, counts=True)


def _not_two_theta(fields: Fields, place: int, end: int, start: float) -> str:
    """Return why a range does not run over two-theta, or an empty text."""
    # The drive that is scanned has a flag, and stands where the range starts.
    scanned = [
        drive
        for drive, flag, position in _drives(fields, place + _RANGE_HEADER_4, end)
        if flag and abs(position - start) <= _SAME_POSITION * max(1.0, abs(start))
    ]
    if len(scanned) == 1:
        return "" if is_two_theta(scanned[0]) else f"runs over {scanned[0][:24]!r}, not over two-theta"
    kind = fields.text(place + 32, 24)
    if "".join(character for character in kind.lower() if character.isalnum()) in _TYPES_4:
        return ""
    return f"is a scan of type {kind!r}, which does not run over two-theta"


def _drives(fields: Fields, place: int, end: int) -> Iterator[tuple[str, int, float]]:
    """Yield name, flag and position of each drive in the header of a range."""
    while place < end:
        size = _segment_size(fields, place, end)
        if fields.whole(place, "a drive") == _DRIVE and size >= 64:
            position = fields.double(place + 56, "a drive")
            yield fields.text(place + 12, 24), fields.whole(place + 8, "a drive"), position
        place += size


def _segment_size(fields: Fields, place: int, end: int) -> int:
    size = fields.whole(place + 4, "a segment")
    if size < 8 or place + size > end:
        raise FileError(f"{fields.name}: a segment at byte {place:,} has {size:,} bytes; the file is damaged")
    return size


def _angles(start: float, step: float, points: int) -> np.ndarray:
    with np.errstate(all="ignore"):
        return np.asarray(start + step * np.arange(points), np.float64)
