"""Measured spectra before anything is read out of them: single bad points, shifts of the energy, repeated scans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, median_filter
from scipy.optimize import minimize_scalar

from nescio.errors import MeasurementError
from nescio.xas.spectrum import Spectrum, checked, edge_position

__all__ = ["aligned", "deglitched", "merged"]

Floats = NDArray[np.float64]

_AROUND = 7
# A point this many robust standard deviations from what its neighbours promise is a glitch, if it is also further
# than this share of the whole range, and if, without it, its neighbours are off by no more than this share of that.
_FAR, _LEAST, _LEFT = 12.0, 0.004, 0.2
_MOST = 0.03
_FURTHEST = 20.0
_SMOOTH, _FINE = 1.0, 0.1


def deglitched(spectrum: Spectrum) -> tuple[Spectrum, Floats]:
    """Return a spectrum without single points that stick out of their neighbours, and the energies of those.

    A point is compared with the straight line between the two beside it; the scale is that of the same comparison for
    the points around. That an edge or a peak is sampled coarsely is no glitch: without the point, its neighbours would
    stick out in its place. Among the wiggles of EXAFS, where the curve itself bends from point to point, only glitches
    of a tenth of the edge step are found.

    Args:
        spectrum: As :func:`nescio.xas.spectrum.checked` returns it.

    Raises:
        MeasurementError: More than 3 % of the points stick out: that is no glitch, but the spectrum.
    """
    energy, mu = spectrum.energy, np.asarray(spectrum.mu, np.float64)
    least = _LEAST * float(np.ptp(mu))
    kept = np.arange(len(energy))
    while len(kept) > 2 * _AROUND:
        x, y = energy[kept], mu[kept]
        off = _off(x, y)
        # Of points that are alike by chance, and of those around, which the largest may not spoil.
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
                f"{spectrum.name}: more than {_MOST:.0%} of its points stick out of their neighbours; is it too noisy, "
                "or several scans at once?"
            )
    left = np.ones(len(energy), bool)
    left[kept] = False
    return replace(spectrum, energy=energy[kept], mu=mu[kept]), energy[left]


def _off(x: Floats, y: Floats) -> Floats:
    """Return how far each point but the first and last is off the line between its neighbours, shape (n - 2,)."""
    part = (x[1:-1] - x[:-2]) / (x[2:] - x[:-2])
    return np.asarray(y[1:-1] - (y[:-2] + part * (y[2:] - y[:-2])), np.float64)


def _alone(x: Floats, y: Floats, place: int, off: float) -> bool:
    """Return whether it is this point that is off, and not the curve: without it, those beside it are not."""
    near = np.arange(max(place - 3, 0), min(place + 4, len(x)))
    near = near[near != place]
    return bool(np.abs(_off(x[near], y[near])).max() < _LEFT * abs(off))


def aligned(spectrum: Spectrum, reference: Spectrum, *, near: float = 40.0) -> Spectrum:
    """Return a spectrum shifted in energy so that it rises as a reference does; `Spectrum.shift` keeps the sum.

    What is compared is the slope around the edge, each scaled to the other, so that edge step and background do not
    matter.

    Args:
        spectrum: Of a foil measured with the sample, or of the sample itself.
        reference: Of the same foil.
        near: Range in eV to both sides of the reference's edge.

    Raises:
        MeasurementError: They do not overlap there, or their edges are more than 20 eV apart.
    """
    edge = edge_position(reference)
    apart = edge - edge_position(spectrum)
    if abs(apart) > _FURTHEST:
        raise MeasurementError(
            f"{spectrum.name}: its edge is {abs(apart):.1f} eV from that of {reference.name}; needs to be within "
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
            f"{spectrum.name}: measured from {spectrum.energy[0]:.1f} to {spectrum.energy[-1]:.1f} eV; to align it "
            f"needs {wide[0]:.1f} to {wide[-1]:.1f} eV"
        )
    smooth = gaussian_filter1d(np.interp(wide, spectrum.energy, spectrum.mu), _SMOOTH / _FINE)
    return np.asarray(np.interp(energy, wide, np.gradient(smooth, _FINE)), np.float64)


def merged(spectra: Sequence[Spectrum], name: str = "") -> tuple[Spectrum, Floats]:
    """Return the mean of repeated scans on the energies of the first, and its standard error, shape (n,).

    Only energies that all of them reach are kept. The standard error is that of the mean, from the scatter among the
    scans; NaN for a single one.

    Args:
        spectra: Aligned, of the same sample.
        name: Of the mean; by default that of the first.

    Raises:
        MeasurementError: There are none, they are of different elements or edges, or do not overlap.
    """
    if not spectra:
        raise MeasurementError("no spectra to merge: needs one or more")
    told = {(one.element, one.edge) for one in spectra} - {("", "")}
    if len(told) > 1:
        words = ", ".join(sorted(" ".join(one) for one in told))
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
