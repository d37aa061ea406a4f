"""Scans in PANalytical's XRDML."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from nescio.errors import FileError, MeasurementError
from nescio.files import Source, xml_root
from nescio.signals import notes_of
from nescio.xrd.frames import merge_frames
from nescio.xrd.read.measured import MAX_POINTS, measured_dataset, resolved_wavelength, wavelength_angstrom
from nescio.xrd.read.several import joined

__all__ = ["read_xrdml"]

_MOST_SCANS = 5000


def read_xrdml(source: Source, *, axis: str | None, wavelength: float | None) -> xr.Dataset:
    """Read all scans over two-theta; counts have uncertainties from counting statistics.

    Counts are multiplied by the beam attenuation factors, and scaled to the mean counting time if it varies from point
    to point. Scans over the same range are separate measurements; scans over different ranges are merged as frames of
    one sample (:func:`nescio.xrd.merge_frames`). Empty and unreadable scans are skipped; aborted scans are read as far
    as they go.

    Raises:
        FileError: The file is not XRDML, or contains no scan over two-theta.
    """
    path = source.path
    if axis not in (None, "two_theta"):
        raise FileError(f"{path}: XRDML contains two-theta in degree; axis {axis!r} is not possible")
    root = _root(source)
    scans: list[xr.Dataset] = []
    notes: list[str] = []
    left_out: list[str] = []
    number = 0
    for measurement in root.iter("xrdMeasurement"):
        attributes: dict[str, Any] = {}
        beam = cache(partial(_wavelength, path, measurement, attributes))
        for scan in measurement.iter("scan"):
            number += 1
            if number > _MOST_SCANS:
                raise FileError(f"{path}: has more than {_MOST_SCANS:,} scans; split it into several files")
            points = scan.find("dataPoints")
            points = scan if points is None else points
            if _is_empty(points):
                notes.append(f"{path}: scan {number} has no points and is skipped")
                continue
            if (status := scan.get("status", "Completed")).lower() != "completed":
                notes.append(
                    f"{path}: scan {number} has the status {status[:20]!r}; it is read as far as it goes"
                )
            try:
                line = resolved_wavelength(path, "two_theta", wavelength, beam)
                scans.append(_scan(path, points, number, line, attributes))
            except FileError as error:
                left_out.append(str(error).removeprefix(f"{path}: "))
    if not scans:
        raise FileError(
            f"{path}: {left_out[0] if left_out else 'contains no scan (xrdMeasurement/scan) with points'}"
        )
    if not all(scan["two_theta"].equals(scans[0]["two_theta"]) for scan in scans[1:]):
        try:
            merged = merge_frames(scans)
        except MeasurementError as error:
            notes.append(f"{path}: the scans are not merged ({str(error).removeprefix(f'{path}: ')})")
        else:
            scans, merged_notes = [merged], [note for scan in scans for note in notes_of(scan)]
            notes = [*merged_notes, *notes]
    return joined(source, scans, notes=notes, left_out=left_out)


def _is_empty(points: ET.Element) -> bool:
    """Return whether a scan has no intensities."""
    return not any((points.findtext(name) or "").strip() for name in ("counts", "intensities"))


def _root(source: Source) -> ET.Element:
    root = xml_root(source)
    if root.tag != "xrdMeasurements":
        raise FileError(f"{source.name}: is not XRDML; its root is <{root.tag[:40]}>, not <xrdMeasurements>")
    return root


def _wavelength(path: Path, measurement: ET.Element, attributes: dict[str, Any]) -> float | None:
    """Return the wavelength in angstrom of the strongest line; other lines are added to `attributes`."""
    used = measurement.find("usedWavelength")
    if used is None:
        return None
    found: dict[str, float] = {}
    for name in ("kAlpha1", "kAlpha2", "kBeta"):
        element = used.find(name)
        if element is not None and (element.text or "").strip():
            # The unit attribute may be wrong; without a unit, a line in nanometre is detected.
            unit = element.get("unit", "Angstrom")
            unit = "" if unit == "Angstrom" else unit
            found[name] = wavelength_angstrom(f"{(element.text or '').strip()} {unit}", f"{path}: {name}")
    ratio = used.findtext("ratioKAlpha2KAlpha1")
    if ratio is not None and "kAlpha2" in found:
        attributes["k_alpha2_angstrom"] = found["kAlpha2"]
        attributes["k_alpha2_to_k_alpha1"] = float(_numbers(path, ratio, "ratioKAlpha2KAlpha1", 1)[0])
    intended = used.get("intended", "").replace("-", "").replace(" ", "").lower()
    line = {"kbeta": "kBeta", "kalpha2": "kAlpha2"}.get(intended, "kAlpha1")
    return found.get(line)


def _scan(
    path: Path,
    points: ET.Element,
    number: int,
    wavelength: float | None,
    attributes: dict[str, Any],
) -> xr.Dataset:
    intensity, sigma, time = _intensity(path, points, number)
    two_theta = None
    for positions in points.findall("positions"):
        if positions.get("axis") == "2Theta":
            two_theta = _positions(path, positions, number, intensity.size)
    if two_theta is None:
        raise FileError(f"{path}: scan {number} has no positions of the axis 2Theta")
    if time is not None:
        attributes = {**attributes, "counting_time_seconds": time}
    return measured_dataset(
        path,
        "two_theta",
        two_theta,
        intensity,
        wavelength=wavelength,
        uncertainty=sigma,
        attributes=attributes,
        place=lambda index: f"scan {number}, point {index + 1}",
    )


def _positions(path: Path, positions: ET.Element, number: int, count: int) -> np.ndarray:
    listed = positions.findtext("listPositions")
    if listed is not None:
        return _numbers(path, listed, f"scan {number}, listPositions", count)
    start, end = positions.findtext("startPosition"), positions.findtext("endPosition")
    if start is None or end is None:
        raise FileError(f"{path}: scan {number} does not run over two-theta (no start and end of 2Theta)")
    first = _numbers(path, start, f"scan {number}, startPosition", 1)[0]
    last = _numbers(path, end, f"scan {number}, endPosition", 1)[0]
    return np.linspace(first, last, count)


def _intensity(
    path: Path, points: ET.Element, number: int
) -> tuple[np.ndarray, np.ndarray | None, float | None]:
    """Return intensity, its uncertainty from counting statistics, and the (mean) counting time in s."""
    counts_text, corrected_text = points.findtext("counts"), points.findtext("intensities")
    common_time = points.findtext("commonCountingTime")
    time = None
    if common_time is not None:
        time = float(_numbers(path, common_time, f"scan {number}, commonCountingTime", 1)[0])
    if counts_text is None:
        if corrected_text is None:
            raise FileError(f"{path}: scan {number} has neither counts nor intensities")
        # The older element contains intensities that the instrument's software has already corrected.
        return _numbers(path, corrected_text, f"scan {number}, intensities"), None, time
    counts = _numbers(path, counts_text, f"scan {number}, counts")
    factor = np.ones_like(counts)
    attenuation = points.findtext("beamAttenuationFactors")
    if attenuation is not None:
        factor = _positive(path, attenuation, f"scan {number}, beamAttenuationFactors", counts.size)
    times = points.findtext("countingTimes")
    if times is not None:
        seconds = _positive(path, times, f"scan {number}, countingTimes", counts.size)
        time = float(seconds.mean())
        factor = factor * time / seconds
    if counts.min() < 0:
        raise FileError(f"{path}: scan {number}, counts: {counts.min():g} is negative")
    # Zero counts have an uncertainty too: that of one.
    return counts * factor, np.sqrt(np.maximum(counts, 1.0)) * factor, time


def _numbers(path: Path, text: str, place: str, count: int | None = None) -> np.ndarray:
    words = text.split(maxsplit=MAX_POINTS + 1)
    if len(words) > MAX_POINTS:
        raise FileError(f"{path}: {place}: more than {MAX_POINTS} numbers")
    try:
        numbers = np.array([float(word) for word in words])
    except ValueError as error:
        raise FileError(f"{path}: {place}: {error}") from error
    if not numbers.size or (count is not None and numbers.size != count):
        raise FileError(f"{path}: {place}: {numbers.size} numbers where {count or 'some'} are needed")
    if not (np.abs(numbers) < 1e15).all():
        raise FileError(f"{path}: {place}: a number is not finite or beyond 1e15")
    return numbers


def _positive(path: Path, text: str, place: str, count: int) -> np.ndarray:
    numbers = _numbers(path, text, place, count)
    if not (numbers > 1e-9).all():
        raise FileError(f"{path}: {place}: {numbers.min():g} is not positive")
    return numbers
