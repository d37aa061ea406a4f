"""Scalarizer: centre of mass of a diffraction pattern."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from nescio.configuration import Real
from nescio.errors import ScalarizerError
from nescio.explore import CurveScalarizer, Output, Scalar, selected, stated_unit

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["CentreOfMass"]

_Quantity = Literal["magnitude", "direction", "first", "second"]
_LONG_NAMES = {
    "magnitude": "magnitude of the shift of the centre of mass",
    "direction": "direction of the shift of the centre of mass",
    "first": "shift of the centre of mass along the first axis",
    "second": "shift of the centre of mass along the second axis",
}


class CentreOfMass(CurveScalarizer):
    """Shift of the centre of mass of a diffraction pattern, a measure of the field along the beam path.

    The direction is the angle from the second axis (qx) towards the first (qy), -180 to 180 degree. After `select`,
    other dimensions are averaged.

    The uncertainty follows from counting statistics, with `counts` detected electrons for each unit of intensity: the
    variance of the shift along an axis is the sum of counts times squared distance from the centre of mass, divided by
    the squared sum of counts. Without `counts`, it is unknown.

    Source: Müller et al., Nat. Commun. 5, 5653 (2014), for the first moment as a measure of the field.
    """

    kind: Literal["centre-of-mass"] = "centre-of-mass"
    axes: tuple[str, str] = ("qy", "qx")
    """Dimensions of the pattern; both have the unit `axis_unit`."""
    quantities: Annotated[tuple[_Quantity, ...], Field(min_length=1)] = ("magnitude",)
    centre: tuple[Real, Real] | None = None
    """Origin of the shift, in the unit of the axes; by default the middle of each axis."""
    radius: Annotated[Real, Field(gt=0.0)] | None = None
    """Only intensity within this distance of the centre is used; in the unit of the axes."""
    counts: Annotated[Real, Field(gt=0.0)] | None = None
    """Electrons for each unit of intensity; 1 if the intensity is in electrons."""

    @model_validator(mode="after")
    def _checked(self) -> Self:
        if len(set(self.axes)) < 2:
            raise ValueError(f"the pattern needs two different axes, not {self.axes[0]!r} twice")
        if self.axis is not None:
            raise ValueError("a pattern has two axes: set axes, not axis")
        if len(set(self.quantities)) < len(self.quantities):
            raise ValueError("a quantity is given twice")
        return self

    def outputs_for(self, spectrum: xr.DataArray) -> tuple[Output, ...]:
        """Return the outputs, with the unit of the axes if `axis_unit` is not set."""
        coords = spectrum.coords
        stated = str(coords[self.axes[0]].attrs.get("units", "")) if self.axes[0] in coords else ""
        return self._outputs("", self.axis_unit or stated)

    def _outputs(self, unit: str, axis_unit: str) -> tuple[Output, ...]:
        del unit
        units = {"direction": "degree"}
        shown = {"first": self.axes[0], "second": self.axes[1]}
        several = len(self.quantities) > 1
        return tuple(
            Output(
                self._titled(shown.get(name, name), several), units.get(name, axis_unit), _LONG_NAMES[name]
            )
            for name in self.quantities
        )

    def measure(self, spectrum: xr.DataArray) -> tuple[Scalar, ...]:
        """Return the requested quantities of the shift.

        Raises:
            ScalarizerError: An axis is missing, the disc is outside the pattern, or the intensity is not positive.
        """
        intensity, first, second = self._pattern(spectrum)
        middle = self.centre or (0.5 * (first.min() + first.max()), 0.5 * (second.min() + second.max()))
        dy, dx = (first - middle[0])[:, None], (second - middle[1])[None, :]
        if self.radius is not None:
            inside = dy**2 + dx**2 <= self.radius**2
            if not inside.any():
                raise ScalarizerError(
                    f"the pattern has no points within {self.radius:g} of {middle[0]:g}, {middle[1]:g}"
                )
            intensity = np.where(inside, intensity, 0.0)
        total = float(intensity.sum())
        if not total > 0.0:
            raise ScalarizerError(f"the pattern's intensity sums to {total:.3g}; it must be positive")
        rows, columns = intensity.sum(axis=1), intensity.sum(axis=0)
        y, x = float(rows @ dy[:, 0]) / total, float(columns @ dx[0]) / total
        vy, vx, vxy = float("nan"), float("nan"), float("nan")
        if self.counts is not None:
            # Negative intensity, for example after background subtraction, has no counts.
            number = np.maximum(intensity, 0.0)
            scale = total**2 * self.counts
            vy = float(number.sum(axis=1) @ (dy[:, 0] - y) ** 2) / scale
            vx = float(number.sum(axis=0) @ (dx[0] - x) ** 2) / scale
            vxy = float((dy[:, 0] - y) @ number @ (dx[0] - x)) / scale
        r = float(np.hypot(y, x))
        away, across = y**2 * vy + x**2 * vx + 2 * x * y * vxy, x**2 * vy + y**2 * vx - 2 * x * y * vxy
        none = Scalar(float("nan"), reason="the shift of the centre of mass is zero, so it has no direction")
        found = {
            "first": Scalar(y, vy**0.5),
            "second": Scalar(x, vx**0.5),
            "magnitude": Scalar(r, float(np.sqrt(away)) / r if r else float(np.sqrt(max(vy, vx)))),
            "direction": Scalar(
                float(np.degrees(np.arctan2(y, x))), float(np.degrees(np.sqrt(across) / r**2))
            )
            if r
            else none,
        }
        return tuple(found[name] for name in self.quantities)

    def _pattern(
        self, spectrum: xr.DataArray
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return the intensity, shape (first, second), and both axes."""
        stated_unit(spectrum.attrs, self.unit, "the pattern")
        values, coordinates = selected(spectrum, self.select)
        dims = [str(dim) for dim in spectrum.dims]
        for axis in self.axes:
            if axis not in dims or axis not in spectrum.coords:
                raise ScalarizerError(
                    f"the pattern has no axis {axis!r} with coordinates (dimensions: {', '.join(dims)})"
                )
        units = [
            stated_unit(spectrum.coords[axis].attrs, self.axis_unit, f"axis {axis!r}") for axis in self.axes
        ]
        if units[0] != units[1]:
            raise ScalarizerError(
                f"axis {self.axes[0]!r} is in {units[0] or '?'}, {self.axes[1]!r} in {units[1] or '?'}"
            )
        values = np.moveaxis(values, [dims.index(axis) for axis in self.axes], (-2, -1))
        pattern = values.reshape(-1, *values.shape[-2:]).mean(axis=0) if values.ndim > 2 else values
        if not np.isfinite(pattern).all():
            raise ScalarizerError(
                f"{int((~np.isfinite(pattern)).sum())} pixels of the pattern are not finite"
            )
        first, second = (np.asarray(coordinates(axis), np.float64) for axis in self.axes)
        return pattern, first, second
