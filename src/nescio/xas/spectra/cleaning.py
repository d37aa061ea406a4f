"""Clean measured spectra: remove glitches, align energies, merge repeated scans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, median_filter
from scipy.optimize import minimize_scalar

from nescio.errors import MeasurementError
from nescio.xas.spectra.spectrum import Spectrum, checked, edge_position

__all__ = ["aligned", "deglitched", "merged"]

Floats = NDArray[np.float64]

_AROUND = 7
# A glitch deviates from the line between its neighbours by this many robust standard deviations and by this share of
# the whole range. Without it, its neighbours deviate by at most the last share of its own deviation.
_FAR, _LEAST, _LEFT = 12.0, 0.004, 0.2
_MOST = 0.03
_FURTHEST = 20.0
_SMOOTH, _FINE = 1.0, 0.1


def deglitched(spectrum: Spectrum) -> tuple[Spectrum, Floats]:
    """Return a spectrum without glitches, and the energies of the glitches.

    A point is compared with the straight line between its two neighbours. The scale is the spread of the same
    deviation at the points around. A coarsely sampled edge or peak is not a glitch: without the point, its neighbours
    would deviate as much. Between EXAFS oscillations, where the curve bends from point to point, only glitches of a
    tenth of the edge step or more are found.

    Args:
        spectrum: From :func:`nescio.xas.spectra.checked`.

    Raises:
        MeasurementError: More than 3 % of the points deviate.
    """
    energy, mu = spectrum.energy, np.asarray(spectrum.mu, np.float64)
    least = _LEAST * float(np.ptp(mu))
    kept = np.arange(len(energy))
    while len(kept) > 2 * _AROUND:
        x, y = energy[kept], mu[kept]
        off = _off(x, y)
        # The median of the points around, not below the overall median; a single large deviation does not spoil it.
        scale = 1.4826 * np.maximum(
            median_filter(np.abs(off), size=2 * _AROUND + 1, mode="nearest"), np.median(np.abs(off))
        )
        far = np.flatnonzero((np.abs(off) > _FAR * scale) & (np.abs(off) > least))
        worst = next((i for i in far[np.argsort(-np.abs(off[far]))] if _alone(x, y, i + 1, off[i])), None)
        if worst is None:
            break
        kept = np.delete(kept, worst + 1)
        if len(energy) - len(kept) > max(_MOST * len(energy), 1.0):
            raise MeasurementError(
                f"{spectrum.name}: more than {_MOST:.0%} of its points deviate from their neighbours; is it too noisy, "
                "or several scans at once?"
            )
    left = np.ones(len(energy), bool)
    left[kept] = False
    return replace(spectrum, energy=energy[kept], mu=mu[kept]), energy[left]


def _off(x: Floats, y: Floats) -> Floats:
    """Return the deviation of each inner point from the line between its neighbours, shape (n - 2,)."""
    part = (x[1:-1] - x[:-2]) / (x[2:] - x[:-2])
    return np.asarray(y[1:-1] - (y[:-2] + part * (y[2:] - y[:-2])), np.float64)


def _alone(x: Floats, y: Floats, place: int, off: float) -> bool:
    """Return whether only this point deviates: without it, the points beside it do not."""
    near = np.arange(max(place - 3, 0), min(place + 4, len(x)))
    near = near[near != place]
    return bool(np.abs(_off(x[near], y[near])).max() < _LEFT * abs(off))


def aligned(spectrum: Spectrum, reference: Spectrum, *, near: float = 40.0) -> Spectrum:
    """Return a spectrum shifted in energy to match a reference; `Spectrum.shift` holds the total shift.

    The derivatives around the edge are compared, scaled to each other, so that edge step and background do not matter.

    Args:
        spectrum: A foil measured with the sample, or the sample itself.
        reference: The same foil.
        near: Range in eV on both sides of the edge of the reference.

    Raises:
        MeasurementError: The spectra do not overlap there, or their edges are more than 20 eV apart.
    """
    edge = edge_position(reference)
    apart = edge - edge_position(spectrum)
    if abs(apart) > _FURTHEST:
        raise MeasurementError(
            f"{spectrum.name}: its edge is {abs(apart):.1f} eV from that of {reference.name}; the largest distance is "
            f"{_FURTHEST:g} eV"
        )
    grid = np.arange(edge - near, edge + near, _FINE)
    target = _slope(reference, grid)

    def off(shift: float) -> float:
        own = _slope(spectrum, grid - shift)
        own = own * float(own @ target) / max(float(own @ own), 1e-30)
        return float(np.mean((own - target) ** 2))

    around = apart + np.arange(-3.0, 3.01, 0.25)
    start = float(around[np.argmin([off(shift) for shift in around])])
    best = float(minimize_scalar(off, bounds=(start - 0.4, start + 0.4), method="bounded").x)
    return replace(spectrum, energy=spectrum.energy + best, shift=spectrum.shift + best)


def _slope(spectrum: Spectrum, energy: Floats) -> Floats:
    wide = np.arange(energy[0] - 5.0, energy[-1] + 5.0, _FINE)
    if wide[0] < spectrum.energy[0] or wide[-1] > spectrum.energy[-1]:
        raise MeasurementError(
            f"{spectrum.name}: measured from {spectrum.energy[0]:.1f} to {spectrum.energy[-1]:.1f} eV; alignment "
            f"needs {wide[0]:.1f} to {wide[-1]:.1f} eV"
        )
    smooth = gaussian_filter1d(np.interp(wide, spectrum.energy, spectrum.mu), _SMOOTH / _FINE)
    return np.asarray(np.interp(energy, wide, np.gradient(smooth, _FINE)), np.float64)


def merged(spectra: Sequence[Spectrum], name: str = "") -> tuple[Spectrum, Floats]:
    """Return the mean of repeated scans on the energies of the first, and its standard error, shape (n,).

    Only energies that all scans cover are kept. The standard error of the mean follows from the scatter among the
    scans; it is NaN for a single scan.

    Args:
        spectra: Aligned spectra of the same sample.
        name: Name of the mean; by default that of the first scan.

    Raises:
        MeasurementError: There are no spectra, they have different elements or edges, or they do not overlap.
    """
    if not spectra:
        raise MeasurementError("no spectra to merge: needs one or more")
    kinds = {(one.element, one.edge) for one in spectra} - {("", "")}
    if len(kinds) > 1:
        words = ", ".join(sorted(" ".join(one) for one in kinds))
        raise MeasurementError(f"spectra of {words} cannot be merged")
    first = checked(spectra[0])
    low = max(float(one.energy.min()) for one in spectra)
    high = min(float(one.energy.max()) for one in spectra)
    energy = first.energy[(first.energy >= low) & (first.energy <= high)]
    if len(energy) < 2:
        raise MeasurementError(f"{first.name}: the scans have no energies in common")
    table = np.stack([np.interp(energy, one.energy, one.mu) for one in (checked(one) for one in spectra)])
    with np.errstate(invalid="ignore", divide="ignore"):
        error = (
            table.std(axis=0, ddof=1) / np.sqrt(len(table))
            if len(table) > 1
            else np.full(len(energy), np.nan)
        )
    return checked(replace(first, name=name or first.name, energy=energy, mu=table.mean(axis=0))), error
