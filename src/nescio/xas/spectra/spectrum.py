"""A measured absorption spectrum: checks and normalisation."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter1d

from nescio.display import Summarised
from nescio.errors import MeasurementError
from nescio.files import short_name

__all__ = [
    "HALF",
    "MOST_SPECTRA",
    "Normalised",
    "Spectrum",
    "broadened",
    "checked",
    "edge_position",
    "normalised",
]

Floats = NDArray[np.float64]

MOST_SPECTRA = 5000
"""Largest number of spectra that are read from one file."""

_FEWEST = 30
_LONGEST_SYMBOL = 20
# An energy axis that ends below this, in eV, must be in keV.
_LOWEST = 200.0
_HIGHEST = 200_000.0
# As many consecutive points at the largest value are not due to rounding.
_SATURATED = 10
_FINE = 0.25
HALF = 0.5
"""Share of the edge step at the position of the edge."""
# Full width at half maximum of a normal distribution, in standard deviations.
_FWHM = 2.0 * np.sqrt(2.0 * np.log(2.0))


@dataclass(frozen=True, eq=False, repr=False)
class Spectrum(Summarised):
    """A measured spectrum, not normalised."""

    name: str
    energy: Floats
    """In eV, ascending, shape (n,)."""
    mu: Floats
    """Shape (n,), in any unit."""
    source: str = ""
    """The file."""
    element: str = ""
    """Symbol of the absorber; empty if unknown."""
    edge: str = ""
    shift: float = 0.0
    """Shift added to the energies to align them, in eV."""
    notes: tuple[str, ...] = ()
    """Notes on how it was read, one sentence each."""


@dataclass(frozen=True, eq=False, repr=False)
class Normalised(Summarised):
    """A spectrum without its background absorption and with an edge step of one."""

    spectrum: Spectrum
    e0: float
    """Energy of the edge in eV."""
    step: float
    """Edge step, in units of the measured mu."""
    pre: tuple[float, float]
    """Range of the pre-edge line, in eV from the edge."""
    post: tuple[float, float]
    """Range of the post-edge polynomial, in eV from the edge."""
    degree: int
    """Degree of the post-edge polynomial."""
    mu: Floats
    """Flattened absorption: the post-edge polynomial is 1 everywhere. Shape (n,)."""
    glitches: tuple[float, ...] = ()
    """Energies in eV of the points that were removed as glitches."""

    def at(self, energy: ArrayLike) -> Floats:
        """Return the absorption at energies in eV, by linear interpolation.

        Raises:
            MeasurementError: The energies exceed the measured range.
        """
        wanted = np.asarray(energy, np.float64)
        own = self.spectrum.energy
        if wanted.min() < own[0] or wanted.max() > own[-1]:
            raise MeasurementError(
                f"{self.spectrum.name}: measured from {own[0]:.1f} to {own[-1]:.1f} eV; needed are "
                f"{wanted.min():.1f} to {wanted.max():.1f} eV"
            )
        return np.interp(wanted, own, self.mu)


def checked(spectrum: Spectrum) -> Spectrum:
    """Return a spectrum sorted by energy, after checks.

    Exact repetitions of a point are removed.

    Raises:
        MeasurementError: There are too few points, numbers are not finite, an energy has several values, the energies
            are in keV, or the signal is constant or saturated.
    """
    energy, mu = np.asarray(spectrum.energy, np.float64), np.asarray(spectrum.mu, np.float64)
    if energy.ndim != 1 or energy.shape != mu.shape:
        raise MeasurementError(
            f"{spectrum.name}: {energy.shape} energies and {mu.shape} values; needs as many of both"
        )
    bad = np.flatnonzero(~(np.isfinite(energy) & np.isfinite(mu)))
    if bad.size:
        raise MeasurementError(f"{spectrum.name}: point {bad[0] + 1} (of {bad.size}) is no number")
    if len(energy) < _FEWEST:
        raise MeasurementError(f"{spectrum.name}: {len(energy)} points; needs {_FEWEST} or more")
    if energy.min() <= 0.0 or energy.max() > _HIGHEST:
        raise MeasurementError(
            f"{spectrum.name}: energies of {energy.min():g} to {energy.max():g}; needs eV above 0, and {_HIGHEST:g} at "
            "most"
        )
    if energy.max() < _LOWEST:
        raise MeasurementError(
            f"{spectrum.name}: energies of {energy.min():g} to {energy.max():g}; needs eV (these look like keV)"
        )
    order = np.argsort(energy, kind="stable")
    energy, mu = energy[order], mu[order]
    again = np.diff(energy) == 0.0
    if again.any():
        first = int(np.flatnonzero(again)[0])
        if (np.diff(mu)[again] != 0.0).any():
            raise MeasurementError(
                f"{spectrum.name}: energy {energy[first]:g} eV is there more than once, with different values; "
                "are these several scans?"
            )
        kept = np.concatenate([[True], ~again])
        energy, mu = energy[kept], mu[kept]
    if np.ptp(mu) == 0.0:
        raise MeasurementError(f"{spectrum.name}: the signal is {mu[0]:g} everywhere")
    first, length = _plateau(mu)
    if length >= _SATURATED:
        raise MeasurementError(
            f"{spectrum.name}: the signal is {mu.max():g}, its maximum, at {length} consecutive points from "
            f"{energy[first]:.1f} eV on; is a detector saturated?"
        )
    element, edge = (short_name(text)[:_LONGEST_SYMBOL] for text in (spectrum.element, spectrum.edge))
    return replace(spectrum, name=short_name(spectrum.name), energy=energy, mu=mu, element=element, edge=edge)


def _plateau(mu: Floats) -> tuple[int, int]:
    """Return start and length of the longest run of points at the largest value."""
    steps = np.diff(np.concatenate([[0], (mu == mu.max()).astype(int), [0]]))
    begin, end = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
    longest = int(np.argmax(end - begin))
    return int(begin[longest]), int((end - begin)[longest])


def broadened(values: ArrayLike, width: float, step: float) -> Floats:
    """Broaden spectra with a Gaussian resolution.

    Args:
        values: Shape (..., n), on equally spaced energies.
        width: Resolution, full width at half maximum in eV.
        step: Energy step in eV.

    Returns:
        Shape (..., n).
    """
    found: Floats = gaussian_filter1d(
        np.asarray(values, np.float64), width / _FWHM / step, axis=-1, mode="nearest"
    )
    return found


def edge_position(spectrum: Spectrum) -> float:
    """Return the energy of the steepest rise in eV, after smoothing by 1.5 eV."""
    fine = np.arange(spectrum.energy[0], spectrum.energy[-1], _FINE)
    slope = np.gradient(gaussian_filter1d(np.interp(fine, spectrum.energy, spectrum.mu), 1.5 / _FINE), _FINE)
    inner = slice(len(fine) // 50, -max(len(fine) // 50, 1))
    return float(fine[inner][np.argmax(slope[inner])])


def normalised(
    spectrum: Spectrum,
    *,
    e0: float | None = None,
    pre: tuple[float, float] | None = None,
    post: tuple[float, float] | None = None,
    degree: int | None = None,
) -> Normalised:
    """Normalise a spectrum: subtract the pre-edge line, divide by the edge step, and flatten.

    Args:
        spectrum: A spectrum; it is checked (:func:`checked`).
        e0: Energy of the edge in eV; by default the steepest rise.
        pre: Range of the pre-edge line, in eV from the edge; by default -150 (or the first energy) to -30.
        post: Range of the post-edge polynomial, in eV from the edge; by default 100 to 800, or the last energy.
        degree: Degree of the post-edge polynomial; by default 2, or 1 for a range below 300 eV.

    Raises:
        MeasurementError: A range holds fewer than 3 points, or there is no edge step.
    """
    spectrum = checked(spectrum)
    at = edge_position(spectrum) if e0 is None else e0
    x = spectrum.energy - at
    if pre is None:
        pre = (max(-150.0, float(x[0])), -30.0)
    if post is None:
        high = min(800.0, float(x[-1]))
        post = (min(100.0, 0.35 * high), high)
    if degree is None:
        degree = 2 if post[1] - post[0] >= 300.0 else 1
    before, after = ((low <= x) & (x <= high) for low, high in (pre, post))
    for side, chosen, limits in (("before", before, pre), ("after", after, post)):
        if chosen.sum() < 3 or limits[1] <= limits[0]:
            raise MeasurementError(
                f"{spectrum.name}: {chosen.sum()} points {side} the edge at {at:.1f} eV, from {limits[0]:g} to "
                f"{limits[1]:g} eV from it; needs 3 or more (measured: {x[0]:.0f} to {x[-1]:.0f} eV from it)"
            )
    mu = spectrum.mu - np.polyval(np.polyfit(x[before], spectrum.mu[before], 1), x)
    line = np.polyfit(x[after], mu[after], degree)
    step = float(np.polyval(line, 0.0))
    noise = float(np.std(mu[before]))
    if step <= 5.0 * noise or step <= 0.0:
        raise MeasurementError(
            f"{spectrum.name}: no edge at {at:.1f} eV (step {step:.3g}, noise {noise:.2g}); check e0, and that the "
            "signal is absorption, not transmission"
        )
    flat = mu / step - np.where(x > 0.0, np.polyval(line, x) / step - 1.0, 0.0)
    return Normalised(spectrum, at, step, pre, post, degree, flat)
