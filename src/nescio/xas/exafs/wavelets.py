"""Wavelet transforms of chi(k), which resolve distance and wavenumber: light and heavy neighbours differ."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from numpy.typing import NDArray
from scipy.special import gammaln

from nescio.xas.exafs.transform import POINTS

__all__ = ["cauchy_distances", "cauchy_wavelet", "morlet_wavelet"]

Floats = NDArray[np.float64]

# Twice the length of a Fourier transform, to avoid wrap-around.
_PADDED = 2 * POINTS


def cauchy_distances(k_step: float, largest: float = 10.0) -> Floats:
    """Return the distances in angstrom that larch uses for a Cauchy wavelet transform.

    Args:
        k_step: Step of chi(k), in 1/angstrom.
        largest: Largest distance in angstrom.
    """
    return np.linspace(0.0, largest, round(largest * k_step * POINTS / np.pi))


def cauchy_wavelet(chi: ArrayLike, k_step: float, distances: Floats, *, order: int | None = None) -> Array:
    """Return the continuous Cauchy wavelet transform, complex, shape (..., distances, n).

    Args:
        chi: Shape (..., n), weighted by a power of k if wanted, on k = 0, `k_step`, 2 `k_step`, ...
        k_step: In 1/angstrom.
        distances: In angstrom, 0 or more, shape (distances,).
        order: A higher order resolves distances better and wavenumbers worse; by default the number of distances, as
            in larch.

    Source: Munoz, Argoul and Farges, Am. Mineral. 88, 694 (2003).
    """
    n = len(distances) if order is None else order
    scaled, _ = _scaled(distances, k_step, n)
    with np.errstate(divide="ignore"):
        logarithm = np.log(2.0 * np.pi) - gammaln(n + 1) + n * np.log(scaled) - scaled
    return _filtered(chi, np.exp(logarithm))


def morlet_wavelet(
    chi: ArrayLike, k_step: float, distances: Floats, *, frequency: float = 10.0, width: float = 1.0
) -> Array:
    """Return the Morlet wavelet transform, complex, shape (..., distances, n).

    Args:
        chi: Shape (..., n), weighted by a power of k if wanted, on k = 0, `k_step`, 2 `k_step`, ...
        k_step: In 1/angstrom.
        distances: In angstrom, 0 or more, shape (distances,).
        frequency: Kappa, frequency of the mother wavelet; kappa times `width` is the number of oscillations (in radian)
            within one standard deviation.
        width: Sigma, standard deviation of the envelope.

    Source: Funke, Scheinost and Chukalina, Phys. Rev. B 71, 094110 (2005), eqs. 2-5.
    """
    scaled, stretch = _scaled(distances, k_step, frequency)
    ripple = np.exp(-0.5 * width**2 * (scaled - frequency) ** 2)
    # The mean of the wavelet must be zero.
    ripple -= np.exp(-0.5 * width**2 * (scaled**2 + frequency**2))
    return _filtered(chi, np.sqrt(stretch)[:, None] * ripple)


def _scaled(distances: Floats, k_step: float, centre: float) -> tuple[Floats, Floats]:
    """Return frequencies times the stretch of the wavelet of each distance, shape (distances, n), and the stretch.

    The wavelet of a distance R responds most to oscillations exp(2 i k R). At R = 0 the stretch is zero.
    """
    omega = np.pi / k_step * np.arange(POINTS) / POINTS
    away = np.asarray(distances, np.float64)
    stretch = np.where(away > 0.0, centre / (2.0 * np.where(away > 0.0, away, 1.0)), 0.0)
    return stretch[:, None] * omega, stretch


def _filtered(chi: ArrayLike, response: Floats) -> Array:
    signal = jnp.asarray(chi)
    spectrum = jnp.fft.fft(signal, _PADDED, axis=-1)[..., None, :POINTS]
    passed = spectrum * jnp.asarray(response)
    return jnp.fft.ifft(passed, _PADDED, axis=-1)[..., : signal.shape[-1]]
