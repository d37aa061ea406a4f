"""Candidates that are known by numbers: compositions, parameters of a process, vectors of any origin."""

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
    """Candidates that a survey lists with their features, for anything but images; registered as kind "features"."""

    kind: Literal["features"] = "features"
    columns: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(max_length=10_000)] = ()
    """Names of the features that the kernel sees, numbers from "0" where they have none; all by default."""

    def candidates(self, survey: xr.Dataset, *, seed: int = 0) -> Candidates:
        """Return the positions that a survey lists, each with its features as they are.

        Args:
            survey: With ``position`` (candidate, coordinate) and, where the position is not all that is known,
                ``features`` (candidate, feature).
            seed: Not used.

        Raises:
            ExplorationError: The survey lists no position, one twice, or one that is not finite; a feature is missing,
                or not a number.
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
                    f"the survey has no features: {', '.join(self.columns)} cannot be chosen"
                )
            if "image" in survey:
                raise ExplorationError('the survey is an image and has no features; set kind = "patches"')
            return np.zeros((candidates, 0))
        values, names = _table(survey, "features", "feature"), _names(survey, "features")
        for name in self.columns:
            if names.count(name) != 1 or self.columns.count(name) != 1:
                known = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
                what = "is not one of the survey's features" if name not in names else "is there twice"
                raise ExplorationError(f"feature {name!r} {what} ({known})")
        chosen = [names.index(name) for name in self.columns] if self.columns else list(range(len(names)))
        # What is finite in the survey may be too large for single precision, which the kernel works in.
        bad = np.argwhere(~(np.abs(values[:, chosen]) <= np.finfo(np.float32).max))
        if bad.size:
            row, column = bad[0]
            raise ExplorationError(
                f"feature {names[chosen[column]]!r} of candidate {row} is {values[row, chosen[column]]:g}: "
                "needs a finite number"
            )
        return values[:, chosen]


def _table(survey: xr.Dataset, name: str, across: str) -> NDArray[np.float64]:
    if name not in survey:
        raise ExplorationError(
            f'the survey has no {name} (candidate, {across}), which candidates of kind "features" need'
        )
    table = survey[name]
    if set(table.dims) != {"candidate", across} or table.dtype.kind not in "biuf":
        raise ExplorationError(
            f"{name} has dimensions {', '.join(map(str, table.dims))} and holds {table.dtype}: needs numbers over "
            f"candidate, {across}"
        )
    return np.asarray(table.transpose("candidate", across).values, np.float64)


def _names(survey: xr.Dataset, name: str) -> tuple[str, ...]:
    """Return the names of a table's columns, or numbers."""
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
