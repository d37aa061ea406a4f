"""Pixels of patches, and their principal components."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from nescio.configuration import Whole
from nescio.microscopy.encoders.base import EncoderSettings, check_patches, flattened

__all__ = ["PrincipalSettings", "RawSettings"]

_EXACT = 1024


class RawSettings(EncoderSettings):
    """Encoder that uses all pixels as features."""

    kind: Literal["raw"] = "raw"

    def encode(self, patches: NDArray[np.float32], *, seed: int = 0) -> NDArray[np.float32]:
        """Return the pixels, shape (n, channels * height * width).

        Raises:
            MeasurementError: The shape is not (n, channels, height, width), or a pixel is not finite.
        """
        del seed
        return flattened(check_patches(patches)).copy()


class PrincipalSettings(EncoderSettings):
    """Principal components of the pixels of patches."""

    kind: Literal["pca"] = "pca"
    components: Annotated[Whole, Field(ge=1, le=1024)] = 20
    """Number of components; limited by the numbers of patches and pixels."""

    def encode(self, patches: NDArray[np.float32], *, seed: int = 0) -> NDArray[np.float32]:
        """Return the principal components, shape (n, components), largest variance first.

        Args:
            patches: Shape (n, channels, height, width).
            seed: Random seed of the randomised decomposition, which is used for large inputs.

        Raises:
            MeasurementError: The patches have a wrong shape, or are not finite.
        """
        from sklearn.utils.extmath import randomized_svd, svd_flip

        pixels = flattened(check_patches(patches))
        centred = pixels - pixels.mean(axis=0, dtype=np.float64).astype(np.float32)
        components = min(self.components, *centred.shape)
        if min(centred.shape) > max(_EXACT, 4 * components):
            left, size, _ = randomized_svd(centred, components, random_state=seed)
        else:
            left, size, right = np.linalg.svd(centred, full_matrices=False)
            # Make the signs unique.
            left, _ = svd_flip(left, right)
        return np.ascontiguousarray(left[:, :components] * size[:components], np.float32)
