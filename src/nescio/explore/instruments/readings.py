"""What Bluesky's devices read, as spectra."""

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
"""Turns what was read, by field, into a spectrum."""


@dataclasses.dataclass(frozen=True, eq=False)
class SpectrumField:
    """The spectrum is one field of what was read, and its coordinates are others or are known beforehand."""

    field: str
    """As the detector's `describe` calls it."""
    dims: Sequence[str]
    """Names of its dimensions."""
    coordinates: Mapping[str, str | xr.DataArray] = dataclasses.field(default_factory=dict)
    """Either the field that holds a coordinate along the dimension of its name, or the coordinate itself."""
    units: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Of the spectrum's field and of coordinates that are fields."""

    def __call__(self, reading: Mapping[str, Any]) -> xr.DataArray:
        """Return the spectrum.

        Raises:
            InstrumentError: A field is missing, or has not the dimensions that were named.
        """
        import xarray as xr

        values = np.asarray(self._value(reading, self.field))
        if values.ndim != len(self.dims):
            raise InstrumentError(
                f"{self.field} was read with shape {values.shape}, where {', '.join(self.dims)} were expected"
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
            raise InstrumentError(f"the coordinates of {self.field} do not fit it ({error})") from None

    def _units(self, name: str) -> dict[str, str]:
        return {"units": self.units[name]} if name in self.units else {}

    @staticmethod
    def _value(reading: Mapping[str, Any], name: str) -> Any:
        if name not in reading:
            known = ", ".join(sorted(map(str, reading))) or "nothing"
            raise InstrumentError(f"nothing named {name!r} was read (there is {known})")
        return reading[name]
