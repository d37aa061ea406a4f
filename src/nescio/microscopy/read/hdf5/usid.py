"""Main datasets of USID, the older files of pycroscopy: a table of places (rows) and steps of a spectrum (columns).

Attributes of a main dataset refer to ``Position_Indices``, ``Position_Values`` (places, coordinates) and
``Spectroscopic_Indices``, ``Spectroscopic_Values`` (axes, steps), whose attributes ``labels`` and ``units`` describe
them (Somnath et al. 2019, Universal Spectroscopic and Imaging Data, arXiv:1903.09515).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nescio.errors import FileError
from nescio.files import Hdf5, attribute, short_name, text_of
from nescio.microscopy.read.fields import Axis, Coordinate, Field, Role, direction_of
from nescio.microscopy.read.hdf5.nodes import node_values, packing, text_attribute

__all__ = ["is_usid", "usid_field"]

_PARTS = ("Position_Indices", "Position_Values", "Spectroscopic_Indices", "Spectroscopic_Values")


class _Table(NamedTuple):
    """Coordinates of the rows, or of the columns, of a main dataset."""

    names: list[str]
    units: list[str]
    values: npt.NDArray[np.float64]
    """Shape (points, coordinates)."""
    indices: npt.NDArray[np.float64]
    """Index of each value along its coordinate; same shape."""


def is_usid(file: Hdf5, node: Any) -> bool:
    """Return whether a dataset is a USID main dataset."""
    return len(node.shape) == 2 and all(_referred(file, node, part) is not None for part in _PARTS)


def usid_field(file: Hdf5, node: Any) -> Field:
    """Return a main dataset on its grid if that is complete, else with coordinates of each place.

    Raises:
        FileError: The tables of positions or spectroscopic values do not fit the dataset.
    """
    places, steps = (
        _table(file, node, kind, points)
        for kind, points in zip(("Position", "Spectroscopic"), node.shape, strict=True)
    )
    held = packing(file, node)
    grid, spectrum = _grid(places, "space"), _grid(steps, "signal")
    coordinates: list[Coordinate] = []
    order = step_order = None
    if grid is None:
        axes: tuple[Axis, ...] = (Axis(role="space"),)
        coordinates += _coordinates(places, 0, "space")
    else:
        order, axes = grid
    shape: tuple[int, ...] = (node.shape[0],) if grid is None else _sizes(axes)
    # With a single step, the data are an image.
    if node.shape[1] > 1 or grid is None:
        if spectrum is None:
            coordinates += _coordinates(steps, len(axes), "signal")
            axes, shape = (*axes, Axis("step", role="signal")), (*shape, node.shape[1])
        else:
            step_order, step_axes = spectrum
            axes, shape = (*axes, *step_axes), (*shape, *_sizes(step_axes))

    def read() -> npt.NDArray[np.generic]:
        values = node_values(file, node, held)
        if order is not None:
            values = values[order]
        if step_order is not None:
            values = values[:, step_order]
        return values.reshape(shape)

    return Field(
        name=str(node.name).strip("/"),
        shape=shape,
        dtype=node.dtype,
        axes=axes,
        read=read,
        unit=text_attribute(node, "units"),
        budget=file.source.budget,
        coordinates=tuple(coordinates),
    )


def _referred(file: Hdf5, node: Any, part: str) -> Any:
    import h5py

    reference = attribute(node, part)
    if not isinstance(reference, h5py.Reference) or not reference:
        return None
    found = file.root[reference]
    return found if isinstance(found, h5py.Dataset) and len(found.shape or ()) == 2 else None


def _table(file: Hdf5, node: Any, kind: str, points: int) -> _Table:
    values, indices = (_fitting(file, node, f"{kind}_{part}", points) for part in ("Values", "Indices"))
    held = _referred(file, node, f"{kind}_Values")
    names, units = (
        [
            short_name(text_of(one)).strip()
            for one in np.ravel([] if attribute(held, key) is None else attribute(held, key))
        ]
        for key in ("labels", "units")
    )
    count = values.shape[1]
    names += [f"{kind.lower()} {number}" for number in range(len(names) + 1, count + 1)]
    units += [""] * (count - len(units))
    return _Table(names[:count], units[:count], values, indices)


def _fitting(file: Hdf5, node: Any, part: str, points: int) -> npt.NDArray[np.float64]:
    """Return a table with one row for each point."""
    held = _referred(file, node, part)
    values = node_values(file, held).astype(np.float64)
    # Spectroscopic tables have one row for each coordinate.
    if values.shape[1] == points and (part.startswith("Spectroscopic") or values.shape[0] != points):
        values = values.T
    if values.shape[0] != points:
        raise FileError(f"{file.source.name}: {part} {held.shape} does not fit {node.name} {node.shape}")
    return values


def _grid(table: _Table, role: Role) -> tuple[npt.NDArray[np.intp] | None, tuple[Axis, ...]] | None:
    """Return the order of the points (None if unchanged) and the axes of the complete grid that they form.

    None if they do not form a grid, or if their positions deviate from it.
    """
    if table.indices.shape != table.values.shape:
        return None
    found = [np.unique(column, return_index=True, return_inverse=True) for column in table.indices.T]
    if math.prod(len(level) for level, _, _ in found) != len(table.indices):
        return None
    kept = [index for index, (level, _, _) in enumerate(found) if len(level) > 1] or [0]
    if role == "space" and len(kept) == 1 and len(found) > 1:
        return None
    kept.sort(key=lambda index: {"y": 1, "x": 2}.get(direction_of(table.names[index]), 0))
    for index in kept:
        _, first, inverse = found[index]
        if not np.array_equal(table.values[first, index][inverse], table.values[:, index]):
            return None
    # np.lexsort sorts by the last key first.
    order = np.lexsort([table.indices[:, index] for index in kept[::-1]])
    if len(np.unique(table.indices[:, kept], axis=0)) != len(order):
        return None
    axes = tuple(
        Axis(
            table.names[index],
            table.values[found[index][1], index],
            table.units[index],
            role,
            toward=direction_of(table.names[index]),
        )
        for index in kept
    )
    return (None if np.array_equal(order, np.arange(len(order))) else order), axes


def _sizes(axes: tuple[Axis, ...]) -> tuple[int, ...]:
    return tuple(len(axis.values) for axis in axes if axis.values is not None)


def _coordinates(table: _Table, dim: int, role: Role) -> tuple[Coordinate, ...]:
    return tuple(
        Coordinate(name, (dim,), column, unit, role, direction_of(name))
        for name, unit, column in zip(table.names, table.units, table.values.T, strict=True)
    )
