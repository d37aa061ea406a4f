"""Features from a variational autoencoder that is trained on the patches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, model_validator

from nescio.configuration import Real, Whole
from nescio.microscopy.encoders.base import EncoderSettings, check_patches, flattened

__all__ = ["LearnedSettings"]

_Width = Annotated[Whole, Field(ge=1, le=8192)]
# Number of patches in one batch of inference.
_PART = 1024


class LearnedSettings(EncoderSettings):
    """Latent means of a variational autoencoder, trained on all patches before the experiment.

    It is trained to reconstruct patches, and the scalar may depend on other properties: for reconstruction, the
    position of a domain wall matters as much as its presence.

    Source: Kingma and Welling (2014), arXiv:1312.6114.
    """

    kind: Literal["vae"] = "vae"
    latent: Annotated[Whole, Field(ge=1, le=256)] = 8
    """Number of latent dimensions (features)."""
    channels: Annotated[tuple[_Width, ...], Field(max_length=6)] = (8, 16)
    """Number of channels after each convolution, which halves the image; empty for dense layers only."""
    hidden: Annotated[tuple[_Width, ...], Field(max_length=8)] = (64,)
    """Widths of the following dense layers; the decoder mirrors the encoder."""
    beta: Annotated[Real, Field(ge=0.0, le=1e3)] = 0.1
    """Weight of the Kullback-Leibler divergence from a standard normal distribution."""
    steps: Annotated[Whole, Field(ge=1, le=1_000_000)] = 1500
    batch: Annotated[Whole, Field(ge=2, le=65536)] = 128
    learning_rate: Annotated[Real, Field(gt=0.0, le=1.0)] = 1e-3

    @model_validator(mode="after")
    def _some_layer(self) -> Self:
        if not self.channels and not self.hidden:
            raise ValueError("needs channels, hidden or both")
        return self

    def encode(self, patches: NDArray[np.float32], *, seed: int = 0) -> NDArray[np.float32]:
        """Return the latent means, shape (n, latent).

        Each channel is scaled so that its 1st and 99th percentile over all patches are 0 and 1.

        Args:
            patches: Shape (n, channels, height, width).
            seed: Random seed of initial weights, batches and latent draws.

        Raises:
            MeasurementError: The patches have a wrong shape, or are not finite.
            AgentError: The training diverged.
            InterruptedTrainingError: Ctrl-C was pressed.
        """
        import jax
        import jax.numpy as jnp

        from nescio.learn import VAESettings, fit_convolutional_vae, fit_vae

        scaled, key = _scaled(check_patches(patches)), jax.random.key(seed)
        training: dict[str, Any] = {
            "steps": self.steps,
            "batch": self.batch,
            "learning_rate": self.learning_rate,
        }
        if self.channels:
            deep = fit_convolutional_vae(
                scaled,
                key,
                channels=self.channels,
                hidden=self.hidden,
                latent=self.latent,
                beta=self.beta,
                **training,
            )
            return _by_parts(lambda part: deep.encode(jnp.asarray(part))[0], scaled)
        settings = VAESettings(hidden=self.hidden, latent=self.latent, beta=self.beta)
        dense = fit_vae(flattened(scaled), settings, key, **training)
        return _by_parts(
            lambda part: dense.encode(jnp.asarray(part), jnp.zeros((len(part), 0)))[0], flattened(scaled)
        )


def _by_parts(
    encode: Callable[[NDArray[np.float32]], ArrayLike], patches: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the latent means, computed in parts: all patches at once would need gigabytes."""
    parts = np.array_split(patches, -(-len(patches) // _PART))
    return np.concatenate([np.asarray(encode(part), np.float32) for part in parts])


def _scaled(patches: NDArray[np.float32]) -> NDArray[np.float32]:
    scaled = np.empty_like(patches)
    for channel in range(patches.shape[1]):
        low, high = np.percentile(patches[:, channel], (1.0, 99.0))
        # A channel with nearly equal pixels is scaled by 1.
        scaled[:, channel] = np.clip((patches[:, channel] - low) / ((high - low) or 1.0), 0.0, 1.0)
    return scaled
