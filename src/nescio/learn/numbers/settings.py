"""How an agent of numbers learns: networks, intervals and novelty (the ``[learn]`` table of such a prior)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from nescio.configuration import Real, Settings, Whole
from nescio.learn.networks import VAESettings

__all__ = ["FamiliaritySettings", "IntervalSettings", "NumberSettings", "RegressionSettings"]

_Width = Annotated[Whole, Field(ge=1, le=4096)]
_Count = Annotated[Whole, Field(ge=50, le=1_000_000)]


class RegressionSettings(Settings):
    """Architecture and training of the ensemble."""

    kind: Literal["dense", "convolutional"] = "dense"
    hidden: Annotated[tuple[_Width, ...], Field(min_length=1, max_length=8)] = (128, 128)
    """Widths of the dense layers."""
    channels: Annotated[tuple[_Width, ...], Field(min_length=1, max_length=4)] = (16, 32)
    """Of the convolutions before them, each of which halves the number of points."""
    width: Annotated[Whole, Field(ge=2, le=64)] = 7
    """Of a convolution, in points."""
    members: Annotated[Whole, Field(ge=1, le=64)] = 5
    steps: Annotated[Whole, Field(ge=1, le=1_000_000)] = 6000
    batch: Annotated[Whole, Field(ge=2, le=65536)] = 128
    learning_rate: Annotated[Real, Field(gt=0.0, le=1.0)] = 1e-3
    weight_decay: Annotated[Real, Field(ge=0.0, le=1.0)] = 1e-3
    seed: Annotated[Whole, Field(ge=0, le=2**31 - 1)] = 0


class FamiliaritySettings(Settings):
    """The autoencoder that measures whether a signal is like those of training."""

    hidden: Annotated[tuple[_Width, ...], Field(min_length=1, max_length=8)] = (128, 64)
    latent: Annotated[Whole, Field(ge=1, le=256)] = 8
    steps: Annotated[Whole, Field(ge=1, le=1_000_000)] = 3000
    draws: _Count = 8000
    """Signals to train on."""
    held_out: Annotated[Whole, Field(ge=99, le=1_000_000)] = 4000
    """Further signals to calibrate with."""

    @property
    def network(self) -> VAESettings:
        """Of the autoencoder."""
        return VAESettings(hidden=self.hidden, latent=self.latent, beta=0.1)


class IntervalSettings(Settings):
    """How the intervals are calibrated."""

    draws: _Count = 4000
    level: Annotated[Real, Field(gt=0.0, lt=1.0)] = 0.9
    """Share of true numbers that the intervals cover."""


class NumberSettings(Settings):
    """All settings of an agent of numbers."""

    networks: RegressionSettings = RegressionSettings()
    familiarity: FamiliaritySettings | None = FamiliaritySettings()
    """None leaves it out; then no measurement is ever called novel."""
    intervals: IntervalSettings = IntervalSettings()
