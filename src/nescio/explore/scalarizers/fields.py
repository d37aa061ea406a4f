"""Field types shared by scalarizers."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from nescio.configuration import Real, Settings, Whole

__all__ = ["Band", "Positive", "Real", "Selection", "Whole", "ordered"]

Positive = Annotated[Real, Field(gt=0.0)]


def ordered(low: float | None, high: float | None) -> None:
    """Check the ends of a range.

    Raises:
        ValueError: `low` is not below `high`.
    """
    if low is not None and high is not None and not low < high:
        raise ValueError(f"low ({low:g}) must be below high ({high:g})")


class Band(Settings):
    """A range of an axis."""

    low: Real
    """In units of the axis."""
    high: Real

    @model_validator(mode="after")
    def _checked(self) -> Self:
        ordered(self.low, self.high)
        return self


class Selection(Settings):
    """Part of a dimension to use: a list of indices, ``{values = [...]}``, or ``{low = ..., high = ...}``."""

    indices: Annotated[tuple[Whole, ...], Field(min_length=1)] | None = None
    """Indices from 0; negative ones count from the end. A plain list is read as indices."""
    values: Annotated[tuple[Real | str, ...], Field(min_length=1)] | None = None
    """Values of the dimension's coordinate, such as sweep numbers."""
    low: Real | None = None
    """Lower end of the coordinate's range, in its units."""
    high: Real | None = None
    """Upper end of the range, inclusive."""

    @model_validator(mode="before")
    @classmethod
    def _from_list(cls, given: Any) -> Any:
        return {"indices": given} if isinstance(given, list | tuple) else given

    @model_validator(mode="after")
    def _checked(self) -> Self:
        ways = (
            self.indices is not None,
            self.values is not None,
            self.low is not None or self.high is not None,
        )
        if sum(ways) != 1:
            raise ValueError("needs exactly one of: a list of indices, values, or low and/or high")
        ordered(self.low, self.high)
        return self
