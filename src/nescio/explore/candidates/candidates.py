"""Candidates: positions that could be measured next, each with its features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from nescio.display import Summarised
from nescio.errors import ExplorationError

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["CandidateMaker", "Candidates"]


@dataclass(frozen=True, eq=False, repr=False)
class Candidates(Summarised):
    """A fixed list of positions that could be measured: points of an image, compositions, process parameters.

    Raises:
        ExplorationError: The list is empty, a shape does not fit, or a number is not finite.
    """

    positions: NDArray[np.float64]
    """Shape (n, coordinates); passed to the instrument."""
    features: NDArray[np.float32]
    """Shape (n, features); the kernel's inputs. With no columns, the kernel only sees the position."""
    coordinates: tuple[str, ...] = ("y", "x")
    """Names of the columns of `positions`."""
    unit: str = "pixel"
    """Unit of all positions."""
    encoder: str = ""
    """Name of the encoder of `features`; empty if there is none."""
    alternatives: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    """Other features of the same candidates by encoder, each (n, features); the surrogate may choose them instead."""
    survey_index: NDArray[np.int64] | None = None
    """Shape (n,); index of each candidate among the survey's positions, if the survey lists positions."""

    def __post_init__(self) -> None:
        if self.positions.ndim != 2 or len(self.positions) == 0:
            raise ExplorationError(
                f"positions have shape {self.positions.shape}; the shape must be (n, coordinates) with n > 0"
            )
        if self.features.ndim != 2 or len(self.features) != len(self.positions):
            raise ExplorationError(
                f"features have shape {self.features.shape} for {len(self.positions)} positions; needs (n, features)"
            )
        if self.positions.shape[1] != len(self.coordinates):
            raise ExplorationError(
                f"positions have {self.positions.shape[1]} columns, but {len(self.coordinates)} names: "
                f"{', '.join(self.coordinates)}"
            )
        tables: dict[str, NDArray[np.floating]] = {"positions": self.positions, "features": self.features}
        for name, values in self.alternatives.items():
            if name in ("", self.encoder):
                raise ExplorationError(
                    f"alternative features are named {name!r}; they need a name that differs from the main "
                    f"features' ({self.encoder!r})"
                )
            if values.ndim != 2 or len(values) != len(self.positions):
                raise ExplorationError(
                    f"features {name!r} have shape {values.shape} for {len(self.positions)} positions; "
                    "needs (n, features)"
                )
            tables[f"features {name!r}"] = values
        if self.survey_index is not None and self.survey_index.shape != (len(self.positions),):
            raise ExplorationError(
                f"survey_index has shape {self.survey_index.shape} for {len(self.positions)} positions; needs (n,)"
            )
        for name, table in tables.items():
            bad = np.flatnonzero(~np.isfinite(table).all(axis=1))
            if bad.size:
                raise ExplorationError(
                    f"{name} of candidate {bad[0]} are not finite ({bad.size} such candidates)"
                )

    def check(self, candidate: int) -> None:
        """Check that a candidate exists.

        Raises:
            ExplorationError: The index is out of range.
        """
        if not 0 <= candidate < len(self):
            raise ExplorationError(f"candidate {candidate} does not exist: there are 0 to {len(self) - 1}")

    def check_position(self, position: Sequence[float]) -> None:
        """Check that a position lies within the range of the candidates.

        Raises:
            ExplorationError: The position is out of range or has the wrong number of coordinates.
        """
        coordinates = self.positions.shape[1]
        if len(position) != coordinates:
            raise ExplorationError(f"the position has {len(position)} coordinates; it needs {coordinates}")
        low, high = self.positions.min(0), self.positions.max(0)
        if (np.array(position) < low).any() or (np.array(position) > high).any():
            raise ExplorationError(
                f"position {', '.join(f'{x:g}' for x in position)} is outside the range of the candidates "
                f"({', '.join(f'{a:g} to {b:g}' for a, b in zip(low, high, strict=True))} {self.unit})"
            )

    def position(self, candidate: int) -> NDArray[np.float64]:
        """Return the position of a candidate, shape (coordinates,).

        Raises:
            ExplorationError: The candidate does not exist.
        """
        self.check(candidate)
        position: NDArray[np.float64] = self.positions[candidate]
        return position

    def nearest(self, position: Sequence[float]) -> int:
        """Return the candidate nearest to a position."""
        return int(np.linalg.norm(self.positions - np.array(position), axis=1).argmin())

    def place(self, candidate: int) -> str:
        """Return a candidate's position as text, such as ``y 3.5, x 12 um``."""
        named = zip(self.coordinates, self.positions[candidate], strict=True)
        where = ", ".join(f"{name} {x:.6g}" for name, x in named)
        return where if self.unit in ("", "1") else f"{where} {self.unit}"

    def __len__(self) -> int:
        return len(self.positions)


@runtime_checkable
class CandidateMaker(Protocol):
    """Settings that turn a survey into candidates."""

    def candidates(self, survey: xr.Dataset, *, seed: int) -> Candidates:
        """Return the candidates of a survey.

        Args:
            survey: A survey, see :meth:`nescio.explore.instruments.Instrument.survey`.
            seed: Seed of random draws, if any.

        Raises:
            NescioError: The survey does not fit the settings.
        """
