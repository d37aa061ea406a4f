"""What a network that was trained on the patches themselves finds in them."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from nescio.explore.nesting import Real, Whole
from nescio.microscopy.encoders.base import EncoderSettings, check_patches, flattened

__all__ = ["LearnedSettings"]

_Width = Annotated[Whole, Field(ge=1, le=8192)]


class LearnedSettings(EncoderSettings):
    """Latent means of a variational autoencoder of dense layers, trained on all patches before the experiment.

    It sees pixels, not shapes: a domain wall two pixels further is another patch to it. Its target is to draw the patch
    again, which need not be what the scalar depends on.

    Source: Kingma and Welling (2014), arXiv:1312.6114.
    """

    kind: Literal["vae"] = "vae"
    latent: Annotated[Whole, Field(ge=1, le=256)] = 8
    """Latent dimensions, each a feature."""
    hidden: Annotated[tuple[_Width, ...], Field(min_length=1, max_length=8)] = (256, 128)
    """Widths of the encoder's layers; the decoder mirrors them."""
    beta: Annotated[Real, Field(ge=0.0, le=1e3)] = 0.1
    """Weight of the divergence from a standard normal distribution."""
    steps: Annotated[Whole, Field(ge=1, le=1_000_000)] = 1500
    batch: Annotated[Whole, Field(ge=2, le=65536)] = 128
    learning_rate: Annotated[Real, Field(gt=0.0, le=1.0)] = 1e-3

    def encode(self, patches: NDArray[np.float32], *, seed: int = 0) -> NDArray[np.float32]:
        """Return the latent means, shape (n, latent).

        The network is given each channel from its 1st to its 99th percentile over all patches as 0 to 1.

        Args:
            patches: Shape (n, channels, height, width).
            seed: Of initial weights, batches and latent draws.

        Raises:
            MeasurementError: The patches have another shape, or are not finite.
            AgentError: The training diverged.
            InterruptedTrainingError: Ctrl-C was pressed.
        """
        import jax
        import jax.numpy as jnp

        from nescio.learn import VAESettings, fit_vae

        signals = jnp.asarray(flattened(_scaled(check_patches(patches))))
        vae = fit_vae(
            signals,
            VAESettings(hidden=self.hidden, latent=self.latent, beta=self.beta),
            jax.random.key(seed),
            steps=self.steps,
            batch=self.batch,
            learning_rate=self.learning_rate,
        )
        return np.asarray(vae.encode(signals, jnp.zeros((len(signals), 0)))[0], np.float32)


def _scaled(patches: NDArray[np.float32]) -> NDArray[np.float32]:
    scaled = np.empty_like(patches)
    for channel in range(patches.shape[1]):
        low, high = np.percentile(patches[:, channel], (1.0, 99.0))
        # A channel of which nearly all pixels are equal is told by the others, if at all.
        scaled[:, channel] = np.clip((patches[:, channel] - low) / ((high - low) or 1.0), 0.0, 1.0)
    return scaled
