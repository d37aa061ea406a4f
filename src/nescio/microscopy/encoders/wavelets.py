"""Wavelet features: energies by wavelength and orientation, and a blurred copy of the patch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from nescio.configuration import Real, Whole
from nescio.errors import MeasurementError
from nescio.microscopy.encoders.base import EncoderSettings, check_patches
from nescio.progress import track

if TYPE_CHECKING:
    from nescio.microscopy.encoders.filters import GaborBank

__all__ = ["WaveletSettings", "octaves"]

_Wavelength = Annotated[Real, Field(ge=2.0)]
_Window = Annotated[Real, Field(gt=0.0, le=10.0)]
_SHORTEST, _LONGEST = 3.0, 0.75
_SMALLEST = 4
# Pixels in one compiled batch: a few megabytes, which fit into the processor's cache.
_CHUNK = 2**18
# Number of multiplications above which a progress bar is shown: about two seconds.
_LONG = 3e10
_MAX_SIZE = 2**31


class WaveletSettings(EncoderSettings):
    """Log energies of Gabor filters, and a blurred copy of the patch.

    Features of each channel: log(energy + floor) of each filter's response, averaged over centred windows; the blurred
    patch at `samples` x `samples` places; its mean; and log(standard deviation + floor). Each channel is first
    standardised over all patches, so that the units of the image do not matter.

    Energies hardly change if the patch is shifted by less than a window, or if its contrast is inverted; the blurred
    copy distinguishes these cases.

    Source: Bruna and Mallat, IEEE Trans. Pattern Anal. Mach. Intell. 35, 1872 (2013), section 2, for averaged moduli of
    wavelet coefficients (first-order scattering, here squared); Daugman, J. Opt. Soc. Am. A 2, 1160 (1985), for the
    filters.
    """

    kind: Literal["wavelets"] = "wavelets"
    wavelengths: Annotated[tuple[_Wavelength, ...], Field(max_length=32)] = ()
    """Wavelengths in pixels, at most the patch size; by default octaves from 3 pixels to 0.75 of the shorter side."""
    orientations: Annotated[Whole, Field(ge=1, le=64)] = 8
    """Number of orientations over 180 degree."""
    bandwidth: Annotated[Real, Field(ge=0.05, le=1.0)] = 0.5
    """Standard deviation of a filter in frequency, relative to its centre frequency."""
    windows: Annotated[tuple[_Window, ...], Field(min_length=1, max_length=8)] = (0.12, 0.3)
    """Standard deviations of the windows, relative to the height and width of the patch."""
    samples: Annotated[Whole, Field(ge=1, le=32)] = 4
    """Number of samples of the blurred patch along each side."""
    floor: Annotated[Real, Field(gt=0.0, le=1.0)] = 1e-3
    """Energy, relative to the variance of the channel, below which differences are ignored."""

    def encode(self, patches: NDArray[np.float32], *, seed: int = 0) -> NDArray[np.float32]:
        """Return the features, shape (n, channels * (filters * windows + samples**2 + 2)).

        The order is: energies by channel, wavelength, orientation and window; blurred patches by channel, row and
        column; means; log standard deviations.

        Args:
            patches: Shape (n, channels, height, width), at least 4 x 4 pixels.
            seed: Not used.

        Raises:
            MeasurementError: The patches have a wrong shape, are not finite or are too small, or a wavelength is longer
                than the patch.
        """
        del seed
        import jax.numpy as jnp

        from nescio.microscopy.encoders.filters import pooled_energies

        values = check_patches(patches)
        n, channels, height, width = values.shape
        bank = self._bank((height, width))
        centre, spread = _scale(values)
        blur_rows, blur_columns = _blur(height, self.samples), _blur(width, self.samples)
        chunk = max(1, _CHUNK // (channels * height * width))
        work = n * channels * len(bank.down) * 2 * height * width * (height + 2 * width)
        features = []
        with track("encoding patches", n, enabled=None if work > _LONG else False) as tell:
            for first in range(0, n, chunk):
                part = (values[first : first + chunk] - centre) / spread
                planes = np.zeros((chunk * channels, height, width), np.float32)
                planes[: len(part) * channels] = part.reshape(-1, height, width)
                # Shape (chunk, channels, filters, windows); padding is dropped.
                pooled = np.asarray(pooled_energies(jnp.asarray(planes), bank)).transpose(2, 0, 1)
                energies = pooled.reshape(chunk, -1)[: len(part)]
                blurred = blur_rows @ part @ blur_columns.T
                features.append(
                    np.concatenate(
                        [
                            np.log(energies + np.float32(self.floor)),
                            blurred.reshape(len(part), -1),
                            part.mean(axis=(2, 3)),
                            np.log(part.std(axis=(2, 3)) + np.float32(self.floor)),
                        ],
                        axis=1,
                    )
                )
                tell(len(part))
        return np.concatenate(features)

    def energies(self, patches: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return only the energies, shape (n, channels, wavelengths, orientations, windows).

        They are relative to the variance of the channel over all patches; see :meth:`encode`.
        """
        n, channels, height, width = check_patches(patches).shape
        wavelengths = self.wavelengths or octaves((height, width))
        shape = (n, channels, len(wavelengths), self.orientations, len(self.windows))
        logarithms = self.encode(patches)[:, : int(np.prod(shape[1:]))]
        return np.exp(logarithms).reshape(shape) - np.float32(self.floor)

    def _bank(self, shape: tuple[int, int]) -> GaborBank:
        from nescio.microscopy.encoders.filters import gabor_bank

        wavelengths = self.wavelengths or octaves(shape)
        if max(wavelengths) > min(shape):
            raise MeasurementError(
                f"a wavelength of {max(wavelengths):g} pixels is longer than patches of {shape[0]} x {shape[1]} pixels"
            )
        size = len(wavelengths) * self.orientations * (2 * shape[0] ** 2 + 4 * shape[1] ** 2) * 4
        if size > _MAX_SIZE:
            raise MeasurementError(
                f"{len(wavelengths)} x {self.orientations} filters for patches of {shape[0]} x {shape[1]} need "
                f"{size / 2**30:.1f} GiB, more than {_MAX_SIZE / 2**30:.0f} GiB; choose a smaller size or fewer filters"
            )
        return gabor_bank(shape, wavelengths, self.orientations, self.bandwidth, self.windows)


