"""Magnitude of a mean response."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from nescio.errors import ScalarizerError
from nescio.explore.scalarizers.base import Output, Scalar
from nescio.explore.scalarizers.curve import CurveScalarizer, noise_sd, selected, stated_unit

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["MeanMagnitude"]


class MeanMagnitude(CurveScalarizer):
    """Absolute value of the mean over all selected values.

    Uncertainty: from white noise, given by the spectrum (coordinate ``uncertainty``) or estimated from neighbouring
    points along the longest dimension.
    """

    kind: Literal["mean-magnitude"] = "mean-magnitude"

    def _outputs(self, unit: str, axis_unit: str) -> tuple[Output, ...]:
        del axis_unit
        return (Output(self._titled("mean magnitude", False), unit, "magnitude of the mean"),)

    def measure(self, spectrum: xr.DataArray) -> tuple[Scalar, ...]:
        """Return the magnitude.

        Raises:
            ScalarizerError: No selected value is finite.
        """
        stated_unit(spectrum.attrs, self.unit, "the spectrum")
        values, coordinate = selected(spectrum, self.select)
        good = np.isfinite(values)
        count = int(good.sum())
        if count == 0:
            raise ScalarizerError("the spectrum has no finite value")
        mean = float(np.where(good, values, 0.0).sum() / count)
        if "uncertainty" in spectrum.coords and spectrum.coords["uncertainty"].dims == spectrum.dims:
            given = np.asarray(coordinate("uncertainty"), np.float64)[good]
            return (Scalar(abs(mean), float(np.sqrt(np.sum(given**2)) / count)),)
        longest = int(np.argmax(values.shape))
        return (Scalar(abs(mean), noise_sd(np.moveaxis(values, longest, -1)) / count**0.5),)
