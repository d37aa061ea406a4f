"""Candidates described by numbers: compositions, process parameters, any other vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from nescio.configuration import Settings
from nescio.errors import ExplorationError
from nescio.explore.candidates.candidates import Candidates

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["FeatureSettings"]


class FeatureSettings(Settings):
    """Candidates that the survey lists with features; for surveys that are not images. Kind: "features"."""

    kind: Literal["features"] = "features"
    columns: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(max_length=10_000)] = ()
    """Names of the features for the kernel, or column numbers from "0" if they have no names; default: all."""

    def candidates(self, survey: xr.Dataset, *, seed: int = 0) -> Candidates:
        """Return the survey's positions, each with its features unchanged.

        Args:
            survey: A dataset with ``position`` (candidate, coordinate) and, optionally, ``features``
                (candidate, feature).
            seed: Ignored.

        Raises:
            ExplorationError: The survey has no positions, or a position is repeated or not finite; or a feature is
                missing or not a number.
        """
        del seed
        positions = _table(survey, "position", "coordinate")
        features = self._features(survey, len(positions))
        _refuse_repeated(positions)
        coordinates = _names(survey, "position")
        return Candidates(
            positions=positions,
            features=features.astype(np.float32),
            coordinates=coordinates,
            unit=str(survey["position"].attrs.get("units", "1")),
            encoder="features" if features.size else "",
            survey_index=np.arange(len(positions)),
        )

    def _features(self, survey: xr.Dataset, candidates: int) -> NDArray[np.float64]:
        if "features" not in survey:
            if self.columns:
                raise ExplorationError(
                    f"the survey has no features; remove columns = {', '.join(self.columns)}"
                )
            if "image" in survey:
                raise ExplorationError('the survey is an image without features; set kind = "patches"')
            return np.zeros((candidates, 0))
        values, names = _table(survey, "features", "feature"), _names(survey, "features")
        for name in self.columns:
            if names.count(name) != 1 or self.columns.count(name) != 1:
                known = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
                what = (
                    "is not one of the survey's features"
                    if name not in names
                    else "is ambiguous: the name occurs twice"
                )
                raise ExplorationError(f"feature {name!r} {what} ({known})")
        chosen = [names.index(name) for name in self.columns] if self.columns else list(range(len(names)))
        # A finite number in the survey may overflow the single precision of the kernel.
        bad = np.argwhere(~(np.abs(values[:, chosen]) <= np.finfo(np.float32).max))
        if bad.size:
            row, column = bad[0]
            raise ExplorationError(
                f"feature {names[chosen[column]]!r} of candidate {row} is {values[row, chosen[column]]:g}; "
                "it must be a finite number"
            )
        return values[:, chosen]


def _table(survey: xr.Dataset, name: str, across: str) -> NDArray[np.float64]:
    if name not in survey:
        raise ExplorationError(
            f'the survey has no {name} (candidate, {across}); candidates of kind "features" need it'
        )
    table = survey[name]
    if set(table.dims) != {"candidate", across} or table.dtype.kind not in "biuf":
        raise ExplorationError(
            f"{name} has dimensions {', '.join(map(str, table.dims))} and type {table.dtype}; needs numbers over "
            f"candidate, {across}"
        )
    return np.asarray(table.transpose("candidate", across).values, np.float64)


def _names(survey: xr.Dataset, name: str) -> tuple[str, ...]:
    """Return the names of a table's columns, or column numbers."""
    across = next(dimension for dimension in survey[name].dims if dimension != "candidate")
    if across in survey.coords:
        return tuple(str(value) for value in survey[across].values)
    return tuple(map(str, range(survey.sizes[across])))


def _refuse_repeated(positions: NDArray[np.float64]) -> None:
    _, where, counts = np.unique(positions, axis=0, return_inverse=True, return_counts=True)
    repeated = np.flatnonzero(counts[where.ravel()] > 1)
    if repeated.size:
        first, second = np.flatnonzero(where.ravel() == where.ravel()[repeated[0]])[:2]
        place = ", ".join(f"{value:g}" for value in positions[first])
        raise ExplorationError(f"position ({place}) is listed twice: candidates {first} and {second}")
