"""How an agent of classes learns: networks, training and calibration, validated and frozen (the ``[learn]`` table)."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from nescio.configuration import Real, Settings, Whole
from nescio.learn.networks import ClassifierSettings, VAESettings

__all__ = ["CalibrationSettings", "LearnSettings", "OutlierSettings", "TrainingSettings"]


class OutlierSettings(Settings):
    """Simulated outliers: signals that the classifiers learn to call none of the known classes."""

    mixture_range: tuple[Real, Real] = (0.1, 0.9)
    """Share of the first of two classes in a mixture, uniform."""
    stretch_range: tuple[Real, Real] = (0.03, 0.2)
    """Relative stretch or compression of the axis, which moves features to where no known class has them."""
    blur_range: tuple[Real, Real] = (0.06, 0.2)
    """Full width at half maximum, as a share of the axis, over which features are spread, like those of a glass."""
    weight: Annotated[Real, Field(ge=0.0, le=10.0)] = 1.0
    """Weight of these signals in the classifiers' loss; 0 trains on known signals alone."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name in ("mixture_range", "stretch_range", "blur_range"):
            low, high = getattr(self, name)
            if not 0.0 <= low <= high <= 1.0:
                raise ValueError(f"{name} must be within 0 to 1, not {low:g} to {high:g}")
        return self


class TrainingSettings(Settings):
    """The training loop."""

    steps: Annotated[Whole, Field(ge=1, le=10_000_000)] = 1500
    batch: Annotated[Whole, Field(ge=2, le=65536)] = 128
    learning_rate: Annotated[Real, Field(gt=0.0, le=1.0)] = 1e-3
    classifier_learning_rate: Annotated[Real, Field(gt=0.0, le=1.0)] = 2e-3
    warmup: Annotated[Whole, Field(ge=0, le=10_000_000)] = 100
    """Steps over which the learning rate rises; it falls along a half cosine afterwards."""
    chunk: Annotated[Whole, Field(ge=1, le=10_000)] = 25
    """Steps in one compiled piece: between two pieces, progress is shown and Ctrl-C is answered."""
    validation_every: Annotated[Whole, Field(ge=1, le=10_000_000)] = 200
    """Steps between two looks at held-out draws; rounded up to whole chunks."""
    validation_size: Annotated[Whole, Field(ge=2, le=100_000)] = 512
    patience: Annotated[Whole, Field(ge=1, le=1_000_000)] | None = 10
    """Looks without improvement before training stops early; none for never."""
    seed: Annotated[Whole, Field(ge=0, lt=2**32)] = 0


class CalibrationSettings(Settings):
    """Held-out draws that turn scores into probabilities."""

    draws: Annotated[Whole, Field(ge=200, le=1_000_000)] = 40_000
    """For p-values; the smallest possible p-value is one over this plus one."""
    scale_draws: Annotated[Whole, Field(ge=200, le=1_000_000)] = 2000
    """For the scale of the novelty scores and the temperature of the probabilities."""
    map_draws: Annotated[Whole, Field(ge=50, le=1_000_000)] = 6000
    """Known signals on the map, whose neighbours vote."""
    neighbours: Annotated[Whole, Field(ge=1, le=1000)] = 15


class LearnSettings(Settings):
    """All settings of an agent of classes."""

    map: VAESettings = VAESettings(guidance=100.0)
    """The latent map that figures show."""
    detector: VAESettings = VAESettings(latent=8)
    """The ensemble of autoencoders whose reconstruction error measures novelty."""
    classifier: ClassifierSettings = ClassifierSettings()
    outliers: OutlierSettings = OutlierSettings()
    training: TrainingSettings = TrainingSettings()
    calibration: CalibrationSettings = CalibrationSettings()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.map.members != 1:
            raise ValueError("map.members must be 1: an average of maps is no map")
        return self
