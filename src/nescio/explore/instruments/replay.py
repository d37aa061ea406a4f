"""An instrument that gives again what was measured before: a whole grid in a file, one spectrum at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nescio.errors import InstrumentError, RefusedPositionError

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Replay"]


class Replay:
    """A measured grid as an instrument (:class:`nescio.explore.instruments.Instrument`)."""

    def __init__(
        self,
        survey: xr.Dataset,
        spectra: xr.DataArray,
        *,
        tolerance: float | None = None,
        name: str = "replay",
    ) -> None:
        """Take what was measured.

        Args:
            survey: As :meth:`nescio.explore.instruments.Instrument.survey` describes it; ``position`` (candidate,
                coordinate) must be in it.
            spectra: With ``candidate`` as its first dimension.
            tolerance: How far from a candidate a position may be, in its units; by default half of the smallest
                distance between two candidates.
            name: What it is called in the record.

        Raises:
            InstrumentError: Numbers of positions and spectra differ, a position is not finite, or two are the same.
        """
        from scipy.spatial import KDTree

        positions: NDArray[np.float64] = np.asarray(survey["position"].values, float)
        if spectra.dims[:1] != ("candidate",) or len(spectra) != len(positions) or not len(positions):
            raise InstrumentError(
                f"{name}: {len(positions)} positions, but spectra of shape {_sizes(spectra)}: needs one spectrum for "
                "each position"
            )
        bad = np.flatnonzero(~np.isfinite(positions).all(axis=1))
        if bad.size:
            raise InstrumentError(f"{name}: position {bad[0]} (of {bad.size}) is not finite")
        self.spectra = spectra
        """Everything that was measured, (candidate, ...): what a finished experiment can be compared with."""
        self.positions = positions
        """Shape (candidates, coordinates)."""
        self._survey = survey
        self._name = name
        self._tree = KDTree(positions)
        self._tolerance = self._half_spacing() if tolerance is None else tolerance

    @property
    def name(self) -> str:
        """What it is called in the record."""
        return self._name

    def survey(self) -> xr.Dataset:
        """Return the image, or the features, and all positions that were measured."""
        return self._survey.copy()

    def measure(self, position: NDArray[np.float64]) -> xr.DataArray:
        """Return the spectrum that was measured at the nearest candidate.

        Raises:
            RefusedPositionError: None was measured near enough.
        """
        place = np.asarray(position, float)
        shown = ", ".join(f"{value:g}" for value in place.ravel())
        if place.shape != self.positions.shape[1:] or not np.isfinite(place).all():
            names = ", ".join(str(name) for name in self._survey["coordinate"].values)
            raise RefusedPositionError(f"{self.name}: ({shown}) is no position; needs finite {names}")
        distance, candidate = (np.ravel(found)[0] for found in self._tree.query(place))
        if distance > self._tolerance:
            nearest = ", ".join(f"{value:g}" for value in self.positions[candidate])
            raise RefusedPositionError(
                f"{self.name}: nothing was measured at ({shown}); the nearest is ({nearest}), {distance:.3g} away "
                f"where {self._tolerance:.3g} is allowed"
            )
        spectrum: xr.DataArray = self.spectra[int(candidate)].copy()
        return spectrum

    def busy(self) -> bool:
        """Return False: a spectrum is there at once."""
        return False

    def abort(self) -> None:
        """Do nothing: there is nothing to stop."""

    def _half_spacing(self) -> float:
        if len(self.positions) == 1:
            return float("inf")
        distances, neighbours = (np.asarray(found) for found in self._tree.query(self.positions, k=2))
        closest = int(np.argmin(distances[:, 1]))
        if distances[closest, 1] == 0.0:
            other = next(int(index) for index in neighbours[closest] if index != closest)
            raise InstrumentError(
                f"{self.name}: candidates {min(closest, other)} and {max(closest, other)} have the same position; a "
                "further coordinate must tell them apart"
            )
        return float(distances[closest, 1]) / 2.0


def _sizes(array: xr.DataArray) -> dict[Any, int]:
    return {name: int(size) for name, size in array.sizes.items()}
