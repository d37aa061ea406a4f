"""How a file of measured data is read as an instrument (the ``[instrument]`` table of kind "replay")."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, Strict, model_validator

from nescio.configuration import Real, Settings
from nescio.errors import FileError
from nescio.explore.instruments.replay import Replay
from nescio.files import FileKind, checked_hdf5, file_kind, npz_arrays, one_line, read_source

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "ReplayAxis",
    "ReplayFeatures",
    "ReplayImage",
    "ReplayPositions",
    "ReplaySettings",
    "ReplaySpectra",
]

_Positive = Annotated[Real, Field(gt=0.0)]
_Names = Annotated[tuple[str, ...], Field(min_length=1, max_length=32)]


class ReplayImage(Settings):
    """The overview image."""

    variable: str
    dims: tuple[str, ...] = ()
    """Names of its dimensions: y, x and, where there are several, channel; by default those of the file, or the last of
    (channel, y, x)."""
    channels: tuple[str, ...] = ()
    """Names of the channels."""
    step: tuple[_Positive, _Positive] = (1.0, 1.0)
    """Size of a pixel along y and x, in `units`, where the file has no coordinates."""
    units: str = ""
    """Of y and x; by default what the file says, or pixels."""


class ReplayPositions(Settings):
    """Where the spectra were measured."""

    variables: _Names
    """One array (candidate, coordinate), or one for each coordinate."""
    coordinates: _Names = ("y", "x")
    """Names of the coordinates, in the order of the columns."""
    units: str = ""
    """Of all coordinates; by default the image's. Positions in pixels are brought to the image's units."""


class ReplayFeatures(Settings):
    """What is known of each candidate where there is no image, such as its composition."""

    variables: _Names
    """One array (candidate, feature), or one for each feature."""
    names: tuple[str, ...] = ()
    """Names of the features; by default those of the variables, or numbers."""


class ReplayAxis(Settings):
    """A coordinate of the spectra."""

    variable: str | None = None
    """Array that holds it; without one it is counted."""
    dims: tuple[str, ...] = ()
    """Dimensions of the spectra along which it runs; by default the one of its own name."""
    start: Annotated[int, Strict()] = 0
    """Where counting starts."""
    units: str = "1"


class ReplaySpectra(Settings):
    """The measured spectra."""

    variable: str
    dims: tuple[str, ...] = ()
    """Names of its dimensions; by default those of the file."""
    candidates: tuple[str, ...] = ()
    """The dimensions that are places; by default the first. A grid's rows and columns become one list, row by row."""
    units: str = ""
    """By default what the file says."""
    axes: dict[str, ReplayAxis] = Field(default_factory=dict)
    """Coordinates by name; those in the file are kept."""


