"""How a surrogate is built and trained, validated and frozen (the ``[surrogate]`` table)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from nescio.configuration import Real, Settings, Whole

__all__ = ["SurrogateSettings"]

_Positive = Annotated[Real, Field(gt=0.0, le=1e3)]


class SurrogateSettings(Settings):
    """A Gaussian process over candidates; what it sees of them, and how often it learns that anew."""

    kind: Literal["deep-kernel", "static-deep-kernel", "fixed", "coordinates"] = "deep-kernel"
    """An embedding of the features that is trained with every measurement; one that is kept as it was after the first
    ones; the features' own principal components, untrained (the latent position of a VAE, say); or positions alone. Of
    an embedding that is not trained, the kernel still learns the lengthscale."""
    embedding: Annotated[Whole, Field(ge=1, le=64)] = 8
    """Dimensions of the embedding."""
    position: Literal["auto", "always", "never"] = "auto"
    """Whether the kernel sees the position beside the features: as leave-one-out likelihood says, at every refit."""
    members: Annotated[Whole, Field(ge=2, le=32, multiple_of=2)] = 4
    """Networks trained together; each leaves out the half of the measurements that its partner learns from."""
    steps: Annotated[Whole, Field(ge=1, le=10_000)] = 60
    """Of the optimiser, from scratch."""
    warm_steps: Annotated[Whole, Field(ge=0, le=10_000)] = 8
    """Of the optimiser, from where the last model stopped."""
    learning_rate: _Positive = 0.03
    warm_learning_rate: _Positive = 0.01
    refit_growth: Annotated[Real, Field(gt=1.0, le=100.0)] = 1.25
    """The model is trained from scratch whenever the measurements have grown by this factor since it last was."""
    head_freedom: _Positive = 0.25
    """How far the embedding may leave the principal components: prior standard deviation, of their total spread 1."""
