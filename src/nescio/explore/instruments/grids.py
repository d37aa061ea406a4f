"""The protocol of readers of measured grids, and the lookup of installed readers."""

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
    """Reader of a technique's files, registered in the entry point group ``nescio.grids``."""

    def read_grid(self, path: Path, options: Mapping[str, Any]) -> xr.Dataset:
        """Return spectra (candidate, ...) and their ``position`` (candidate, coordinate), with an ``image`` if any.

        Args:
            path: The file.
            options: The options of :class:`nescio.explore.instruments.ReplaySettings` that select arrays of the file.

        Raises:
            FileError: The file cannot be read, or the meaning of its arrays is unclear.
        """

    def read_arrays(self, path: Path, names: Sequence[str]) -> dict[str, xr.DataArray]:
        """Return arrays of a file by name, with their dimensions and coordinates in the file.

        Args:
            path: The file.
            names: Names of the arrays: the full path in the file, or its last part.

        Raises:
            FileError: The file cannot be read, or an array does not exist; the message lists the existing arrays.
        """


def find_grid_reader(name: str) -> GridReader:
    """Return an installed reader.

    Raises:
        ConfigurationError: No reader of this name is installed.
    """
    points = {point.name: point for point in entry_points(group=_GROUP)}
    if name not in points:
        known = ", ".join(sorted(points)) or "none"
        raise ConfigurationError(f"reader {name!r} of measured grids is not installed (installed: {known})")
    reader = points[name].load()
    if not isinstance(reader, GridReader):
        raise ConfigurationError(
            f"{name!r} is registered as a reader of measured grids but does not implement GridReader"
        )
    return reader