class ReplaySettings(Settings):
    """Measured data in a file, as an instrument."""

    kind: Literal["replay"] = "replay"
    path: Path
    """An ``.npz`` or a NetCDF file."""
    spectra: ReplaySpectra
    image: ReplayImage | None = None
    positions: ReplayPositions | None = None
    """Needed unless there is a spectrum for every pixel of the image."""
    features: ReplayFeatures | None = None
    tolerance: _Positive | None = None
    """How far from a candidate a position may be; by default half of the smallest distance between two."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.image is None) == (self.features is None):
            raise ValueError("needs either an image or features")
        if self.positions is None and self.image is None:
            raise ValueError("positions are needed where there is no image")
        names = self.positions.coordinates if self.positions is not None else ("y", "x")
        if self.image is not None and sorted(names) != ["x", "y"]:
            raise ValueError(f"positions on an image have the coordinates y and x, not {', '.join(names)}")
        return self

    def build(self, folder: Path | None = None) -> Replay:
        """Read the file; its path is taken relative to `folder`.

        Raises:
            FileError: The file cannot be read, or a variable in it is missing or of another shape than described.
            InstrumentError: Positions and spectra do not belong together.
        """
        import xarray as xr

        path = (folder or Path()) / self.path
        source = _read(path)
        spectra = _spectra(source, self.spectra, path)
        survey = xr.Dataset()
        if self.image is not None:
            survey["image"] = _image(source, self.image, path)
        survey = self._with_positions(survey, source, path)
        if self.features is not None:
            values = _columns(source, self.features.variables, path)
            names = self.features.names or _default_names(self.features.variables, values.shape[1])
            if values.shape != (survey.sizes["candidate"], len(names)):
                raise FileError(
                    f"{path}: features of shape {values.shape}, where {survey.sizes['candidate']} candidates and "
                    f"{len(names)} names need another"
                )
            survey["features"] = (("candidate", "feature"), values)
            survey = survey.assign_coords(feature=list(names))
        return Replay(survey, spectra, tolerance=self.tolerance, name=f"replay of {path.name}")

    def _with_positions(self, survey: xr.Dataset, source: dict[str, xr.DataArray], path: Path) -> xr.Dataset:
        units = str(survey["y"].attrs["units"]) if self.image is not None else "1"
        names: tuple[str, ...]
        if self.positions is None:
            y, x = np.meshgrid(survey["y"].values, survey["x"].values, indexing="ij")
            values, names = np.stack([y.ravel(), x.ravel()], axis=1), ("y", "x")
        else:
            values, names = _columns(source, self.positions.variables, path), self.positions.coordinates
            if values.shape[1] != len(names):
                raise FileError(
                    f"{path}: positions have {values.shape[1]} columns, but {len(names)} coordinates: "
                    f"{', '.join(names)}"
                )
            if self.image is None:
                units = self.positions.units or units
            else:
                values, names = values[:, [names.index("y"), names.index("x")]], ("y", "x")
                given = self.positions.units or units
                if given not in ("pixel", units):
                    raise FileError(f"{path}: positions in {given} on an image in {units}")
                if given != units:
                    values = _from_pixels(values, survey, path)
        survey["position"] = (("candidate", "coordinate"), values, {"units": units})
        return survey.assign_coords(coordinate=list(names))


def _from_pixels(pixels: NDArray[np.float64], survey: xr.Dataset, path: Path) -> NDArray[np.float64]:
    """Return positions (candidate, 2) on an image in its units."""
    axes = [survey["y"].values, survey["x"].values]
    bad = np.flatnonzero(~((pixels >= 0) & (pixels <= [len(axis) - 1 for axis in axes])).all(axis=1))
    if bad.size:
        y, x = pixels[bad[0]]
        raise FileError(
            f"{path}: position {bad[0]} (y {y:g}, x {x:g} pixel) is outside the image of "
            f"{len(axes[0])} x {len(axes[1])}"
        )
    columns = [
        np.interp(column, np.arange(len(axis)), axis) for column, axis in zip(pixels.T, axes, strict=True)
    ]
    return np.stack(columns, axis=1)


def _read(path: Path) -> dict[str, xr.DataArray]:
    """Return all variables of a file; dimensions of an ``.npz`` have no names yet."""
    import xarray as xr

    source = read_source(path)
    kind = file_kind(source.content)
    if kind is FileKind.NPZ:
        return {name: xr.DataArray(values) for name, values in npz_arrays(source, kinds="iufcUSb").items()}
    if kind is not FileKind.HDF5:
        raise FileError(f"{source.name}: neither an .npz of plain arrays nor a NetCDF 4 file")
    checked_hdf5(source)
    try:
        with xr.open_dataset(io.BytesIO(source.content), engine="h5netcdf") as dataset:
            loaded = dataset.load()
            return {str(name): loaded[name] for name in loaded.variables}
    # Each of the libraries below has its own errors for a file that is not NetCDF.
    except Exception as error:
        raise FileError(f"{source.name}: not a NetCDF 4 file ({one_line(error)})") from None


def _variable(source: dict[str, xr.DataArray], name: str, path: Path) -> xr.DataArray:
    if name not in source:
        raise FileError(f"{path}: no variable {name!r} (known: {', '.join(sorted(source)) or 'none'})")
    array = source[name]
    if array.dtype.kind not in "iufcb":
        raise FileError(f"{path}: {name} holds {array.dtype}, where numbers are needed")
    return array


def _renamed(array: xr.DataArray, name: str, dims: tuple[str, ...], path: Path) -> xr.DataArray:
    """Give an array's dimensions their names."""
    if not dims:
        return array
    if len(dims) != array.ndim or len(set(dims)) != array.ndim:
        raise FileError(f"{path}: {name} has shape {array.shape}, which {', '.join(dims)} does not name")
    try:
        return array.rename(dict(zip(array.dims, dims, strict=True)))
    except ValueError as error:
        raise FileError(f"{path}: {name} cannot have the dimensions {', '.join(dims)} ({error})") from None


