"""Settings of a surrogate (the ``[surrogate]`` table), validated and frozen."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from nescio.configuration import Real, Settings, Whole

__all__ = ["SurrogateSettings"]

_Positive = Annotated[Real, Field(gt=0.0, le=1e3)]


class SurrogateSettings(Settings):
    """A Gaussian process over candidates: its inputs and its training."""

    kind: Literal["deep-kernel", "static-deep-kernel", "fixed", "coordinates"] = "deep-kernel"
    """Input of the kernel. "deep-kernel": an embedding of the features, trained after each measurement.
    "static-deep-kernel": an embedding trained once, on the first measurements. "fixed": the principal components of the
    features, untrained (for example of the latent position of a VAE). "coordinates": positions only. The lengthscale is
    trained in all cases."""
    embedding: Annotated[Whole, Field(ge=1, le=64)] = 8
    """Dimensions of the embedding."""
    position: Literal["auto", "always", "never"] = "auto"
    """Whether the kernel also uses the position. "auto": the choice with the higher leave-one-out likelihood, made
    each time the model is trained from scratch."""
    members: Annotated[Whole, Field(ge=2, le=32, multiple_of=2)] = 4
    """Number of members. Each is trained on half of the measurements, its partner on the other half."""
    steps: Annotated[Whole, Field(ge=1, le=10_000)] = 60
    """Optimiser steps when the model is trained from scratch."""
    warm_steps: Annotated[Whole, Field(ge=0, le=10_000)] = 8
    """Optimiser steps when the last model is trained further."""
    learning_rate: _Positive = 0.03
    warm_learning_rate: _Positive = 0.01
    refit_growth: Annotated[Real, Field(gt=1.0, le=100.0)] = 1.25
    """The model is trained from scratch each time the number of measurements has grown by this factor."""
    head_freedom: _Positive = 0.25
    """Prior standard deviation of the embedding from the principal components, whose total variance is 1."""
