"""Reader of measured grids and of named arrays, for replays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nescio.errors import FileError
from nescio.microscopy.read.fields import Field, chosen, is_unnamed
from nescio.microscopy.read.files import opened_fields, read_spectrum_image

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["GridFiles"]


class GridFiles:
    """Reader "microscopy" of the entry point group ``nescio.grids``, for replays of measured grids."""

    @staticmethod
    def read_grid(path: Path, options: Mapping[str, Any]) -> xr.Dataset:
        """Read a grid with :func:`nescio.microscopy.read_spectrum_image` and its options."""
        return read_spectrum_image(path, **options)

    @staticmethod
    def read_arrays(path: Path, names: Sequence[str]) -> dict[str, xr.DataArray]:
        """Return arrays of a file by name; unnamed dimensions are called dim_0, dim_1, ...

        Raises:
            FileError: The file cannot be read, or an array does not exist.
        """
        with opened_fields(path, everything=True) as fields:
            known = sorted(field.name for field in fields)
            for name in names:
                if not any(name.strip("/") in (field.name, field.short_name) for field in fields):
                    raise FileError(
                        f"{path}: there is no variable {name[:40]!r} (known: {', '.join(known)[:400] or 'none'})"
                    )
            return {name: _array(chosen(path, fields, name, lambda _: True, name, ())) for name in names}


def _array(field: Field) -> xr.DataArray:
    import xarray as xr

    dims: list[str] = []
    for index, axis in enumerate(field.axes):
        name = "" if is_unnamed(axis.name) else axis.name.rsplit("/", 1)[-1]
        dims.append(name if name and name not in dims else f"dim_{index}")
    coordinates: dict[str, Any] = {}
    for dim, axis in zip(dims, field.axes, strict=True):
        if axis.values is not None:
            coordinates[dim] = (dim, axis.values, {"units": axis.unit} if axis.unit else {})
        elif axis.labels:
            coordinates[dim] = (dim, np.asarray(axis.labels, np.str_))
    for one in field.coordinates:
        if one.name not in dims:
            coordinates[one.name] = ([dims[index] for index in one.dims], one.values, {"units": one.unit})
    return xr.DataArray(
        field.read(), coordinates, dims, field.short_name, {"units": field.unit} if field.unit else {}
    )
