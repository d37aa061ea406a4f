"""Reading an image, or spectra on a grid, from a file of any known kind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from nescio.errors import FileError
from nescio.files import FileKind, file_kind, npy_array, npz_arrays, read_source, suffix_of
from nescio.microscopy.images import length_unit, positions_of
from nescio.microscopy.read.fields import MAX_BYTES, Field, chosen, positions_in
from nescio.microscopy.read.forms import image_form, is_image, is_spectra, spectra_form
from nescio.microscopy.read.hdf5 import hdf5_fields
from nescio.microscopy.read.hyperspy import HYPERSPY_SUFFIXES, hyperspy_fields
from nescio.microscopy.read.pictures import PICTURE_SUFFIXES, picture_fields

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["IMAGE_PATTERNS", "read_image", "read_spectrum_image"]

_HDF5_SUFFIXES = (".nxs", ".nx", ".h5", ".hdf5", ".hdf", ".hf5", ".nc")
_KINDS = "iufcUSb"
_IMAGE_NAMES = ("image", "survey", "overview")
_SPECTRA_NAMES = ("spectra", "spectrum", "loops", "curves")

IMAGE_PATTERNS: tuple[str, ...] = tuple(
    f"*{suffix}" for suffix in (".npz", ".npy", *_HDF5_SUFFIXES, *PICTURE_SUFFIXES, *HYPERSPY_SUFFIXES)
)
"""Glob patterns of the files that can be read."""


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
        pixel_size: Over what the file says: of both axes, or (y, x).
        unit: Of `pixel_size`.
        channels: Names, over what the file says.
        luminance: Take the brightness of a picture in colour instead of refusing it.
        missing: Whether pixels that are not finite were not measured, rather than being an error.

    Raises:
        FileError: The file is missing, of an unknown kind, damaged or too large, or holds no image, or several; or the
            image is complex or in colour, or holds numbers that are not finite.
        MissingExtraError: Its kind needs a library that is not installed.
    """
    path = Path(path)
    names = [image] if isinstance(image, str) else list(image)
    with _opened(path, luminance=luminance) as fields:
        found = [chosen(path, fields, name, is_image, "image", _IMAGE_NAMES) for name in names or [""]]
        dataset = image_form(
            path, found, pixel_size=pixel_size, unit=unit, channels=channels, missing=missing
        )
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
) -> xr.Dataset:
    """Read spectra on a grid, or at listed places, and the image that they were measured in if the file has one.

    Args:
        path: The file.
        spectra: Name of their array, where there are several.
        image: As in :func:`read_image`; None leaves the image out.
        navigation: How many of the first dimensions are places, where the file does not say; by default as many as the
            listed places fill, or two.
        dimensions: Names of the other dimensions, where the file does not say.
        pixel_size: Of the image, as in :func:`read_image`.
        unit: Of `pixel_size`.

    Returns:
        ``spectra`` (candidate, ...), with the coordinates of a spectrum; NaN where nothing was measured. ``position``
        (candidate, coordinate) in the unit of the image, with ``coordinate`` ("y", "x") for places in two dimensions.
        ``image`` (channel, y, x) where there is one.

    Raises:
        FileError: As in :func:`read_image`, and where numbers of places and spectra differ, or which dimensions are
            places cannot be told.
        MissingExtraError: As in :func:`read_image`.
    """
    path = Path(path)
    with _opened(path, luminance=False) as fields:
        found = chosen(path, fields, spectra, _may_be_spectra, "spectra", _SPECTRA_NAMES)
        others = [field for field in fields if field is not found]
        overview = None
        names = [image] if isinstance(image, str) else list(image or ())
        if image is not None and (any(names) or any(map(is_image, others))):
            shown = [chosen(path, others, name, is_image, "image", _IMAGE_NAMES) for name in names or [""]]
            overview = image_form(path, shown, pixel_size=pixel_size, unit=unit)
        return spectra_form(path, found, others, image=overview, navigation=navigation, dimensions=dimensions)


def _may_be_spectra(field: Field) -> bool:
    return is_spectra(field) or (field.short_name.lower() in _SPECTRA_NAMES and len(field.shape) > 1)


@contextmanager
def _opened(path: Path, *, luminance: bool) -> Iterator[list[Field]]:
    """Give the arrays of a file, its kind told by its content where that is telling, else by its extension."""
    suffix = suffix_of(path)
    source = read_source(path, MAX_BYTES)
    if suffix not in (".npz", ".npy", *_HDF5_SUFFIXES, *PICTURE_SUFFIXES):
        yield hyperspy_fields(source, path)
        return
    kind = file_kind(source.content)
    if kind is FileKind.HDF5 or suffix in _HDF5_SUFFIXES:
        with hdf5_fields(source) as fields:
            yield fields
    elif kind is FileKind.NPZ or suffix == ".npz":
        arrays = npz_arrays(source, kinds=_KINDS)
        yield [Field.of(name, values, budget=source.budget) for name, values in arrays.items()]
    elif kind is FileKind.NPY or suffix == ".npy":
        yield [Field.of(source.path.stem, npy_array(source, kinds=_KINDS), budget=source.budget)]
    else:
        yield picture_fields(source, luminance=luminance)


def _with_positions(path: Path, image: xr.Dataset, fields: Sequence[Field]) -> xr.Dataset:
    listed = positions_in(path, fields)
    if listed is None:
        return image
    positions, unit = listed
    own = image["y"].attrs["units"]
    if unit == "pixel":
        positions = positions_of(image, positions)
    elif length_unit(unit) != own:
        raise FileError(f"{path}: positions are in {unit}, the image in {own}; give pixel_size and unit")
    return image.assign(position=(("candidate", "coordinate"), positions, {"units": own})).assign_coords(
        coordinate=["y", "x"]
    )
