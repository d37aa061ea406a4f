"""The geometry of an area detector, from a PONI file.

The format is that of pyFAI (Kieffer et al. (2020), J. Synchrotron Rad. 27, 558). It is read here rather than by pyFAI,
which would open other files that a PONI file names.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from nescio.errors import FileError, MissingExtraError
from nescio.files import Source, decoded_text, json_value, read_source, text_lines

__all__ = ["Geometry", "integrator", "read_geometry"]

_LARGEST_FILE = 2**20
_LENGTHS = ("distance", "poni1", "poni2")
_ANGLES = ("rot1", "rot2", "rot3")
_CONFIGURATION = ("pixel1", "pixel2", "max_shape", "orientation")
_FILES = ("splinefile", "x_files", "y_files", "filename")
_SMALLEST_PIXEL, _LARGEST_PIXEL = 1e-7, 0.01
_LONGEST = 1e4


@dataclass(frozen=True)
class Geometry:
    """Where a detector stands, as pyFAI has it."""

    distance: float
    """From the sample to the point of normal incidence, in m."""
    poni1: float
    """Coordinate of the point of normal incidence along the slow axis of the image, in m."""
    poni2: float
    """The same along the fast axis."""
    rot1: float
    """First rotation of the detector, in radian."""
    rot2: float
    """Second rotation."""
    rot3: float
    """Third rotation."""
    detector: str
    """Name of the detector in pyFAI; "detector" for any other."""
    pixels: tuple[float, float] | None
    """Sizes of a pixel along the slow and fast axis in m; None for those of the named detector."""
    shape: tuple[int, int] | None
    """Pixels of the detector along the slow and fast axis, where the file states them."""
    orientation: int
    """Of the image on the detector, 1 to 4 as in EXIF; 0 for the detector's own."""
    wavelength: float | None
    """In m, where the file states one."""


def read_geometry(path: Path) -> Geometry:
    """Read a PONI file of version 1, 2, 2.1 or 3.

    Raises:
        FileError: The file cannot be read, lacks a number, refers to another file, or a number is impossible.
    """
    source = read_source(path, _LARGEST_FILE)
    values: dict[str, str] = {}
    for line in text_lines(source, decoded_text(source), most=10_000):
        if not line.lstrip().startswith("#") and ":" in line:
            key, _, value = line.partition(":")
            # Calibrations are appended, and the last one holds.
            values[key.strip().lower().replace(" ", "_")] = value.strip()
    name = source.name
    numbers = {key: _number(name, key, values.get(key), _LONGEST) for key in (*_LENGTHS, *_ANGLES)}
    if numbers["distance"] <= 0.0:
        raise FileError(f"{name}: Distance is {numbers['distance']:g} m; it must be above 0")
    configuration = _configuration(name, values)
    pixels = _pixels(name, configuration)
    shape = configuration.get("max_shape")
    if shape is not None and not (
        isinstance(shape, list)
        and len(shape) == 2
        and all(isinstance(n, int) and 0 < n < 10**6 for n in shape)
    ):
        raise FileError(f"{name}: max_shape of the detector must be two whole numbers above 0")
    orientation = configuration.get("orientation") or 0
    if orientation not in range(5):
        raise FileError(
            f"{name}: orientation of the detector is {str(orientation)[:20]}; it must be 1, 2, 3 or 4"
        )
    detector = values.get("detector", "Detector").lower()
    if pixels is None and detector == "detector":
        raise FileError(
            f"{name}: states neither a detector nor the sizes of its pixels (PixelSize1, PixelSize2)"
        )
    wavelength = values.get("wavelength", "none")
    return Geometry(
        distance=numbers["distance"],
        poni1=numbers["poni1"],
        poni2=numbers["poni2"],
        rot1=numbers["rot1"],
        rot2=numbers["rot2"],
        rot3=numbers["rot3"],
        detector=detector,
        pixels=pixels,
        shape=None if shape is None else (shape[0], shape[1]),
        orientation=orientation,
        wavelength=None if wavelength.lower() == "none" else _number(name, "wavelength", wavelength, 1e-8),
    )


def _number(name: str, key: str, text: str | None, most: float) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not abs(value) <= most:
        found = "is missing" if text is None else f"is {text[:30]!r}, not a number that is possible"
        raise FileError(f"{name}: {key.capitalize()} {found}; is it a PONI file of pyFAI?")
    return value


def _configuration(name: str, values: dict[str, str]) -> dict[str, Any]:
    """Return the description of the detector, without anything that refers to a file."""
    found: dict[str, Any] = {}
    if "detector_config" in values:
        found = json_value(Source(Path(f"{name}: Detector_config"), values["detector_config"].encode()))
        if not isinstance(found, dict):
            raise FileError(f"{name}: Detector_config is not a JSON object")
    for old, new in (("pixelsize1", "pixel1"), ("pixelsize2", "pixel2"), ("splinefile", "splinefile")):
        if values.get(old, "None").lower() != "none":
            found.setdefault(new, values[old])
    for key, value in found.items():
        if value is not None and (key in _FILES or key not in _CONFIGURATION):
            raise FileError(
                f"{name}: the detector is described by {key[:30]!r}, which may refer to another file and is not read"
            )
    return found


def _pixels(name: str, configuration: dict[str, Any]) -> tuple[float, float] | None:
    sizes = [configuration.get(key) for key in ("pixel1", "pixel2")]
    if None in sizes:
        return None
    found = [_number(name, "PixelSize", str(size), _LARGEST_PIXEL) for size in sizes]
    if min(found) < _SMALLEST_PIXEL:
        raise FileError(f"{name}: a pixel of {min(found):g} m is too small; sizes are in metre")
    return found[0], found[1]


@lru_cache(maxsize=1)
def integrator(geometry: Geometry, shape: tuple[int, int]) -> Any:
    """Return pyFAI's integrator for images of a shape; that of the last call is kept for a series of images.

    Args:
        geometry: Of the detector.
        shape: Pixels along the slow and fast axis.

    Raises:
        MissingExtraError: pyFAI is not installed.
        FileError: The detector is unknown, or has another shape.
    """
    try:
        from pyFAI.detectors import ALL_DETECTORS
        from pyFAI.integrator.azimuthal import AzimuthalIntegrator
    except ImportError:
        raise MissingExtraError("integrating images needs an extra: pip install nescio[area]") from None
    kind = ALL_DETECTORS.get(geometry.detector)
    if kind is None or geometry.detector.startswith("nexus"):
        raise FileError(f"the detector {geometry.detector[:40]!r} of the PONI file is unknown to pyFAI")
    try:
        detector = kind(orientation=geometry.orientation) if geometry.orientation else kind()
        if geometry.pixels is not None:
            detector.pixel1, detector.pixel2 = geometry.pixels
    except Exception as error:  # each detector has checks of its own
        raise FileError(f"the detector {geometry.detector!r} cannot be set up ({error})") from error
    expected = geometry.shape or (detector.max_shape if detector.force_pixel else None)
    if expected is not None and tuple(expected) != shape:
        raise FileError(
            f"the image has {shape[0]} x {shape[1]} pixels, the detector of the PONI file "
            f"{expected[0]} x {expected[1]}"
        )
    detector.shape = shape
    if not detector.force_pixel:
        detector.max_shape = shape
    return AzimuthalIntegrator(
        dist=geometry.distance,
        poni1=geometry.poni1,
        poni2=geometry.poni2,
        rot1=geometry.rot1,
        rot2=geometry.rot2,
        rot3=geometry.rot3,
        detector=detector,
    )
