"""Coefficients of a polynomial fitted to the spectrum."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, Annotated, Literal, Self

import numpy as np
from pydantic import Field, Strict, model_validator

from nescio.errors import ScalarizerError
from nescio.explore.scalarizers.base import Output, Scalar
from nescio.explore.scalarizers.curve import CurveScalarizer, Floats
from nescio.explore.scalarizers.fields import Real, Whole, ordered
from nescio.explore.scalarizers.units import power, quotient

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Polynomial"]


class Polynomial(CurveScalarizer):
    """Coefficients of a least-squares polynomial, and ratios of them.

    The names start at the highest power: with ``degree = 3`` and no constant, y = A x^3 + B x^2 + C x.
    Uncertainty: from the covariance of the fit, with the spectrum's uncertainties or else the residual noise.
    """

    kind: Literal["polynomial"] = "polynomial"
    degree: Annotated[Whole, Field(ge=1, le=9)]
    constant: Annotated[bool, Strict()] = True
    """Whether to fit a constant term."""
    quantities: Annotated[tuple[str, ...], Field(min_length=1)] = ("A",)
    """Names of coefficients, or ratios of two such as ``A/B``."""
    low: Real | None = None
    """Lower end of the fit range, in units of the axis."""
    high: Real | None = None

    @model_validator(mode="after")
    def _checked(self) -> Self:
        ordered(self.low, self.high)
        known = self._names
        for quantity in self.quantities:
            parts = quantity.split("/")
            if len(parts) > 2 or any(part not in known for part in parts):
                raise ValueError(
                    f"quantity {quantity!r} is not known (known: {', '.join(known)} and ratios: A/B)"
                )
        if len(set(self.quantities)) < len(self.quantities):
            raise ValueError("a quantity is listed twice")
        return self

    @property
    def _powers(self) -> tuple[int, ...]:
        return tuple(range(self.degree, -1 if self.constant else 0, -1))

    @property
    def _names(self) -> tuple[str, ...]:
        return tuple(string.ascii_uppercase[: len(self._powers)])

    def _outputs(self, unit: str, axis_unit: str) -> tuple[Output, ...]:
        units = [quotient(unit, power(axis_unit, exponent)) for exponent in self._powers]
        found = []
        for quantity in self.quantities:
            above, *below = (self._names.index(part) for part in quantity.split("/"))
            exponent = self._powers[above]
            text = f"coefficient of x^{exponent}"
            own = units[above]
            if below:
                text += f" over that of x^{self._powers[below[0]]}"
                # The spectrum's unit cancels; it may be unknown.
                difference = self._powers[below[0]] - exponent
                own = (
                    power(axis_unit, difference)
                    if difference >= 0
                    else quotient("1", power(axis_unit, -difference))
                )
            found.append(Output(self._titled(quantity, len(self.quantities) > 1), own, text))
        return tuple(found)

    def measure(self, spectrum: xr.DataArray) -> tuple[Scalar, ...]:
        """Return the coefficients.

        Raises:
            ScalarizerError: There are fewer points than coefficients, or the range exceeds the axis.
        """
        powers = self._powers
        curve = self.curve(spectrum).within(self.low, self.high, points=len(powers))
        # Scale the axis to 1, so that the powers are comparable and the fit is well conditioned.
        scale = float(np.abs(curve.x).max())
        design = (curve.x[:, None] / scale) ** np.asarray(powers)
        weight = 1.0 / curve.sd if curve.stated and (curve.sd > 0).all() else np.ones(curve.x.size)
        solution, _, rank, _ = np.linalg.lstsq(design * weight[:, None], curve.y * weight, rcond=None)
        if rank < len(powers):
            raise ScalarizerError(f"the points do not determine a polynomial of degree {self.degree}")
        covariance = np.linalg.inv((design * weight[:, None]).T @ (design * weight[:, None]))
        free = curve.x.size - len(powers)
        if not (curve.stated and (curve.sd > 0).all()):
            residual = curve.y - design @ solution
            covariance *= float(residual @ residual) / free if free else np.nan
        factors = scale ** -np.asarray(powers, np.float64)
        return tuple(
            _reading(quantity, self._names, solution * factors, covariance * np.outer(factors, factors))
            for quantity in self.quantities
        )


def _reading(quantity: str, names: tuple[str, ...], values: Floats, covariance: Floats) -> Scalar:
    above, *below = (names.index(part) for part in quantity.split("/"))
    gradient = np.zeros(len(names))
    if not below:
        return Scalar(float(values[above]), float(np.sqrt(covariance[above, above])))
    denominator, spread = float(values[below[0]]), float(np.sqrt(covariance[below[0], below[0]]))
    if denominator == 0.0 or abs(denominator) <= spread:
        return Scalar(
            float("nan"),
            reason=f"{names[below[0]]} = {denominator:.3g} +- {spread:.2g} is not distinguishable from zero",
        )
    ratio = float(values[above]) / denominator
    gradient[above] += 1.0 / denominator
    gradient[below[0]] -= ratio / denominator
    return Scalar(ratio, float(np.sqrt(np.maximum(gradient @ covariance @ gradient, 0.0))))
