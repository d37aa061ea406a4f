"""An instrument that replays measured data: a whole grid of spectra, one at a time."""

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
        """Create an instrument from measured data.

        Args:
            survey: A survey, see :meth:`nescio.explore.instruments.Instrument.survey`, with ``position`` (candidate,
                coordinate).
            spectra: The spectra, with ``candidate`` as first dimension.
            tolerance: Largest distance of a position from a candidate, in units of the positions; default: half of the
                smallest distance between two candidates.
            name: Name in the record.

        Raises:
            InstrumentError: The numbers of positions and spectra differ, or a position is repeated or not finite.
        """
        from scipy.spatial import KDTree

        positions: NDArray[np.float64] = np.asarray(survey["position"].values, float)
        if spectra.dims[:1] != ("candidate",) or len(spectra) != len(positions) or not len(positions):
            raise InstrumentError(
                f"{name}: {len(positions)} positions, but spectra of shape {_sizes(spectra)}; needs one spectrum for "
                "each position"
            )
        bad = np.flatnonzero(~np.isfinite(positions).all(axis=1))
        if bad.size:
            raise InstrumentError(f"{name}: position {bad[0]} is not finite ({bad.size} such positions)")
        self.spectra = spectra
        """All measured spectra, (candidate, ...), for comparison with a finished experiment."""
        self.positions = positions
        """Shape (candidates, coordinates)."""
        self._survey = survey
        self._name = name
        self._tree = KDTree(positions)
        self._tolerance = self._half_spacing() if tolerance is None else tolerance

    @property
    def name(self) -> str:
        """Name in the record."""
        return self._name

    def survey(self) -> xr.Dataset:
        """Return the image or the features, and all measured positions."""
        return self._survey.copy()

    def measure(self, position: NDArray[np.float64]) -> xr.DataArray:
        """Return the spectrum of the nearest candidate.

        Raises:
            RefusedPositionError: No candidate is near enough, or the position is invalid.
        """
        place = np.asarray(position, float)
        shown = ", ".join(f"{value:g}" for value in place.ravel())
        if place.shape != self.positions.shape[1:] or not np.isfinite(place).all():
            names = ", ".join(str(name) for name in self._survey["coordinate"].values)
            raise RefusedPositionError(
                f"{self.name}: ({shown}) is not a valid position; needs finite {names}"
            )
        distance, candidate = (np.ravel(found)[0] for found in self._tree.query(place))
        if distance > self._tolerance:
            nearest = ", ".join(f"{value:g}" for value in self.positions[candidate])
            raise RefusedPositionError(
                f"{self.name}: no spectrum at ({shown}); the nearest is ({nearest}), {distance:.3g} away; "
                f"the tolerance is {self._tolerance:.3g}"
            )
        spectrum: xr.DataArray = self.spectra[int(candidate)].copy()
        return spectrum

    def busy(self) -> bool:
        """Return False: spectra are available at once."""
        return False

    def abort(self) -> None:
        """Do nothing: no measurement is ever running."""

    def _half_spacing(self) -> float:
        if len(self.positions) == 1:
            return float("inf")
        distances, neighbours = (np.asarray(found) for found in self._tree.query(self.positions, k=2))
        closest = int(np.argmin(distances[:, 1]))
        if distances[closest, 1] == 0.0:
            other = next(int(index) for index in neighbours[closest] if index != closest)
            raise InstrumentError(
                f"{self.name}: candidates {min(closest, other)} and {max(closest, other)} have the same position; "
                "add a coordinate that distinguishes them"
            )
        return float(distances[closest, 1]) / 2.0


def _sizes(array: xr.DataArray) -> dict[Any, int]:
    return {name: int(size) for name, size in array.sizes.items()}
