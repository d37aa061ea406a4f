"""Types of the fields that scalarizers share."""

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
    """Part of an axis."""

    low: Real
    """In the axis's units."""
    high: Real

    @model_validator(mode="after")
    def _checked(self) -> Self:
        ordered(self.low, self.high)
        return self


class Selection(Settings):
    """Which part of a dimension counts: a list of indices, ``{values = [...]}``, or ``{low = ..., high = ...}``."""

    indices: Annotated[tuple[Whole, ...], Field(min_length=1)] | None = None
    """Counted from 0, negative ones from the end; a plain list stands for this."""
    values: Annotated[tuple[Real | str, ...], Field(min_length=1)] | None = None
    """Values of the dimension's coordinate, such as the numbers of sweeps."""
    low: Real | None = None
    """Values of the coordinate from here on; in its units."""
    high: Real | None = None
    """Values of the coordinate up to here, inclusive."""

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
            raise ValueError("needs a list of indices, or values, or low and high (one of them will do)")
        ordered(self.low, self.high)
        return self
