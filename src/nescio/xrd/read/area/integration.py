"""Azimuthal integration of images by pyFAI."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from nescio.errors import FileError, MissingExtraError
from nescio.files import Source, one_line, read_source
from nescio.xrd.read.area.geometry import Geometry, integrator, read_geometry
from nescio.xrd.read.area.images import read_images
from nescio.xrd.read.area.kinds import ImageKind, image_kind
from nescio.xrd.read.area.settings import AreaSettings
from nescio.xrd.read.measured import (
    MAX_BYTES,
    MAX_VALUES,
    measured_dataset,
    resolved_wavelength,
    stem_of,
    wavelength_angstrom,
)

__all__ = ["read_area"]

_METHOD = ("bbox", "histogram", "cython")
"""Pixels are split over bins; without a look-up table, which would take gigabytes for a large detector."""
_MOST_BINS = 20_000


def read_area(
    source: Source,
    kind: ImageKind,
    settings: AreaSettings,
    *,
    axis: str | None,
    wavelength: float | None,
) -> xr.Dataset:
    """Integrate the images of a file over the azimuth, into intensities over two-theta.

    Each image, or each sector of an image, is a measurement; the coordinate ``azimuth_degree`` (measurement) is the
    middle of a sector. Bins of two-theta are as wide as the smallest side of a pixel. Intensities are corrected for the
    solid angle of the pixels, and divided by the flat field. Pixels of the mask, the gaps that a detector marks
    (negative numbers; the largest number of a type without sign), and pixels that are not finite, or whose flat field
    is not above 0, are ignored.

    Args:
        source: The file.
        kind: Of image.
        settings: Geometry, mask, flat field and sectors; `settings.poni` must be given.
        axis: What the user says the axis is: None or "two_theta".
        wavelength: In angstrom, where the PONI file states none.

    Raises:
        MissingExtraError: pyFAI or FabIO is not installed.
        FileError: The image, PONI file, mask or flat field cannot be read, or their shapes differ.
    """
    path = source.path
    if axis not in (None, "two_theta"):
        raise FileError(f"{path}: images are integrated over two-theta; axis {axis!r} is not possible")
    if settings.poni is None:
        raise FileError(f"{path}: integrating images needs a PONI file")
    geometry = read_geometry(settings.poni)
    images = read_images(source, kind)
    shape = (int(images.shape[1]), int(images.shape[2]))
    mask, flat = _corrections(settings, shape)
    if len(images) * settings.sectors * _MOST_BINS > 10 * MAX_VALUES:
        raise FileError(
            f"{path}: {len(images):,} images in {settings.sectors} sectors are too many; split the file"
        )
    # Arrays of the geometry, and one image with its weights in double precision.
    source.spend(80 * shape[0] * shape[1], "integrating an image")
    names, patterns, azimuths, notes = [], [], [], []
    two_theta = np.zeros(0)
    stem = stem_of(path)
    with _quiet(str(path)):
        try:
            working = integrator(geometry, shape)
        except (FileError, MissingExtraError) as error:
            raise type(error)(f"{path}: {error}") from error
        if (own := working.detector.mask) is not None:
            mask = mask | (np.asarray(own) != 0)
        bins = _bins(working, shape)
        for number, image in enumerate(images, 1):
            ignored = mask | _gaps(image)
            if ignored.all():
                raise FileError(f"{path}: image {number} has no pixel that is not masked")
            two_theta, found = _integrated(working, image, ignored, flat, bins, settings.sectors)
            name = stem if len(images) == 1 else f"{stem}#{number}"
            for index, row in enumerate(found):
                if not np.isfinite(row).sum() > 1:
                    notes.append(f"{path}: sector {index + 1} has no pixels and is left out")
                    continue
                start, stop = (-180.0 + 360.0 * edge / settings.sectors for edge in (index, index + 1))
                names.append(name if settings.sectors == 1 else f"{name} azimuth {start:g} to {stop:g}")
                patterns.append(row)
                azimuths.append((start + stop) / 2.0)
    if not patterns:
        raise FileError(f"{path}: no sector has pixels")
    intensity = np.array(patterns)
    # Bins at the ends may lie behind the mask.
    seen = np.flatnonzero(np.isfinite(intensity).any(axis=0))
    inside = slice(int(seen[0]), int(seen[-1]) + 1)
    measured = measured_dataset(
        path,
        "two_theta",
        two_theta[inside],
        intensity[:, inside],
        wavelength=resolved_wavelength(
            path, "two_theta", wavelength, lambda: _wavelength(geometry, settings.poni)
        ),
        names=names,
        attributes={"poni": str(settings.poni)},
        notes=list(dict.fromkeys(notes)),
        place=lambda index: f"bin {index + 1}",
    )
    if settings.sectors == 1:
        return measured
    return measured.assign_coords(azimuth_degree=("measurement", azimuths, {"units": "degree"}))


@contextmanager
def _quiet(place: str) -> Iterator[None]:
    """Keep pyFAI from warning, and make one error of all of its."""
    logger = logging.getLogger("pyFAI")
    level = logger.level
    try:
        logger.setLevel(logging.CRITICAL)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield
    except (ValueError, RuntimeError, AssertionError, IndexError, TypeError) as error:
        raise FileError(f"{place}: cannot be integrated ({one_line(error)})") from error
    finally:
        logger.setLevel(level)


def _wavelength(geometry: Geometry, poni: Path | None) -> float | None:
    stated = geometry.wavelength
    return None if stated is None else wavelength_angstrom(f"{stated!r} m", f"{poni}: Wavelength")


def _bins(working: Any, shape: tuple[int, int]) -> int:
    """Return how many bins as wide as a pixel cover the distances from the beam."""
    distances = np.asarray(working.rArray(shape))
    pixel = float(min(working.detector.pixel1, working.detector.pixel2))
    return max(2, min(_MOST_BINS, math.ceil(float(np.ptp(distances)) / pixel)))


def _gaps(image: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Return which pixels a detector marks as gaps or as broken."""
    if image.dtype.kind == "u":
        return (
            np.asarray(image == np.iinfo(image.dtype).max)
            if image.dtype.itemsize > 1
            else np.zeros(image.shape, bool)
        )
    if image.dtype.kind == "i":
        return np.asarray(image < 0)
    return np.asarray(~np.isfinite(image))


