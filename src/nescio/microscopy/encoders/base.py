"""Protocol and base class of encoders."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nescio.configuration import Settings
from nescio.errors import MeasurementError

__all__ = ["Encoder", "EncoderSettings", "check_patches", "flattened"]


class Encoder(Protocol):
    """Compute features of the patches of all candidates; features may depend on the whole set."""

    @property
    def kind(self) -> str:
        """Name of the encoder in a configuration."""

    def encode(self, patches: NDArray[np.float32], *, seed: int) -> NDArray[np.float32]:
        """Return features, shape (n, features), not standardised.

        Args:
            patches: Shape (n, channels, height, width), in any units.
            seed: Random seed, if the encoder needs one.

        Raises:
            MeasurementError: The patches have a wrong shape, are not finite, or are too small.
        """


class EncoderSettings(Settings):
    """Settings of an encoder; the object is also the encoder."""


def check_patches(patches: ArrayLike) -> NDArray[np.float32]:
    """Check patches, and return them as float32, shape (n, channels, height, width).

    Raises:
        MeasurementError: The patches have a wrong shape, are empty, or are not finite.
    """
    values = np.asarray(patches, np.float32)
    if values.ndim != 4 or values.size == 0:
        raise MeasurementError(
            f"patches have shape {values.shape}; needs (n, channels, height, width), none of them 0"
        )
    # The sum of a patch is finite only if all its pixels are; this needs little memory.
    bad = np.flatnonzero(~np.isfinite(values.sum(axis=(1, 2, 3), dtype=np.float64)))
    if bad.size:
        raise MeasurementError(f"patch {bad[0]} (of {bad.size}) is not finite")
    return values


def flattened(patches: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the pixels of each patch in one row, shape (n, channels * height * width)."""
    return patches.reshape(len(patches), -1)
