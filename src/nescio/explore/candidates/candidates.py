"""What could be measured next: places, each with what the kernel sees of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from nescio.errors import ExplorationError

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["CandidateMaker", "Candidates"]


@dataclass(frozen=True, eq=False)
class Candidates:
    """A fixed list of places that could be measured: points of an image, compositions, parameters of a process.

    Raises:
        ExplorationError: No candidate, a shape that does not fit, or a number that is not finite.
    """

    positions: NDArray[np.float64]
    """Shape (n, coordinates); what the instrument is told."""
    features: NDArray[np.float32]
    """Shape (n, features); what the kernel sees of each. May have no columns: then the position is all there is."""
    coordinates: tuple[str, ...] = ("y", "x")
    """Names of the columns of `positions`."""
    unit: str = "pixel"
    """Of all positions."""
    encoder: str = ""
    """Name of what made `features`; empty where nothing did."""
    alternatives: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    """Other features of the same candidates, by encoder, each of shape (n, features): a surrogate may prefer them."""
    survey_index: NDArray[np.int64] | None = None
    """Shape (n,); which of the survey's positions each candidate is, where the survey lists some."""

    def __post_init__(self) -> None:
        if self.positions.ndim != 2 or len(self.positions) == 0:
            raise ExplorationError(
                f"positions of shape {self.positions.shape}: needs (n, coordinates) with n > 0"
            )
        if self.features.ndim != 2 or len(self.features) != len(self.positions):
            raise ExplorationError(
                f"features of shape {self.features.shape} for {len(self.positions)} positions: needs (n, features)"
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
                    f"alternative features are named {name!r}: needs a name of their own, which the main features "
                    f"({self.encoder!r}) have not"
                )
            if values.ndim != 2 or len(values) != len(self.positions):
                raise ExplorationError(
                    f"features {name!r} of shape {values.shape} for {len(self.positions)} positions: "
                    "needs (n, features)"
                )
            tables[f"features {name!r}"] = values
        if self.survey_index is not None and self.survey_index.shape != (len(self.positions),):
            raise ExplorationError(
                f"survey_index of shape {self.survey_index.shape} for {len(self.positions)} positions: needs (n,)"
            )
        for name, table in tables.items():
            bad = np.flatnonzero(~np.isfinite(table).all(axis=1))
            if bad.size:
                raise ExplorationError(f"{name} of candidate {bad[0]} (of {bad.size}) are not finite")

    def check(self, candidate: int) -> None:
        """See that there is such a candidate.

        Raises:
            ExplorationError: There is none of this index.
        """
        if not 0 <= candidate < len(self):
            raise ExplorationError(f"candidate {candidate}: there are 0 to {len(self) - 1}")

    def check_position(self, position: Sequence[float]) -> None:
        """See that a position lies between the outermost candidates.

        Raises:
            ExplorationError: It does not, or has another number of coordinates.
        """
        coordinates = self.positions.shape[1]
        if len(position) != coordinates:
            raise ExplorationError(f"position with {len(position)} coordinates: needs {coordinates}")
        low, high = self.positions.min(0), self.positions.max(0)
        if (np.array(position) < low).any() or (np.array(position) > high).any():
            raise ExplorationError(
                f"position {', '.join(f'{x:g}' for x in position)} lies outside the candidates "
                f"({', '.join(f'{a:g} to {b:g}' for a, b in zip(low, high, strict=True))} {self.unit})"
            )

    def position(self, candidate: int) -> NDArray[np.float64]:
        """Return the position of a candidate, shape (coordinates,).

        Raises:
            ExplorationError: There is no such candidate.
        """
        self.check(candidate)
        position: NDArray[np.float64] = self.positions[candidate]
        return position

    def nearest(self, position: Sequence[float]) -> int:
        """Return the candidate nearest to a position."""
        return int(np.linalg.norm(self.positions - np.array(position), axis=1).argmin())

    def place(self, candidate: int) -> str:
        """Return where a candidate is in words, such as ``y 3.5, x 12 um``."""
        named = zip(self.coordinates, self.positions[candidate], strict=True)
        where = ", ".join(f"{name} {x:.6g}" for name, x in named)
        return where if self.unit in ("", "1") else f"{where} {self.unit}"

    def __len__(self) -> int:
        return len(self.positions)


@runtime_checkable
class CandidateMaker(Protocol):
    """Settings of candidates: they say what of a survey could be measured next."""

    def candidates(self, survey: xr.Dataset, *, seed: int) -> Candidates:
        """Return the candidates of a survey.

        Args:
            survey: As :meth:`nescio.explore.instruments.Instrument.survey` describes it.
            seed: Of random draws, if there are any.

        Raises:
            NescioError: The survey does not give candidates as configured.
        """
