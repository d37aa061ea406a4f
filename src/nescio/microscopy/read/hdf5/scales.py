"""Axes of HDF5 datasets from dimension scales (netCDF 4, NSID) and from the dimensions of EMD."""

from __future__ import annotations

from typing import Any

import numpy as np

from nescio.files import Hdf5, attribute, member, short_name, text_of
from nescio.microscopy.read.fields import Coordinate, axis_role, direction_of
from nescio.microscopy.read.hdf5.nodes import Form, axis_of, coordinate_of, text_attribute

__all__ = ["emd_form", "scales_form"]

_MOST_COORDINATES = 100


def scales_form(file: Hdf5, group: Any, node: Any) -> Form:
    """Return the axes from dimension scales, and the coordinates from the CF attribute ``coordinates``."""
    axes, names = [], []
    for (name, scale), points in zip(_scales(file, node), node.shape, strict=True):
        axes.append(axis_of(file, scale, name, points))
        names.append(name)
    return Form(tuple(axes), tuple(_coordinates(file, group, node, names)))


def _scales(file: Hdf5, node: Any) -> list[tuple[str, Any]]:
    """Return the name and scale of each dimension; an empty name and None if it has none.

    Attributes are read directly, since HDF5's functions for scales crash on some damaged files.
    """
    labels, listed = attribute(node, "DIMENSION_LABELS"), attribute(node, "DIMENSION_LIST")
    count = len(node.shape)
    found: list[tuple[str, Any]] = []
    for index in range(count):
        scale = _referred(file, listed[index]) if _has(listed, count) else None
        label = text_of(labels[index]) if _has(labels, count) and labels[index] else ""
        path = "" if scale is None else str(scale.name or "")
        found.append((short_name(path.rsplit("/", 1)[-1] or label), scale))
    return found


def _has(values: Any, count: int) -> bool:
    return isinstance(values, np.ndarray) and values.shape == (count,) and values.dtype == object


def _referred(file: Hdf5, references: Any) -> Any:
    """Return the first dataset of references, or None."""
    import h5py

    first = next(iter(np.ravel(references)), None) if references is not None else None
    if not isinstance(first, h5py.Reference) or not first:
        return None
    try:
        held = file.root[first]
    except (KeyError, ValueError, RuntimeError, OSError):
        return None
    return held if isinstance(held, h5py.Dataset) else None


def _coordinates(file: Hdf5, group: Any, node: Any, names: list[str]) -> list[Coordinate]:
    """Return the coordinates of a netCDF variable along one or several dimensions (CF conventions, chapter 5)."""
    import h5py

    listed = {
        *_listed(node),
        *_listed(group),
        # x and y of listed places are coordinates even without that attribute.
        *(name for name in group if direction_of(name) in ("x", "y") and name.lower() in ("x", "y")),
    }
    found = []
    for name in sorted(listed):
        held = member(group, name)
        if not isinstance(held, h5py.Dataset) or name in names or not held.shape or held == node:
            continue
        own = [dim for dim, _ in _scales(file, held)]
        if all(own) and {*own} <= {*names} and len({*names}) == len(names):
            coordinate = coordinate_of(file, held, name, [names.index(one) for one in own], node.shape)
            if coordinate is not None:
                found.append(coordinate)
    return found


def _listed(node: Any) -> list[str]:
    value = attribute(node, "coordinates")
    return value.split()[:_MOST_COORDINATES] if isinstance(value, str) else []


def emd_form(file: Hdf5, group: Any, name: str, node: Any) -> Form | None:
    """Return the axes of the data of an EMD group (emdatasets.com, versions 0.2 and 1.0), or None for other groups."""
    kind = attribute(group, "emd_group_type")
    if kind is None or name != "data":
        return None
    first = 0 if "dim0" in group else 1
    axes = []
    for index, points in enumerate(node.shape):
        held = member(group, f"dim{index + first}")
        title = text_attribute(held, "name") if held is not None else ""
        axis = axis_of(file, held, title, points)
        unit = text_attribute(held, "units") if held is not None else ""
        # Version 1.0 stores only the first two values of an evenly spaced axis.
        if axis.values is None and getattr(held, "shape", None) == (2,) and points > 2:
            start, second = (float(value) for value in np.ravel(held[...]))
            axis = axis._replace(values=start + (second - start) * np.arange(points))
        role = axis_role(title, unit.strip("[]").replace("_", ""))
        axes.append(axis._replace(unit=unit.strip("[]").replace("_", ""), role=role))
    return Form(tuple(axes), shown=True)
