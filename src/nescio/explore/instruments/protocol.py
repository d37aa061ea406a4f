"""The protocol of instruments; any object with these methods is a driver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Instrument"]


@runtime_checkable
class Instrument(Protocol):
    """An instrument: a microscope, a beamline, a simulation or a replay.

    A method that fails raises :class:`nescio.errors.InstrumentError` (the same request may succeed later),
    :class:`nescio.errors.RefusedPositionError` (it will never succeed) or :class:`nescio.errors.ConnectionLostError`.
    """

    @property
    def name(self) -> str:
        """Name in the record."""

    def survey(self) -> xr.Dataset:
        """Return the survey: a cheap overview from which the candidates are derived.

        For images: ``image`` (channel, y, x) with coordinates ``y``, ``x`` (attribute ``units``) and ``channel``
        (names). If only some positions can be measured, also ``position`` (candidate, coordinate) with coordinate
        ``coordinate`` = ("y", "x"), in the units of y and x. For other surveys: ``position`` (candidate, coordinate)
        and ``features`` (candidate, feature).
        """

    def measure(self, position: NDArray[np.float64]) -> xr.DataArray:
        """Measure at a position (coordinates,) and return the spectrum with named dimensions and ``units``."""

    def busy(self) -> bool:
        """Whether a measurement is running."""

    def abort(self) -> None:
        """Stop the running measurement safely; may be called from another thread."""
