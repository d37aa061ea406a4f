"""Reading one or many files of any known kind."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

import xarray as xr

from nescio.errors import FileError, NescioError
from nescio.files import FileKind, Source, file_kind, read_source, suffix_of, unpacked_source
from nescio.xrd.radiation import parse_radiation
from nescio.xrd.read.area import AreaSettings, ImageKind, image_kind, read_area
from nescio.xrd.read.arrays import read_nexus, read_npz
from nescio.xrd.read.cif import holds_profile, read_cif
from nescio.xrd.read.measured import MAX_BYTES, checked_axis_option
from nescio.xrd.read.tables import read_text
from nescio.xrd.read.vendors import VENDOR_SUFFIXES, read_xrdml, vendor_reader

__all__ = ["FILE_PATTERNS", "read_many", "read_patterns"]


class _Reader(Protocol):
    def __call__(self, source: Source, *, axis: str | None, wavelength: float | None) -> xr.Dataset: ...


_BY_SUFFIX: dict[str, _Reader] = {
    **dict.fromkeys((".xy", ".xye", ".dat", ".txt", ".csv"), read_text),
    ".xrdml": read_xrdml,
    ".npz": read_npz,
    **dict.fromkeys((".pdcif", ".cif"), read_cif),
    **dict.fromkeys((".nxs", ".nx", ".h5", ".hdf5", ".hdf"), read_nexus),
}

_NOT_READ = {
    FileKind.XLSX: "an Excel workbook",
    FileKind.ZIP: "a ZIP archive",
    FileKind.NPY: "a NumPy array without an axis",
    FileKind.BZIP2: "packed by bzip2",
    FileKind.XZ: "packed by xz",
    FileKind.SQLITE: "an SQLite database",
    FileKind.PNG: "an image (PNG)",
    FileKind.JPEG: "an image (JPEG)",
    FileKind.BMP: "an image (BMP)",
    FileKind.XML: "XML",
    FileKind.JSON: "JSON",
}
"""Kinds of files that are not read, in words."""

FILE_PATTERNS: tuple[str, ...] = tuple(
    f"*{suffix}" for suffix in (*_BY_SUFFIX, *VENDOR_SUFFIXES, ".cbf", ".edf") if suffix != ".cif"
)
"""Glob patterns of the files that can be read.

