"""Places of spectra: their dimensions in an array, and their positions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nescio.errors import FileError, MeasurementError
from nescio.microscopy.images import length_unit
from nescio.microscopy.read.datasets.image import Scale, given_scale
from nescio.microscopy.read.fields import Axis, Coordinate, Field, common_unit, converted, spelt_unit

__all__ = ["Places", "listed_places", "place_dimensions", "place_positions"]

_NAMES = ("position", "positions", "pos", "pixel", "pixels", "coordinates")


class Places(NamedTuple):
    """Positions of spectra."""

    coordinates: tuple[str, ...]
    positions: npt.NDArray[np.float64]
    """Shape (n, coordinates)."""
    unit: str
    stated: bool = True
    """Whether the file contains the positions; else they are indices."""
    notes: tuple[str, ...] = ()


def listed_places(path: Path, fields: Sequence[Field]) -> Places | None:
    """Return the listed places (y, x) of a file, or None.

    The unit is an attribute or a suffix of the name ("position_nm"); else places are pixels (row, column).
    """
    for field in fields:
        base, _, suffix = field.short_name.lower().rpartition("_")
        named = (suffix in _NAMES and not base) or (base in _NAMES and length_unit(suffix))
        if named and len(field.shape) == 2 and field.shape[1] == 2 and field.dtype.kind in "iuf":
            stated = field.unit or (suffix if base else "pixel")
            places = field.numbers(path).astype(np.float64)
            labels = [label.lower() for label in field.axes[1].labels]
            return Places(("y", "x"), places[:, ::-1] if labels == ["x", "y"] else places, spelt_unit(stated))
    return None


def place_dimensions(path: Path, field: Field, navigation: int | None, listed: int | None) -> tuple[int, ...]:
    """Return the dimensions that are places: y before x, others first.

    Args:
        path: The file.
        field: The spectra.
        navigation: Number of leading dimensions that are places, if given by the user.
        listed: Number of listed places.

    Raises:
        FileError: The dimensions are ambiguous.
    """
    count = len(field.shape)
    if navigation is not None:
        if not 0 < navigation < count:
            raise FileError(
                f"{path}: navigation = {navigation} leaves no dimension for spectra in {field.name} {field.shape}"
            )
        return _ordered(field, tuple(range(navigation)))
    if field.contradiction:
        raise FileError(f"{path}: {field.contradiction}")
    scattered = {index for one in field.coordinates if one.role == "space" for index in one.dims}
    spaces = tuple(sorted({*field.dims_of("space"), *scattered}))
    unknown = tuple(index for index, axis in enumerate(field.axes) if not axis.role and index not in spaces)
    found = _recognised(field, spaces, unknown, listed)
    if found is None:
        raise FileError(
            f"{path}: it is unknown which dimensions of {field.name} {field.shape} are places"
            + ("" if listed is None else f", and {listed} listed positions fit none of them")
            + "; set navigation to their number"
        )
    return _ordered(field, found)


def _recognised(
    field: Field, spaces: tuple[int, ...], unknown: tuple[int, ...], listed: int | None
) -> tuple[int, ...] | None:
    count = len(field.shape)
    known = [index for index in range(count) if index not in spaces and index not in unknown]
    # The points of a spectrum may also be called "channel".
    if 0 < len(spaces) < count and (len(spaces) > 1 or not unknown or (count == 2 and not known)):
        return spaces
    if spaces == tuple(range(count)):
        return None
    if spaces and count > 2 and {*spaces} < {0, 1} and not {0, 1} & {*known}:
        return (0, 1)
    if not spaces and unknown and known and listed in (None, math.prod(field.shape[i] for i in unknown)):
        return unknown if len(unknown) < 3 or listed is not None else None
    fitting = [k for k in range(1, count) if math.prod(field.shape[:k]) == listed]
    if fitting:
        return tuple(range(fitting[0]))
    return None if count < 3 or listed is not None or spaces or known else (0, 1)


def _ordered(field: Field, places: tuple[int, ...]) -> tuple[int, ...]:
    rank = {"y": 1, "x": 2}
    directions = [field.axes[index].direction for index in places]
    # If only one of two directions is known, the other follows.
    if len(places) == 2 and directions.count("") + directions.count("z") == 1:
        directions = [one if one in rank else ("y" if "x" in directions else "x") for one in directions]
    return tuple(
        index for _, index in sorted(zip((rank.get(one, 0) for one in directions), places, strict=True))
    )


def place_positions(
    path: Path,
    field: Field,
    dimensions: tuple[int, ...],
    pixel_size: float | tuple[float, float] | None,
    unit: str | None,
) -> Places:
    """Return the positions of places, from their coordinates, else from the axes of the grid, else as indices.

    Args:
        path: The file.
        field: The spectra.
        dimensions: Dimensions that are places.
        pixel_size: Distance of neighbouring places of a grid; replaces that of the file.
        unit: Unit of `pixel_size`, or the unit to which the file's lengths are converted.

    Raises:
        FileError: The units of the coordinates differ, or coordinates are not finite.
    """
    axes = [field.axes[index] for index in dimensions]
    scattered = [one for one in field.coordinates if one.role == "space" and {*one.dims} <= {*dimensions}]
    if scattered:
        places = _scattered(path, field, dimensions, axes, scattered, unit)
        if places is not None:
            return places
    try:
        return _grid(field, dimensions, axes, pixel_size, unit)
    except MeasurementError as error:
        raise FileError(f"{path}: places: {error}") from None


def _scattered(
    path: Path,
    field: Field,
    dimensions: tuple[int, ...],
    axes: Sequence[Axis],
    scattered: Sequence[Coordinate],
    unit: str | None,
) -> Places | None:
    sizes = {index: field.shape[index] for index in dimensions}
    columns = {
        one.direction or one.name: (_spread(one.values, one.dims, sizes), spelt_unit(one.unit))
        for one in scattered
    }
    for index, axis in zip(dimensions, axes, strict=True):
        name = axis.direction or axis.name
        if axis.values is not None and axis.role == "space" and name not in columns:
            columns[name] = (_spread(axis.values, (index,), sizes), spelt_unit(axis.unit))
    if len(columns) < len(dimensions):
        return None
    names = sorted(columns, key=lambda name: {"y": 1, "x": 2}.get(name, 0))
    common = common_unit(unit for _, unit in columns.values())
    if common is None:
        units = ", ".join(f"{name} is in {columns[name][1]}" for name in names)
        raise FileError(f"{path}: the coordinates of the places have different units: {units}")
    wanted = spelt_unit(unit) if unit and (common != "pixel" or not unit) else common
    values = []
    for name in names:
        along = converted(*columns[name], wanted)
        if along is None:
            raise FileError(
                f"{path}: {name} of the places is in {columns[name][1]}, which cannot be converted to {wanted}"
            )
        values.append(along)
    if unit and common == "pixel":
        wanted = spelt_unit(unit)
    return Places(tuple(names), np.stack(values, axis=-1).reshape(-1, len(names)), wanted)


def _spread(
    values: npt.NDArray[np.float64], dims: tuple[int, ...], sizes: dict[int, int]
) -> npt.NDArray[np.float64]:
    """Broadcast values along some of the place dimensions to all of them, in their order."""
    order = [index for index in sizes if index in dims]
    arranged = np.transpose(values, [dims.index(index) for index in order])
    shaped = arranged.reshape([size if index in dims else 1 for index, size in sizes.items()])
    return np.broadcast_to(shaped, tuple(sizes.values()))


def _grid(
    field: Field,
    dimensions: tuple[int, ...],
    axes: Sequence[Axis],
    pixel_size: float | tuple[float, float] | None,
    unit: str | None,
) -> Places:
    grid = tuple(field.shape[index] for index in dimensions)
    along: list[npt.NDArray[np.float64]]
    names = ("y", "x") if len(grid) == 2 else _names(axes)
    notes: tuple[str, ...] = ()
    if len(grid) == 2 and pixel_size is not None:
        scale: Scale = given_scale(axes, pixel_size, unit)
        along = [
            start + step * np.arange(n, dtype=np.float64)
            for start, step, n in zip(scale.origin, scale.steps, grid, strict=True)
        ]
        spelt, stated, notes = scale.unit, True, scale.notes
    elif any(not axis.counts for axis in axes):
        stated = True
        along, spelt = _own_grid(axes, names, unit)
    else:
        stated = False
        along, spelt = [np.arange(n, dtype=np.float64) for n in grid], unit or "pixel"
    positions = np.stack(np.meshgrid(*along, indexing="ij"), axis=-1).reshape(-1, len(grid))
    if stated and spelt == "pixel" and not unit:
        notes = (
            *notes,
            f"the places of {field.name} have no unit; pixels are assumed (set unit= to change this)",
        )
    return Places(names, positions, spelt_unit(spelt), stated, notes)


def _names(axes: Sequence[Axis]) -> tuple[str, ...]:
    found: list[str] = []
    for number, axis in enumerate(axes):
        name = axis.name.rsplit("/", 1)[-1] or f"place_{number}"
        found.append(name if name not in found else f"{name}_{number}")
    return tuple(found)


def _own_grid(
    axes: Sequence[Axis], names: Sequence[str], unit: str | None
) -> tuple[list[npt.NDArray[np.float64]], str]:
    known = [axis for axis in axes if axis.values is not None]
    if len(known) < len(axes):
        missing = ", ".join(name for name, axis in zip(names, axes, strict=True) if axis.values is None)
        raise MeasurementError(
            f"{missing} has no coordinate, unlike the other axis: give pixel_size and unit"
        )
    units = [spelt_unit(axis.unit) for axis in axes]
    common = common_unit(units)
    if common is None:
        stated = ", ".join(f"{name} is in {one}" for name, one in zip(names, units, strict=True))
        raise MeasurementError(f"{stated}: give pixel_size and unit")
    wanted = spelt_unit(unit) if unit and common != "pixel" else common
    along = [converted(np.asarray(axis.values), one, wanted) for axis, one in zip(axes, units, strict=True)]
    if any(values is None for values in along):
        raise MeasurementError(
            f"the axes are in {common}, which cannot be converted to {wanted}: give pixel_size"
        )
    return [values for values in along if values is not None], (spelt_unit(unit) if unit else wanted)
