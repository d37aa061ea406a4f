"""Measured absorption from values at complex energies: core hole broadening and occupied states.

Let f(z) be analytic above the real axis. Its imaginary part on the axis is the absorption into all states, occupied or
not:

    mu(w) = integral over E > 0 of Im f(E) L(E - w),   L(e) = (G / pi) / (e^2 + G^2),

with E from the Fermi level. L is real on the axis, so mu is the imaginary part of the integral of f L. The path E > 0
is rotated to the path i y from 0; between them lies the pole of L at w + i G if w > 0:

    mu(w) = Im [ f(w + i G) (w > 0) + integral over y > 0 of f(i y) L(i y - w) i dy ].

So f is needed only at the height of the core hole width, where it is smooth, and above the Fermi level.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from nescio.errors import ConfigurationError
from nescio.xas.spectra import SQUARED_WAVENUMBER_PER_EV

__all__ = ["broadening_matrix", "contour_energies"]

Floats = NDArray[np.float64]
Complex = NDArray[np.complex128]

# Number of heights for interpolation, and the lowest height in units of the half width.
_FINE = 400
_LOWEST = 1e-3


def contour_energies(
    half_width: float, largest: float, *, k_step: float = 0.1, heights: int = 20
) -> tuple[Complex, int]:
    """Return the energies at which to compute the absorption, in eV from the Fermi level, shape (n,).

    Args:
        half_width: Half width of the core hole level, in eV.
        largest: Largest energy of the spectrum, in eV.
        k_step: Step of the horizontal part, in 1/angstrom.
        heights: Number of energies of the vertical part.

    Returns:
        First the energies at the height of the half width, with real parts ascending from 0, then those above the Fermi
        level, with ascending imaginary parts; and the number of the former.
    """
    if not (half_width > 0.0 and largest > 0.0):
        raise ConfigurationError(
            f"half width {half_width:g} eV and largest energy {largest:g} eV: need to be positive"
        )
    # Two more points, so that the spline ends beyond the spectrum.
    steps = int(np.ceil(np.sqrt(largest * SQUARED_WAVENUMBER_PER_EV) / k_step)) + 2
    along = (k_step * np.arange(steps + 1)) ** 2 / SQUARED_WAVENUMBER_PER_EV
    up = half_width * np.concatenate([[_LOWEST], np.geomspace(0.05, 20.0, heights - 1)])
    return np.concatenate([along + 1j * half_width, 1j * up]), len(along)


def broadening_matrix(energies: Complex, horizontal: int, wanted: Floats) -> Complex:
    """Return the matrix from f at the energies of :func:`contour_energies` to the absorption, shape (m, n).

    ``mu = Im(matrix @ f)``.

    Args:
        energies: From :func:`contour_energies`.
        horizontal: Number of energies in the horizontal part.
        wanted: Energies of the spectrum, in eV from the Fermi level, shape (m,).

    Raises:
        ConfigurationError: An energy of the spectrum lies beyond the contour.
    """
    wanted = np.asarray(wanted, np.float64)
    along, up = energies[:horizontal], energies[horizontal:].imag
    half_width = float(along[0].imag)
    if wanted.size and wanted.max() > along[-1].real:
        raise ConfigurationError(
            f"energy {wanted.max():g} eV above the Fermi level: computed up to {along[-1].real:g} eV"
        )
    matrix = np.zeros((len(wanted), len(energies)), np.complex128)
    # As functions of the wavenumber the phases change evenly; f is even in it.
    k = np.sqrt(along.real)
    spline = CubicSpline(k, np.eye(horizontal), bc_type=("clamped", "not-a-knot"))
    # At the Fermi level itself, the pole counts as inside.
    above = wanted >= 0.0
    matrix[above, :horizontal] = spline(np.sqrt(wanted[above]))
    # A spline over the logarithm of the few heights, then straight lines between many, whose integrals are analytic.
    fine = np.geomspace(up[0], up[-1], _FINE)
    between = CubicSpline(np.log(up), np.eye(len(up)))(np.log(fine))
    fine, between = np.concatenate([[0.0], fine]), np.concatenate([between[:1], between])
    matrix[:, horizontal:] = _upward(fine, wanted, half_width) @ between
    return matrix


def _upward(heights: Floats, wanted: Floats, half_width: float) -> Complex:
    """Return the weights of f at heights above the Fermi level in the integral along them, shape (m, heights).

    f is linear between the heights and constant beyond the last.
    """
    z = 1j * heights
    # The pole itself is not defined; both sides of it give the same.
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
