"""What an instrument must be able to do; a driver is any object that does it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Instrument"]


@runtime_checkable
class Instrument(Protocol):
    """A microscope, a beamline, a simulated or a replayed one.

    A method that cannot do its work raises :class:`nescio.errors.InstrumentError` (the same request may succeed
    later), :class:`nescio.errors.RefusedPositionError` (it will not) or :class:`nescio.errors.ConnectionLostError`.
    """

    @property
    def name(self) -> str:
        """What it is called in the record."""

    def survey(self) -> xr.Dataset:
        """Return the cheap overview from which candidates are made.

        Either ``image`` (channel, y, x) with coordinates ``y``, ``x`` (attribute ``units``) and ``channel`` (names),
        and optionally ``position`` (candidate, coordinate) with coordinate ``coordinate`` = ("y", "x"), in the units of
        y and x, where only some places can be measured; or, for anything but images, ``position`` (candidate,
        coordinate) and ``features`` (candidate, feature).
        """

    def measure(self, position: NDArray[np.float64]) -> xr.DataArray:
        """Go to a position (coordinates,) and return its spectrum: named dimensions, coordinates with ``units``."""

    def busy(self) -> bool:
        """Whether something is being measured."""

    def abort(self) -> None:
        """Stop what is being measured, safely; may be called from another thread."""
