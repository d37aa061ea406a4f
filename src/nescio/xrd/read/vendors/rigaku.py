"""Scans in Rigaku's RAS (text) and RASX (ZIP) files.

Both hold, for each scan, conditions of the measurement and rows of position, intensity and attenuation factor. The keys
are those in files of SmartLab and MiniFlex instruments; the vendor gives no public description.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
import zipfile
from array import array
from collections.abc import Mapping

import numpy as np
import xarray as xr

from nescio.errors import FileError
from nescio.files import Source, decoded_text, opened_zip, text_lines, xml_root, zip_member
from nescio.xrd.read.vendors.scans import Beam, Scans, is_two_theta, numbers_in, rows_in, text_number

__all__ = ["is_ras", "read_ras", "read_rasx"]

_MOST_KEYS = 10_000
_PROFILE = re.compile(r"Data(\d+)/Profile\1\.txt")


def is_ras(content: bytes) -> bool:
    """Say whether a text can be a RAS file."""
    return b"*RAS_HEADER_START" in content[:4000] or b"*RAS_INT_START" in content[:200_000]


def read_ras(source: Source, *, axis: str | None, wavelength: float | None) -> xr.Dataset:
    """Read all scans over two-theta; each is a measurement of its own.

    Intensities are multiplied by the attenuation factors, with a note where a factor is not 1. Whole numbers in counts
    have uncertainties from counting statistics. A scan over another axis is left out.

    Raises:
        FileError: The file holds no scan over two-theta, or a row is no row of numbers.
    """
    scans = Scans(source, axis, wavelength)
    keys: dict[str, str] = {}
    rows: array[float] = array("d")
    name, width = "", 0
    for line_number, line in enumerate(text_lines(source, decoded_text(source)), 1):
        words = line.strip()
        if words.startswith("*"):
            key, _, value = words[1:].partition(" ")
            if key == "RAS_HEADER_START":
                keys = {}
            elif key == "RAS_INT_START":
                name, width, rows = scans.next(), 0, array("d")
            elif key == "RAS_INT_END" and name:
                _add_ras(scans, name, keys, rows, width)
                name = ""
            elif len(keys) < _MOST_KEYS:
                keys[key] = value.strip().strip('"').strip()
        elif name and words:
            cells = words.split()
            width = width or len(cells)
            if len(cells) != width or width not in (2, 3):
                raise FileError(
                    f"{source.name}: line {line_number}: {len(cells)} numbers where {width or '2 or 3'} are needed"
                )
            numbers_in(cells, f"{source.name}: line {line_number}", rows)
    if name:
        scans.note(f"{name} is cut short (*RAS_INT_END is missing)")
        _add_ras(scans, name, keys, rows, width)
    return scans.dataset()


def _add_ras(scans: Scans, name: str, keys: Mapping[str, str], rows: array[float], width: int) -> None:
    conditions = _Conditions(
        axis=keys.get("MEAS_SCAN_AXIS_X_INTERNAL") or keys.get("MEAS_SCAN_AXIS_X", ""),
        unit=keys.get("MEAS_SCAN_UNIT_Y", ""),
        beam=Beam(
            text_number(keys.get("HW_XG_WAVE_LENGTH_ALPHA1")),
            _alpha2(keys.get("HW_XG_WAVE_LENGTH_ALPHA2"), keys.get("HW_XG_WAVE_LENGTH_TYPE", "")),
            anode=keys.get("HW_XG_TARGET_NAME", ""),
        ),
        seconds=_seconds(
            keys.get("MEAS_SCAN_SPEED"), keys.get("MEAS_SCAN_SPEED_UNIT"), keys.get("MEAS_SCAN_STEP")
        ),
    )
    _add(scans, name, conditions, rows, width)


class _Conditions:
    """What both formats say of a scan."""

    def __init__(self, *, axis: str, unit: str, beam: Beam, seconds: float | None) -> None:
        self.axis, self.unit, self.beam, self.seconds = axis, unit, beam, seconds


def _add(scans: Scans, name: str, conditions: _Conditions, rows: array[float], width: int) -> None:
    if conditions.axis and not is_two_theta(conditions.axis):
        scans.leave_out(f"{name}: runs over {conditions.axis[:30]!r}, not over two-theta")
        return
    if not rows:
        scans.leave_out(f"{name}: has no points")
        return
    if not conditions.axis:
        scans.note(f"{name} does not name its axis; it is taken to be two-theta")
    scans.source.spend(16 * len(rows), name)
    table = np.array(rows).reshape(-1, width)
    intensity = table[:, 1]
    attenuated = width == 3 and bool((table[:, 2] != 1.0).any())
    if attenuated:
        scans.note(f"{name}: intensities are multiplied by the attenuation factors of the third column")
        intensity = intensity * table[:, 2]
    scans.add(
        name,
        table[:, 0],
        intensity,
        beam=conditions.beam,
        seconds=conditions.seconds,
        counts=not attenuated and "cps" not in conditions.unit.lower(),
    )


def _alpha2(wavelength: str | None, line: str) -> float | None:
    """Return the wavelength of K-alpha 2, or None where the beam is monochromatic ("Ka1")."""
    return None if line.strip().endswith("1") else text_number(wavelength)


def _seconds(speed: str | None, unit: str | None, step: str | None) -> float | None:
    """Return the counting time of a point in s, from a speed in degree per minute or seconds per step."""
    value, width = text_number(speed), text_number(step)
    unit = (unit or "").lower().replace(" ", "")
    if value is None or value <= 0.0:
        return None
    if unit in ("sec", "s", "sec/step", "s/step"):
        return value
    return 60.0 * width / value if unit in ("deg/min", "degree/min") and width and width > 0.0 else None


def read_rasx(source: Source, *, axis: str | None, wavelength: float | None) -> xr.Dataset:
    """Read all profiles over two-theta; as :func:`read_ras`.

    Raises:
        FileError: The archive is damaged, or holds no profile over two-theta.
    """
    scans = Scans(source, axis, wavelength)
    with opened_zip(source, "RASX file") as archive:
        members = {member.filename: member for member in archive.infolist()}
        found = sorted((int(match[1]), name) for name in members if (match := _PROFILE.fullmatch(name)))
        for number, member in found:
            name = scans.next()
            try:
                conditions = _conditions(source, archive, number, members)
                rows, width = _profile(source, archive, members[member])
            except FileError as error:
                scans.leave_out(f"{name}: {str(error).removeprefix(f'{source.name}: ')}")
                continue
            _add(scans, name, conditions, rows, width)
    return scans.dataset("profile (Data0/Profile0.txt)")


def _profile(source: Source, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> tuple[array[float], int]:
    inner = Source(source.path, bytes(zip_member(source, archive, member)), source.budget)
    return rows_in(text_lines(inner, decoded_text(inner)), f"{member.filename[:40]},")


def _conditions(
    source: Source, archive: zipfile.ZipFile, number: int, members: Mapping[str, zipfile.ZipInfo]
) -> _Conditions:
    # The vendor's spelling.
    member = members.get(f"Data{number}/MesurementConditions{number}.xml")
    if member is None:
        return _Conditions(axis="", unit="", beam=Beam(), seconds=None)
    root = xml_root(Source(source.path, bytes(zip_member(source, archive, member)), source.budget))
    generator = root.find(".//XrayGenerator")
    scan = root.find(".//ScanInformation")
    generator = ET.Element("none") if generator is None else generator
    scan = ET.Element("none") if scan is None else scan
    return _Conditions(
        axis=_text(scan, "AxisName"),
        unit=_text(scan, "IntensityUnit"),
        beam=Beam(
            text_number(_text(generator, "WavelengthKalpha1")),
            _alpha2(_text(generator, "WavelengthKalpha2"), _text(generator, "WaveType")),
            anode=_text(generator, "TargetName"),
        ),
        seconds=_seconds(_text(scan, "Speed"), _text(scan, "SpeedUnit"), _text(scan, "Step")),
    )


def _text(element: ET.Element, name: str) -> str:
    return (element.findtext(name) or "").strip()
