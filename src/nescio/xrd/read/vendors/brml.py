"""Scans in Bruker's BRML files: ZIP archives with an XML document for each scan.

The elements are those in files of DIFFRAC.MEASUREMENT; the vendor gives no public description.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
import zipfile
from array import array
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr

from nescio.errors import FileError
from nescio.files import Source, opened_zip, xml_root, zip_member
from nescio.xrd.read.vendors.scans import Beam, Scans, numbers_in, text_number

__all__ = ["read_brml"]

_RAW_DATA = re.compile(r"(?:.*/)?Experiment(\d+)/(?:.*/)?RawData(\d+)\.xml")
_AXIS = "TwoTheta"
_ABSORPTION = 1
"""Column of the absorption factor; that of the time is 0, and the scanned axes follow."""


@dataclass(frozen=True)
class _Columns:
    """Which column of a datum is what."""

    two_theta: int
    intensity: int
    """-1 is the last."""
    counts: bool


def read_brml(source: Source, *, axis: str | None, wavelength: float | None) -> xr.Dataset:
    """Read all scans over two-theta of a point detector, or of a line detector that was integrated while scanning.

    Each scan is a measurement of its own. Counts have uncertainties from counting statistics. A scan over
    another axis, an image of a line or area detector, or a scan whose data are in another file, is left out.

    Raises:
        FileError: The archive is damaged, or holds no scan over two-theta.
    """
    scans = Scans(source, axis, wavelength)
    with opened_zip(source, "BRML file") as archive:
        found = sorted(
            (int(match[1]), int(match[2]), member.filename)
            for member in archive.infolist()
            if (match := _RAW_DATA.fullmatch(member.filename))
        )
        for _, _, member in found:
            name = scans.next()
            try:
                _read(scans, name, archive, member)
            except FileError as error:
                scans.leave_out(f"{name}: {str(error).removeprefix(f'{source.name}: ')}")
    return scans.dataset("scan (Experiment0/RawData0.xml)")


def _read(scans: Scans, name: str, archive: zipfile.ZipFile, member: str) -> None:
    source = scans.source
    root = xml_root(Source(source.path, bytes(zip_member(source, archive, member)), source.budget))
    routes = root.findall("DataRoutes/DataRoute")
    route = next((one for one in routes if one.get("RouteFlag") == "Measured"), routes[0] if routes else None)
    if route is None or route.find("Datum") is None:
        raise FileError("has no points")
    if root.find("ExtLocations/*") is not None:
        raise FileError("its data are in another file, which is not read")
    rows: array[float] = array("d")
    width = 0
    for index, datum in enumerate(route.iter("Datum"), 1):
        cells = (datum.text or "").split(",")
        width = width or len(cells)
        if len(cells) != width:
            raise FileError(f"point {index} has {len(cells)} numbers, the first point has {width}")
        numbers_in(cells, f"point {index}", rows)
    source.spend(16 * len(rows), name)
    table = np.array(rows).reshape(-1, width)
    columns = _columns(route, width)
    two_theta = table[:, columns.two_theta]
    start = text_number(route.findtext(f"ScanInformation/ScanAxes/ScanAxisInfo[@AxisId='{_AXIS}']/Start"))
    step = abs(float(two_theta[-1] - two_theta[0])) / max(len(table) - 1, 1)
    if start is not None and abs(two_theta[0] - start) > max(step, 1e-3):
        raise FileError(f"two-theta starts at {two_theta[0]:g} in the data, at {start:g} in the description")
    intensity = table[:, columns.intensity]
    scans.add(
        name,
        two_theta,
        intensity,
        beam=_beam(root),
        seconds=text_number(route.findtext("ScanInformation/TimePerStep")),
        uncertainty=_sigma(intensity, table[:, _ABSORPTION]) if columns.counts else None,
    )


def _sigma(
    intensity: npt.NDArray[np.float64], absorption: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64] | None:
    """Return uncertainties from counting statistics, or None where the intensities are no counts.

    The intensities in the file are already multiplied by the absorption factor.
    """
    if (absorption < 1e-6).any():
        return None
    counts = intensity / absorption
    # Intensities are written with one decimal.
    if (counts < 0.0).any() or (np.abs(intensity - np.rint(counts) * absorption) > 0.06).any():
        return None
    return np.asarray(absorption * np.sqrt(np.maximum(counts, 1.0)), np.float64)


def _columns(route: ET.Element, width: int) -> _Columns:
    """Return which columns hold two-theta and counts.

    Raises:
        FileError: None does.
    """
    axes = [one.get("AxisId", "") for one in route.findall("ScanInformation/ScanAxes/ScanAxisInfo")]
    if _AXIS not in axes:
        raise FileError(f"runs over {', '.join(axes)[:60] or 'no axis'}, not over two-theta")
    views = list(_views(route))
    columns = _Columns(_ABSORPTION + 1 + axes.index(_AXIS), -1, counts=True)
    if views:
        angles = [start + fields.index(_AXIS) for start, fields, _ in views if _AXIS in fields]
        recorded = [(start, view) for start, _, view in views if view is not None]
        if not angles or not recorded:
            raise FileError("has no column of two-theta or of recorded intensities")
        start, view = recorded[0]
        if _size(view) > 1:
            raise FileError("is an image of a line or area detector, which is not read")
        unit = view.find("Recording/Unit")
        columns = _Columns(angles[0], start, counts=unit is None or unit.get("Base") == "Counts")
    if not 0 <= columns.two_theta < width or columns.intensity >= width or width < _ABSORPTION + 3:
        raise FileError(f"its points have {width} numbers, without two-theta and counts among them")
    return columns


def _views(route: ET.Element) -> Iterator[tuple[int, list[str], ET.Element | None]]:
    """Yield, of each view of the data, its first column, the axes in it, and the view itself where it was recorded."""
    for view in route.findall("DataViews/RawDataView"):
        start = view.get("Start", "")
        if not start.isdecimal() or len(start) > 9:
            raise FileError("a view of its data has no first column")
        axes = [
            one.get("AxisId", "") or one.get("FieldName", "")
            for one in view.findall("Varying/FieldDefinitions")
        ]
        yield int(start), axes, view if view.find("Recording") is not None else None


def _size(view: ET.Element) -> float:
    sizes = [text_number(view.findtext(f"Recording/Size/{side}")) for side in ("X", "Y")]
    return float(np.prod([size for size in sizes if size is not None]))


def _beam(root: ET.Element) -> Beam:
    def value(name: str) -> float | None:
        element = root.find(f".//{name}")
        return None if element is None else text_number(element.get("Value", element.text or ""))

    tube = root.find(".//TubeMaterial")
    alpha1 = value("WaveLengthAlpha1") or value("WaveLength")
    return Beam(
        alpha1,
        value("WaveLengthAlpha2"),
        value("WaveLengthRatio"),
        "" if tube is None else (tube.get("Value") or tube.text or "").strip(),
    )
