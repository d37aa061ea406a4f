"""Build a survey and spectra from arrays of a file, as described by tables of the configuration."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, Strict

from nescio.configuration import Real, Settings
from nescio.errors import FileError

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "Positive",
    "ReplayAxis",
    "ReplayFeatures",
    "ReplayImage",
    "ReplayPositions",
    "ReplaySpectra",
    "described_image",
    "described_spectra",
    "described_survey",
]

Positive = Annotated[Real, Field(gt=0.0)]
"""A number above zero."""
_Names = Annotated[tuple[str, ...], Field(min_length=1, max_length=32)]
_UNNAMED = re.compile(r"dim_\d+")
_DIRECTIONS = {"y": "y", "row": "y", "rows": "y", "x": "x", "column": "x", "columns": "x"}


class ReplayImage(Settings):
    """The survey image."""

    variable: str
    dims: tuple[str, ...] = ()
    """Names of the array's dimensions: y, x and, if there are several channels, channel. Default: those in the file, or
    the last of (channel, y, x)."""
    channels: tuple[str, ...] = ()
    """Names of the channels."""
    step: tuple[Positive, Positive] = (1.0, 1.0)
    """Pixel size along y and x, in `units`, if the file has no coordinates."""
    units: str = ""
    """Unit of y and x; default: the unit in the file, or pixels."""


class ReplayPositions(Settings):
    """The positions of the spectra."""

    variables: _Names
    """One array (candidate, coordinate), or one array per coordinate."""
    coordinates: _Names = ("y", "x")
    """Names of the coordinates, in the order of the columns."""
    units: str = ""
    """Unit of all coordinates; default: the image's unit. Positions in pixels are converted to the image's unit."""


class ReplayFeatures(Settings):
    """Features of the candidates, such as their composition, for data without an image."""

    variables: _Names
    """One array (candidate, feature), or one array per feature."""
    names: tuple[str, ...] = ()
    """Names of the features; default: names of the variables, or numbers."""


class ReplayAxis(Settings):
    """A coordinate of the spectra."""

    variable: str | None = None
    """Array with the coordinate's values; without it, the values are counted from `start`."""
    dims: tuple[str, ...] = ()
    """Dimensions of the coordinate; default: the dimension of the same name."""
    start: Annotated[int, Strict()] = 0
    """First value when counting."""
    units: str = "1"


class ReplaySpectra(Settings):
    """The measured spectra."""

    variable: str
    dims: tuple[str, ...] = ()
    """Names of the array's dimensions; default: those in the file."""
    candidates: tuple[str, ...] = ()
    """The dimensions of positions; default: the first. Rows and columns of a grid become one list, row by row."""
    units: str = ""
    """Unit of the spectra; default: the unit in the file."""
    axes: dict[str, ReplayAxis] = Field(default_factory=dict)
    """Further coordinates by name; coordinates in the file are kept."""


def described_survey(
    arrays: Mapping[str, xr.DataArray],
    spectra: ReplaySpectra,
    image: ReplayImage | None,
    positions: ReplayPositions | None,
    features: ReplayFeatures | None,
    path: Path,
) -> xr.Dataset:
    """Return the survey described by tables: the image or the features, and the positions of the spectra.

    Raises:
        FileError: An array is missing, or its shape differs from the description.
    """
    import xarray as xr

    survey = xr.Dataset()
    if image is not None:
        survey["image"] = described_image(arrays, image, path)
    survey = _with_positions(survey, arrays, spectra, positions, path)
    if features is not None:
        values = _columns(arrays, features.variables, path)
        names = features.names or _default_names(features.variables, values.shape[1])
        if values.shape != (survey.sizes["candidate"], len(names)):
            raise FileError(
                f"{path}: features have shape {values.shape}, but there are {survey.sizes['candidate']} candidates and "
                f"{len(names)} names"
            )
        survey["features"] = (("candidate", "feature"), values)
        survey = survey.assign_coords(feature=list(names))
    return survey


def _with_positions(
    survey: xr.Dataset,
    arrays: Mapping[str, xr.DataArray],
    spectra: ReplaySpectra,
    positions: ReplayPositions | None,
    path: Path,
) -> xr.Dataset:
    units = str(survey["y"].attrs["units"]) if "image" in survey else "1"
    names: tuple[str, ...]
    if positions is None:
        values, names = _grid_positions(survey, arrays, spectra, path), ("y", "x")
    else:
        values, names = _columns(arrays, positions.variables, path), positions.coordinates
        if values.shape[1] != len(names):
            raise FileError(
                f"{path}: positions have {values.shape[1]} columns, but {len(names)} coordinates are named: "
                f"{', '.join(names)}"
            )
        if "image" not in survey:
            units = positions.units or units
        else:
            values, names = values[:, [names.index("y"), names.index("x")]], ("y", "x")
            given = positions.units or units
            if given not in ("pixel", units):
                raise FileError(f"{path}: positions are in {given}, but the image is in {units}")
            if given != units:
                values = _from_pixels(values, survey, path)
    survey["position"] = (("candidate", "coordinate"), values, {"units": units})
    return survey.assign_coords(coordinate=list(names))