def octaves(shape: tuple[int, int]) -> tuple[float, ...]:
    """Return wavelengths for patches of a shape (height, width): 3, 6, 12, ... pixels, up to 0.75 of the shorter side.

    Raises:
        MeasurementError: A side is shorter than 4 pixels.
    """
    if min(shape) < _SMALLEST:
        raise MeasurementError(
            f"patches of {shape[0]} x {shape[1]} pixels are too small for wavelets: use at least {_SMALLEST} x "
            f'{_SMALLEST}, or the encoder "raw"'
        )
    count = 1 + int(np.log2(_LONGEST * min(shape) / _SHORTEST) + 1e-9)
    return tuple(_SHORTEST * 2.0**octave for octave in range(count))


def _scale(patches: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the mean and standard deviation of each channel, shape (channels, 1, 1); 1 if all pixels are equal."""
    centre = [channel.mean(dtype=np.float64) for channel in np.moveaxis(patches, 1, 0)]
    spread = [channel.std(dtype=np.float64) or 1.0 for channel in np.moveaxis(patches, 1, 0)]
    return np.asarray(centre, np.float32)[:, None, None], np.asarray(spread, np.float32)[:, None, None]


def _blur(extent: int, samples: int) -> NDArray[np.float32]:
    """Return Gaussian weights at evenly spaced places, shape (samples, extent); each row sums to one."""
    places = (np.arange(samples) + 0.5) / samples * extent - 0.5
    weights = np.exp(-0.5 * ((np.arange(extent) - places[:, None]) / (extent / samples / 1.5)) ** 2)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)
