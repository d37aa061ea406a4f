"""Integrals over ranges of the axis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

import numpy as np
from pydantic import model_validator

from nescio.errors import ScalarizerError
from nescio.explore.scalarizers.base import Output, Scalar
from nescio.explore.scalarizers.curve import Curve, CurveScalarizer, Floats
from nescio.explore.scalarizers.fields import Band, Real, ordered
from nescio.explore.scalarizers.units import product

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Background", "BandIntegral", "BandRatio", "integral_weights", "value_weights"]

Background = Literal["none", "linear"]


class BandIntegral(CurveScalarizer):
    """Integral over a range of the axis, by the trapezoid rule, with interpolated values at the ends.

    Uncertainty: from white noise, given by the spectrum (coordinate ``uncertainty``) or estimated from neighbouring
    points.
    """

    kind: Literal["band-integral"] = "band-integral"
    low: Real
    """In units of the axis."""
    high: Real
    background: Background = "none"
    """"linear" subtracts the straight line between the values at the ends."""

    @model_validator(mode="after")
    def _checked(self) -> Self:
        ordered(self.low, self.high)
        return self

    def _outputs(self, unit: str, axis_unit: str) -> tuple[Output, ...]:
        text = f"integral from {self.low:g} to {self.high:g} {axis_unit}".rstrip()
        return (Output(self._titled("integral", False), product(unit, axis_unit), text),)

    def measure(self, spectrum: xr.DataArray) -> tuple[Scalar, ...]:
        """Return the integral.

        Raises:
            ScalarizerError: The range exceeds the axis, or the axis does not exist.
        """
        curve = self.curve(spectrum)
        weights = _band_weights(curve, self.low, self.high, self.background)
        return (Scalar(float(weights @ curve.y), float(np.sqrt(np.sum((weights * curve.sd) ** 2)))),)


class BandRatio(CurveScalarizer):
    """Ratio of the integrals over two ranges of the axis; uncertainty as for :class:`BandIntegral`."""

    kind: Literal["band-ratio"] = "band-ratio"
    numerator: Band
    denominator: Band
    background: Background = "none"
    """Background of both integrals, as in :class:`BandIntegral`."""

    def _outputs(self, unit: str, axis_unit: str) -> tuple[Output, ...]:
        del unit
        above, below = self.numerator, self.denominator
        text = f"{above.low:g} to {above.high:g} over {below.low:g} to {below.high:g} {axis_unit}".rstrip()
        return (Output(self._titled("ratio", False), "1", f"ratio of the integrals from {text}"),)

    def measure(self, spectrum: xr.DataArray) -> tuple[Scalar, ...]:
        """Return the ratio.

        Raises:
            ScalarizerError: A range exceeds the axis, or the denominator is not distinguishable from zero.
        """
        curve = self.curve(spectrum)
        above = _band_weights(curve, self.numerator.low, self.numerator.high, self.background)
        below = _band_weights(curve, self.denominator.low, self.denominator.high, self.background)
        denominator = float(below @ curve.y)
        spread = float(np.sqrt(np.sum((below * curve.sd) ** 2)))
        if denominator == 0.0 or abs(denominator) <= spread:
            raise ScalarizerError(
                f"the denominator {denominator:.3g} +- {spread:.2g} is not distinguishable from zero"
            )
        ratio = float(above @ curve.y) / denominator
        # Overlapping ranges share noise, so propagate the ratio's weight of each point.
        weights = (above - ratio * below) / denominator
        return (Scalar(ratio, float(np.sqrt(np.sum((weights * curve.sd) ** 2)))),)


def integral_weights(x: Floats, low: float, high: float) -> Floats:
    """Return the weight of each value in the integral from `low` to `high` of the line through points at `x`.

    Args:
        x: Shape (points,), increasing.
        low: Not below the first of `x`.
        high: Not above the last of `x`.

    Returns:
        Shape (points,), in units of the axis.
    """
    width = np.diff(x)
    start = np.clip((low - x[:-1]) / width, 0.0, 1.0)
    stop = np.clip((high - x[:-1]) / width, 0.0, 1.0)
    right = 0.5 * width * (stop**2 - start**2)
    left = width * (stop - start) - right
    weights = np.zeros(x.size)
    weights[:-1] += left
    weights[1:] += right
    return weights


def value_weights(x: Floats, at: float) -> Floats:
    """Return the weight of each value in the interpolated value at `at`, shape (points,)."""
    weights = np.zeros(x.size)
    right = int(np.clip(np.searchsorted(x, at), 1, x.size - 1))
    part = float(np.clip((at - x[right - 1]) / (x[right] - x[right - 1]), 0.0, 1.0))
    weights[right - 1], weights[right] = 1.0 - part, part
    return weights


def _band_weights(curve: Curve, low: float, high: float, background: Background) -> Floats:
    curve.check(low, high)
    if curve.x.size < 2:
        raise ScalarizerError("the spectrum has one point; an integral needs at least two")
    weights = integral_weights(curve.x, low, high)
    if background == "linear":
        weights -= 0.5 * (high - low) * (value_weights(curve.x, low) + value_weights(curve.x, high))
    return weights
