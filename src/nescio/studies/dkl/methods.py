"""The ways to explore that are compared, each made of the parts that an experiment is made of."""

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
    """What a model expects of all candidates, shapes (n, 1), (n, 1) and (1,); see `nescio.explore.surrogates.Fit`."""

    @property
    def mean(self) -> Floats:
        """Of each candidate."""

    @property
    def sd(self) -> Floats:
        """Without noise."""

    @property
    def noise_sd(self) -> Floats:
        """Of a measurement; NaN where the model knows of none."""


class Model(Protocol):
    """What learns from measurements."""

    def update(self, chosen: list[int], values: Floats) -> Expected:
        """Learn from the scalars (m, 1) of the candidates chosen so far."""


class _Trees(NamedTuple):
    mean: Floats
    sd: Floats
    noise_sd: Floats


class Forest:
    """A random forest on the pixels of patches; its uncertainty is the spread over its trees.

    A third of the pixels are tried at each split, as is usual for regression.

    Source: Breiman, Mach. Learn. 45, 5 (2001).
    """

    def __init__(self, pixels: NDArray[np.float32], seed: int, trees: int = _TREES) -> None:
        """Take the pixels (n, pixels) of all candidates."""
        self._pixels, self._seed, self._trees = pixels, seed, trees

    def update(self, chosen: list[int], values: Floats) -> Expected:
        """Learn from the scalars (m, 1) of the candidates chosen so far."""
        from sklearn.ensemble import RandomForestRegressor

        forest = RandomForestRegressor(self._trees, max_features=1 / 3, random_state=self._seed)
        forest.fit(self._pixels[chosen], values[:, 0])
        each = np.stack([tree.predict(self._pixels) for tree in forest.estimators_], 1)
        return _Trees(each.mean(1)[:, None], each.std(1)[:, None], np.full(1, np.nan))


@dataclass(frozen=True)
class Method:
    """A way to explore."""

    description: str
    """For a reader."""
    sees: Literal["patch", "latent", "pixels", "position"]
    """What is known of a place before it is measured: features of its patch, the latent position of its patch, the
    pixels themselves, or where it is."""
    surrogate: SurrogateSettings | None = None
    """The model; none for methods that need none, and for the forest."""
    policy: Policy = _POLICY
    batch: int = _BATCH
    """How many are chosen from one model."""
    calibrated: bool = True
    """Whether its model states an interval for a measurement."""
    seconds: float = 1.0
    """Of one core, about, for 160 choices among 3600."""

    def document(self) -> dict[str, Any]:
        """Return it as JSON-compatible values."""
        return {
            "sees": self.sees,
            "surrogate": None if self.surrogate is None else self.surrogate.model_dump(mode="json"),
            "policy": self.policy.document(),
            "batch": self.batch,
            "trees": _TREES if self.sees == "pixels" else 0,
            "encoder": LearnedSettings().model_dump(mode="json") if self.sees == "latent" else None,
        }

    def prepare(self, case: Case, seed: int) -> tuple[Candidates, Model | None]:
        """Return the candidates as this method sees them, and a model that knows nothing yet."""
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
    "random": Method("any place, each as probable as another", "position", policy=Random(), batch=1_000_000),
    "grid": Method(
        "evenly spaced, coarse to fine: always the place farthest from all that were measured",
        "position",
        policy=Coverage(),
        batch=1_000_000,
        seconds=2.0,
    ),
    "gp": Method(
        "a Gaussian process of the position, which never looks at the image",
        "position",
        _deep(kind="coordinates"),
        seconds=22.0,
    ),
    "forest": Method(
        "a random forest on the pixels of the patch, mean + 1 standard deviation over its trees, ten places at a time",
        "pixels",
        policy=UpperConfidenceBound(kappa=1.0),
        batch=10,
        calibrated=False,
        seconds=30.0,
    ),
    "vae": Method(
        "a Gaussian process in the latent space of a variational autoencoder of all patches, which was trained before "
        "the first measurement and knows nothing of the scalar",
        "latent",
        _deep(kind="fixed", position="never"),
        seconds=55.0,
    ),
    "static": Method(
        "a deep kernel on wavelets of the patch, whose embedding is trained on the first measurements and kept",
        "patch",
        _deep(kind="static-deep-kernel", position="never"),
        seconds=38.0,
    ),
    "active": Method(
        "a deep kernel on wavelets of the patch, whose embedding is trained with every measurement",
        "patch",
        _deep(position="never"),
        seconds=40.0,
    ),
    "improvement": Method(
        "the default's model, but measures where the expected improvement is largest",
        "patch",
        _SURROGATE,
        policy=ExpectedImprovement(),
        seconds=55.0,
    ),
    "default": Method(
        "Nescio's default settings: as active, and it takes the position into account where that explains more",
        "patch",
        _SURROGATE,
        seconds=40.0,
    ),
}
"""All of them, in the order of tables. All but `random`, `grid`, `forest` and `improvement` use the default policy and
differ in the model."""