def _image(source: dict[str, xr.DataArray], settings: ReplayImage, path: Path) -> xr.DataArray:
    import xarray as xr

    found = _variable(source, settings.variable, path)
    known = path.suffix != ".npz" and {"y", "x"} <= set(found.dims)
    dims = settings.dims or (() if known else ("channel", "y", "x")[-found.ndim :])
    array = _renamed(found, settings.variable, dims, path)
    if "channel" not in array.dims:
        array = array.expand_dims("channel")
    if set(array.dims) != {"channel", "y", "x"}:
        named = ", ".join(str(name) for name in array.dims)
        raise FileError(
            f"{path}: {settings.variable} is an image of {named}, where y, x and channel are needed"
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


def _spectra(source: dict[str, xr.DataArray], settings: ReplaySpectra, path: Path) -> xr.DataArray:
    import xarray as xr

    found = _variable(source, settings.variable, path)
    if path.suffix == ".npz" and not settings.dims:
        raise FileError(
            f"{path}: the dimensions of {settings.variable}, of shape {found.shape}, have no names"
        )
    array = _renamed(found, settings.variable, settings.dims, path)
    places = settings.candidates or (str(array.dims[0]),)
    axes = [str(name) for name in array.dims if name not in places]
    if missing := [name for name in places if name not in array.dims]:
        raise FileError(f"{path}: {settings.variable} has no dimension {missing[0]!r}")
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
        spectra = spectra.assign_coords({name: _axis(source, spectra, name, axis, path)})
    return spectra


def _axis(
    source: dict[str, xr.DataArray], spectra: xr.DataArray, name: str, settings: ReplayAxis, path: Path
) -> tuple[tuple[str, ...], NDArray[Any], dict[str, str]]:
    dims = settings.dims or (name,)
    if missing := [dim for dim in dims if dim not in spectra.dims[1:]]:
        known = ", ".join(str(dim) for dim in spectra.dims[1:]) or "none"
        raise FileError(
            f"{path}: {name} runs along {missing[0]!r}, which the spectra do not have (known: {known})"
        )
    shape = tuple(spectra.sizes[dim] for dim in dims)
    if settings.variable is None:
        values = np.arange(math.prod(shape)).reshape(shape) + settings.start
    else:
        values = _variable(source, settings.variable, path).values
    if values.shape != shape:
        expected = ", ".join(f"{dim} {size}" for dim, size in zip(dims, shape, strict=True))
        raise FileError(
            f"{path}: {settings.variable} has shape {values.shape}, where {name} needs {expected}"
        )
    return dims, values, {"units": settings.units}


def _columns(source: dict[str, xr.DataArray], names: tuple[str, ...], path: Path) -> NDArray[np.float64]:
    """Return one array (n, columns), or several of equal shape as its columns."""
    arrays = [np.asarray(_variable(source, name, path).values) for name in names]
    for name, array in zip(names, arrays, strict=True):
        if array.dtype.kind == "c":
            raise FileError(f"{path}: {name} is complex")
        if array.shape != arrays[0].shape:
            raise FileError(f"{path}: {name} has shape {array.shape}, but {names[0]} {arrays[0].shape}")
    if len(arrays) == 1 and arrays[0].ndim == 2:
        return arrays[0].astype(float)
    return np.stack([array.ravel() for array in arrays], axis=1).astype(float)


def _default_names(variables: tuple[str, ...], n: int) -> list[str]:
    return list(variables) if len(variables) == n else [f"{variables[0]} {index + 1}" for index in range(n)]
