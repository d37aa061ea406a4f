"""Absorption as it is measured, of what is computed at complex energies: a hole that decays, a level filled below.

With f(z) analytic above the real axis, whose imaginary part on it is the absorption into all states, occupied or not,

    mu(w) = integral over E > 0 of Im f(E) L(E - w),   L(e) = (G / pi) / (e^2 + G^2),

E counted from the Fermi level. L is real on the axis, so that mu is the imaginary part of the integral of f L. The path
along E > 0 is turned up to the path from 0 along i y; between them lies the pole of L at w + i G if w > 0:

    mu(w) = Im [ f(w + i G) (w > 0) + integral over y > 0 of f(i y) L(i y - w) i dy ].

So f is wanted at the height of the life time only, where it is smooth, and above the Fermi level.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from nescio.errors import ConfigurationError
from nescio.xas.edges import SQUARED_WAVENUMBER_PER_EV

__all__ = ["broadening_matrix", "contour_energies"]

Floats = NDArray[np.float64]
Complex = NDArray[np.complex128]

# Heights, in units of the half width, over which what is computed at a few is interpolated.
_FINE = 400
_LOWEST = 1e-3


def contour_energies(
    half_width: float, largest: float, *, k_step: float = 0.1, heights: int = 20
) -> tuple[Complex, int]:
    """Return the energies at which absorption is to be computed, in eV from the Fermi level, shape (n,).

    Args:
        half_width: Of the core hole's level, in eV.
        largest: Energy up to which the spectrum is wanted, in eV.
        k_step: Of the horizontal part, in 1/angstrom.
        heights: Energies of the vertical part.

    Returns:
        First those at the height of the half width, with rising real part from 0; then those above the Fermi level,
        with rising imaginary part. And how many the former are.
    """
    if not (half_width > 0.0 and largest > 0.0):
        raise ConfigurationError(
            f"half width {half_width:g} eV and largest energy {largest:g} eV: need to be positive"
        )
    # Two more, so that the spline's end is not where the spectrum is wanted.
    steps = int(np.ceil(np.sqrt(largest * SQUARED_WAVENUMBER_PER_EV) / k_step)) + 2
    along = (k_step * np.arange(steps + 1)) ** 2 / SQUARED_WAVENUMBER_PER_EV
    up = half_width * np.concatenate([[_LOWEST], np.geomspace(0.05, 20.0, heights - 1)])
    return np.concatenate([along + 1j * half_width, 1j * up]), len(along)


def broadening_matrix(energies: Complex, horizontal: int, wanted: Floats) -> Complex:
    """Return the matrix that makes absorption of f at the energies of :func:`contour_energies`, shape (m, n).

    ``mu = Im(matrix @ f)``.

    Args:
        energies: As :func:`contour_energies` gives them.
        horizontal: How many of them lie along the real axis.
        wanted: Energies of the spectrum, in eV from the Fermi level, shape (m,).

    Raises:
        ConfigurationError: An energy is wanted that lies beyond them.
    """
    wanted = np.asarray(wanted, np.float64)
    along, up = energies[:horizontal], energies[horizontal:].imag
    half_width = float(along[0].imag)
    if wanted.size and wanted.max() > along[-1].real:
        raise ConfigurationError(
            f"energy {wanted.max():g} eV above the Fermi level: computed were {along[-1].real:g} eV"
        )
    matrix = np.zeros((len(wanted), len(energies)), np.complex128)
    # Over the wavenumber the phases turn evenly; f is even in it.
    k = np.sqrt(along.real)
    spline = CubicSpline(k, np.eye(horizontal), bc_type=("clamped", "not-a-knot"))
    # At the Fermi level itself the pole is taken to lie on this side.
    above = wanted >= 0.0
    matrix[above, :horizontal] = spline(np.sqrt(wanted[above]))
    # Between few heights by a spline over their logarithm, between many by straight lines, whose integrals are known.
    fine = np.geomspace(up[0], up[-1], _FINE)
    between = CubicSpline(np.log(up), np.eye(len(up)))(np.log(fine))
    fine, between = np.concatenate([[0.0], fine]), np.concatenate([between[:1], between])
    matrix[:, horizontal:] = _upward(fine, wanted, half_width) @ between
    return matrix


def _upward(heights: Floats, wanted: Floats, half_width: float) -> Complex:
    """Return the weights of f at heights above the Fermi level in the integral along them, shape (m, heights).

    f is taken to be straight between them and constant beyond the last.
    """
    z = 1j * heights
    # On the pole itself nothing is defined; on either side of it all is, and the same.
    place = np.where(wanted == 0.0, 1e-9, wanted)
    total = np.zeros((len(wanted), len(heights)), np.complex128)
    for sign in (1.0, -1.0):
        pole = (place + sign * 1j * half_width)[:, None]
        below, above = z[None, :-1], z[None, 1:]
        turned = np.log((above - pole) / (below - pole))
        length = above - below
        # Integral of (z - below) / length / (z - pole), and of the rest.
        rising = (length + (pole - below) * turned) / length
        falling = turned - rising
        weight = sign / (2j * np.pi)
        total[:, :-1] += weight * falling
        total[:, 1:] += weight * rising
        total[:, -1] -= weight * np.log((z[-1] - pole[:, 0]) / 1j)
    return total
