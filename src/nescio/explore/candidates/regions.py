"""Regions that a person draws, to forbid or to favour measurements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, SerializeAsAny, model_validator

from nescio.configuration import Real, Settings, Whole
from nescio.errors import ExplorationError
from nescio.registry import Kinds

__all__ = [
    "REGIONS",
    "AnyRegion",
    "Circle",
    "Listed",
    "Polygon",
    "Rectangle",
    "Region",
    "build_region",
    "inside_any",
    "outside",
]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
_Place = Annotated[tuple[Real, ...], Field(min_length=1, max_length=100)]


class Region(Settings):
    """Base class of regions; units and order of coordinates (y, x) are those of the candidates."""

    kind: str

    def mask(self, positions: Floats) -> Mask:
        """Return which positions lie inside, including the edges, shape (n,).

        Args:
            positions: Shape (n, coordinates).

        Raises:
            ExplorationError: The number of coordinates differs, or a listed candidate does not exist.
        """
        raise NotImplementedError

    def document(self) -> dict[str, Any]:
        """Return the definition as JSON-compatible values."""
        return self.model_dump(mode="json")

    def _fits(self, coordinates: int, positions: Floats) -> None:
        if positions.shape[1] != coordinates:
            raise ExplorationError(
                f"the {self.kind} has {coordinates} coordinates, but the candidates have {positions.shape[1]}"
            )


REGIONS = Kinds("region", Region)
build_region = REGIONS.build
AnyRegion = Annotated[SerializeAsAny[Region], REGIONS.table]
"""Type of a field for any region, given as a table with its kind."""


@REGIONS.add
class Rectangle(Region):
    """The area between two corners; an interval in one dimension, a box in three or more."""

    kind: Literal["rectangle"] = "rectangle"
    low: _Place
    """The corner with the lowest coordinates."""
    high: _Place
    """The corner with the highest coordinates."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if len(self.low) != len(self.high):
            raise ValueError(f"low has {len(self.low)} coordinates, but high has {len(self.high)}")
        for low, high in zip(self.low, self.high, strict=True):
            if low > high:
                raise ValueError(f"low must not exceed high, but {low:g} > {high:g}")
        return self

    def mask(self, positions: Floats) -> Mask:
        """Return which positions lie between the corners, shape (n,)."""
        self._fits(len(self.low), positions)
        low, high = np.array(self.low), np.array(self.high)
        return np.asarray(((positions >= low) & (positions <= high)).all(axis=1), dtype=bool)


@REGIONS.add
class Circle(Region):
    """A circle around a centre; a sphere in three dimensions."""

    kind: Literal["circle"] = "circle"
    centre: _Place
    radius: Annotated[Real, Field(gt=0.0)]

    def mask(self, positions: Floats) -> Mask:
        """Return which positions lie within the radius, shape (n,)."""
        self._fits(len(self.centre), positions)
        distance: Floats = np.linalg.norm(positions - np.array(self.centre), axis=1)
        return np.asarray(distance <= self.radius, dtype=bool)


@REGIONS.add
class Polygon(Region):
    """The area inside a closed line. If the line crosses itself, the even-odd rule applies."""

    kind: Literal["polygon"] = "polygon"
    vertices: Annotated[tuple[tuple[Real, Real], ...], Field(min_length=3, max_length=10_000)]
    """Corners in order; the last is connected to the first."""

    def mask(self, positions: Floats) -> Mask:
        """Return which positions lie inside the line or on it, shape (n,)."""
        self._fits(2, positions)
        y, x = positions.T
        inside = np.zeros(len(positions), dtype=bool)
        edge = np.zeros(len(positions), dtype=bool)
        corners = np.array(self.vertices, dtype=np.float64)
        for (y0, x0), (y1, x1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            cross = (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0)
            # Even-odd rule: count the edges that a ray from the position to one side crosses.
            inside ^= ((y0 > y) != (y1 > y)) & ((cross > 0.0) == (y1 > y0)) & (cross != 0.0)
            within = (np.minimum(y0, y1) <= y) & (y <= np.maximum(y0, y1))
            within &= (np.minimum(x0, x1) <= x) & (x <= np.maximum(x0, x1))
            reach = abs(x1 - x0) + abs(y1 - y0)
            edge |= within & (np.abs(cross) <= 1e-12 * max(reach, 1.0) ** 2)
        return inside | edge


@REGIONS.add
class Listed(Region):
    """A list of candidates."""

    kind: Literal["listed"] = "listed"
    candidates: Annotated[tuple[Annotated[Whole, Field(ge=0)], ...], Field(min_length=1)]
    """Indices of the candidates."""

    def mask(self, positions: Floats) -> Mask:
        """Return which positions belong to the listed candidates, shape (n,)."""
        largest = max(self.candidates)
        if largest >= len(positions):
            raise ExplorationError(
                f"listed candidate {largest} does not exist: there are 0 to {len(positions) - 1}"
            )
        inside = np.zeros(len(positions), dtype=bool)
        inside[list(self.candidates)] = True
        return inside


def inside_any(regions: Sequence[Region], positions: Floats) -> Mask:
    """Return which positions lie in at least one region, shape (n,).

    Args:
        regions: The regions; without any, no position is inside.
        positions: Shape (n, coordinates).

    Raises:
        ExplorationError: A region does not fit the candidates.
    """
    inside = np.zeros(len(positions), dtype=bool)
    for region in regions:
        inside |= region.mask(positions)
    return inside


def outside(regions: Sequence[Region], positions: Floats) -> Mask:
    """Return which positions lie outside all forbidden regions, shape (n,).

    Args:
        regions: The forbidden regions.
        positions: Shape (n, coordinates).

    Raises:
        ExplorationError: No position remains, or a region does not fit the candidates.
    """
    remaining = ~inside_any(regions, positions)
    if not remaining.any():
        kinds = ", ".join(region.kind for region in regions)
        raise ExplorationError(f"the forbidden regions ({kinds}) cover all {len(positions)} candidates")
    return remaining
