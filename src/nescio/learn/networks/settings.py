"""Settings of networks."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from nescio.configuration import Real, Settings, Whole

__all__ = ["ClassifierSettings", "VAESettings"]

_Width = Annotated[Whole, Field(ge=1, le=8192)]


class VAESettings(Settings):
    """A variational autoencoder; architecture and loss of Banko et al. (2021) by default."""

    hidden: Annotated[tuple[_Width, ...], Field(min_length=1, max_length=8)] = (256, 128)
    """Widths of the encoder's hidden layers; the decoder mirrors them."""
    latent: Annotated[Whole, Field(ge=1, le=256)] = 2
    """Latent dimensions."""
    beta: Annotated[Real, Field(ge=0.0, le=1e3)] = 1.0
    """Weight of the KL divergence; the reconstruction loss is weighted by the number of points."""
    guidance: Annotated[Real, Field(ge=0.0, le=1e5)] = 0.0
    """Weight of the cross entropy of a linear classifier on the latent position; 0, as in the paper, disables it."""
    members: Annotated[Whole, Field(ge=1, le=32)] = 1
    """Number of networks trained together from different initial weights."""


class ClassifierSettings(Settings):
    """An ensemble of convolutional classifiers."""

    patch: Annotated[Whole, Field(ge=1, le=256)] = 16
    """Stride of the first layer in points; its window is twice as wide."""
    channels: tuple[_Width, _Width] = (16, 32)
    dense: _Width = 128
    members: Annotated[Whole, Field(ge=1, le=32)] = 2
