"""Write an exported trace to a file."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nescio.errors import FileError, MissingExtraError, TraceError
from nescio.files import write_atomically

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["FORMATS", "write_export"]

_STRAIGHT = 1e-6
"""Tolerance for an evenly spaced axis, relative to the spacing."""


def write_export(exported: xr.Dataset, path: str | Path, kind: str) -> None:
    """Write the dataset from :func:`to_xarray` to a file.

    Args:
        exported: The dataset.
        path: A new file (for Zarr a folder); missing parent folders are created.
        kind: ``netcdf`` (complex numbers become two variables, ``..._real`` and ``..._imag``), ``zarr``, or
            ``hyperspy``: the spectra as a signal with one navigation axis, the rest as original metadata.

    Raises:
        FileError: The kind is unknown, or the file exists already or cannot be written.
        MissingExtraError: The library for the kind is not installed.
        TraceError: The kind needs spectra, but there are none.
    """
    path = Path(path)
    if kind not in FORMATS:
        raise FileError(f"format {kind!r} is not known (known: {', '.join(FORMATS)})")
    if path.exists():
        raise FileError(f"{path}: exists already; choose another name")
    write_atomically(path, FORMATS[kind](exported))


def _netcdf(exported: xr.Dataset) -> memoryview:
    import xarray as xr

    flat: dict[str, xr.Variable] = {}
    for name, variable in exported.variables.items():
        # In HDF5, a slash separates groups.
        safe = str(name).replace("/", "-")
        dimensions = [str(dimension).replace("/", "-") for dimension in variable.dims]
        attributes = _plain_attributes(variable.attrs)
        if variable.dtype.kind == "c":
            flat[f"{safe}_real"] = xr.Variable(dimensions, variable.values.real, attributes)
            flat[f"{safe}_imag"] = xr.Variable(dimensions, variable.values.imag, attributes)
        else:
            flat[safe] = xr.Variable(dimensions, variable.values, attributes)
    coordinates = [name for name in flat if name in {str(key).replace("/", "-") for key in exported.coords}]
    dataset = xr.Dataset(flat, attrs=_plain_attributes(exported.attrs)).set_coords(coordinates)
    return dataset.to_netcdf(engine="h5netcdf", encoding=_compressed(dataset))


def _zarr(exported: xr.Dataset) -> Callable[[Path], object]:
    try:
        import zarr  # noqa: F401
    except ImportError:
        raise MissingExtraError("Zarr needs an extra: pip install nescio[zarr]") from None
    # Zarr format 2, because format 3 has no standard yet for text of fixed length.
    return lambda path: exported.to_zarr(path, mode="w-", zarr_format=2, consolidated=True)


class _Memory(io.BytesIO):
    """A file in memory with a name, as required by the writer of HyperSpy's format."""

    def __fspath__(self) -> str:
        return "memory.hspy"


def _hyperspy(exported: xr.Dataset) -> memoryview:
    try:
        from rsciio.hspy import file_writer  # type: ignore[import-untyped]
    except ImportError:
        raise MissingExtraError("HyperSpy's format needs an extra: pip install nescio[hyperspy]") from None
    if "spectrum" not in exported:
        raise TraceError("there are no spectra to write for HyperSpy")
    measured = exported.isel(measurement=np.flatnonzero(exported["has_spectrum"].values))
    spectrum = measured["spectrum"]
    dimensions = [str(name) for name in spectrum.dims]
    axes = [_axis(measured, name, place) for place, name in enumerate(dimensions)]
    # The other variables go into the metadata, as text and plain arrays.
    rest = {
        str(name).replace("/", "-"): variable.values.astype(str).tolist()
        if variable.dtype.kind in "UM"
        else np.ascontiguousarray(variable.values)
        for name, variable in measured.variables.items()
        if name not in ("spectrum", "has_spectrum") and variable.ndim
    }
    signal = {
        "data": np.ascontiguousarray(spectrum.values),
        "axes": axes,
        "metadata": {
            "General": {"title": str(exported.attrs.get("title", ""))},
            "Signal": {"signal_type": "", "quantity": _quantity(spectrum)},
            "_HyperSpy": {},
        },
        "original_metadata": {
            "nescio": {"variables": rest, **_plain_attributes(exported.attrs)},
        },
        "attributes": {"_lazy": False, "ragged": False},
        "learning_results": {},
        "models": {},
        "tmp_parameters": {},
        "package_info": {"package": "nescio", "package_version": str(exported.attrs["nescio_version"])},
    }
    content = _Memory()
    file_writer(content, signal, show_progressbar=False)
    return content.getbuffer()


def _axis(dataset: xr.Dataset, name: str, place: int) -> dict[str, Any]:
    size = dataset.sizes[name]
    values = dataset[name].values if name in dataset.coords else np.arange(size)
    units = str(dataset[name].attrs.get("units", "")) if name in dataset.coords else ""
    axis: dict[str, Any] = {"name": name, "units": units, "navigate": place == 0, "is_binned": False}
    if values.dtype.kind in "iuf" and size > 0 and np.isfinite(values).all():
        scale = float(values[-1] - values[0]) / (size - 1) if size > 1 else 1.0
        even = values[0] + scale * np.arange(size)
        if scale != 0 and np.abs(values - even).max() <= _STRAIGHT * abs(scale):
            return axis | {
                "_type": "UniformDataAxis", "size": size, "scale": scale, "offset": float(values[0])
            }  # fmt: skip
        if (np.diff(values) > 0).all() or (np.diff(values) < 0).all():
            return axis | {"_type": "DataAxis", "axis": np.ascontiguousarray(values)}
    # HyperSpy's axes must be monotonic; for others, count the points. The values are in the metadata.
    return axis | {"_type": "UniformDataAxis", "size": size, "scale": 1.0, "offset": 0.0, "units": ""}


def _quantity(spectrum: xr.DataArray) -> str:
    name = str(spectrum.attrs.get("long_name", "Intensity"))
    return f"{name} ({spectrum.attrs['units']})" if "units" in spectrum.attrs else name


def _plain_attributes(attributes: dict[Any, Any]) -> dict[str, Any]:
    """Return attributes for HDF5: text and numbers unchanged, others as JSON."""
    return {
        str(name): value
        if isinstance(value, str | float) or (isinstance(value, int) and not isinstance(value, bool))
        else json.dumps(value)
        for name, value in attributes.items()
    }


def _compressed(dataset: xr.Dataset) -> dict[str, dict[str, Any]]:
    return {
        str(name): {"zlib": True, "complevel": 4}
        for name, variable in dataset.variables.items()
        if variable.dtype.kind in "iufb" and variable.size > 1000
    }


FORMATS: dict[str, Callable[[xr.Dataset], memoryview | Callable[[Path], object]]] = {
    "netcdf": _netcdf,
    "zarr": _zarr,
    "hyperspy": _hyperspy,
}
"""Writer of each format; HDF5 is written in memory first, because its library crashes if the disk is full."""
