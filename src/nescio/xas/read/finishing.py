"""From energies and absorption as a file has them to spectra: units, scans one after the other, energies that recur."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nescio.errors import ConfigurationError, MeasurementError
from nescio.xas.spectra import EDGES, MOST_SPECTRA, Spectrum, checked, edge_energy

__all__ = ["finished", "finished_scans"]

Floats = NDArray[np.float64]

# An energy axis that ends below this, in keV, cannot be in eV: no edge of the elements that are read lies there.
_LARGEST_KEV = 200.0
_SMALLEST_KEV = 1.0
# So large a share of the points may be without a number before the spectrum is refused.
_MOST_MISSING = 0.05
# A scan turns back where the energy runs back by this share of its range, and has as many points.
_TURN, _FEWEST = 0.25, 30
_NEAR_EDGE = 50.0


def finished_scans(spectrum: Spectrum, *, unit: str = "", named: bool = True) -> list[Spectrum]:
    """Return the scans of which a spectrum consists, each finished; see :func:`finished`.

    Several scans of one sample may follow each other, or run forth and back; each is a spectrum of its own, called
    NAME#1, NAME#2 and so on.

    Args:
        spectrum: Energies and absorption in the order of the file.
        unit: Of the energies, as the file says it.
        named: Whether the file calls them energies.

    Raises:
        MeasurementError: One of them cannot be used.
    """
    spectrum = _without_gaps(_in_ev(spectrum, unit, named=named))
    scans = _scans(spectrum.energy)
    if len(scans) > MOST_SPECTRA:
        raise MeasurementError(
            f"{_place(spectrum)}: the energy runs through its range {len(scans):,} times; divide it into several files"
        )
    notes = list(spectrum.notes)
    if rest := len(spectrum.energy) - scans[-1].stop:
        notes.append(
            f"{_place(spectrum)}: the last {rest} points are too few for a scan of their own and are left out"
        )
    if len(scans) == 1:
        return [
            finished(
                replace(
                    spectrum,
                    energy=spectrum.energy[scans[0]],
                    mu=spectrum.mu[scans[0]],
                    notes=tuple(notes),
                )
            )
        ]
    notes.append(
        f"{_place(spectrum)}: the energy runs through its range {len(scans)} times: read as {len(scans)} scans"
    )
    return [
        finished(
            replace(
                spectrum,
                name=f"{spectrum.name}#{number}",
                energy=spectrum.energy[scan],
                mu=spectrum.mu[scan],
                notes=tuple(notes),
            )
        )
        for number, scan in enumerate(scans, 1)
    ]


def finished(spectrum: Spectrum) -> Spectrum:
    """Return a spectrum checked (:func:`nescio.xas.spectra.checked`), with points at the same energy averaged.

    Raises:
        MeasurementError: It cannot be used.
    """
    energy, mu = np.asarray(spectrum.energy, np.float64), np.asarray(spectrum.mu, np.float64)
    notes = list(spectrum.notes)
    if energy.shape == mu.shape and energy.ndim == 1 and energy.size and np.isfinite(energy).all():
        order = np.argsort(energy, kind="stable")
        energy, mu = energy[order], mu[order]
        starts = np.flatnonzero(np.concatenate([[True], np.diff(energy) != 0.0]))
        if len(starts) < len(energy) and np.isfinite(mu).all():
            counts = np.diff(np.append(starts, len(energy)))
            means = np.add.reduceat(mu, starts) / counts
            if np.any(means[np.repeat(np.arange(len(starts)), counts)] != mu):
                notes.append(
                    f"{_place(spectrum)}: energies recur; their {len(mu):,} points are averaged to {len(starts):,}"
                )
            energy, mu = energy[starts], means
    found = checked(replace(spectrum, energy=energy, mu=mu, notes=tuple(notes)))
    return replace(found, notes=(*found.notes, *_contradictions(found)))


def _in_ev(spectrum: Spectrum, unit: str, *, named: bool) -> Spectrum:
    energy = np.asarray(spectrum.energy, np.float64)
    measured = energy[np.isfinite(energy)]
    if unit.lower() == "kev":
        with np.errstate(over="ignore"):
            return replace(spectrum, energy=1000.0 * energy)
    if (
        named
        and not unit
        and measured.size
        and _SMALLEST_KEV <= measured.min() <= measured.max() < _LARGEST_KEV
    ):
        ends = f"{measured.min():.5g} to {measured.max():.5g}"
        note = f"{_place(spectrum)}: the energies, {ends}, have no unit and are taken as keV"
        return replace(spectrum, energy=1000.0 * energy, notes=(*spectrum.notes, note))
    return spectrum


def _without_gaps(spectrum: Spectrum) -> Spectrum:
    """Return a spectrum without the few points at which a number is missing."""
    good = np.isfinite(spectrum.energy) & np.isfinite(spectrum.mu)
    missing = int(len(good) - good.sum())
    if not missing or missing > max(_MOST_MISSING * len(good), 1.0):
        return spectrum
    note = f"{_place(spectrum)}: {missing} of {len(good)} points hold no number or no counts and are left out"
    return replace(
        spectrum, energy=spectrum.energy[good], mu=spectrum.mu[good], notes=(*spectrum.notes, note)
    )


def _scans(energy: Floats) -> list[slice]:
    """Return the runs in which energies go from one end to the other; one where they do so once.

    A run of too few points, such as a jump back, belongs to the run after it.
    """
    whole = slice(0, len(energy))
    steps = np.diff(energy)
    if len(energy) < 2 * _FEWEST or not np.isfinite(energy).all():
        return [whole]
    if (steps >= 0.0).all() or (steps <= 0.0).all():
        return [whole]
    found: list[slice] = []
    start = 0
    for last in [*_turns(energy, _TURN * float(np.ptp(energy))), len(energy) - 1]:
        if last + 1 - start >= _FEWEST:
            found.append(slice(start, last + 1))
            start = last + 1
    return found or [whole]


def _turns(energy: Floats, turn: float) -> list[int]:
    """Return the points at which the energy turns, to go back by at least as much."""
    found: list[int] = []
    values = energy.tolist()
    direction = low = high = 0
    for place, value in enumerate(values):
        if direction >= 0 and value > values[high]:
            high = place
        if direction <= 0 and value < values[low]:
            low = place
        if direction <= 0 and value - values[low] >= turn:
            if direction:
                found.append(low)
            direction, high = 1, place
        elif direction >= 0 and values[high] - value >= turn:
            if direction:
                found.append(high)
            direction, low = -1, place
    return found


def _place(spectrum: Spectrum) -> str:
    """Return file and spectrum for a note."""
    if not spectrum.source:
        return spectrum.name
    alone = spectrum.name == Path(spectrum.source).stem
    return spectrum.source if alone else f"{spectrum.source}: {spectrum.name}"


def _contradictions(spectrum: Spectrum) -> Sequence[str]:
    """Return a note where the edge that a file names lies outside of what was measured."""
    if spectrum.edge not in EDGES or not spectrum.element:
        return ()
    try:
        edge = edge_energy(spectrum.element, spectrum.edge)
    except ConfigurationError:
        return ()
    low, high = float(spectrum.energy[0]), float(spectrum.energy[-1])
    if low - _NEAR_EDGE <= edge <= high + _NEAR_EDGE:
        return ()
    stated = f"{spectrum.element} {spectrum.edge} ({edge:.0f} eV)"
    return (
        f"{_place(spectrum)}: the file states {stated}, but was measured from {low:.0f} to {high:.0f} eV",
    )