def _grid_positions(
    survey: xr.Dataset, arrays: Mapping[str, xr.DataArray], settings: ReplaySpectra, path: Path
) -> NDArray[np.float64]:
    """Return the positions of a grid, y before x, from the coordinates of the spectra, or one for each pixel."""
    array = _renamed(_variable(arrays, settings.variable, path), settings.variable, settings.dims, path)
    along = []
    for name in _places(array, settings, path):
        pixels = survey[_DIRECTIONS[name]] if name in _DIRECTIONS else None
        own = array.coords[name] if name in array.coords and array.coords[name].ndim == 1 else None
        if own is not None and pixels is not None:
            units = str(own.attrs.get("units") or pixels.attrs["units"])
            if units != pixels.attrs["units"]:
                raise FileError(
                    f"{path}: {name} of {settings.variable} is in {units}, but in {pixels.attrs['units']} for the image"
                )
            along.append(np.asarray(own.values, float))
        elif pixels is not None and array.sizes[name] != pixels.size:
            raise FileError(
                f"{path}: {settings.variable} has {array.sizes[name]} positions along {name}, but the image has "
                f"{pixels.size} pixels; describe the positions with a table"
            )
        elif pixels is not None:
            along.append(np.asarray(pixels.values, float))
    if len(along) != 2:
        along = [np.asarray(survey[name].values, float) for name in ("y", "x")]
    y, x = np.meshgrid(*along, indexing="ij")
    return np.stack([y.ravel(), x.ravel()], axis=1)


def _places(array: xr.DataArray, settings: ReplaySpectra, path: Path) -> tuple[str, ...]:
    """Return the dimensions of positions; y before x if they have these names."""
    places = settings.candidates or (str(array.dims[0]),)
    if missing := [name for name in places if name not in array.dims]:
        raise FileError(f"{path}: {settings.variable} has no dimension {missing[0]!r}")
    directions = [_DIRECTIONS.get(name, "") for name in places]
    return places[::-1] if directions == ["x", "y"] else places


def _from_pixels(pixels: NDArray[np.float64], survey: xr.Dataset, path: Path) -> NDArray[np.float64]:
    """Convert positions (candidate, 2) from pixels to the image's unit."""
    axes = [survey["y"].values, survey["x"].values]
    bad = np.flatnonzero(~((pixels >= 0) & (pixels <= [len(axis) - 1 for axis in axes])).all(axis=1))
    if bad.size:
        y, x = pixels[bad[0]]
        raise FileError(
            f"{path}: position {bad[0]} (y {y:g}, x {x:g} pixel) is outside the image, which has "
            f"{len(axes[0])} x {len(axes[1])} pixels"
        )
    columns = [
        np.interp(column, np.arange(len(axis)), axis) for column, axis in zip(pixels.T, axes, strict=True)
    ]
    return np.stack(columns, axis=1)


def _variable(arrays: Mapping[str, xr.DataArray], name: str, path: Path) -> xr.DataArray:
    if name not in arrays:
        raise FileError(f"{path}: no variable {name!r} (known: {', '.join(sorted(arrays)) or 'none'})")
    array = arrays[name]
    if array.dtype.kind not in "iufcb":
        raise FileError(f"{path}: {name} contains {array.dtype}; needs numbers")
    return array


def _renamed(array: xr.DataArray, name: str, dims: tuple[str, ...], path: Path) -> xr.DataArray:
    """Rename an array's dimensions."""
    if not dims:
        return array
    if len(dims) != array.ndim or len(set(dims)) != array.ndim:
        raise FileError(f"{path}: {name} has shape {array.shape}, but dims are {', '.join(dims)}")
    try:
        return array.rename(dict(zip(array.dims, dims, strict=True)))
    except ValueError as error:
        raise FileError(
            f"{path}: the dimensions of {name} cannot be renamed to {', '.join(dims)} ({error})"
        ) from None


