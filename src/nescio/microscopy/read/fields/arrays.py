"""What any container holds: named arrays with axes, of which one is the image and another the spectra."""

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
"""Larger files, and larger unpacked contents of a file, are refused."""
MAX_VALUES = 2**28
"""Numbers in one array."""


class Axis(NamedTuple):
    """What runs along one dimension of an array."""

    name: str = ""
    values: npt.NDArray[np.float64] | None = None
    """Shape (points,)."""
    unit: str = ""
    role: Role = ""
    labels: tuple[str, ...] = ()
    """Names of the points, where they have names rather than values."""
    toward: Direction = ""
    """As the file states it; see :attr:`direction`."""

    @property
    def direction(self) -> Direction:
        """Along x, y or z, as the file states it or as its name says."""
        return self.toward or direction_of(self.name)

    @property
    def is_unknown(self) -> bool:
        """Whether the file says nothing of it."""
        return not self.name and self.values is None and not self.role and not self.labels

    @property
    def counts(self) -> bool:
        """Whether its values only number the points, from 0, in no unit or in pixels."""
        return self.values is None or (
            not self.unit.strip("[]() ") and bool(np.array_equal(self.values, np.arange(len(self.values))))
        )


class Coordinate(NamedTuple):
    """Values along one or several dimensions of an array, beside its axes: x and y of each of a list of places."""

    name: str
    dims: tuple[int, ...]
    values: npt.NDArray[np.float64]
    """Shape: of these dimensions."""
    unit: str = ""
    role: Role = ""
    toward: Direction = ""

    @property
    def direction(self) -> Direction:
        """As of :class:`Axis`."""
        return self.toward or direction_of(self.name)


@dataclass(frozen=True, eq=False)
class Field:
    """An array in a file that may not have been read yet."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    axes: tuple[Axis, ...]
    """One for each dimension."""
    read: Callable[[], npt.NDArray[np.generic]]
    preferred: bool = False
    """Whether the file itself says that this is what should be looked at."""
    unit: str = ""
    budget: Budget | None = None
    """What the memory of its numbers is taken from."""
    coordinates: tuple[Coordinate, ...] = ()
    stack: bool = False
    """Whether the file itself shows it as images, one for each point of the other dimensions."""
    colour: bool = False
    """Whether it is a picture in colour, shape (y, x); `read` gives its luminance."""
    notes: tuple[str, ...] = ()
    """Sentences on what was assumed, changed or left out."""
    marks: str = ""
    """A sentence where the file's marks of places contradict the names; it matters where spectra are read."""
    contradiction: str = ""
    """Why its axes are not known, where the file tells different things; it can be read with options only."""

    @classmethod
    def of(
        cls,
        name: str,
        values: npt.NDArray[np.generic],
        axes: Sequence[Axis] = (),
        unit: str = "",
        budget: Budget | None = None,
    ) -> Field:
        """Return a field whose numbers are in memory."""
        axes = tuple(axes) or (Axis(),) * values.ndim
        return cls(name, values.shape, values.dtype, axes, lambda: values, unit=unit, budget=budget)

    @property
    def short_name(self) -> str:
        """The last part of its path in the file."""
        return self.name.rsplit("/", 1)[-1]

    @property
    def group(self) -> str:
        """The path in the file without the last part."""
        return self.name.rpartition("/")[0]

    @property
    def is_bare(self) -> bool:
        """Whether nothing is known of its axes."""
        return not self.coordinates and all(axis.is_unknown for axis in self.axes)

    def dims_of(self, role: Role) -> tuple[int, ...]:
        """Return the dimensions whose axes have a role."""
        return tuple(index for index, axis in enumerate(self.axes) if axis.role == role)

    def with_notes(self, *notes: str) -> Field:
        """Return the same with further notes."""
        return replace(self, notes=(*self.notes, *(note for note in notes if note)))

    def numbers(self, path: Path, most: int = MAX_VALUES) -> npt.NDArray[np.floating]:
        """Return its numbers: float64 where they are stored so, else float32 or what holds them exactly.

        Raises:
            FileError: They are too many, or more than the file's budget of memory, complex, or none.
        """
        if self.dtype.kind == "c":
            raise FileError(f"{path}: {self.name} holds complex numbers; save its amplitude or phase")
        if self.dtype.names:
            raise FileError(
                f"{path}: {self.name} holds records of {', '.join(self.dtype.names)[:80]}; save one of them as an array"
            )
        if self.dtype.kind not in "iufb":
            raise FileError(f"{path}: {self.name} holds {str(self.dtype)[:60]}, not numbers")
        count = math.prod(self.shape)
        if not 0 < count <= most:
            raise FileError(f"{path}: {self.name} has shape {self.shape}; needs 1 to {most} numbers")
        values = self.read()
        # In either order of bytes.
        exact = values.dtype.itemsize < 4 or values.dtype.newbyteorder("=") == np.float32
        wanted = np.dtype(np.float32 if exact else np.float64)
        if self.budget is not None and values.dtype != wanted:
            self.budget.spend(wanted.itemsize * count, self.name)
        with np.errstate(all="ignore"):
            return values.astype(wanted, copy=False)
