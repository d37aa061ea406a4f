"""Spectra from the readings of Bluesky devices."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from nescio.errors import InstrumentError

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["ReadSpectrum", "SpectrumField"]

ReadSpectrum: TypeAlias = "Callable[[Mapping[str, Any]], xr.DataArray]"
"""Function from readings, by field, to a spectrum."""


@dataclasses.dataclass(frozen=True, eq=False)
class SpectrumField:
    """Makes a spectrum from one field of the readings; coordinates are other fields or given arrays."""

    field: str
    """Name of the field in the detector's `describe`."""
    dims: Sequence[str]
    """Names of the field's dimensions."""
    coordinates: Mapping[str, str | xr.DataArray] = dataclasses.field(default_factory=dict)
    """Coordinates by dimension: the name of a field, or the coordinate itself."""
    units: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Units of the spectrum's field and of coordinates that are fields."""

    def __call__(self, reading: Mapping[str, Any]) -> xr.DataArray:
        """Return the spectrum.

        Raises:
            InstrumentError: A field is missing, or its number of dimensions differs.
        """
        import xarray as xr

        values = np.asarray(self._value(reading, self.field))
        if values.ndim != len(self.dims):
            raise InstrumentError(
                f"{self.field} has shape {values.shape}; expected dimensions {', '.join(self.dims)}"
            )
        coords: dict[str, Any] = {}
        for name, source in self.coordinates.items():
            if isinstance(source, str):
                coords[name] = (name, np.asarray(self._value(reading, source)), self._units(name))
            else:
                coords[name] = source
        try:
            return xr.DataArray(values, coords, tuple(self.dims), self.field, self._units(self.field))
        except ValueError as error:
            raise InstrumentError(f"the coordinates of {self.field} do not fit ({error})") from None

    def _units(self, name: str) -> dict[str, str]:
        return {"units": self.units[name]} if name in self.units else {}

    @staticmethod
    def _value(reading: Mapping[str, Any], name: str) -> Any:
        if name not in reading:
            known = ", ".join(sorted(map(str, reading))) or "nothing"
            raise InstrumentError(f"the readings have no field {name!r} (known: {known})")
        return reading[name]