def described_image(arrays: Mapping[str, xr.DataArray], settings: ReplayImage, path: Path) -> xr.DataArray:
    """Return the image (channel, y, x) described by a table.

    Raises:
        FileError: The array is missing, or its shape differs from the description.
    """
    import xarray as xr

    found = _variable(arrays, settings.variable, path)
    known = {"y", "x"} <= set(found.dims)
    dims = settings.dims or (() if known else ("channel", "y", "x")[-found.ndim :])
    array = _renamed(found, settings.variable, dims, path)
    if "channel" not in array.dims:
        array = array.expand_dims("channel")
    if set(array.dims) != {"channel", "y", "x"}:
        named = ", ".join(str(name) for name in array.dims)
        raise FileError(
            f"{path}: {settings.variable} has dimensions {named}; an image needs y, x and optionally channel"
        )
    array = array.transpose("channel", "y", "x")
    channels = list(settings.channels) or _default_names((settings.variable,), array.sizes["channel"])
    if len(channels) != array.sizes["channel"]:
        raise FileError(
            f"{path}: {settings.variable} has {array.sizes['channel']} channels, but {len(channels)} names"
        )
    image = xr.DataArray(array.values, dims=("channel", "y", "x"), attrs=array.attrs)
    coords: dict[str, Any] = {"channel": channels}
    for name, step in zip(("y", "x"), settings.step, strict=True):
        inside = name in array.coords
        values = array[name].values if inside else np.arange(array.sizes[name]) * step
        units = settings.units or (array[name].attrs.get("units") if inside else "") or "pixel"
        coords[name] = (name, np.asarray(values, float), {"units": str(units)})
    return image.assign_coords(coords)


def described_spectra(
    arrays: Mapping[str, xr.DataArray], settings: ReplaySpectra, path: Path, *, ordered: bool
) -> xr.DataArray:
    """Return the spectra (candidate, ...) described by a table.

    Args:
        arrays: The file's arrays by name.
        settings: The table.
        path: The file.
        ordered: Whether to list positions y before x; otherwise in the order of the table.

    Raises:
        FileError: An array is missing, or its shape differs from the description.
    """
    import xarray as xr

    found = _variable(arrays, settings.variable, path)
    if not settings.dims and any(_UNNAMED.fullmatch(str(name)) for name in found.dims):
        raise FileError(
            f"{path}: the dimensions of {settings.variable} (shape {found.shape}) have no names; set dims"
        )
    array = _renamed(found, settings.variable, settings.dims, path)
    places = _places(array, settings, path)
    if not ordered:
        places = settings.candidates or places
    axes = [str(name) for name in array.dims if name not in places]
    values = array.transpose(*places, *axes).values
    values = values.reshape(math.prod(array.sizes[name] for name in places), *values.shape[len(places) :])
    attrs = {**array.attrs, **({"units": settings.units} if settings.units else {})}
    spectra = xr.DataArray(values, dims=("candidate", *axes), name=settings.variable, attrs=attrs)
    kept = {
        name: coordinate.variable
        for name, coordinate in array.coords.items()
        if coordinate.ndim and not set(places) & set(coordinate.dims)
    }
    spectra = spectra.assign_coords(kept)
    for name, axis in settings.axes.items():
        spectra = spectra.assign_coords({name: _axis(arrays, spectra, name, axis, path)})
    return spectra


def _axis(
    arrays: Mapping[str, xr.DataArray], spectra: xr.DataArray, name: str, settings: ReplayAxis, path: Path
) -> tuple[tuple[str, ...], NDArray[Any], dict[str, str]]:
    dims = settings.dims or (name,)
    if missing := [dim for dim in dims if dim not in spectra.dims[1:]]:
        known = ", ".join(str(dim) for dim in spectra.dims[1:]) or "none"
        raise FileError(
            f"{path}: coordinate {name} needs dimension {missing[0]!r}; the spectra do not have it (known: {known})"
        )
    shape = tuple(spectra.sizes[dim] for dim in dims)
    if settings.variable is None:
        values = np.arange(math.prod(shape)).reshape(shape) + settings.start
    else:
        values = _variable(arrays, settings.variable, path).values
    if values.shape != shape:
        expected = ", ".join(f"{dim} {size}" for dim, size in zip(dims, shape, strict=True))
        raise FileError(f"{path}: {settings.variable} has shape {values.shape}, but {name} needs {expected}")
    return dims, values, {"units": settings.units}


def _columns(source: Mapping[str, xr.DataArray], names: tuple[str, ...], path: Path) -> NDArray[np.float64]:
    """Return one array (n, columns), or stack several arrays of equal shape as columns."""
    arrays = [np.asarray(_variable(source, name, path).values) for name in names]
    for name, array in zip(names, arrays, strict=True):
        if array.dtype.kind == "c":
            raise FileError(f"{path}: {name} is complex")
        if array.shape != arrays[0].shape:
            raise FileError(f"{path}: {name} has shape {array.shape}, but {names[0]} has {arrays[0].shape}")
    if len(arrays) == 1 and arrays[0].ndim == 2:
        return arrays[0].astype(float)
    return np.stack([array.ravel() for array in arrays], axis=1).astype(float)


def _default_names(variables: tuple[str, ...], n: int) -> list[str]:
    return list(variables) if len(variables) == n else [f"{variables[0]} {index + 1}" for index in range(n)]
