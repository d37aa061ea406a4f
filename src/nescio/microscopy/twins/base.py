"""Base class of twins: reproducible sample and noise, drift, latency, faults and refused positions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from functools import cached_property
from threading import Event, Lock
from typing import TYPE_CHECKING, Annotated

import jax
import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from nescio.configuration import Real, Settings, Whole
from nescio.errors import InstrumentError, RefusedPositionError

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "Floats",
    "Twin",
    "TwinSettings",
    "grid_positions",
]

Floats = NDArray[np.float64]

# Streams of random numbers, so that draws of one do not change the others.
_SAMPLE, _IMAGE, _SPECTRUM, _FAULT = range(4)


class TwinSettings(Settings):
    """Settings common to all twins."""

    seed: Annotated[Whole, Field(ge=0, lt=2**31)] = 0
    """Random seed of the sample and of all noise."""
    drift: tuple[Real, Real] = (0.0, 0.0)
    """Drift of the sample along y and x between measurements, in pixels of the survey."""
    latency: Annotated[Real, Field(ge=0.0, le=86400.0)] = 0.0
    """Duration of a measurement in seconds."""
    fault_rate: Annotated[Real, Field(ge=0.0, lt=1.0)] = 0.0
    """Share of measurements that time out; the same place can be measured again."""
    refused: tuple[tuple[Real, Real], ...] = ()
    """Positions (y, x) in pixels; the instrument refuses the candidate nearest to each."""


class Twin(ABC):
    """A simulated microscope: an :class:`nescio.explore.instruments.protocol.Instrument` with known true values.

    The noise of a spectrum depends only on the random seed, the candidate and how often that candidate was measured. A
    resumed experiment, or one that follows another path, gets the same data at the same places.

    Subclasses implement `survey` and the three methods for spectra.
    """

    def __init__(self, settings: TwinSettings, name: str, shape: tuple[int, int], positions: Floats) -> None:
        """Initialise the common parts of a twin.

        Args:
            settings: The settings.
            name: Name of the instrument in the record.
            shape: (height, width) of the survey image, in pixels.
            positions: Shape (candidates, 2), y and x in pixels.
        """
        self.settings = settings
        self.shape = shape
        self.positions = positions
        self._name = name
        self._counts = np.zeros(len(positions), int)
        self._attempts = np.zeros(len(positions), int)
        self._state = Lock()
        self._measuring = False
        self._aborted = Event()
        self._refused = frozenset(self.nearest(np.asarray(place)) for place in settings.refused)

    @abstractmethod
    def survey(self) -> xr.Dataset:
        """Return the image (channel, y, x) and the places of spectra, position (candidate, coordinate)."""

    @abstractmethod
    def _clean(self, places: Floats) -> Floats:
        """Return noise-free spectra at places of the image, shape (n, 2) -> (n, *spectrum)."""

    @abstractmethod
    def _noisy(self, clean: Floats, key: jax.Array) -> Floats:
        """Return a spectrum with measurement noise, with the shape of the noise-free one."""

    @abstractmethod
    def _labelled(self, values: Floats, leading: tuple[str, ...] = ()) -> xr.DataArray:
        """Return spectra (*leading, *spectrum) with dimensions, coordinates and units."""

    @property
    def name(self) -> str:
        """Name of the instrument in the record."""
        return self._name

    @property
    def clock(self) -> int:
        """Number of measured spectra, which determines the drift."""
        return int(self._counts.sum())

    def sample_key(self) -> jax.Array:
        """Return the random key of the sample."""
        return _key(self.settings.seed, _SAMPLE)

    def image_key(self) -> jax.Array:
        """Return the random key of the survey's noise."""
        return _key(self.settings.seed, _IMAGE)

    def truth(self) -> xr.DataArray:
        """Return the noise-free spectra at all candidates without drift; `candidate` is the first dimension."""
        return self._labelled(self._spectra.copy(), ("candidate",))

    def nearest(self, position: ArrayLike) -> int:
        """Return the candidate nearest to a position (y, x) in pixels.

        Raises:
            RefusedPositionError: The position is not two finite numbers, or is outside the image.
        """
        place = np.asarray(position, float)
        if place.shape != (2,) or not np.isfinite(place).all():
            raise RefusedPositionError(
                f"{self.name}: {np.array2string(place)} is not a position (two finite numbers, y and x)"
            )
        height, width = self.shape
        y, x = place
        if not (-0.5 <= y <= height - 0.5 and -0.5 <= x <= width - 0.5):
            raise RefusedPositionError(
                f"{self.name}: {_shown(place)} is outside the image (y 0 to {height - 1}, x 0 to {width - 1} pixel)"
            )
        return int(np.argmin(((self.positions - place) ** 2).sum(axis=1)))

    def measure(self, position: NDArray[np.float64]) -> xr.DataArray:
        """Measure a spectrum at the candidate nearest to a position (y, x) in pixels.

        Raises:
            RefusedPositionError: The position is outside the image, or is refused by the settings.
            InstrumentError: The measurement timed out or was aborted, or another measurement is running.
        """
        candidate = self.nearest(position)
        where = _shown(self.positions[candidate])
        if candidate in self._refused:
            raise RefusedPositionError(f"{self.name}: {where} is refused")
        with self._state:
            if self._measuring:
                raise InstrumentError(f"{self.name}: busy; nothing was measured at {where}")
            self._measuring = True
            self._aborted.clear()
        try:
            spectrum = self._take(candidate, where)
        finally:
            with self._state:
                self._measuring = False
        spectrum.attrs["position"] = tuple(float(value) for value in self.positions[candidate])
        return spectrum

    def remember(self, positions: Iterable[ArrayLike]) -> None:
        """Count earlier measurements, so that a resumed experiment continues with their drift and noise.

        Args:
            positions: Positions (y, x) in pixels, in any order; repeated for repeated measurements.
        """
        for position in positions:
            candidate = self.nearest(position)
            self._counts[candidate] += 1
            self._attempts[candidate] += 1

    def busy(self) -> bool:
        """Return whether a measurement is running."""
        return self._measuring

    def abort(self) -> None:
        """Abort a running measurement; can be called from another thread."""
        with self._state:
            if self._measuring:
                self._aborted.set()

    def _take(self, candidate: int, where: str) -> xr.DataArray:
        attempt = int(self._attempts[candidate])
        self._attempts[candidate] += 1
        if self._aborted.wait(self.settings.latency):
            raise InstrumentError(f"{self.name}: the measurement at {where} was aborted")
        if self._times_out(candidate, attempt):
            raise InstrumentError(f"{self.name}: no spectrum at {where}: timed out")
        count = int(self._counts[candidate])
        key = jax.random.fold_in(_key(self.settings.seed, _SPECTRUM, candidate), count)
        spectrum = self._labelled(self._noisy(self._under_the_probe(candidate), key))
        self._counts[candidate] += 1
        return spectrum

    @cached_property
    def _spectra(self) -> Floats:
        return self._clean(self.positions)

    def _under_the_probe(self, candidate: int) -> Floats:
        """Return the noise-free spectrum at a candidate, with drift."""
        moved = self.clock * np.asarray(self.settings.drift)
        if not moved.any():
            clean: Floats = self._spectra[candidate]
            return clean
        largest = np.asarray(self.shape, float) - 1.0
        # Places that drift beyond the image are measured at its edge.
        place = np.clip(self.positions[candidate] - moved, 0.0, largest)
        elsewhere: Floats = self._clean(place[None])[0]
        return elsewhere

    def _times_out(self, candidate: int, attempt: int) -> bool:
        if self.settings.fault_rate == 0.0:
            return False
        key = jax.random.fold_in(_key(self.settings.seed, _FAULT, candidate), attempt)
        return bool(jax.random.uniform(key) < self.settings.fault_rate)


def grid_positions(shape: tuple[int, int], grid: tuple[int, int], margin: float) -> Floats:
    """Return the positions of a regular grid of spectra on an image.

    Args:
        shape: (height, width) of the image, in pixels.
        grid: Rows and columns of spectra.
        margin: Distance of the outermost positions from the edges of the image, in pixels.

    Returns:
        Positions, shape (rows * columns, 2), y and x in pixels, row by row.
    """
    axes = [
        np.linspace(margin, length - 1.0 - margin, points) for length, points in zip(shape, grid, strict=True)
    ]
    y, x = np.meshgrid(*axes, indexing="ij")
    return np.stack([y.ravel(), x.ravel()], axis=1)


def _key(seed: int, *numbers: int) -> jax.Array:
    key = jax.random.key(seed)
    for number in numbers:
        key = jax.random.fold_in(key, number)
    return key


def _shown(place: Floats) -> str:
    return f"y {place[0]:g}, x {place[1]:g} pixel"
