"""The exploration methods of the comparison, built from the parts of an experiment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from nescio.explore import (
    Candidates,
    Coverage,
    ExpectedImprovement,
    ExploreSettings,
    Policy,
    Random,
    Surrogate,
    SurrogateSettings,
    UpperConfidenceBound,
)
from nescio.microscopy import LearnedSettings
from nescio.studies.dkl.cases import Case

__all__ = ["METHODS", "Expected", "Forest", "Method", "Model"]

Floats = NDArray[np.float64]

_TREES = 100
_DEFAULTS = ExploreSettings.model_fields
_SURROGATE: SurrogateSettings = _DEFAULTS["surrogate"].default
_POLICY: Policy = _DEFAULTS["policy"].default
_BATCH: int = _DEFAULTS["batch"].default


class Expected(Protocol):
    """Predictions of a model for all candidates; see `nescio.explore.surrogates.Fit`."""

    @property
    def mean(self) -> Floats:
        """Predicted value of each candidate, shape (n, 1)."""

    @property
    def sd(self) -> Floats:
        """Standard deviation of the prediction without noise, shape (n, 1)."""

    @property
    def noise_sd(self) -> Floats:
        """Standard deviation of the noise of a measurement, shape (1,); NaN if the model has none."""


class Model(Protocol):
    """A model of the scalar."""

    def update(self, chosen: list[int], values: Floats) -> Expected:
        """Fit the model to the scalars, shape (m, 1), of the candidates chosen so far."""


class _Trees(NamedTuple):
    mean: Floats
    sd: Floats
    noise_sd: Floats


class Forest:
    """A random forest on the pixels of patches; its uncertainty is the spread of its trees.

    One third of the pixels is tried at each split, as usual for regression.

    Source: Breiman, Mach. Learn. 45, 5 (2001).
    """

    def __init__(self, pixels: NDArray[np.float32], seed: int, trees: int = _TREES) -> None:
        """Store the pixels of all candidates, shape (n, pixels)."""
        self._pixels, self._seed, self._trees = pixels, seed, trees

    def update(self, chosen: list[int], values: Floats) -> Expected:
        """Fit the forest to the scalars, shape (m, 1), of the candidates chosen so far."""
        from sklearn.ensemble import RandomForestRegressor

        forest = RandomForestRegressor(self._trees, max_features=1 / 3, random_state=self._seed)
        forest.fit(self._pixels[chosen], values[:, 0])
        each = np.stack([tree.predict(self._pixels) for tree in forest.estimators_], 1)
        return _Trees(each.mean(1)[:, None], each.std(1)[:, None], np.full(1, np.nan))


@dataclass(frozen=True)
class Method:
    """An exploration method."""

    description: str
    """Description for reports."""
    sees: Literal["patch", "latent", "pixels", "position"]
    """Input of the model: features of the patch, latent position of the patch, pixels of the patch, or position."""
    surrogate: SurrogateSettings | None = None
    """Settings of the model; None for the forest and for methods without a model."""
    policy: Policy = _POLICY
    batch: int = _BATCH
    """Number of candidates chosen from one model."""
    calibrated: bool = True
    """Whether the model gives an interval for a measurement."""
    seconds: float = 1.0
    """Approximate time on one core for 160 choices among 3600 candidates, in seconds."""

    def document(self) -> dict[str, Any]:
        """Return the method as JSON-compatible values."""
        return {
            "sees": self.sees,
            "surrogate": None if self.surrogate is None else self.surrogate.model_dump(mode="json"),
            "policy": self.policy.document(),
            "batch": self.batch,
            "trees": _TREES if self.sees == "pixels" else 0,
            "encoder": LearnedSettings().model_dump(mode="json") if self.sees == "latent" else None,
        }

    def prepare(self, case: Case, seed: int) -> tuple[Candidates, Model | None]:
        """Return the candidates with the inputs of this method, and a new model."""
        if self.sees == "pixels":
            return case.candidates(), Forest(case.patches.reshape(len(case), -1), seed)
        if self.sees == "latent":
            candidates = case.candidates(LearnedSettings().encode(case.patches, seed=seed))
        elif self.sees == "position":
            candidates = case.candidates(case.features[:, :0])
        else:
            candidates = case.candidates()
        model = None if self.surrogate is None else Surrogate(candidates, self.surrogate, seed=seed)
        return candidates, model


def _deep(**changes: Any) -> SurrogateSettings:
    return SurrogateSettings.model_validate({**_SURROGATE.model_dump(), **changes})


METHODS: Mapping[str, Method] = {
    "random": Method("random places, all equally probable", "position", policy=Random(), batch=1_000_000),
    "grid": Method(
        "evenly spaced places, coarse to fine: always the place farthest from all measured ones",
        "position",
        policy=Coverage(),
        batch=1_000_000,
        seconds=2.0,
    ),
    "gp": Method(
        "a Gaussian process of the position; the image is not used",
        "position",
        _deep(kind="coordinates"),
        seconds=22.0,
    ),
    "forest": Method(
        "a random forest on the pixels of the patch; policy: mean + 1 standard deviation of the trees, ten places at a "
        "time",
        "pixels",
        policy=UpperConfidenceBound(kappa=1.0),
        batch=10,
        calibrated=False,
        seconds=30.0,
    ),
    "vae": Method(
        "a Gaussian process in the latent space of a variational autoencoder, which is trained on all patches before "
        "the first measurement, without the scalar",
        "latent",
        _deep(kind="fixed", position="never"),
        seconds=55.0,
    ),
    "static": Method(
        "a deep kernel on wavelets of the patch; its embedding is trained only on the first points",
        "patch",
        _deep(kind="static-deep-kernel", position="never"),
        seconds=38.0,
    ),
    "active": Method(
        "a deep kernel on wavelets of the patch; its embedding is trained again with every measurement",
        "patch",
        _deep(position="never"),
        seconds=40.0,
    ),
    "improvement": Method(
        "the model of default; policy: largest expected improvement",
        "patch",
        _SURROGATE,
        policy=ExpectedImprovement(),
        seconds=55.0,
    ),
    "default": Method(
        "Nescio's default settings: as active, and the position is also used if that improves the model",
        "patch",
        _SURROGATE,
        seconds=40.0,
    ),
}
"""All methods, in the order of tables. All except `random`, `grid`, `forest` and `improvement` use the default policy
and differ only in the model."""