def _corrections(
    settings: AreaSettings, shape: tuple[int, int]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float32] | None]:
    """Return the mask, True where a pixel is ignored, and the flat field."""
    mask = np.zeros(shape, bool)
    if settings.mask is not None:
        mask = _single(settings.mask, shape) != 0
    if settings.flat_field is None:
        return mask, None
    flat = _single(settings.flat_field, shape).astype(np.float32)
    usable = np.isfinite(flat) & (flat > 0.0)
    return mask | ~usable, np.where(usable, flat, np.float32(1.0))


def _single(path: Path, shape: tuple[int, int]) -> npt.NDArray[Any]:
    """Return the only image of a file, of a shape."""
    source = read_source(path, MAX_BYTES)
    kind = image_kind(source)
    if kind is None:
        raise FileError(f"{source.name}: is no image (TIFF, CBF, EDF, HDF5) and no NumPy array (npy)")
    images = read_images(source, kind)
    if images.shape != (1, *shape):
        raise FileError(
            f"{source.name}: has {' x '.join(map(str, images.shape[1:]))} pixels in {len(images)} image(s); one image "
            f"of {shape[0]} x {shape[1]} pixels is needed"
        )
    only: npt.NDArray[Any] = images[0]
    return only


def _integrated(
    working: Any,
    image: npt.NDArray[Any],
    ignored: npt.NDArray[np.bool_],
    flat: npt.NDArray[np.float32] | None,
    bins: int,
    sectors: int,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return two-theta in degree and intensities, shape (sectors, bins), NaN where a bin has no pixel."""
    options = {
        "unit": "2th_deg",
        "method": _METHOD,
        "mask": ignored.astype(np.int8),
        "flat": flat,
        "correctSolidAngle": True,
    }
    # A copy in the machine's own order of bytes, which pyFAI can write to.
    image = image.astype(np.float64)
    if sectors == 1:
        found = working.integrate1d(image, bins, **options)
    else:
        found = working.integrate2d(image, bins, sectors, azimuth_range=(-180.0, 180.0), **options)
    intensity = np.atleast_2d(np.asarray(found.intensity, np.float64))
    counts = np.atleast_2d(np.asarray(found.count, np.float64))
    return np.asarray(found.radial, np.float64), np.where(counts > 0.0, intensity, np.nan)
