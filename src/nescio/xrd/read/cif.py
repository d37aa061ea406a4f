"""Powder profiles in CIFs (the powder dictionary, pdCIF)."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import xarray as xr

from nescio.errors import FileError
from nescio.files import Source
from nescio.xrd.cif import Block, Number, parse_cif, parse_number
from nescio.xrd.read.measured import (
    MAX_POINTS,
    measured_dataset,
    resolved_wavelength,
    stem_of,
    wavelength_angstrom,
)
from nescio.xrd.read.several import joined

__all__ = ["holds_profile", "read_cif"]

# In this order: measured before processed intensities.
_INTENSITIES = (
    "_pd_meas_counts_total",
    "_pd_meas_intensity_total",
    "_pd_proc_intensity_total",
    "_pd_meas_counts_net",
    "_pd_meas_intensity_net",
    "_pd_proc_intensity_net",
)
# Listed, or as a range; the corrected angle before the nominal one.
_AXES = (
    ("_pd_proc_2theta_corrected", "two_theta"),
    ("_pd_meas_2theta_scan", "two_theta"),
    ("_pd_meas_2theta_corrected", "two_theta"),
    ("_pd_proc_recip_len_q", "q"),
    ("_pd_proc_d_spacing", "d"),
)
_RANGES = ("_pd_proc_2theta_range", "_pd_meas_2theta_range")
_MARK = re.compile(rb"_pd_(?:meas|proc)_", re.I)
_WAVELENGTHS = ("_diffrn_radiation_wavelength", "_diffrn_radiation_wavelength_value", "_pd_proc_wavelength")
_WEIGHTS = "_diffrn_radiation_wavelength_wt"
_PROBES = ("_diffrn_radiation_probe", "_diffrn_radiation_type")
_OPTIONS = {"q_nm": "q"}


def holds_profile(content: bytes) -> bool:
    """Return whether a text can be a CIF with a powder profile."""
    return b"data_" in content[:1_000_000].lower() and _MARK.search(content) is not None


def read_cif(source: Source, *, axis: str | None, wavelength: float | None) -> xr.Dataset:
    """Read the powder profiles of a CIF, one for each data block with a profile.

    The intensity is the measured one (``_pd_meas_counts_total``, ``_pd_meas_intensity_total``), or else the processed
    one (``_pd_proc_intensity_total``, ``_net``). Its uncertainty is given in parentheses, or follows from counting
    statistics of counts. The axis is the corrected two-theta, the scanned one, its range, q or d. The wavelength is
    that of the block (of several, that with the largest weight), or the only one in the file.

    Raises:
        FileError: The file is not valid CIF, or contains no profile.
    """
    path = source.path
    blocks = parse_cif(source)
    measured = [block for block in blocks if block.column(*_INTENSITIES) is not None]
    if not measured:
        what = (
            "a crystal structure, but no powder profile"
            if any(block.column("_atom_site_fract_x") for block in blocks)
            else "no powder profile"
        )
        raise FileError(f"{path}: this CIF contains {what} (_pd_meas_counts_total ...)")
    scans: list[xr.Dataset] = []
    left_out: list[str] = []
    for block in measured:
        name = stem_of(path) if len(measured) == 1 else f"{stem_of(path)}#{block.name}"
        place = f"{path}: block {block.name!r}"
        try:
            line = _wavelength(block, blocks, place)
            scans.append(_profile(source, block, name, place, axis, wavelength, line))
        except FileError as error:
            left_out.append(str(error).removeprefix(f"{path}: "))
    if not scans:
        raise FileError(f"{path}: {left_out[0]}")
    return joined(source, scans, left_out=left_out)


def _profile(
    source: Source,
    block: Block,
    name: str,
    place: str,
    option: str | None,
    wavelength: float | None,
    stated: float | None,
) -> xr.Dataset:
    tag = next(tag for tag in _INTENSITIES if block.column(tag) is not None)
    column = block.column(tag) or ()
    if len(column) > MAX_POINTS:
        raise FileError(f"{place}: more than {MAX_POINTS:,} points")
    source.spend(200 * len(column), "its numbers")
    numbers = _numbers(column, f"{place}: {tag}")
    values = np.array([np.nan if number is None else number.value for number in numbers])
    kind, points = _axis(block, len(values), place, option)
    valid = np.isfinite(points)
    notes = []
    if not valid.all():
        notes.append(f"{place}: {int((~valid).sum())} points without a value on the axis are skipped")
    if "neutron" in (block.value(*_PROBES) or "").lower():
        notes.append(f"{place}: was measured with neutrons; the prior simulates X-ray patterns")
    sigma = _sigma(numbers, values, counts="counts" in tag)
    return measured_dataset(
        source.path,
        kind,
        points[valid],
        values[valid],
        wavelength=resolved_wavelength(source.path, kind, wavelength, lambda: stated),
        names=[name],
        uncertainty=None if sigma is None else sigma[valid],
        notes=notes,
        place=lambda index: f"block {block.name!r}, point {index + 1}",
    )


def _axis(block: Block, points: int, place: str, option: str | None) -> tuple[str, npt.NDArray[np.float64]]:
    """Return the kind of axis and its points, NaN for missing ones."""
    wanted = _OPTIONS.get(option or "", option)
    for tag, kind in _AXES:
        column = block.column(tag)
        if column is None or len(column) != points or (wanted is not None and wanted != kind):
            continue
        numbers = _numbers(column, f"{place}: {tag}")
        return kind, np.array([np.nan if number is None else number.value for number in numbers])
    for tag in _RANGES:
        ends = [block.value(f"{tag}_{end}") for end in ("min", "max", "inc")]
        if ends[0] is None or wanted not in (None, "two_theta"):
            continue
        first, last, step = (
            number.value if number else None for number in _numbers(ends, f"{place}: {tag}_min, _max, _inc")
        )
        return "two_theta", _range(first or 0.0, last, step, points, place)
    if block.has("_pd_meas_time_of_flight"):
        raise FileError(f"{place}: is over a time of flight, which is not read")
    raise FileError(
        f"{place}: {points} intensities have no axis of as many points (_pd_meas_2theta_scan,"
        " _pd_meas_2theta_range_min, _max and _inc, _pd_proc_2theta_corrected, _pd_proc_d_spacing)"
    )


def _range(
    first: float, last: float | None, step: float | None, points: int, place: str
) -> npt.NDArray[np.float64]:
    """Return the angles of a range; a missing end follows from the number of points."""
    if last is None and step is None:
        raise FileError(f"{place}: a range of two-theta needs its end or its step")
    if last is None:
        return np.asarray(first + float(step or 0.0) * np.arange(points), np.float64)
    # The step is often rounded, the ends are not.
    if step and abs((last - first) / step + 1.0 - points) > 1.0 + 0.001 * points:
        raise FileError(
            f"{place}: {points} intensities do not fit two-theta from {first:g} to {last:g} in steps of {step:g}"
        )
    return np.linspace(first, last, points)


def _sigma(
    numbers: Sequence[Number | None], values: npt.NDArray[np.float64], *, counts: bool
) -> npt.NDArray[np.float64] | None:
    """Return uncertainties in parentheses, or those of counts; None if there are neither."""
    stated = np.array(
        [np.nan if number is None or number.sigma is None else number.sigma for number in numbers]
    )
    if np.isfinite(stated).any():
        return stated
    return np.sqrt(np.maximum(values, 1.0)) if counts else None


def _numbers(column: Sequence[str | None], place: str) -> list[Number | None]:
    try:
        return [None if text is None else parse_number(text) for text in column]
    except ValueError as error:
        raise FileError(f"{place}: {error}") from None


def _wavelength(block: Block, blocks: Sequence[Block], place: str) -> float | None:
    """Return the wavelength in angstrom of the strongest line of a block, or the only one in the file."""
    own = _lines(block, place)
    if own:
        return own[0]
    others = {lines[0] for other in blocks if (lines := _lines(other, place))}
    return others.pop() if len(others) == 1 else None


def _lines(block: Block, place: str) -> list[float]:
    """Return the wavelengths of a block in angstrom, the strongest first."""
    column = block.column(*_WAVELENGTHS)
    if column is None or all(text is None for text in column):
        return []
    values = _numbers(column, f"{place}: wavelength")
    weights = _numbers(block.column(_WEIGHTS) or (), f"{place}: weights of wavelengths")
    if len(weights) != len(values):
        weights = [Number(1.0)] * len(values)
    lines = [
        (-(weight.value if weight else 0.0), wavelength_angstrom(value.value, place))
        for value, weight in zip(values, weights, strict=True)
        if value is not None
    ]
    return [wavelength for _, wavelength in sorted(lines, key=lambda line: line[0])]
