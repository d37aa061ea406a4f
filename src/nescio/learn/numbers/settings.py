"""Settings of an agent for numbers (the table ``[learn]``): networks, intervals and novelty."""

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
    """Channels of the convolutions before the dense layers; each convolution halves the number of points."""
    width: Annotated[Whole, Field(ge=2, le=64)] = 7
    """Width of a convolution in points."""
    members: Annotated[Whole, Field(ge=1, le=64)] = 5
    steps: Annotated[Whole, Field(ge=1, le=1_000_000)] = 6000
    batch: Annotated[Whole, Field(ge=2, le=65536)] = 128
    learning_rate: Annotated[Real, Field(gt=0.0, le=1.0)] = 1e-3
    weight_decay: Annotated[Real, Field(ge=0.0, le=1.0)] = 1e-3
    seed: Annotated[Whole, Field(ge=0, le=2**31 - 1)] = 0


class FamiliaritySettings(Settings):
    """The autoencoder that measures novelty."""

    hidden: Annotated[tuple[_Width, ...], Field(min_length=1, max_length=8)] = (128, 64)
    latent: Annotated[Whole, Field(ge=1, le=256)] = 8
    steps: Annotated[Whole, Field(ge=1, le=1_000_000)] = 3000
    draws: _Count = 8000
    """Number of training signals."""
    held_out: Annotated[Whole, Field(ge=99, le=1_000_000)] = 4000
    """Number of other signals for calibration."""

    @property
    def network(self) -> VAESettings:
        """Settings of the autoencoder."""
        return VAESettings(hidden=self.hidden, latent=self.latent, beta=0.1)


class IntervalSettings(Settings):
    """Calibration of the intervals."""

    draws: _Count = 4000
    level: Annotated[Real, Field(gt=0.0, lt=1.0)] = 0.9
    """Share of true values inside the intervals."""


class NumberSettings(Settings):
    """All settings of an agent for numbers."""

    networks: RegressionSettings = RegressionSettings()
    familiarity: FamiliaritySettings | None = FamiliaritySettings()
    """None disables it; then no measurement is flagged as novel."""
    intervals: IntervalSettings = IntervalSettings()
