"""Reading an image, or spectra on a grid, from a file of any known kind."""

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
"""Glob patterns of the files that can be read; suffixes may be in capitals."""


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
    """Read the image of a file into the form of :mod:`nescio.microscopy.images`.

    Where the file also lists places (an array ``position``, ``pos`` or ``pixel`` of shape (n, 2), row and column, or
    with a unit, "position_nm", y and x), they become ``position`` (candidate, coordinate).

    Args:
        path: The file.
        image: Name of the array, where there are several; several names of arrays (y, x) become channels. By default
            the one that the file shows first (NeXus), or is called image, survey or overview, or is the only one.
        pixel_size: Over what the file says: of both axes, or (y, x), without sign. The image still begins where the
            file says.
        unit: Of `pixel_size`; without one, that to which the file's lengths are converted.
        channels: Names, over what the file says.
        luminance: Take the brightness of a picture in colour instead of refusing it.
        missing: Whether pixels that are not finite were not measured, rather than being an error.

    Returns:
        The image, its ``notes`` (:func:`nescio.signals.notes_of`) on what was assumed, changed or left out.

    Raises:
        FileError: The file is missing, of an unknown kind, damaged or too large, or holds no image, or several; or the
            image is complex or in colour, or holds numbers that are not finite.
        MissingExtraError: Its kind needs a library that is not installed.
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
    """Read spectra on a grid, or at listed places, and the image that they were measured in if the file has one.

    Dimensions are told apart by what the file says of them (names, units, types, marks), in whatever order they are
    stored; places are listed row by row, y before x.

    Args:
        path: The file.
        spectra: Name of their array, where there are several.
        image: As in :func:`read_image`; None leaves the image out.
        navigation: How many of the first dimensions are places, where the file does not say; by default as many as the
            listed places fill, or two.
        dimensions: Names of the other dimensions, where the file does not say.
        pixel_size: Of the image, as in :func:`read_image`; where no image is read, the distance of neighbouring places.
        unit: Of `pixel_size`.
        channels: Of the image, as in :func:`read_image`.
        luminance: As in :func:`read_image`.
        missing: Of the image, as in :func:`read_image`.

    Returns:
        ``spectra`` (candidate, ...), with the coordinates of a spectrum; NaN where nothing was measured. ``position``
        (candidate, coordinate) in the unit of the image, with ``coordinate`` ("y", "x") for places in two dimensions.
        ``image`` (channel, y, x) where there is one. ``notes`` as in :func:`read_image`.

    Raises:
        FileError: As in :func:`read_image`, and where numbers of places and spectra differ, or which dimensions are
            places cannot be told.
        MissingExtraError: As in :func:`read_image`.
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
    """Return the image of the places, none where there is none or several, and notes on what is left out."""
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
        return [], [f"{error}; the spectra are read without", *_left_out(path, fields, [])]
    return shown, _left_out(path, fields, shown)


def _may_be_spectra(field: Field) -> bool:
    return is_spectra(field) or (field.short_name.lower() in _SPECTRA_NAMES and len(field.shape) > 1)


def _chosen_images(path: Path, fields: Sequence[Field], names: Sequence[str], luminance: bool) -> list[Field]:
    """Return the arrays of an image: those named, else the only one, of which pictures in colour are not taken."""
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
            f"{path}: {what}is in colour, which is no measured quantity; save what was measured, or "
            "ask for its luminance"
        )
    return found


def _left_out(path: Path, fields: Sequence[Field], taken: Sequence[Field]) -> list[str]:
    return [
        f"{path}: the picture {field.name!r} is in colour and left out (image={field.name!r}, luminance=True reads its "
        "brightness)"
        for field in fields
        if field.colour and field not in taken
    ]


@contextmanager
def opened_fields(path: Path, *, everything: bool = False) -> Iterator[list[Field]]:
    """Give the arrays of a file, its kind told by its content where that is telling, else by its extension.

    Args:
        path: The file.
        everything: Whether arrays that are but axes of others are given, too.

    Raises:
        FileError: The file is missing, of an unknown kind, damaged or too large.
        MissingExtraError: Its kind needs a library that is not installed.
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
    """Return an array of NumPy as a field."""
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
