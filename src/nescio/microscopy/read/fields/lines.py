"""Axes for arrays without axes: one-dimensional arrays of the same group, matched by name and number of points."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nescio.microscopy.images import length_unit
from nescio.microscopy.read.fields.arrays import Axis, Coordinate, Field
from nescio.microscopy.read.fields.roles import Direction, Role, axis_role, direction_of

__all__ = ["is_axis_name", "with_lines"]

_LONGEST = 10_000_000
_UNITS = {
    unit.lower(): unit
    for unit in ("eV", "keV", "meV", "V", "mV", "s", "ms", "Hz", "kHz", "MHz", "K", "degree", "deg", "rad")
}
_PLACES = ("x", "y", "z", "row", "rows", "column", "columns")
_NAMED = re.compile(
    r"energy|energies|wavelength|wavelengths|lambda|wavenumbers?|raman_?shift|frequenc(y|ies)|bias|voltage|volts?|"
    r"energy_?loss|loss|time|temperature|angle|two_?theta|q|axis|axes|ev|kev",
    re.I,
)
"""Usual names of the axis of a spectrum."""


class _Line(NamedTuple):
    """A one-dimensional array that may be an axis."""

    name: str
    unit: str
    role: Role
    toward: Direction
    values: npt.NDArray[np.float64]
    """All values, flattened."""
    monotonic: bool
    named: bool
    shape: tuple[int, ...]


def is_axis_name(name: str) -> bool:
    """Return whether an array has a usual name of the axis of a spectrum ("energy", "bias_V")."""
    return _NAMED.fullmatch(_name_and_unit(name, "")[0]) is not None


def with_lines(path: Path, fields: Sequence[Field]) -> list[Field]:
    """Return fields with axes for those without, from one-dimensional arrays ("lines") in the same group.

    Lines named x or y, and the only line with a usual name of a spectrum's axis, are assigned to the dimension with the
    same number of points. If several dimensions fit, the usual order decides: y, x, spectrum.
    """
    found = []
    lines: dict[str, list[_Line]] = {}
    for field in fields:
        if len(field.shape) < 2 or not field.is_bare or field.dtype.kind not in "iufbc":
            found.append(field)
            continue
        if field.group not in lines:
            lines[field.group] = list(_lines(path, [one for one in fields if one.group == field.group]))
        found.append(_lined(field, lines[field.group]))
    return found


def _lines(path: Path, fields: Sequence[Field]) -> Iterator[_Line]:
    shapes = {points for field in fields if len(field.shape) > 1 for points in _lengths(field.shape)}
    for field in fields:
        name, unit = _name_and_unit(field.short_name, field.unit)
        flat = len(field.shape) == 1 or (len(field.shape) == 2 and name.lower() in _PLACES)
        count = math.prod(field.shape)
        if not flat or field.dtype.kind not in "iuf" or count > _LONGEST or count not in shapes:
            continue
        values = field.numbers(path).astype(np.float64).ravel()
        steps = np.diff(values)
        yield _Line(
            name,
            unit,
            axis_role(name, unit),
            direction_of(name) if name.lower() in _PLACES else "",
            values,
            bool(np.isfinite(values).all() and ((steps > 0).all() or (steps < 0).all())),
            _NAMED.fullmatch(name) is not None,
            field.shape,
        )


def _lengths(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the possible lengths of an axis of an array, or of a list over its first dimensions."""
    return (*shape, *(math.prod(shape[:count]) for count in range(2, len(shape))))


def _name_and_unit(name: str, unit: str) -> tuple[str, str]:
    """Return name and unit; the unit may be a suffix of the name ("x_nm", "energy_ev")."""
    base, _, suffix = name.rpartition("_")
    known = _UNITS.get(suffix.lower()) or (length_unit(suffix) if suffix else None)
    return (base, unit or known) if base and known and known != "pixel" else (name, unit)


