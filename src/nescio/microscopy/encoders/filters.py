"""Gabor filters on mirrored patches, as two small matrices for each filter.

An isotropic Gaussian filter in frequency is the product of a filter for rows and one for columns. Mirroring the patch
at its border and cropping it afterwards are also separable. All three steps together are one matrix from the left and
one from the right. For patches of about ten pixels this is ten times faster than Fourier transforms of the mirrored
patch, with equal results within rounding errors.
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
    """Filters and pooling windows for patches of height h and width w; real and imaginary parts are separate."""

    down: Array
    """Shape (filters, 2 h, h): filter along columns; real and imaginary part of each row in turn."""
    across: Array
    """Shape (filters, 2 w, 2 w): filter along rows, for real parts followed by imaginary parts."""
    mean: Array
    """Shape (h, w): weights of the pixels in the mean of the mirrored patch."""
    windows: Array
    """Shape (windows, h w); each window sums to one."""


def gabor_bank(
    shape: tuple[int, int],
    wavelengths: Sequence[float],
    orientations: int,
    bandwidth: float,
    windows: Sequence[float],
) -> GaborBank:
    """Return the filters for patches of one size.

    The gain of the filter with wavelength l and orientation k is a Gaussian in frequency, with gain 1 at the centre
    (x, y) = (cos t, sin t) / l, t = pi k / orientations. The mean is removed.

    Args:
        shape: Height and width of a patch in pixels, at least 2 each.
        wavelengths: Wavelengths in pixels.
        orientations: Number of orientations over 180 degree.
        bandwidth: Standard deviation of the Gaussian in frequency, relative to the frequency of its centre.
        windows: Standard deviations of the centred pooling windows, relative to height and width.

    Source: Daugman, J. Opt. Soc. Am. A 2, 1160 (1985), for the filters, here complex and without mean.
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
        bank: Filters for this size.

    Returns:
        Energies, shape (filters, windows, n).
    """
    n, height, width = planes.shape
    # With patches as the last dimension, all products are of large matrices.
    x = jnp.moveaxis(planes, 0, 2)
    # A mirrored constant is constant: subtracting the mean here is equivalent to filters that remove it.
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
    """Return the matrix that extends an axis by half its length on both sides, mirrored without repetition."""
    return np.pad(np.eye(extent), ((extent // 2, extent // 2), (0, 0)), mode="reflect")


def _filtering(extent: int, centre: float, sd: float) -> NDArray[np.complex128]:
    """Return the matrix that mirrors an axis, applies a Gaussian filter in frequency, and crops the result."""
    mirrored = _mirroring(extent)
    gain = np.exp(-0.5 * ((np.fft.fftfreq(len(mirrored)) - centre) / sd) ** 2)
    filtered: NDArray[np.complex128] = np.fft.ifft(gain[:, None] * np.fft.fft(mirrored, axis=0), axis=0)
    return filtered[extent // 2 : extent // 2 + extent]


def _window(extent: int, share: float) -> NDArray[np.float64]:
    window = np.exp(-0.5 * ((np.arange(extent) - (extent - 1) / 2) / (share * extent)) ** 2)
    normalised: NDArray[np.float64] = window / window.sum()
    return normalised
