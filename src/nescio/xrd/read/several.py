"""Several scans of one file in one dataset."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from nescio.errors import FileError
from nescio.files import Source
from nescio.signals import notes_of, with_notes
from nescio.xrd.preparation import q_from_two_theta
from nescio.xrd.read.measured import stem_of

__all__ = ["joined"]


def joined(
    source: Source,
    scans: Sequence[xr.Dataset],
    *,
    notes: Sequence[str] = (),
    left_out: Sequence[str] = (),
) -> xr.Dataset:
    """Return scans as the measurements of one dataset (:mod:`nescio.signals`).

    Scans over the same axis share it; others keep their own, with the dimensions (measurement, point). Angles with
    different wavelengths are converted to q.

    Args:
        source: The file, for messages, names and its budget of memory.
        scans: Measured datasets, each with an axis of its own.
        notes: On the file, in addition to those of the scans.
        left_out: Reasons why other parts of the file were skipped.

    Raises:
        FileError: There is no scan, angles cannot be compared because a wavelength is unknown, or scans padded to the
            longest exceed the memory budget of the file.
    """
    path = source.path
    if not scans:
        raise FileError(left_out[0] if left_out else f"{path}: contains no pattern")
    scans = _of_one_kind(path, scans)
    first = scans[0]
    axis = _axis(first)
    if len(scans) == 1:
        together = first
    else:
        if not all(scan[axis].equals(first[axis]) for scan in scans[1:]):
            points = max(scan.sizes[axis] for scan in scans)
            # Axis, intensities and uncertainties, and a copy of each while they are joined.
            padded = points * sum(scan.sizes["measurement"] for scan in scans)
            source.spend(2 * 3 * 8 * padded, f"padding {len(scans)} scans to {points:,} points")
            scans = [_with_own_axis(scan, axis, points) for scan in scans]
        # Variables of only some scans (uncertainties) are dropped.
        shared = set.intersection(*(set(map(str, scan.data_vars)) for scan in scans))
        together = xr.concat(
            [scan[sorted(shared)] for scan in scans],
            "measurement",
            join="exact",
            coords="different",
            compat="equals",
            combine_attrs="override",
        ).assign_coords(measurement=_names(path, scans))
        together.attrs.pop("notes", None)
    together = with_notes(together, [*(note for scan in scans for note in notes_of(scan)), *notes])
    return together.assign_attrs(left_out="; ".join(left_out)) if left_out else together


def _axis(scan: xr.Dataset) -> str:
    return "two_theta" if "two_theta" in scan["intensity"].dims else "q"


def _names(path: Path, scans: Sequence[xr.Dataset]) -> list[str]:
    """Return the names of all measurements, numbered if they repeat."""
    names = [str(name) for scan in scans for name in scan["measurement"].values]
    if len(set(names)) == len(names):
        return names
    return [f"{stem_of(path)}#{number}" for number in range(1, len(names) + 1)]


def _of_one_kind(path: Path, scans: Sequence[xr.Dataset]) -> list[xr.Dataset]:
    """Return scans over one kind of axis: q if some are over q, or if wavelengths differ."""
    lengths = {scan.attrs.get("wavelength_angstrom") for scan in scans if _axis(scan) == "two_theta"}
    kinds = {_axis(scan) for scan in scans}
    if (kinds == {"two_theta"} and len(lengths) == 1) or kinds == {"q"}:
        return list(scans)
    if None in lengths:
        raise FileError(
            f"{path}: its scans have different axes or wavelengths, and one wavelength is unknown; state --wavelength"
        )
    return [scan if _axis(scan) == "q" else _over_q(scan) for scan in scans]


def _over_q(scan: xr.Dataset) -> xr.Dataset:
    q = q_from_two_theta(scan["two_theta"].values, float(scan.attrs["wavelength_angstrom"]))
    attributes = {"units": "1/angstrom", "long_name": "momentum transfer q"}
    return (
        scan.rename(two_theta="q")
        .assign_coords(q=("q", q, attributes))
        .drop_attrs(deep=False)
        .assign_attrs({key: value for key, value in scan.attrs.items() if key != "wavelength_angstrom"})
    )


def _with_own_axis(scan: xr.Dataset, axis: str, points: int) -> xr.Dataset:
    """Return a scan with the dimensions (measurement, point), NaN where padded."""
    missing = points - scan.sizes[axis]
    n = scan.sizes["measurement"]
    values = np.pad(scan[axis].values.astype(float), (0, missing), constant_values=np.nan)
    own = scan.drop_vars(axis).rename({axis: "point"}).pad(point=(0, missing), constant_values=np.nan)
    return own.assign_coords({axis: (("measurement", "point"), np.tile(values, (n, 1)), scan[axis].attrs)})