def _lined(field: Field, lines: Sequence[_Line]) -> Field:
    """Return a field with axes and coordinates from lines."""
    found = _Found(field, [line for line in lines if line.shape != field.shape])
    found.lists()
    for toward, usual in (("y", 0), ("x", 1), ("z", -1)):
        for line in found.places(toward):
            found.along_one(line, usual)
    found.spectra()
    return replace(
        field,
        axes=tuple(found.axes),
        coordinates=tuple(found.coordinates),
        contradiction="; ".join(dict.fromkeys(found.problems)),
    )


class _Found:
    """Assignment of lines to the dimensions of an array."""

    def __init__(self, field: Field, lines: Sequence[_Line]) -> None:
        self.field = field
        self.shape = field.shape
        self.lines = list(lines)
        self.axes = list(field.axes)
        self.coordinates: list[Coordinate] = []
        self.problems: list[str] = []

    def places(self, toward: str) -> list[_Line]:
        """Return the lines for places along a direction."""
        return [line for line in self.lines if line.toward == toward]

    def lists(self) -> None:
        """Use x and y as coordinates if they have one value for each place of a list or a grid."""
        ys, xs = self.places("y"), self.places("x")
        if len(ys) != 1 or len(xs) != 1 or ys[0].shape != xs[0].shape:
            return
        y = ys[0]
        dims: tuple[int, ...] = ()
        if len(y.shape) == 2:
            dims = (0, 1) if y.shape == self.shape[:2] and len(self.shape) > 2 else ()
        elif len(y.values) not in self.shape:
            counts = [n for n in range(2, len(self.shape)) if math.prod(self.shape[:n]) == len(y.values)]
            dims = tuple(range(counts[0])) if counts else ()
        elif len(self.shape) == 2 and len(y.values) == self.shape[0]:
            spectral = [line for line in self.lines if line.named and len(line.values) == self.shape[1]]
            dims = (0,) if len(y.values) != self.shape[1] or spectral else ()
        if not dims:
            return
        sizes = tuple(self.shape[index] for index in dims)
        for line in (y, xs[0]):
            self.coordinates.append(
                Coordinate(line.name, dims, line.values.reshape(sizes), line.unit, "space", line.toward)
            )
            self.lines.remove(line)
        for index in dims:
            self.axes[index] = Axis(role="space")

    def along_one(self, line: _Line, usual: int) -> None:
        """Use a line as the axis of the dimension with the same number of points."""
        fitting = self._fitting(line)
        if usual in fitting:
            fitting = [usual]
        if len(fitting) > 1:
            self._ambiguous(line, fitting)
        elif fitting:
            self.axes[fitting[0]] = Axis(line.name, line.values, line.unit, "space", toward=line.toward)

    def spectra(self) -> None:
        """Use a line with the usual name of a spectrum's axis as such an axis."""
        for points in dict.fromkeys(self.shape):
            rivals = [
                line for line in self.lines if line.named and not line.toward and line.shape == (points,)
            ]
            rising = [line for line in rivals if line.monotonic]
            best = rising or rivals
            fitting = self._fitting(best[0]) if best else []
            if len(fitting) > 1 and len(self.shape) > 2:
                fitting = [index for index in fitting if index >= 2] or fitting
            if not fitting:
                continue
            if len(best) > 1:
                names = " and ".join(repr(line.name) for line in best)
                self.problems.append(
                    f"{names} may both be the axis with {points} points of {self.field.name}; choose one with "
                    "dimensions="
                )
            elif len(fitting) > 1:
                self._ambiguous(best[0], fitting)
            else:
                self.axes[fitting[0]] = Axis(best[0].name, best[0].values, best[0].unit, "signal")

    def _fitting(self, line: _Line) -> list[int]:
        return [
            index
            for index, points in enumerate(self.shape)
            if line.shape == (points,) and self.axes[index].is_unknown
        ]

    def _ambiguous(self, line: _Line, fitting: Sequence[int]) -> None:
        dimensions = " and ".join(str(index + 1) for index in fitting)
        self.problems.append(
            f"{line.name!r} ({len(line.values)} points) fits dimensions {dimensions} of {self.field.name} "
            f"{self.shape}; save the data in a format with named dimensions"
        )
