"""Patterns in NeXus and plain HDF5 files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
import xarray as xr

from nescio.errors import FileError
from nescio.files import (
    Hdf5,
    Source,
    attribute,
    groups_below,
    member,
    opened_hdf5,
    short_name,
    text_of,
)
from nescio.xrd.read.arrays.named import dataset_from_named, is_known
from nescio.xrd.read.axis import Title, read_title
from nescio.xrd.read.measured import (
    MAX_PATTERNS,
    MAX_VALUES,
    bin_centres,
    measured_dataset,
    not_an_axis,
    resolved_wavelength,
    wavelength_angstrom,
)
from nescio.xrd.read.several import joined

__all__ = ["read_nexus"]

_MOST_OBJECTS = 10_000
_MOST_DEFAULTS = 12
_MOST_SCANS = 5000
_SEVERAL_NAMES = re.compile(r"[:,\s\[\]]+")


@dataclass(frozen=True)
class _Data:
    """Description of an NXdata group, in the new or old style."""

    group: Any
    signal: str
    axes: tuple[str, ...]
    """Names of the axes, one for each dimension; "." for one without values."""


def read_nexus(source: Source, *, axis: str | None, wavelength: float | None) -> xr.Dataset:
    """Read the NXdata of each NXentry of a NeXus file, or datasets of well-known names at the root of an HDF5 file.

    If an entry names a ``default``, only the default is read; otherwise all NXdata with a signal. The attribute
    ``signal`` of the group names the signal, or ``signal=1`` marks it in older files; ``axes`` names the axes, or
    ``axis=1`` marks them. One axis must be two-theta, q or d by name or units; other axes become measurements. Bin
    edges, one more than points, are converted to bin centres. The wavelength comes from an NXmonochromator
    (``wavelength``, ``energy``) or NXbeam (``incident_wavelength``, ``incident_energy``) of the same entry, or else of
    the file. Links to other files are never followed.

    Raises:
        FileError: The file is damaged, or contains no pattern.
    """
    with opened_hdf5(source) as file:
        entries = [
            group for group in groups_below(file.root) if attribute(group, "NX_class") == "NXentry"
        ] or [file.root]
        # An entry within another one is found twice.
        found = list(
            {data.group.name: (entry, data) for entry in entries for data in _data_of(entry)}.values()
        )
        if not found:
            return _from_plain(file, axis, wavelength)
        if len(found) > _MOST_SCANS:
            raise FileError(f"{source.name}: more than {_MOST_SCANS:,} NXdata; split it into several files")

        @cache
        def beam(entry: Any) -> float | None:
            return _wavelength(file, entry) or (None if entry is file.root else beam(file.root))

        scans: list[xr.Dataset] = []
        errors: list[FileError] = []
        for entry, data in found:
            try:
                scans += _from_nxdata(file, data, axis, wavelength, partial(beam, entry))
            except FileError as error:
                errors.append(error)
        if not scans:
            raise errors[0]
        path = source.path
        left_out = [str(error).removeprefix(f"{path}: ") for error in errors]
        return joined(source, scans, notes=_unread(file, entries, found), left_out=left_out)


def _data_of(entry: Any) -> list[_Data]:
    """Return the NXdata of an entry with patterns: the default, or all."""
    import h5py

    group: Any = entry
    for _ in range(_MOST_DEFAULTS):
        name = attribute(group, "default")
        below = member(group, name) if isinstance(name, str) else None
        if not isinstance(below, h5py.Group):
            break
        group = below
    if group is not entry or attribute(entry, "signal") is not None:
        default = _described(group)
        if default is not None:
            return [default]
        # The default may be a group with NXdata.
        if group is not entry:
            return list(_all_data(group)) or list(_all_data(entry))
    return list(_all_data(entry))


def _all_data(group: Any) -> Iterator[_Data]:
    for below in groups_below(group):
        if attribute(below, "NX_class") == "NXdata" and (data := _described(below)) is not None:
            yield data


def _described(group: Any) -> _Data | None:
    """Return signal and axes of an NXdata group, or None if it names no signal."""
    import h5py

    name = attribute(group, "signal")
    if isinstance(name, str) and not name.isdigit():
        return _Data(group, name, _names(group, attribute(group, "axes")))
    # The old style: attributes of the datasets.
    axes: dict[int, str] = {}
    signal = ""
    for found in list(group)[:_MOST_OBJECTS]:
        node = member(group, found)
        if not isinstance(node, h5py.Dataset):
            continue
        if str(attribute(node, "signal")) == "1":
            signal = found
        dimension = str(attribute(node, "axis") or "")
        if dimension.isdigit() and (int(dimension) not in axes or str(attribute(node, "primary")) == "1"):
            axes[int(dimension)] = found
    if not signal:
        return None
    named = _names(group, attribute(member(group, signal), "axes"))
    return _Data(group, signal, named or tuple(axes[number] for number in sorted(axes)))


def _names(group: Any, axes: Any) -> tuple[str, ...]:
    """Return the names in an attribute ``axes``: a list, one name, or several names in one text."""
    if axes is None:
        return ()
    names = [axes] if isinstance(axes, str) else [text_of(name) for name in np.ravel(axes)]
    if len(names) == 1 and member(group, names[0]) is None:
        names = [name for name in _SEVERAL_NAMES.split(names[0]) if name]
    return tuple(names)


def _array(file: Hdf5, group: Any, name: str) -> np.ndarray:
    values = file.numbers(group, name, MAX_VALUES)
    if values.dtype != np.float64:
        file.source.spend(8 * values.size, f"{name[:40]!r}")
    with np.errstate(all="ignore"):
        return np.asarray(values, np.float64)


def _from_nxdata(
    file: Hdf5,
    data: _Data,
    axis: str | None,
    wavelength: float | None,
    beam: Callable[[], float | None],
) -> list[xr.Dataset]:
    path, place = file.source.path, data.group.name
    values = _array(file, data.group, data.signal)
    if not values.ndim or not values.size:
        raise FileError(f"{path}: {place}/{data.signal[:40]} has no points")
    if not data.axes or set(data.axes) == {"."}:
        raise FileError(f"{path}: {place} does not name its axes (attribute axes)")
    dimension, name, kind = _axis(file, data, values.ndim, axis)
    errors = _errors(file, data, values.shape)
    points = _array(file, data.group, name)
    values = np.moveaxis(values, dimension, -1)
    rows = values.reshape(-1, values.shape[-1])
    sigmas = None if errors is None else np.moveaxis(errors, dimension, -1).reshape(rows.shape)
    line = resolved_wavelength(path, kind, wavelength, beam)
    if points.ndim > 1 and points.shape == values.shape:
        # Each pattern has its own axis.
        if len(rows) > MAX_PATTERNS:
            raise FileError(f"{path}: {place}: more than {MAX_PATTERNS:,} patterns")
        own = points.reshape(rows.shape)
        return [
            measured_dataset(
                path,
                kind,
                own[row],
                rows[row],
                wavelength=line,
                uncertainty=None if sigmas is None else sigmas[row],
            )
            for row in range(len(rows))
        ]
    return [
        measured_dataset(
            path,
            kind,
            bin_centres(points, rows.shape[-1]),
            rows,
            wavelength=line,
            uncertainty=sigmas,
        )
    ]


def _axis(file: Hdf5, data: _Data, dimensions: int, option: str | None) -> tuple[int, str, str]:
    """Return the dimension, name and kind of the axis of patterns.

    Raises:
        FileError: No axis is recognised, and no kind was requested.
    """
    path = file.source.path
    candidates = (
        list(enumerate(data.axes)) if len(data.axes) == dimensions else [(dimensions - 1, data.axes[-1])]
    )
    found = [(number, name, _title(data.group, name)) for number, name in candidates if name != "."]
    for number, name, title in reversed(found):
        if title.kind is not None:
            return number, name, option or title.kind
    if not found or found[-1][0] != dimensions - 1:
        raise FileError(f"{path}: {data.group.name} does not name its last axis (attribute axes)")
    number, name, _ = found[-1]
    if option is None:
        node = member(data.group, name)
        units = "" if node is None else str(attribute(node, "units") or "")
        raise not_an_axis(f"{path}: {data.group.name}", f"{name} in {units or 'no units'}")
    return number, name, option


def _title(group: Any, name: str) -> Title:
    """Return the kind of an axis from its name, long name and units."""
    node = member(group, name)
    if node is None:
        return Title(None, None)
    units = str(attribute(node, "units") or "")
    long_name = str(attribute(node, "long_name") or "")
    title = read_title(name, units)
    if title.quantity is None and long_name:
        title = read_title(long_name, units)
    # An inverse length with an unknown name is q.
    if title.quantity is None and (title.unit or "").startswith("1/"):
        return Title("q", title.unit)
    return title


def _errors(file: Hdf5, data: _Data, shape: tuple[int, ...]) -> np.ndarray | None:
    for name in (f"{data.signal}_errors", "errors"):
        if member(data.group, name) is not None:
            errors = _array(file, data.group, name)
            if errors.shape == shape:
                return errors
    return None


def _unread(file: Hdf5, entries: list[Any], found: list[tuple[Any, _Data]]) -> list[str]:
    """Return a note on patterns outside the default."""
    read = {data.group.name for _, data in found}
    beside = [
        data.group.name
        for entry in entries
        for data in _all_data(entry)
        if data.group.name not in read and any(_title(data.group, name).kind for name in data.axes)
    ]
    if not beside:
        return []
    return [f"{file.source.path}: only the default data are read, not those in: {', '.join(beside[:4])}"]


def _from_plain(file: Hdf5, axis: str | None, wavelength: float | None) -> xr.Dataset:
    import h5py

    root = file.root

    arrays: dict[str, np.ndarray] = {}
    units: dict[str, str] = {}
    for name in list(root)[:_MOST_OBJECTS]:
        node = member(root, name)
        # Other contents of a file are ignored, whatever their size.
        asked = axis is not None and isinstance(node, h5py.Dataset) and node.ndim == 1
        if not isinstance(node, h5py.Dataset) or not (is_known(name) or asked):
            continue
        if node.dtype.kind in "iuf":
            arrays[name] = _array(file, root, name)
            if node.dtype.kind in "iu" and name == "scan":
                arrays[name] = arrays[name].astype(np.int64)
        elif h5py.check_string_dtype(node.dtype) and node.size is not None and node.size < _MOST_OBJECTS:
            arrays[name] = np.array(list(map(short_name, file.texts(node))), np.str_)
        units[name] = str(attribute(node, "units") or "")
    return dataset_from_named(
        file.source,
        arrays,
        units,
        axis=axis,
        wavelength=wavelength,
        beam=lambda: _wavelength(file, root),
        others=list(root)[:_MOST_OBJECTS],
    )


def _wavelength(file: Hdf5, top: Any) -> float | None:
    """Return the wavelength in angstrom of the incident beam, stated in a group or below it."""
    names = {
        # A wavelength without units stays without: a laboratory line in nanometre is then an error.
        "NXmonochromator": (("wavelength", ""), ("energy", "keV")),
        "NXbeam": (("incident_wavelength", ""), ("incident_energy", "keV")),
    }
    for group in groups_below(top):
        for name, usual_unit in names.get(str(attribute(group, "NX_class")), ()):
            if member(group, name) is None:
                continue
            values = _array(file, group, name)
            if values.size:
                unit = str(attribute(member(group, name), "units") or usual_unit).lower().removesuffix("s")
                return wavelength_angstrom(
                    f"{float(values.flat[0]):.10g} {unit}", f"{file.source.name}: {group.name}/{name}"
                )
    return None