A CIF is read where it is named, since most hold structures, and a TIFF, since most are pictures.
"""


def read_patterns(
    path: str | Path,
    *,
    axis: str | None = None,
    wavelength: str | float | None = None,
    poni: str | Path | None = None,
    mask: str | Path | None = None,
    flat_field: str | Path | None = None,
    sectors: int | None = None,
) -> xr.Dataset:
    """Read the patterns of one file into the measured form of :mod:`nescio.signals`.

    The kind of file follows from its content where that is telling (XRDML, NumPy archive, HDF5, powder profiles in a
    CIF), else from its extension (xy, xye, dat, txt, csv). Files of up to `MAX_BYTES` are read, packed by gzip or not.

    Args:
        path: The file.
        axis: "two_theta" (degree), "q" (1/angstrom), "q_nm" (1/nm) or "d" (angstrom), over what the file says.
        wavelength: In angstrom or as in :func:`nescio.xrd.parse_radiation`, of a beam with several lines that of the
            strongest; for angles whose file states none, or an impossible one.
        poni: Geometry of an area detector (PONI file of pyFAI). Images (TIFF, CBF, EDF, HDF5) are then integrated over
            the azimuth; other files are read as without it.
        mask: Image or NumPy array of the detector's size; pixels that are not 0 are ignored.
        flat_field: Image or NumPy array of the detector's size that intensities are divided by.
        sectors: Integrate each image over so many equal sectors of the azimuth, each a measurement.

    Raises:
        FileError: The file is missing, empty, too large, of unknown kind or malformed, or states another wavelength.
        ConfigurationError: An option is not what it should be.
        MissingExtraError: Images need pyFAI, and it is not installed (extra ``area``).
    """
    path = Path(path)
    axis = checked_axis_option(axis)
    angstrom = None if wavelength is None else parse_radiation(wavelength).wavelength
    area = AreaSettings.of(poni, mask, flat_field, sectors)
    source = unpacked_source(read_source(path, MAX_BYTES))
    kind = image_kind(source) if area.poni is not None else None
    if kind is not None:
        return read_area(source, kind, area, axis=axis, wavelength=angstrom)
    return _reader(source)(source, axis=axis, wavelength=angstrom)


def read_many(
    paths: str | Path | Iterable[str | Path],
    *,
    axis: str | None = None,
    wavelength: str | float | None = None,
    poni: str | Path | None = None,
    mask: str | Path | None = None,
    flat_field: str | Path | None = None,
    sectors: int | None = None,
) -> tuple[list[xr.Dataset], list[NescioError]]:
    """Read many files; errors of single files are returned, and the others are read.

    Args:
        paths: Files, and folders. Files of known kinds in a folder are read in order of their names.
        axis: As in :func:`read_patterns`.
        wavelength: As in :func:`read_patterns`.
        poni: As in :func:`read_patterns`.
        mask: As in :func:`read_patterns`.
        flat_field: As in :func:`read_patterns`.
        sectors: As in :func:`read_patterns`.

    Returns:
        One dataset for each readable file, and an error for each other file.

    Raises:
        FileError: There is no file to read.
        ConfigurationError: An option is not what it should be.
    """
    checked_axis_option(axis)
    AreaSettings.of(poni, mask, flat_field, sectors)
    if wavelength is not None:
        parse_radiation(wavelength)
    given = [Path(paths)] if isinstance(paths, str | Path) else [Path(path) for path in paths]
    files = [file for path in given for file in (_files_in(path) if path.is_dir() else [path])]
    if not files:
        where = ", ".join(map(str, given[:3])) or "nothing was given"
        raise FileError(f"no patterns to read ({where}); known kinds are: {', '.join(FILE_PATTERNS)}")
    datasets: list[xr.Dataset] = []
    errors: list[NescioError] = []
    for file in files:
        try:
            datasets.append(
                read_patterns(
                    file,
                    axis=axis,
                    wavelength=wavelength,
                    poni=poni,
                    mask=mask,
                    flat_field=flat_field,
                    sectors=sectors,
                )
            )
        except NescioError as error:
            errors.append(error)
    return datasets, errors


def _files_in(folder: Path) -> list[Path]:
    suffixes = {pattern.removeprefix("*") for pattern in FILE_PATTERNS}
    return sorted(file for file in folder.iterdir() if suffix_of(file) in suffixes and file.is_file())


def _reader(source: Source) -> _Reader:
    kind = file_kind(source.content)
    suffix = suffix_of(source.path)
    if kind is FileKind.NPZ or (kind is FileKind.ZIP and suffix == ".npz"):
        return read_npz
    if kind is FileKind.HDF5:
        return read_nexus
    if b"<xrdMeasurements" in source.content[:10_000]:
        return read_xrdml
    if kind is FileKind.TEXT and holds_profile(source.content):
        return read_cif
    if (reader := vendor_reader(source, kind)) is not None:
        return reader
    if (image := image_kind(source)) in (ImageKind.TIFF, ImageKind.CBF, ImageKind.EDF):
        raise FileError(
            f"{source.name}: is an image ({image}); to integrate it, give the geometry of the detector with --poni"
        )
    if kind in _NOT_READ and not (kind is FileKind.XML and suffix == ".xrdml"):
        what = "an HTML page" if b"<html" in source.content[:2000].lower() else _NOT_READ[kind]
        raise FileError(
            f"{source.name}: is {what}, which this version does not read; export it as xy, xye or csv"
        )
    if suffix in VENDOR_SUFFIXES and kind is FileKind.TEXT:
        # Plain columns may have any of these suffixes.
        return read_text
    try:
        return _BY_SUFFIX[suffix]
    except KeyError:
        raise FileError(
            f"{source.name}: files of kind {source.path.suffix[:20]!r} are unknown; known are "
            f"{', '.join(FILE_PATTERNS)}"
        ) from None
