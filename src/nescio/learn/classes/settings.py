"""Settings of an agent for classes (the table ``[learn]``): networks, training and calibration."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from nescio.configuration import Real, Settings, Whole
from nescio.learn.networks import ClassifierSettings, VAESettings

__all__ = ["CalibrationSettings", "LearnSettings", "OutlierSettings", "TrainingSettings"]


class OutlierSettings(Settings):
    """Simulated outliers: signals of none of the known classes, for the classifiers."""

    mixture_range: tuple[Real, Real] = (0.1, 0.9)
    """Range of the share of the first class in a mixture (uniform)."""
    stretch_range: tuple[Real, Real] = (0.03, 0.2)
    """Range of the relative stretch or compression of the axis, which shifts features away from known positions."""
    blur_range: tuple[Real, Real] = (0.06, 0.2)
    """Range of the broadening of features, like those of a glass: full width at half maximum as a share of the axis."""
    weight: Annotated[Real, Field(ge=0.0, le=10.0)] = 1.0
    """Weight of these signals in the classifiers' loss; 0 trains only on known signals."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name in ("mixture_range", "stretch_range", "blur_range"):
            low, high = getattr(self, name)
            if not 0.0 <= low <= high <= 1.0:
                raise ValueError(f"{name} must be within 0 to 1, not {low:g} to {high:g}")
        return self


class TrainingSettings(Settings):
    """Settings of the training loop."""

    steps: Annotated[Whole, Field(ge=1, le=10_000_000)] = 1500
    batch: Annotated[Whole, Field(ge=2, le=65536)] = 128
    learning_rate: Annotated[Real, Field(gt=0.0, le=1.0)] = 1e-3
    classifier_learning_rate: Annotated[Real, Field(gt=0.0, le=1.0)] = 2e-3
    warmup: Annotated[Whole, Field(ge=0, le=10_000_000)] = 100
    """Steps over which the learning rate rises; then it falls along a half cosine."""
    chunk: Annotated[Whole, Field(ge=1, le=10_000)] = 25
    """Steps in one compiled chunk; progress and Ctrl-C are handled between chunks."""
    validation_every: Annotated[Whole, Field(ge=1, le=10_000_000)] = 200
    """Steps between two validations with held-out draws, rounded up to whole chunks."""
    validation_size: Annotated[Whole, Field(ge=2, le=100_000)] = 512
    patience: Annotated[Whole, Field(ge=1, le=1_000_000)] | None = 10
    """Validations without improvement before training stops early; None never stops early."""
    seed: Annotated[Whole, Field(ge=0, lt=2**32)] = 0


class CalibrationSettings(Settings):
    """Numbers of held-out draws for calibration."""

    draws: Annotated[Whole, Field(ge=200, le=1_000_000)] = 40_000
    """Draws for p-values; the smallest possible p-value is 1 / (draws + 1)."""
    scale_draws: Annotated[Whole, Field(ge=200, le=1_000_000)] = 2000
    """Draws for the scale of the novelty scores and the temperature of the probabilities."""
    map_draws: Annotated[Whole, Field(ge=50, le=1_000_000)] = 6000
    """Known signals on the map, used as neighbours."""
    neighbours: Annotated[Whole, Field(ge=1, le=1000)] = 15


class LearnSettings(Settings):
    """All settings of an agent for classes."""

    map: VAESettings = VAESettings(guidance=100.0)
    """The latent map shown in figures."""
    detector: VAESettings = VAESettings(latent=8)
    """The ensemble of autoencoders; their reconstruction error measures novelty."""
    classifier: ClassifierSettings = ClassifierSettings()
    outliers: OutlierSettings = OutlierSettings()
    training: TrainingSettings = TrainingSettings()
    calibration: CalibrationSettings = CalibrationSettings()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.map.members != 1:
            raise ValueError("map.members must be 1: maps cannot be averaged")
        return self
