"""What reads files of measured grids for the hall, and how an installed one is found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from nescio.errors import ConfigurationError

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["GridReader", "find_grid_reader"]

_GROUP = "nescio.grids"


@runtime_checkable
class GridReader(Protocol):
    """Reads files of a technique; registered under the entry point group ``nescio.grids``."""

    def read_grid(self, path: Path, options: Mapping[str, Any]) -> xr.Dataset:
        """Return spectra (candidate, ...) and their ``position`` (candidate, coordinate), with an ``image`` if any.

        Args:
            path: The file.
            options: Those of :class:`nescio.explore.instruments.ReplaySettings` that say what of the file is read.

        Raises:
            FileError: The file cannot be read, or does not tell which array is what.
        """

    def read_arrays(self, path: Path, names: Sequence[str]) -> dict[str, xr.DataArray]:
        """Return arrays of a file by name, with the dimensions and coordinates that the file gives them.

        Args:
            path: The file.
            names: Which; full, or the last part of a path in the file.

        Raises:
            FileError: The file cannot be read, or there is no such array; the message names those that there are.
        """


def find_grid_reader(name: str) -> GridReader:
    """Return an installed reader.

    Raises:
        ConfigurationError: There is none of that name.
    """
    points = {point.name: point for point in entry_points(group=_GROUP)}
    if name not in points:
        known = ", ".join(sorted(points)) or "none"
        raise ConfigurationError(f"reader {name!r} of measured grids is not installed (installed: {known})")
    reader = points[name].load()
    if not isinstance(reader, GridReader):
        raise ConfigurationError(f"{name!r} is registered as a reader of measured grids but is none")
    return reader
