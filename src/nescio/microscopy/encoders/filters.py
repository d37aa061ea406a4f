"""Gabor filters on patches that are mirrored at their border, as two small matrices each.

A filter that is a Gaussian in frequency, as wide in all directions, is the product of one for rows and one for columns.
So is mirroring, and so is cutting the patch out again. All three together are a matrix from the left and one from the
right, which for patches of some ten pixels is an order of magnitude faster than Fourier transforms of the mirrored
patch, and the same to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

__all__ = ["GaborBank", "gabor_bank", "pooled_energies"]


class GaborBank(NamedTuple):
    """Filters and pooling windows for patches of one size (height h, width w), real and imaginary parts apart."""

    down: Array
    """Shape (filters, 2 h, h): what each filter does along columns; real and imaginary part of each row in turn."""
    across: Array
    """Shape (filters, 2 w, 2 w): the same along rows, on real parts followed by imaginary parts."""
    mean: Array
    """Shape (h, w): weights of the pixels in the mean of the mirrored patch."""
    windows: Array
    """Shape (windows, h w); each sums to one."""


def gabor_bank(
    shape: tuple[int, int],
    wavelengths: Sequence[float],
    orientations: int,
    bandwidth: float,
    windows: Sequence[float],
) -> GaborBank:
    """Return the filters for patches of one size.

    The filter of wavelength l and orientation k passes the frequency vector (x, y) = (cos t, sin t) / l with
    t = pi k / orientations unchanged, and others by a Gaussian about it. It does not pass the mean.

    Args:
        shape: Height and width of a patch in pixels, at least 2 each.
        wavelengths: In pixels.
        orientations: Over half a turn.
        bandwidth: Standard deviation of the Gaussian in frequency, over the frequency of its centre.
        windows: Standard deviations of the pooling windows, over height and width; they are centred.

    Source: Daugman, J. Opt. Soc. Am. A 2, 1160 (1985), for the filters, here complex and without the mean.
    """
    height, width = shape
    down, across = [], []
    for wavelength in wavelengths:
        for orientation in range(orientations):
            angle, sd = np.pi * orientation / orientations, bandwidth / wavelength
            rows = _filtering(height, np.sin(angle) / wavelength, sd)
            columns = _filtering(width, np.cos(angle) / wavelength, sd)
            halves = np.stack([rows.real, rows.imag], axis=1).reshape(2 * height, height)
            turned = np.block([[columns.real, -columns.imag], [columns.imag, columns.real]])
            down.append(halves.astype(np.float32))
            across.append(turned.astype(np.float32))
    mean = np.outer(_mirroring(height).mean(axis=0), _mirroring(width).mean(axis=0))
    pools = [np.outer(_window(height, share), _window(width, share)).ravel() for share in windows]
    return GaborBank(*(jnp.asarray(np.asarray(part, np.float32)) for part in (down, across, mean, pools)))


@jax.jit
def pooled_energies(planes: Array, bank: GaborBank) -> Array:
    """Return the squared modulus of each filter's response, averaged over each pooling window.

    Args:
        planes: Shape (n, h, w).
        bank: For that size.

    Returns:
        Shape (filters, windows, n).
    """
    n, height, width = planes.shape
    # With the patches in the last place all products are of large matrices.
    x = jnp.moveaxis(planes, 0, 2)
    # A mirrored constant stays constant: without the mean, the filters need not be told not to pass it.
    x = (x - jnp.einsum("hwn,hw->n", x, bank.mean)).reshape(height, width * n)

    def energies(matrices: tuple[Array, Array]) -> Array:
        down, across = matrices
        halfway = (down @ x).reshape(height, 2 * width, n)
        response = jax.vmap(lambda row: across @ row)(halfway)
        squared: Array = response[:, :width] ** 2 + response[:, width:] ** 2
        return bank.windows @ squared.reshape(height * width, n)

    pooled: Array = jax.lax.map(energies, (bank.down, bank.across))
    return pooled


def _mirroring(extent: int) -> NDArray[np.float64]:
    """Return the matrix that continues an axis by half of its length on both sides, mirrored without repetition."""
    return np.pad(np.eye(extent), ((extent // 2, extent // 2), (0, 0)), mode="reflect")


def _filtering(extent: int, centre: float, sd: float) -> NDArray[np.complex128]:
    """Return the matrix that mirrors an axis, passes it through a Gaussian in frequency and cuts it out again."""
    mirrored = _mirroring(extent)
    gain = np.exp(-0.5 * ((np.fft.fftfreq(len(mirrored)) - centre) / sd) ** 2)
    filtered: NDArray[np.complex128] = np.fft.ifft(gain[:, None] * np.fft.fft(mirrored, axis=0), axis=0)
    return filtered[extent // 2 : extent // 2 + extent]


def _window(extent: int, share: float) -> NDArray[np.float64]:
    window = np.exp(-0.5 * ((np.arange(extent) - (extent - 1) / 2) / (share * extent)) ** 2)
    normalised: NDArray[np.float64] = window / window.sum()
    return normalised
