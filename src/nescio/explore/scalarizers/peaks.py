"""Quantities of fitted peaks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from nescio.errors import ScalarizerError
from nescio.explore.scalarizers.base import Output, Scalar
from nescio.explore.scalarizers.curve import CurveScalarizer
from nescio.explore.scalarizers.fields import Band, Positive, Real, ordered
from nescio.explore.scalarizers.profiles import FittedPeak, Shape, fit_peaks
from nescio.explore.scalarizers.units import product

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Peak", "PeakRatio"]

_Quantity = Literal["position", "height", "width", "area"]
_LONG_NAMES = {
    "position": "position of the peak",
    "height": "height of the peak above background",
    "width": "full width of the peak at half maximum",
    "area": "area of the peak above background",
}


class _PeakScalarizer(CurveScalarizer):
    """Common fields of peak fits; uncertainties come from the covariance of the fit."""

    shape: Shape = "gaussian"
    background: Literal["constant", "linear"] = "linear"
    direction: Literal["up", "down"] = "up"
    """Peak above the background ("up") or dip ("down", with negative height and area)."""
    significance: Positive = 4.0
    """Smallest height of a peak, in standard deviations of the residual."""


class Peak(_PeakScalarizer):
    """Position, height, width or area of one peak, fitted on a background with automatic start values."""

    kind: Literal["peak"] = "peak"
    low: Real | None = None
    """Lower end of the fit range, in units of the axis; the peak must lie inside the range."""
    high: Real | None = None
    quantities: Annotated[tuple[_Quantity, ...], Field(min_length=1)] = ("height",)
    """Quantities to return; the width is the full width at half maximum."""
    guess: Real | None = None
    """Approximate position; only needed if the range contains a larger peak."""

    @model_validator(mode="after")
    def _checked(self) -> Self:
        ordered(self.low, self.high)
        if len(set(self.quantities)) < len(self.quantities):
            raise ValueError("a quantity is listed twice")
        return self

    def _outputs(self, unit: str, axis_unit: str) -> tuple[Output, ...]:
        units = {"position": axis_unit, "height": unit, "width": axis_unit, "area": product(unit, axis_unit)}
        several = len(self.quantities) > 1
        return tuple(
            Output(self._titled(name, several), units[name], _LONG_NAMES[name]) for name in self.quantities
        )

    def measure(self, spectrum: xr.DataArray) -> tuple[Scalar, ...]:
        """Return the chosen quantities of the peak.

        Raises:
            ScalarizerError: No peak was found, or the fit failed; the message says why.
        """
        curve = self.curve(spectrum)
        low = float(curve.x[0]) if self.low is None else self.low
        high = float(curve.x[-1]) if self.high is None else self.high
        fit = fit_peaks(
            curve,
            [(low, high)],
            shape=self.shape,
            linear=self.background == "linear",
            down=self.direction == "down",
            significance=self.significance,
            guess=self.guess,
        )
        return tuple(
            Scalar(
                getattr(fit.peaks[0], name),
                fit.spread(_reader(name)),
            )
            for name in self.quantities
        )


def _reader(name: str) -> Callable[[tuple[FittedPeak, ...]], float]:
    return lambda peaks: float(getattr(peaks[0], name))


class PeakRatio(_PeakScalarizer):
    """Ratio of the heights or areas of two peaks, fitted jointly on one background."""

    kind: Literal["peak-ratio"] = "peak-ratio"
    numerator: Band
    """Range of the first peak; the fit uses the points in both ranges."""
    denominator: Band
    of: Literal["height", "area"] = "height"

    def _outputs(self, unit: str, axis_unit: str) -> tuple[Output, ...]:
        del unit, axis_unit
        return (Output(self._titled("ratio", False), "1", f"ratio of the peaks' {self.of}s"),)

    def measure(self, spectrum: xr.DataArray) -> tuple[Scalar, ...]:
        """Return the ratio.

        Raises:
            ScalarizerError: A peak was not found, or the fit failed.
        """
        fit = fit_peaks(
            self.curve(spectrum),
            [(self.numerator.low, self.numerator.high), (self.denominator.low, self.denominator.high)],
            shape=self.shape,
            linear=self.background == "linear",
            down=self.direction == "down",
            significance=self.significance,
        )
        above, below = (float(getattr(peak, self.of)) for peak in fit.peaks)
        if below == 0.0:
            raise ScalarizerError("the denominator's peak has zero height")
        return (
            Scalar(
                above / below,
                fit.spread(
                    lambda peaks: float(getattr(peaks[0], self.of)) / float(getattr(peaks[1], self.of))
                ),
            ),
        )
