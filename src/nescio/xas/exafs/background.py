"""Extract EXAFS from absorption: the smooth background of an atom without neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import BSpline, CubicSpline

from nescio.display import Summarised
from nescio.errors import ConfigurationError, MeasurementError
from nescio.xas.exafs.transform import POINTS
from nescio.xas.exafs.windows import WindowKind, window
from nescio.xas.spectra import Normalised, energy_from_wavenumber, wavenumber_from_energy

__all__ = ["K_STEP", "Extracted", "extract_exafs"]

Floats = NDArray[np.float64]

K_STEP = 0.05
"""Step of chi(k), in 1/angstrom."""
_DEGREE = 3
_FEWEST = 5
# Weights of the first and the last point; the transform hardly depends on the first.
_PULL = (0.1, 0.01)


def _splines(k: Floats, low: float, high: float, count: int) -> Floats:
    """Return the values of cubic B-splines with equally spaced knots, shape (n, count)."""
    inner = np.linspace(low, high, count - _DEGREE + 1)
    knots = np.concatenate([[inner[0]] * _DEGREE, inner, [inner[-1]] * _DEGREE])
    return np.asarray(BSpline.design_matrix(np.clip(k, low, high), knots, _DEGREE).toarray(), np.float64)


@dataclass(frozen=True, eq=False, repr=False)
class Extracted(Summarised):
    """chi(k) of a measured spectrum."""

    normalised: Normalised
    k: Floats
    """0, 0.05, 0.1, ... in 1/angstrom, shape (n,)."""
    chi: Floats
    """Shape (n,)."""
    energy: Floats
    """Energies of the background in eV, shape (m,)."""
    background: Floats
    """Background: normalised and flattened absorption without neighbours, shape (m,)."""
    smallest_distance: float
    """Distance in angstrom below which chi(R) was minimised."""
    k_weight: int


def extract_exafs(
    spectrum: Normalised,
    *,
    smallest_distance: float = 1.0,
    k_weight: int = 1,
    k_range: tuple[float, float] | None = None,
    taper: float = 0.1,
    kind: WindowKind = "hanning",
) -> Extracted:
    """Extract chi(k): subtract the spline that minimises chi(R) below the smallest distance of a neighbour.

    The spline has 2 R dk / pi + 1 knots, with the smallest distance R and the range dk, so that it cannot follow the
    oscillations of a neighbour.

    Args:
        spectrum: Normalised spectrum; k = 0 at its e0.
        smallest_distance: In angstrom, about half of the shortest bond.
        k_weight: Power of k that multiplies chi before the transform.
        k_range: In 1/angstrom; by default from 0 to the end of the measured range.
        taper: Width of the window's tapers in 1/angstrom.
        kind: Kind of window.

    Raises:
        ConfigurationError: The distance or the range is impossible.
        MeasurementError: The measured range after the edge is too short.

    Source: Newville, Livins, Yacoby, Rehr and Stern, Phys. Rev. B 47, 14126 (1993).
    """
    if not 0.2 <= smallest_distance <= 4.0:
        raise ConfigurationError(f"smallest distance {smallest_distance:g} angstrom: needs 0.2 to 4")
    measured = spectrum.spectrum
    after = measured.energy >= spectrum.e0
    own = np.asarray(wavenumber_from_energy(measured.energy[after] - spectrum.e0), np.float64)
    reach = float(own[-1]) if own.size else 0.0
    low, high = (0.0, reach) if k_range is None else k_range
    if not 0.0 <= low < high or high > reach + 1e-6:
        raise ConfigurationError(f"k range {low:g} to {high:g} 1/angstrom: measured are 0 to {reach:.4g}")
    knots = round(2.0 * smallest_distance * (high - low) / np.pi) + 1
    if knots < _FEWEST or after.sum() < 2 * knots:
        raise MeasurementError(
            f"{measured.name}: {after.sum()} points up to k = {reach:.3g} 1/angstrom after the edge; too few for EXAFS"
        )
    k = np.asarray(K_STEP * np.arange(int(high / K_STEP + 1e-6) + 1), np.float64)
    energy = spectrum.e0 + np.asarray(energy_from_wavenumber(k), np.float64)
    mu = np.asarray(CubicSpline(measured.energy, spectrum.mu)(energy), np.float64)
    weight = k**k_weight * np.asarray(window(k, low, high, taper, kind), np.float64)
    basis = _splines(k, low, high, knots)
    below = np.arange(POINTS // 2) * np.pi / (K_STEP * POINTS) <= smallest_distance
    step = K_STEP / np.sqrt(np.pi)

    def small(table: Floats) -> Floats:
        transformed = np.fft.fft(table * weight, POINTS, axis=-1)[..., : POINTS // 2][..., below] * step
        return np.concatenate([transformed.real, transformed.imag], axis=-1)

    # One linear least-squares fit; a weak term ties the spline to the data at both ends, where the transform has little
    # weight.
    ends = np.array(_PULL)[:, None] * np.eye(len(k))[[0, -1]]
    matrix = np.concatenate([small(basis.T).T, ends @ basis])
    coefficients = np.linalg.lstsq(matrix, np.concatenate([small(mu), ends @ mu]), rcond=None)[0]
    background = basis @ coefficients
    return Extracted(spectrum, k, mu - background, energy, background, smallest_distance, k_weight)
