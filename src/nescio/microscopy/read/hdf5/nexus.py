"""Axes and coordinates of NeXus NXdata groups, in all versions of the format.

Since 2014, attributes of the group name the signal, the axes and (``NAME_indices``) the dimensions of each axis.
Before, the signal was the dataset with ``signal=1``, and either named its axes ("energy:y:x"), or each axis had the
number of its dimension, from 1, as ``axis``. See the NeXus manual, "Associating plottable data using attributes applied
to the NXdata group", and the two older methods after it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from nescio.files import Hdf5, attribute, member, text_of
from nescio.microscopy.read.fields import Axis, Coordinate, flagged_roles, is_unnamed
from nescio.microscopy.read.hdf5.nodes import Form, axis_of, coordinate_of, text_attribute

__all__ = ["nexus_form"]

_SEPARATORS = re.compile(r"[:,\s\[\]]+")
_NO_NAMES = ("", ".")
_INTERPRETATIONS = {"spectrum": 1, "image": 2}
"""Number of trailing dimensions of each signal."""


def nexus_form(file: Hdf5, group: Any, name: str, node: Any) -> Form | None:
    """Return the axes and coordinates of a dataset described by NeXus, or None.

    Args:
        file: The file.
        group: Group of the dataset.
        name: Name of the dataset.
        node: The dataset.
    """
    shown = name == text_attribute(group, "signal") or str(attribute(node, "signal")) == "1"
    auxiliary = (
        [text_of(one) for one in np.ravel(attribute(group, "auxiliary_signals") or [])] if not shown else []
    )
    if not shown and name not in auxiliary:
        return None
    interpretation = text_attribute(node, "interpretation").lower()
    if interpretation in ("rgb-image", "rgba-image"):
        return Form((Axis(),) * len(node.shape), shown=shown, colour=True)
    listed = _listed(attribute(group, "axes")) or _listed(attribute(node, "axes"))
    indices = _indices(group, node, name)
    if not listed and not indices:
        return None
    axes: list[Axis | None] = [None] * len(node.shape)
    notes: list[str] = []
    coordinates: list[Coordinate] = []
    if len(listed) == len(node.shape):
        listed, note = _in_order(group, listed, node.shape, indices)
        notes += note
        for index, one in enumerate(listed):
            # Attribute NAME_indices has priority.
            if one in _NO_NAMES or indices.get(one, (index,)) != (index,):
                continue
            axes[index] = _fitting_axis(file, group, one, node.shape[index], notes)
    for one, dims in indices.items():
        held = member(group, one)
        if any(axis is not None and axis.name == one for axis in axes) or not len(dims) > 0:
            continue
        if max(dims) >= len(node.shape) or getattr(held, "shape", None) is None:
            notes.append(
                f"{one}_indices refers to dimension {max(dims) + 1} of {name}, which does not exist; it is not used"
            )
            continue
        if len(dims) == 1 and axes[dims[0]] is None and (one in listed or not _shares(indices, dims)):
            axes[dims[0]] = _fitting_axis(file, group, one, node.shape[dims[0]], notes)
            continue
        coordinate = coordinate_of(file, held, one, dims, node.shape)
        if coordinate is None:
            notes.append(f"{one} {held.shape} does not fit {name} {node.shape} and is not used")
        else:
            coordinates.append(coordinate)
    found = tuple(axis or Axis() for axis in axes)
    flagged, stack, note_of_marks = _interpreted(found, interpretation)
    marks = f"interpretation of {name} {note_of_marks}" if note_of_marks else ""
    return Form(flagged, tuple(coordinates), tuple(notes), shown, stack, marks=marks)


def _listed(value: Any) -> list[str]:
    """Return the names of axes from a list of texts, or from one text such as "y:x", "y,x" or "[y, x]"."""
    if value is None:
        return []
    names = [text_of(one).strip() for one in np.ravel(value)]
    if len(names) == 1:
        return [name for name in _SEPARATORS.split(names[0]) if name]
    return names


def _indices(group: Any, node: Any, signal: str) -> dict[str, tuple[int, ...]]:
    """Return the dimensions of each array of a group, from attributes of the group or of the array."""
    import h5py

    found: dict[str, tuple[int, ...]] = {}
    for key in group.attrs:
        name = key.removesuffix("_indices")
        if name != key and name != signal and isinstance(member(group, name), h5py.Dataset):
            value = np.ravel(attribute(group, key))
            if value.dtype.kind in "iu":
                found[name] = tuple(int(one) for one in value)
    primary: dict[int, bool] = {}
    for name in group:
        held = member(group, name)
        number = attribute(held, "axis") if isinstance(held, h5py.Dataset) and name != signal else None
        dims = _numbered(number, held, node.shape) if number is not None and name not in found else ()
        if len(dims) == 1 and attribute(held, "primary") is not None and dims[0] not in primary:
            primary[dims[0]] = True
            found = {name: dims, **found}
        elif dims:
            found[name] = dims
    return found


def _numbered(number: Any, held: Any, shape: Sequence[int]) -> tuple[int, ...]:
    """Return dimensions from the attribute ``axis`` (a number or text), which counts from 1."""
    numbers = [int(one) for one in re.findall(r"\d+", " ".join(str(value) for value in np.ravel(number)))]
    dims = tuple(one - 1 for one in numbers)
    if not dims or min(dims) < 0 or max(dims) >= len(shape):
        return ()
    # Some programs count from the fastest dimension.
    if len(dims) == 1 and len(held.shape) == 1:
        other = len(shape) - 1 - dims[0]
        fits, fits_other = (held.shape[0] - shape[index] in (0, 1) for index in (dims[0], other))
        if fits_other and not fits:
            return (other,)
    return dims


def _in_order(
    group: Any, listed: list[str], shape: Sequence[int], indices: dict[str, tuple[int, ...]]
) -> tuple[list[str], list[str]]:
    """Return the names of axes in the order of the dimensions (reversed if only that fits), and notes."""
    if indices:
        return listed, []
    lengths = [getattr(member(group, name), "shape", None) for name in listed]

    def fits(sizes: Sequence[int]) -> bool:
        return all(
            length is None or length in ((size,), (size + 1,))
            for length, size in zip(lengths, sizes, strict=True)
        )

    if fits(shape) or not fits(shape[::-1]):
        return listed, []
    return listed[::-1], [
        f"the attribute axes lists {', '.join(listed)}, but only the reverse order fits; it is used"
    ]


def _fitting_axis(file: Hdf5, group: Any, name: str, points: int, notes: list[str]) -> Axis:
    axis = axis_of(file, member(group, name), name, points)
    shape = getattr(member(group, name), "shape", None)
    if shape is not None and axis.values is None and not axis.labels:
        notes.append(f"{name} {shape} does not fit a dimension of {points} points; its values are not used")
    return axis


def _shares(indices: dict[str, tuple[int, ...]], dims: tuple[int, ...]) -> bool:
    return sum(one == dims for one in indices.values()) > 1


def _interpreted(axes: tuple[Axis, ...], interpretation: str) -> tuple[tuple[Axis, ...], bool, str]:
    inside = _INTERPRETATIONS.get(interpretation, 0)
    if not 0 < inside < len(axes):
        return axes, False, ""
    navigates = [True] * (len(axes) - inside) + [False] * inside
    names = ["" if is_unnamed(axis.name) else axis.name for axis in axes]
    roles, stack, note = flagged_roles(names, [axis.role for axis in axes], navigates)
    return tuple(axis._replace(role=role) for axis, role in zip(axes, roles, strict=True)), stack, note
