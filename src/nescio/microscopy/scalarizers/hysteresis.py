"""Scalarizer: quantities of hysteresis loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from nescio.configuration import Real
from nescio.errors import ScalarizerError
from nescio.explore import CurveScalarizer, Output, Scalar, product, selected, stated_unit
from nescio.microscopy.scalarizers.loop import Crossing, Floats, Loop, crossing, departure, loop_from

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Hysteresis"]

_Quantity = Literal[
    "area",
    "work",
    "height",
    "coercive_positive",
    "coercive_negative",
    "coercive",
    "imprint",
    "nucleation_positive",
    "nucleation_negative",
]
_LONG_NAMES = {
    "area": "area within the loop",
    "work": "work of switching",
    "height": "opening of the loop at zero bias",
    "coercive_positive": "coercive bias of the rising branch",
    "coercive_negative": "coercive bias of the falling branch",
    "coercive": "coercive bias",
    "imprint": "imprint",
    "nucleation_positive": "nucleation bias of the rising branch",
    "nucleation_negative": "nucleation bias of the falling branch",
}


class Hysteresis(CurveScalarizer):
    """Quantities of a hysteresis loop: response against a bias that rises and falls.

    ``axis`` names the bias, a coordinate along one dimension (the order of measurement), or along this dimension and
    one that counts sweeps. The loop may start at any bias, and its steps may differ. Sweeps and other dimensions that
    remain after `select` are averaged at each bias. R+ is the branch with falling bias, coming from positive bias, and
    R- the branch with rising bias:

    ``work``
        integral of R+ - R- over the bias, the effective work of switching; negative for a loop in the other direction.
    ``area``
        magnitude of ``work``.
    ``height``
        R+ - R- at zero bias.
    ``coercive_positive``, ``coercive_negative``
        bias at which the rising or falling branch crosses the middle between the saturation levels (or zero, see
        `level`).
    ``coercive``, ``imprint``
        half the difference and half the sum of these two.
    ``nucleation_positive``, ``nucleation_negative``
        bias at which the rising or falling branch has covered `nucleation_share` of the way from its first saturation
        level to the other: the end of the nearly constant part of the loop.

    Saturation levels are means over the outer tenths of the bias range. If the two levels do not differ significantly,
    the switching biases are missing. Uncertainties are for white noise, which is estimated from neighbouring points;
    they are somewhat too large if the loop switches within a few steps of the bias.

    Source: Jesse, Lee and Kalinin, Rev. Sci. Instrum. 77, 073702 (2006), for the parameters. The share that defines a
    nucleation bias, and the middle level instead of zero, are choices made here.
    """

    kind: Literal["hysteresis"] = "hysteresis"
    quantities: Annotated[tuple[_Quantity, ...], Field(min_length=1)] = ("area",)
    level: Literal["middle", "zero"] = "middle"
    """Level that defines a coercive bias. "middle" is suited to loops that are shifted along the response."""
    nucleation_share: Annotated[Real, Field(gt=0.0, lt=0.5)] = 0.1

    @model_validator(mode="after")
    def _checked(self) -> Self:
        if len(set(self.quantities)) < len(self.quantities):
            raise ValueError("a quantity is given twice")
        return self

    def _outputs(self, unit: str, axis_unit: str) -> tuple[Output, ...]:
        units = {"area": product(unit, axis_unit), "work": product(unit, axis_unit), "height": unit}
        several = len(self.quantities) > 1
        return tuple(
            Output(
                self._titled(name.replace("_", " "), several), units.get(name, axis_unit), _LONG_NAMES[name]
            )
            for name in self.quantities
        )

    def measure(self, spectrum: xr.DataArray) -> tuple[Scalar, ...]:
        """Return the requested quantities; a switching bias that the loop lacks is NaN, with a reason.

        Raises:
            ScalarizerError: The bias is missing or does not rise and fall, or no value is finite.
        """
        loop = loop_from(*self._sweeps(spectrum))
        reading = _Reading(loop, self.level, self.nucleation_share)
        return tuple(reading(name) for name in self.quantities)

    def _sweeps(self, spectrum: xr.DataArray) -> tuple[Floats, Floats]:
        """Return bias and response, each of shape (sweeps, points)."""
        stated_unit(spectrum.attrs, self.unit, "the spectrum")
        values, coordinates = selected(spectrum, self.select)
        dims = [str(dim) for dim in spectrum.dims]
        name = self.axis if self.axis is not None else dims[0] if len(dims) == 1 else ""
        if name not in spectrum.coords:
            known = ", ".join(str(key) for key in spectrum.coords) or "none"
            raise ScalarizerError(
                f"axis: the spectrum has no coordinate {name!r} for the bias (known: {known})"
            )
        variable = spectrum.coords[name].variable
        stated_unit(variable.attrs, self.axis_unit, f"axis {name!r}")
        bias = np.asarray(coordinates(name), np.float64)
        if bias.ndim not in (1, 2):
            raise ScalarizerError(
                f"axis {name!r} must have one dimension, or two with sweeps, not {bias.ndim}"
            )
        own = [dims.index(str(dim)) for dim in variable.dims]
        # The bias changes more along the order of measurement than along sweeps.
        if bias.ndim == 2 and np.ptp(bias, axis=0).mean() > np.ptp(bias, axis=1).mean():
            bias, own = bias.T, own[::-1]
        values = np.moveaxis(values, own, range(-len(own), 0))
        responses = values.reshape(-1, values.shape[-1])
        return np.broadcast_to(bias, values.shape).reshape(responses.shape), responses


class _Reading:
    """Quantities of a loop; each intermediate result is computed once."""

    def __init__(self, loop: Loop, level: str, share: float) -> None:
        self.loop, self.level, self.share = loop, level, share
        self.levels: tuple[tuple[float, float], tuple[float, float]] | None = None

    def __call__(self, name: str) -> Scalar:
        readers: dict[str, Callable[[], Scalar]] = {
            "area": lambda: Scalar(abs(self.loop.work()[0]), self.loop.work()[1]),
            "work": lambda: Scalar(*self.loop.work()),
            "height": lambda: Scalar(*self.loop.opening(0.0)),
            "coercive_positive": lambda: self._coercive(1.0, 0.0),
            "coercive_negative": lambda: self._coercive(0.0, 1.0),
            "coercive": lambda: self._coercive(0.5, -0.5),
            "imprint": lambda: self._coercive(0.5, 0.5),
            "nucleation_positive": lambda: self._nucleation(rising=True),
            "nucleation_negative": lambda: self._nucleation(rising=False),
        }
        try:
            return readers[name]()
        except ScalarizerError as error:
            return Scalar(float("nan"), reason=str(error))

    def _saturation(self) -> tuple[tuple[float, float], tuple[float, float]]:
        self.levels = self.levels or self.loop.saturation()
        return self.levels

    def _middle(self) -> tuple[float, float]:
        lowest, highest = self._saturation()
        if self.level == "zero":
            return 0.0, 0.0
        return 0.5 * (lowest[0] + highest[0]), 0.5 * float(np.hypot(lowest[1], highest[1]))

    def _switching(self, *, rising: bool) -> Crossing:
        branch, what = (self.loop.rising, "rising") if rising else (self.loop.falling, "falling")
        return crossing(branch, self._middle()[0], what)

    def _coercive(self, rising: float, falling: float) -> Scalar:
        """Return the weighted sum of both coercive biases."""
        value = variance = level = 0.0
        for weight, is_rising in ((rising, True), (falling, False)):
            if weight:
                found = self._switching(rising=is_rising)
                value += weight * found.bias
                variance += (weight * found.sd) ** 2
                # Both branches share the level, so its error shifts both biases together.
                level += weight / found.slope if found.slope else float("nan")
        return Scalar(value, float(np.sqrt(variance + (level * self._middle()[1]) ** 2)))

    def _nucleation(self, *, rising: bool) -> Scalar:
        lowest, highest = self._saturation()
        left, other = (lowest, highest) if rising else (highest, lowest)
        level = left[0] + self.share * (other[0] - left[0])
        spread = float(np.hypot((1.0 - self.share) * left[1], self.share * other[1]))
        branch, what = (self.loop.rising, "rising") if rising else (self.loop.falling, "falling")
        found = departure(branch, level, self._switching(rising=rising).bias, rising=rising, what=what)
        return Scalar(
            found.bias, float(np.hypot(found.sd, spread / found.slope)) if found.slope else float("nan")
        )
