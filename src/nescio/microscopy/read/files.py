"""Read an image, or a grid of spectra, from a file in any supported format."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nescio.errors import FileError
from nescio.files import (
    FileKind,
    Source,
    file_kind,
    npy_array,
    npz_arrays,
    opened_hdf5,
    read_source,
    suffix_of,
)
from nescio.microscopy.images import positions_of
from nescio.microscopy.read.datasets import image_form, is_image, is_spectra, listed_places, spectra_form
from nescio.microscopy.read.fields import (
    MAX_BYTES,
    Field,
    chosen,
    colour_field,
    converted,
    is_colour,
    with_lines,
)
from nescio.microscopy.read.hdf5 import hdf5_fields, is_hyperspy
from nescio.microscopy.read.hyperspy import HYPERSPY_SUFFIXES, hyperspy_fields, zspy_fields
from nescio.microscopy.read.netcdf3 import is_netcdf3, netcdf3_fields
from nescio.microscopy.read.pictures import PICTURE_SUFFIXES, picture_fields
from nescio.signals import with_notes

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["IMAGE_PATTERNS", "opened_fields", "read_image", "read_spectrum_image"]

_HDF5_SUFFIXES = (".nxs", ".nx", ".h5", ".hdf5", ".hdf", ".hf5", ".nc")
_KINDS = "iufcUSb"
_IMAGE_NAMES = ("image", "survey", "overview")
_SPECTRA_NAMES = ("spectra", "spectrum", "loops", "curves")

IMAGE_PATTERNS: tuple[str, ...] = tuple(
    f"*{suffix}"
    for suffix in (".npz", ".npy", *_HDF5_SUFFIXES, *PICTURE_SUFFIXES, *HYPERSPY_SUFFIXES, ".zspy")
)
"""Glob patterns of supported files; suffixes can be in upper or lower case."""


def read_image(
    path: str | Path,
    *,
    image: str | Sequence[str] = (),
    pixel_size: float | tuple[float, float] | None = None,
    unit: str | None = None,
    channels: Sequence[str] = (),
    luminance: bool = False,
    missing: bool = False,
) -> xr.Dataset:
    """Read the image of a file, in the layout of :mod:`nescio.microscopy.images`.

    If the file also lists places, they become ``position`` (candidate, coordinate). Places are an array ``position``,
    ``pos`` or ``pixel`` of shape (n, 2): row and column, or y and x with a unit ("position_nm").

    Args:
        path: The file.
        image: Name of the array, if there are several; several arrays (y, x) become channels. By default the default
            array of the file (NeXus), or the one named image, survey or overview, or the only one.
        pixel_size: Pixel size of both axes, or (y, x), without sign; replaces that of the file. The origin is still
            taken from the file.
        unit: Unit of `pixel_size`; without `pixel_size`, the unit to which the file's lengths are converted.
        channels: Names of the channels; replace those of the file.
        luminance: Read the brightness of a colour picture instead of raising an error.
        missing: Treat pixels that are not finite as not measured instead of raising an error.

    Returns:
        The image. Its ``notes`` (:func:`nescio.signals.notes_of`) tell what was assumed, changed or skipped.

    Raises:
        FileError: The file is missing, damaged, too large or in an unknown format, contains no image or several; or the
            image is complex, in colour, or has pixels that are not finite.
        MissingExtraError: The format needs a library that is not installed.
    """
    path = Path(path)
    names = [image] if isinstance(image, str) else list(image)
    with opened_fields(path) as fields:
        found = _chosen_images(path, fields, names, luminance)
        dataset = image_form(
            path,
            found,
            asked=any(names),
            pixel_size=pixel_size,
            unit=unit,
            channels=channels,
            missing=missing,
        )
        dataset = with_notes(dataset, _left_out(path, fields, found))
        return _with_positions(path, dataset, fields)


def read_spectrum_image(
    path: str | Path,
    *,
    spectra: str = "",
    image: str | Sequence[str] | None = "",
    navigation: int | None = None,
    dimensions: Sequence[str] = (),
    pixel_size: float | tuple[float, float] | None = None,
    unit: str | None = None,
    channels: Sequence[str] = (),
    luminance: bool = False,
    missing: bool = False,
) -> xr.Dataset:
    """Read spectra on a grid or at listed places, and the image of the region if the file contains one.

    Dimensions are recognised by names, units, types and flags in the file, in any order. Places are listed row by row,
    y before x.

    Args:
        path: The file.
        spectra: Name of the array of spectra, if there are several.
        image: See :func:`read_image`; None skips the image.
        navigation: Number of leading dimensions that are places, if the file does not describe them; by default as many
            as match the listed places, or two.
        dimensions: Names of the other dimensions, if the file does not name them.
        pixel_size: Pixel size of the image, see :func:`read_image`; without an image, the distance of neighbouring
            places.
        unit: Unit of `pixel_size`.
        channels: Names of the channels of the image, see :func:`read_image`.
        luminance: See :func:`read_image`.
        missing: For the image, see :func:`read_image`.

    Returns:
        ``spectra`` (candidate, ...) with the coordinates of a spectrum, NaN where not measured; ``position``
        (candidate, coordinate) in the unit of the image, with ``coordinate`` ("y", "x") for places in two dimensions;
        ``image`` (channel, y, x) if there is one; ``notes`` as in :func:`read_image`.

    Raises:
        FileError: See :func:`read_image`; also, if the numbers of places and spectra differ, or the dimensions of
            places
            are ambiguous.
        MissingExtraError: See :func:`read_image`.
    """
    path = Path(path)
    with opened_fields(path) as fields:
        found = chosen(path, fields, spectra, _may_be_spectra, "spectra", _SPECTRA_NAMES)
        others = [field for field in fields if field is not found]
        names = [image] if isinstance(image, str) else list(image or ())
        shown, notes = ([], []) if image is None else _overview(path, others, names, luminance)
        overview = None
        if shown:
            overview = image_form(
                path,
                shown,
                asked=any(names),
                pixel_size=pixel_size,
                unit=unit,
                channels=channels,
                missing=missing,
            )
        dataset = spectra_form(
            path,
            found,
            others,
            image=overview,
            navigation=navigation,
            dimensions=dimensions,
            pixel_size=pixel_size,
            unit=unit,
        )
        return with_notes(dataset, notes)


def _overview(
    path: Path, fields: Sequence[Field], names: Sequence[str], luminance: bool
) -> tuple[list[Field], list[str]]:
    """Return the image of the region (none if there is none or several), and notes on skipped pictures."""
    if any(names):
        shown = _chosen_images(path, fields, names, luminance)
        return shown, _left_out(path, fields, shown)
    suitable = [
        field
        for field in fields
        if is_image(field) and (luminance or not field.colour) and field.dtype.kind != "V"
    ]
    try:
        shown = _chosen_images(path, suitable, names, luminance) if suitable else []
    except FileError as error:
        return [], [f"{error}; spectra are read without an image", *_left_out(path, fields, [])]
    return shown, _left_out(path, fields, shown)


def _may_be_spectra(field: Field) -> bool:
    return is_spectra(field) or (field.short_name.lower() in _SPECTRA_NAMES and len(field.shape) > 1)


def _chosen_images(path: Path, fields: Sequence[Field], names: Sequence[str], luminance: bool) -> list[Field]:
    """Return the named arrays of an image, else the only suitable one; colour pictures are not used."""
    grey = [field for field in fields if (luminance or not field.colour) and field.dtype.kind != "V"]
    if not any(names) and not any(map(is_image, grey)):
        grey = list(fields)
    found = [
        chosen(path, fields if name else grey, name, is_image, "image", _IMAGE_NAMES)
        for name in names or [""]
    ]
    coloured = [field.name for field in found if field.colour]
    if coloured and not luminance:
        what = f"{coloured[0]} " if coloured[0] != "image" else ""
        raise FileError(
            f"{path}: {what}is in colour, which is not a measured quantity; save the measured values, or "
            "set luminance=True"
        )
    return found


def _left_out(path: Path, fields: Sequence[Field], taken: Sequence[Field]) -> list[str]:
    return [
        f"{path}: the colour picture {field.name!r} is skipped (image={field.name!r}, luminance=True reads its "
        "brightness)"
        for field in fields
        if field.colour and field not in taken
    ]


@contextmanager
def opened_fields(path: Path, *, everything: bool = False) -> Iterator[list[Field]]:
    """Yield the arrays of a file, whose format is recognised by content, else by extension.

    Args:
        path: The file.
        everything: Whether to include arrays that are only axes of others.

    Raises:
        FileError: The file is missing, damaged, too large or in an unknown format.
        MissingExtraError: The format needs a library that is not installed.
    """
    suffix = suffix_of(path)
    if suffix == ".zspy":
        with zspy_fields(path) as fields:
            yield fields
        return
    source = read_source(path, MAX_BYTES)
    kind = file_kind(source.content)
    known = suffix in (".npz", ".npy", *_HDF5_SUFFIXES, *PICTURE_SUFFIXES)
    if kind is FileKind.HDF5 and known:
        with opened_hdf5(source) as file:
            hyperspy = is_hyperspy(file)
            if not hyperspy:
                yield hdf5_fields(file, everything=everything)
                return
        with hyperspy_fields(source, path, reader="HSPY") as fields:
            yield fields
        return
    if not known:
        with hyperspy_fields(source, path) as fields:
            yield fields
        return
    if is_netcdf3(source.content):
        yield netcdf3_fields(source, everything=everything)
    elif suffix in _HDF5_SUFFIXES:
        with opened_hdf5(source) as file:
            yield hdf5_fields(file, everything=everything)
    elif kind is FileKind.NPZ or suffix == ".npz":
        arrays = npz_arrays(source, kinds=_KINDS)
        fields = [_plain(name, values, source) for name, values in arrays.items()]
        yield with_lines(path, fields)
    elif kind is FileKind.NPY or suffix == ".npy":
        yield [_plain(source.path.stem, npy_array(source, kinds=_KINDS), source)]
    else:
        yield picture_fields(source)


def _plain(name: str, values: np.ndarray, source: Source) -> Field:
    """Return a NumPy array as a field."""
    if is_colour(values.shape, values.dtype):
        return colour_field(name, values.shape, lambda: values, source.budget)
    return Field.of(name, values, budget=source.budget)


def _with_positions(path: Path, image: xr.Dataset, fields: Sequence[Field]) -> xr.Dataset:
    listed = listed_places(path, fields)
    if listed is None:
        return image
    own = str(image["y"].attrs["units"])
    if listed.unit == "pixel":
        positions = positions_of(image, listed.positions)
    else:
        known = converted(listed.positions, listed.unit, own)
        if known is None:
            raise FileError(
                f"{path}: positions are in {listed.unit}, the image in {own}; give pixel_size and unit"
            )
        positions = known
    return image.assign(position=(("candidate", "coordinate"), positions, {"units": own})).assign_coords(
        coordinate=["y", "x"]
    )
