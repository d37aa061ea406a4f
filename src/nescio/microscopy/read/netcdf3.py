"""Fields of netCDF 3 files (classic and 64-bit offset), which xarray writes if only SciPy is installed."""

from __future__ import annotations

import io
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nescio.errors import FileError, NescioError
from nescio.files import Source, one_line, short_name, text_of
from nescio.microscopy.read.fields import (
    MAX_VALUES,
    Axis,
    Coordinate,
    Field,
    axis_role,
    direction_of,
    with_lines,
)
from nescio.microscopy.read.packing import packing_of

__all__ = ["is_netcdf3", "netcdf3_fields"]


def is_netcdf3(content: bytes) -> bool:
    """Return whether bytes begin like a netCDF 3 file."""
    return content.startswith((b"CDF\x01", b"CDF\x02"))


def netcdf3_fields(source: Source, *, everything: bool = False) -> list[Field]:
    """Return the variables of a file, unpacked in memory.

    Args:
        source: The file.
        everything: Whether to include variables that are only axes of others.

    Raises:
        FileError: The file is damaged, or exceeds the memory budget.
    """
    from scipy.io import netcdf_file

    # SciPy copies all variables into memory.
    source.spend(2 * len(source.content), "its variables")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with netcdf_file(io.BytesIO(source.content), "r", mmap=False) as file:
                variables = dict(file.variables)
                fields = [
                    _field(source, variables, name)
                    for name, held in variables.items()
                    if held.shape and (everything or tuple(held.dimensions) != (name,))
                ]
    except NescioError:
        raise
    except Exception as error:  # SciPy raises many types of errors on damaged files
        raise FileError(f"{source.name}: is not a readable netCDF 3 file ({one_line(error)})") from None
    return with_lines(Path(source.name), fields)


def _field(source: Source, variables: dict[str, Any], name: str) -> Field:
    held = variables[name]
    values = _values(source, name, held)
    dims = [str(dim) for dim in held.dimensions]
    axes = [_axis(source, variables, dim, points) for dim, points in zip(dims, values.shape, strict=True)]
    coordinates = []
    for other in sorted(
        {*str(_attribute(held, "coordinates") or "").split(), "x", "y"} & {*variables} - {*dims, name}
    ):
        own = [str(dim) for dim in variables[other].dimensions]
        if own and {*own} <= {*dims} and values.dtype.kind in "iuf":
            along = _values(source, other, variables[other])
            unit = _text(variables[other], "units")
            standard = _text(variables[other], "axis") or _text(variables[other], "standard_name")
            coordinates.append(
                Coordinate(
                    other,
                    tuple(dims.index(dim) for dim in own),
                    along.astype(np.float64),
                    unit,
                    axis_role(other, unit, standard=standard),
                    direction_of(other, standard),
                )
            )
    return Field(
        name,
        values.shape,
        values.dtype,
        tuple(axes),
        lambda: values,
        unit=_text(held, "units"),
        budget=source.budget,
        coordinates=tuple(coordinates),
    )


def _values(source: Source, name: str, held: Any) -> npt.NDArray[np.generic]:
    stored = np.asarray(held.data)
    if math.prod(stored.shape) > MAX_VALUES:
        raise FileError(f"{source.name}: {name} has shape {stored.shape}; needs at most {MAX_VALUES} numbers")
    packing = packing_of(f"{source.name}: {name}", stored.dtype, lambda key: _attribute(held, key))
    return packing.unpacked(stored)


def _axis(source: Source, variables: dict[str, Any], dim: str, points: int) -> Axis:
    held = variables.get(dim)
    if held is None or held.shape != (points,) or np.asarray(held.data).dtype.kind not in "iuf":
        return Axis(dim, role=axis_role(dim, ""))
    unit = _text(held, "units")
    standard = _text(held, "axis") or _text(held, "standard_name")
    return Axis(
        dim,
        _values(source, dim, held).astype(np.float64),
        unit,
        axis_role(dim, unit, standard=standard, title=_text(held, "long_name")),
        toward=direction_of(dim, standard),
    )


def _attribute(held: Any, name: str) -> Any:
    value = held._attributes.get(name)
    return text_of(value) if isinstance(value, bytes) else value


def _text(held: Any, name: str) -> str:
    value = _attribute(held, name)
    return short_name(value) if isinstance(value, str) else ""
