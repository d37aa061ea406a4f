"""Fields of HDF5 files: NeXus, NSID (written by pyNSID), netCDF 4, and any other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from nescio.files import (
    Hdf5,
    Source,
    attribute,
    default_data,
    groups_below,
    member,
    opened_hdf5,
    short_name,
    text_of,
)
from nescio.microscopy.read.fields import MAX_VALUES, Axis, Field, axis_role

__all__ = ["hdf5_fields"]

_MOST_FIELDS = 1000
_MOST_LABELS = 10_000


@contextmanager
def hdf5_fields(source: Source) -> Iterator[list[Field]]:
    """Give the arrays of an HDF5 file; they can be read while the block lasts.

    Axes are those that an NXdata names (attribute ``axes``), else the dimension scales of a dataset, as NSID and netCDF
    write them; the default NXdata is preferred.

    Raises:
        FileError: The file is damaged, or refers to other files.
    """
    import h5py

    with opened_hdf5(source) as file:
        default = default_data(file.root)
        fields: list[Field] = []
        for group in groups_below(file.root):
            signal = attribute(group, "signal")
            for name in list(group)[:_MOST_FIELDS]:
                node = member(group, name)
                if isinstance(node, h5py.Dataset) and node.shape and node.dtype.kind in "iufcbV":
                    if node.is_scale and len(node.shape) == 1:
                        continue
                    shown = default is not None and group == default and name == signal
                    axes = _nexus_axes(file, group, node) if name == signal else None
                    fields.append(_field(file, node, axes or _scales(file, node), shown))
            if len(fields) >= _MOST_FIELDS:
                break
        yield fields


def _field(file: Hdf5, node: Any, axes: tuple[Axis, ...], shown: bool) -> Field:
    return Field(
        name=str(node.name).strip("/"),
        shape=node.shape,
        dtype=node.dtype,
        axes=axes,
        read=lambda: file.values(node, MAX_VALUES, "iufb"),
        preferred=shown,
        unit=_text(node, "units"),
        budget=file.source.budget,
    )


def _nexus_axes(file: Hdf5, group: Any, node: Any) -> tuple[Axis, ...] | None:
    listed = attribute(group, "axes")
    names = [] if listed is None else [text_of(name) for name in np.ravel(listed)]
    if len(names) != len(node.shape):
        return None
    return tuple(
        Axis() if name == "." else _axis(file, member(group, name), name, points)
        for name, points in zip(names, node.shape, strict=True)
    )


def _scales(file: Hdf5, node: Any) -> tuple[Axis, ...]:
    axes = []
    for dimension, points in zip(node.dims, node.shape, strict=True):
        scale = dimension[0] if len(dimension) else None
        name = (
            str(scale.name).rsplit("/", 1)[-1] if scale is not None and scale.name else str(dimension.label)
        )
        axes.append(_axis(file, scale, name, points))
    return tuple(axes)


def _axis(file: Hdf5, node: Any, name: str, points: int) -> Axis:
    """Return an axis; without values where the file has none of the right number."""
    import h5py

    unit = _text(node, "units") if node is not None else ""
    kind = _text(node, "dimension_type") if node is not None else ""
    role = axis_role(name, unit, kind)
    if not isinstance(node, h5py.Dataset) or node.shape != (points,):
        return Axis(name, unit=unit, role=role)
    if h5py.check_string_dtype(node.dtype) and points <= _MOST_LABELS:
        return Axis(name, role=role, labels=tuple(map(short_name, file.texts(node, _MOST_LABELS))))
    empty_dimension = _text(node, "NAME").startswith("This is a netCDF dimension but not a netCDF variable")
    if node.dtype.kind not in "iuf" or empty_dimension:
        return Axis(name, unit=unit, role=role)
    with np.errstate(all="ignore"):
        return Axis(name, file.values(node, MAX_VALUES).astype(np.float64), unit, role)


def _text(node: Any, name: str) -> str:
    value = attribute(node, name)
    return short_name(value) if isinstance(value, str) else ""
