"""Fourier transforms between chi(k) and chi(R), in the conventions of the field."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from numpy.typing import NDArray

__all__ = ["POINTS", "fourier", "fourier_distances", "inverse_fourier"]

POINTS = 2048
"""Length of spectra after zero padding."""


def fourier_distances(k_step: float, largest: float = 10.0) -> NDArray[np.float64]:
    """Return the distances in angstrom of the result of :func:`fourier`, up to `largest`.

    Args:
        k_step: Step of chi(k), in 1/angstrom.
        largest: In angstrom.
    """
    step = np.pi / (k_step * POINTS)
    return step * np.arange(min(POINTS // 2, int(1.01 + largest / step)), dtype=np.float64)


def fourier(chi: ArrayLike, k_step: float, weighted_window: ArrayLike, *, largest: float = 10.0) -> Array:
    """Return chi(R) = k_step / sqrt(pi) sum_j chi(k_j) k_j^w W(k_j) exp(-2 i k_j R), complex, shape (..., distances).

    Args:
        chi: Shape (..., n), on k = 0, `k_step`, 2 `k_step`, ...
        k_step: In 1/angstrom.
        weighted_window: Shape (n,), k^w times the window.
        largest: Largest distance in angstrom; see :func:`fourier_distances`.

    Source: Newville, Ravel, Haskel, Rehr, Stern and Yacoby, Physica B 208-209, 154 (1995).
    """
    kept = len(fourier_distances(k_step, largest))
    signal = jnp.asarray(chi) * jnp.asarray(weighted_window)
    transformed: Array = jnp.fft.fft(signal, POINTS, axis=-1)[..., :kept]
    return transformed * float(k_step / np.sqrt(np.pi))


def inverse_fourier(chi_r: ArrayLike, k_step: float, window: ArrayLike, *, largest: float = 20.0) -> Array:
    """Return the part of k^w chi(k) within a window over distances, complex, shape (..., wavenumbers).

    Its imaginary part corresponds to chi(k). The wavenumbers are 0, `k_step`, ... up to `largest`.

    Args:
        chi_r: Shape (..., distances), from :func:`fourier`.
        k_step: Step of the original chi(k), in 1/angstrom.
        window: Shape (distances,).
        largest: Largest wavenumber in 1/angstrom.
    """
    signal = jnp.asarray(chi_r) * jnp.asarray(window)
    kept = min(POINTS // 2, int(1.01 + largest / k_step))
    # Half of the spectrum; the other half is its conjugate.
    transformed: Array = jnp.fft.ifft(signal, POINTS, axis=-1)[..., :kept]
    return transformed * float(2.0 * np.sqrt(np.pi) / k_step)
