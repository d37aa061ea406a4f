"""Scalarizers built from other scalarizers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from nescio.errors import ScalarizerError
from nescio.explore.scalarizers.base import Output, Part, Scalar, Scalarizer
from nescio.explore.scalarizers.fields import Real
from nescio.explore.scalarizers.units import quotient

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Ratio", "Several", "WeightedSum"]


class Ratio(Scalarizer):
    """Ratio of the numbers of two scalarizers.

    Uncertainty: the errors of both parts are treated as independent; unknown if one of them is unknown.
    (:class:`BandRatio` and :class:`PeakRatio` account for noise that both parts share.)
    """

    kind: Literal["ratio"] = "ratio"
    name: str = ""
    """Name of the number."""
    numerator: Part
    denominator: Part

    @model_validator(mode="after")
    def _checked(self) -> Self:
        _one_number(self.numerator, "numerator")
        _one_number(self.denominator, "denominator")
        return self

    @property
    def outputs(self) -> tuple[Output, ...]:
        """The ratio, with the units of the parts."""
        return self._outputs(self.numerator.outputs[0], self.denominator.outputs[0])

    def outputs_for(self, spectrum: xr.DataArray) -> tuple[Output, ...]:
        """The ratio, with the units of a spectrum."""
        return self._outputs(
            self.numerator.outputs_for(spectrum)[0], self.denominator.outputs_for(spectrum)[0]
        )

    def _outputs(self, above: Output, below: Output) -> tuple[Output, ...]:
        unit = quotient(above.unit, below.unit)
        return (Output(self.name or "ratio", unit, f"{above.long_name} over {below.long_name}"),)

    def measure(self, spectrum: xr.DataArray) -> tuple[Scalar, ...]:
        """Return the ratio.

        Raises:
            ScalarizerError: A part is missing, or the denominator is not distinguishable from zero.
        """
        above, below = (
            _number(self.numerator, spectrum, "numerator"),
            _number(self.denominator, spectrum, "denominator"),
        )
        if below.value == 0.0 or abs(below.value) <= below.uncertainty:
            raise ScalarizerError(
                f"the denominator {below.value:.3g} +- {below.uncertainty:.2g} is not distinguishable from zero"
            )
        ratio = above.value / below.value
        variance = above.uncertainty**2 + (ratio * below.uncertainty) ** 2
        return (Scalar(ratio, variance**0.5 / abs(below.value)),)


class WeightedSum(Scalarizer):
    """Weighted sum of the numbers of other scalarizers; uncertainty as for :class:`Ratio`."""

    kind: Literal["sum"] = "sum"
    name: str = ""
    """Name of the number."""
    unit: str = ""
    """Unit of the sum; default: the common unit of the parts, if they have one."""
    weights: Annotated[tuple[Real, ...], Field(min_length=1)]
    parts: tuple[Part, ...]

    @model_validator(mode="after")
    def _checked(self) -> Self:
        if len(self.weights) != len(self.parts):
            raise ValueError(f"{len(self.weights)} weights for {len(self.parts)} parts; each part needs one")
        for i, part in enumerate(self.parts):
            _one_number(part, f"part {i}")
        return self

    @property
    def outputs(self) -> tuple[Output, ...]:
        """The sum."""
        return self._outputs([part.outputs[0] for part in self.parts])

    def outputs_for(self, spectrum: xr.DataArray) -> tuple[Output, ...]:
        """The sum, with the unit of a spectrum."""
        return self._outputs([part.outputs_for(spectrum)[0] for part in self.parts])

    def _outputs(self, parts: list[Output]) -> tuple[Output, ...]:
        units = {part.unit for part in parts}
        unit = self.unit or (units.pop() if len(units) == 1 else "")
        text = " + ".join(f"{weight:g} {part.name}" for weight, part in zip(self.weights, parts, strict=True))
        return (Output(self.name or "sum", unit, text),)

    def measure(self, spectrum: xr.DataArray) -> tuple[Scalar, ...]:
        """Return the sum.

        Raises:
            ScalarizerError: A part is missing.
        """
        value = variance = 0.0
        for i, (weight, part) in enumerate(zip(self.weights, self.parts, strict=True)):
            scalar = _number(part, spectrum, f"part {i}")
            value += weight * scalar.value
            variance += (weight * scalar.uncertainty) ** 2
        return (Scalar(value, variance**0.5),)


class Several(Scalarizer):
    """The numbers of several scalarizers side by side; if one is missing, the others are still returned."""

    kind: Literal["several"] = "several"
    parts: Annotated[tuple[Part, ...], Field(min_length=1)]

    @property
    def outputs(self) -> tuple[Output, ...]:
        """The outputs of the parts; repeated names and long names get a number."""
        return _unique([output for part in self.parts for output in part.outputs])

    def outputs_for(self, spectrum: xr.DataArray) -> tuple[Output, ...]:
        """The outputs of the parts, with the units of a spectrum."""
        return _unique([output for part in self.parts for output in part.outputs_for(spectrum)])

    def measure(self, spectrum: xr.DataArray) -> tuple[Scalar, ...]:
        """Return the numbers of all parts."""
        return tuple(scalar for part in self.parts for scalar in part(spectrum))


def _one_number(part: Scalarizer, what: str) -> None:
    if (n := len(part.outputs)) != 1:
        raise ValueError(
            f"{what} gives {n} numbers ({', '.join(o.name for o in part.outputs)}); it must give one"
        )


def _number(part: Scalarizer, spectrum: xr.DataArray, what: str) -> Scalar:
    scalar = part(spectrum)[0]
    if scalar.reason:
        raise ScalarizerError(f"{what}: {scalar.reason}")
    return scalar


def _unique(outputs: list[Output]) -> tuple[Output, ...]:
    """Return the outputs with unique names and long names; repeated ones get a number."""
    names, long_names = set[str](), set[str]()
    found = []
    for output in outputs:
        name = _numbered(output.name, "{}#{}", names)
        long_name = output.long_name and _numbered(output.long_name, "{} ({})", long_names)
        found.append(output._replace(name=name, long_name=long_name))
    return tuple(found)


def _numbered(name: str, form: str, taken: set[str]) -> str:
    """Return the name, with the next free number if it is taken, and add it to `taken`."""
    found, number = name, 2
    while found in taken:
        found, number = form.format(name, number), number + 1
    taken.add(found)
    return found
