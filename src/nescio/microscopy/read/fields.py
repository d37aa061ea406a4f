"""What any container holds: named arrays with axes, of which one is the image and another the spectra."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from nescio.errors import FileError
from nescio.files import Budget
from nescio.microscopy.images import length_unit

__all__ = [
    "MAX_BYTES",
    "MAX_VALUES",
    "Axis",
    "Field",
    "Role",
    "axis_role",
    "chosen",
    "positions_in",
    "unique_names",
]

MAX_BYTES = 2**30
"""Larger files, and larger unpacked contents of a file, are refused."""
MAX_VALUES = 2**28
"""Numbers in one array."""

Role = Literal["space", "signal", "channel", ""]
"""A place on the sample; what a spectrum runs over; different images of the same places; not known."""

_SPACE = {"x", "y", "row", "rows", "column", "columns", "height", "width", "candidate"}
_CHANNEL = {"channel", "channels", "c"}
_TYPES: dict[str, Role] = {
    "spatial": "space",
    "spectral": "signal",
    "temporal": "signal",
    "reciprocal": "signal",
    "channel": "channel",
}
_POSITIONS = ("position", "positions", "pos", "pixel", "pixels", "coordinates")


class Axis(NamedTuple):
    """What runs along one dimension of an array."""

    name: str = ""
    values: npt.NDArray[np.float64] | None = None
    """Shape (points,)."""
    unit: str = ""
    role: Role = ""
    labels: tuple[str, ...] = ()
    """Names of the points, where they have names rather than values."""


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

    def numbers(self, path: Path, most: int = MAX_VALUES) -> npt.NDArray[np.floating]:
        """Return its numbers: float64 where they are stored so, else float32 or what holds them exactly.

        Raises:
            FileError: They are too many, or more than the file's budget of memory, complex, or none.
        """
        if self.dtype.kind == "c":
            raise FileError(f"{path}: {self.name} holds complex numbers; save its amplitude or phase")
        if self.dtype.kind not in "iufb":
            raise FileError(f"{path}: {self.name} holds {str(self.dtype)[:60]}, not numbers")
        count = math.prod(self.shape)
        if not 0 < count <= most:
            raise FileError(f"{path}: {self.name} has shape {self.shape}; needs 1 to {most} numbers")
        exact = self.dtype == np.float32 or self.dtype.itemsize < 4
        if self.budget is not None:
            self.budget.spend((4 if exact else 8) * count, self.name)
        with np.errstate(all="ignore"):
            return self.read().astype(np.float32 if exact else np.float64)


def axis_role(name: str, unit: str, kind: str = "") -> Role:
    """Return the role of an axis by what it is said to be, else by its name, else by its unit."""
    stated = _TYPES.get(kind.strip().lower())
    if stated:
        return stated
    word = name.strip().lower().rsplit("/", 1)[-1]
    if word in _CHANNEL:
        return "channel"
    if word in _SPACE or (unit.strip() and length_unit(unit)):
        return "space"
    return "signal" if word else ""


def unique_names(names: Iterable[str], other: str) -> list[str]:
    """Return names that are each there only once, numbered where need be; `other` for an empty one."""
    found: list[str] = []
    for name in names:
        name = name.strip() or other
        alike = sum(before == name or before.startswith(f"{name} #") for before in found)
        found.append(f"{name} #{alike + 1}" if alike else name)
    return found


def chosen(
    path: Path,
    fields: Sequence[Field],
    name: str,
    suitable: Callable[[Field], bool],
    what: str,
    usual: Sequence[str],
) -> Field:
    """Return the field asked for by name, or else the one that it must be.

    Args:
        path: The file, for messages.
        fields: What it holds.
        name: Full, or its last part; empty to find it.
        suitable: Whether a field has the form of what is looked for.
        what: Is looked for: "image" or "spectra", also the name of the option that chooses.
        usual: Names that decide between several suitable ones.

    Raises:
        FileError: There is none, or several and nothing decides; the message names them.
    """
    if name:
        asked = name.strip("/")
        found = [field for field in fields if field.name == asked]
        found = found or [field for field in fields if field.short_name == asked]
        if len(found) == 1:
            return found[0]
        if found:
            raise FileError(f"{path}: {name[:40]!r} may be {_listed(found)}; give one of them in full")
        raise FileError(f"{path}: there is no {name[:40]!r}; it holds {_listed(fields)}")
    found = [field for field in fields if suitable(field)]
    preferred = [field for field in found if field.preferred]
    named = [field for field in found if field.short_name.lower() in usual]
    for best in (preferred, named):
        if len(best) == 1:
            return best[0]
    if len(found) == 1:
        return found[0]
    if not found:
        raise FileError(f"{path}: holds no {what}; it holds {_listed(fields)}")
    raise FileError(f"{path}: {_listed(found)} may all be the {what}; choose with {what} = a name")


def positions_in(path: Path, fields: Sequence[Field]) -> tuple[npt.NDArray[np.float64], str] | None:
    """Return listed places, shape (n, 2), y and x, and their unit; None where the file lists none.

    A unit that the file does not tell may follow the name ("position_nm"); else they are pixels, row and column.
    """
    for field in fields:
        base, _, suffix = field.short_name.lower().rpartition("_")
        named = (suffix in _POSITIONS and not base) or (base in _POSITIONS and length_unit(suffix))
        if named and len(field.shape) == 2 and field.shape[1] == 2 and field.dtype.kind in "iuf":
            told = field.unit or (suffix if base else "pixel")
            places = field.numbers(path).astype(np.float64)
            labels = [label.lower() for label in field.axes[1].labels]
            return (places[:, ::-1] if labels == ["x", "y"] else places), length_unit(told) or told
    return None


def _listed(fields: Sequence[Field]) -> str:
    names = [f"{field.name} ({' x '.join(map(str, field.shape))})" for field in fields[:8]]
    more = f" and {len(fields) - 8} more" if len(fields) > 8 else ""
    return (", ".join(names)[:400] + more) or "nothing"
