"""Fields: named arrays with axes, as any file format contains them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nescio.errors import FileError
from nescio.files import Budget
from nescio.microscopy.read.fields.roles import Direction, Role, direction_of

__all__ = ["MAX_BYTES", "MAX_VALUES", "Axis", "Coordinate", "Field"]

MAX_BYTES = 2**30
"""Largest size of a file, and of its unpacked content, in bytes."""
MAX_VALUES = 2**28
"""Largest number of values in an array."""


class Axis(NamedTuple):
    """The axis of one dimension of an array."""

    name: str = ""
    values: npt.NDArray[np.float64] | None = None
    """Shape (points,)."""
    unit: str = ""
    role: Role = ""
    labels: tuple[str, ...] = ()
    """Names of the points, if they have names instead of values."""
    toward: Direction = ""
    """Direction stated by the file; see :attr:`direction`."""

    @property
    def direction(self) -> Direction:
        """Direction (x, y or z) from the file, else from the name."""
        return self.toward or direction_of(self.name)

    @property
    def is_unknown(self) -> bool:
        """Whether the file has no information on this axis."""
        return not self.name and self.values is None and not self.role and not self.labels

    @property
    def counts(self) -> bool:
        """Whether its values only count the points from 0, without a unit or in pixels."""
        return self.values is None or (
            not self.unit.strip("[]() ") and bool(np.array_equal(self.values, np.arange(len(self.values))))
        )


class Coordinate(NamedTuple):
    """Values along one or several dimensions in addition to axes, such as x and y of listed places."""

    name: str
    dims: tuple[int, ...]
    values: npt.NDArray[np.float64]
    """Shape of these dimensions."""
    unit: str = ""
    role: Role = ""
    toward: Direction = ""

    @property
    def direction(self) -> Direction:
        """Direction (x, y or z); see :class:`Axis`."""
        return self.toward or direction_of(self.name)


@dataclass(frozen=True, eq=False)
class Field:
    """An array of a file, which is read when its numbers are needed."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    axes: tuple[Axis, ...]
    """One for each dimension."""
    read: Callable[[], npt.NDArray[np.generic]]
    preferred: bool = False
    """Whether the file marks this array as its default."""
    unit: str = ""
    budget: Budget | None = None
    """Memory budget for its numbers."""
    coordinates: tuple[Coordinate, ...] = ()
    stack: bool = False
    """Whether the file marks it as a stack of images."""
    colour: bool = False
    """Whether it is a colour picture, shape (y, x); `read` returns its luminance."""
    notes: tuple[str, ...] = ()
    """Notes on assumptions, changes and skipped parts."""
    marks: str = ""
    """Note on a contradiction between navigation flags and names; shown when spectra are read."""
    contradiction: str = ""
    """Why the axes are ambiguous; such an array can be read only with options."""

    @classmethod
    def of(
        cls,
        name: str,
        values: npt.NDArray[np.generic],
        axes: Sequence[Axis] = (),
        unit: str = "",
        budget: Budget | None = None,
    ) -> Field:
        """Return a field for an array in memory."""
        axes = tuple(axes) or (Axis(),) * values.ndim
        return cls(name, values.shape, values.dtype, axes, lambda: values, unit=unit, budget=budget)

    @property
    def short_name(self) -> str:
        """Last part of the path in the file."""
        return self.name.rsplit("/", 1)[-1]

    @property
    def group(self) -> str:
        """Path in the file without the last part."""
        return self.name.rpartition("/")[0]

    @property
    def is_bare(self) -> bool:
        """Whether there is no information on its axes."""
        return not self.coordinates and all(axis.is_unknown for axis in self.axes)

    def dims_of(self, role: Role) -> tuple[int, ...]:
        """Return the dimensions whose axes have the given role."""
        return tuple(index for index, axis in enumerate(self.axes) if axis.role == role)

    def with_notes(self, *notes: str) -> Field:
        """Return the field with further notes."""
        return replace(self, notes=(*self.notes, *(note for note in notes if note)))

    def numbers(self, path: Path, most: int = MAX_VALUES) -> npt.NDArray[np.floating]:
        """Return the numbers as float32 if that is exact, else as float64.

        Raises:
            FileError: The values are complex or not numeric, there are none or too many, they exceed the memory budget,
                or have another shape than the file states.
        """
        if self.dtype.kind == "c":
            raise FileError(f"{path}: {self.name} contains complex numbers; save its amplitude or phase")
        if self.dtype.names:
            raise FileError(
                f"{path}: {self.name} contains records of {', '.join(self.dtype.names)[:80]}; save one of them as an "
                "array"
            )
        if self.dtype.kind not in "iufb":
            raise FileError(f"{path}: {self.name} contains {str(self.dtype)[:60]}, not numbers")
        count = math.prod(self.shape)
        if not 0 < count <= most:
            raise FileError(f"{path}: {self.name} has shape {self.shape}; needs 1 to {most} numbers")
        values = self.read()
        if values.shape != self.shape:
            raise FileError(
                f"{path}: {self.name} is damaged: it states the shape {self.shape}, its data have {values.shape}"
            )
        # For both byte orders.
        exact = values.dtype.itemsize < 4 or values.dtype.newbyteorder("=") == np.float32
        wanted = np.dtype(np.float32 if exact else np.float64)
        if self.budget is not None and values.dtype != wanted:
            self.budget.spend(wanted.itemsize * count, self.name)
        with np.errstate(all="ignore"):
            return values.astype(wanted, copy=False)
