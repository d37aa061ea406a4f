"""What every encoder of patches can do."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nescio.configuration import Settings
from nescio.errors import MeasurementError

__all__ = ["Encoder", "EncoderSettings", "check_patches", "flattened"]


class Encoder(Protocol):
    """Turns the patches of all candidates into features, which may depend on all of them together."""

    @property
    def kind(self) -> str:
        """Its name in a configuration."""

    def encode(self, patches: NDArray[np.float32], *, seed: int) -> NDArray[np.float32]:
        """Return features, shape (n, features), not standardised.

        Args:
            patches: Shape (n, channels, height, width), in any units.
            seed: Of random draws, if there are any.

        Raises:
            MeasurementError: The patches have another shape, are not finite, or are too small.
        """


class EncoderSettings(Settings):
    """Settings that are themselves the encoder."""


def check_patches(patches: ArrayLike) -> NDArray[np.float32]:
    """Return patches as they must be, shape (n, channels, height, width).

    Raises:
        MeasurementError: They have another shape, there is none, or one is not finite.
    """
    values = np.asarray(patches, np.float32)
    if values.ndim != 4 or values.size == 0:
        raise MeasurementError(
            f"patches of shape {values.shape}: needs (n, channels, height, width), none empty"
        )
    # The sum of a patch is finite where all of its pixels are, and takes no memory.
    bad = np.flatnonzero(~np.isfinite(values.sum(axis=(1, 2, 3), dtype=np.float64)))
    if bad.size:
        raise MeasurementError(f"patch {bad[0]} (of {bad.size}) is not finite")
    return values


def flattened(patches: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the pixels of each patch in one row, shape (n, channels * height * width)."""
    return patches.reshape(len(patches), -1)
