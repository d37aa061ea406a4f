"""Policies that need no surrogate: they spread measurements over what there is."""

from __future__ import annotations

from typing import Literal

import jax
import numpy as np

from nescio.explore.policies.base import Floats, Policy, View

__all__ = ["Coverage", "Random"]


class Coverage(Policy):
    """The candidate that differs most from all that were measured, so that each kind of place is seen early.

    Differences are Euclidean distances between features (between positions where there are none), each column in
    standard deviations over all candidates. The first place is the most typical one.

    Source: Gonzalez, Theor. Comput. Sci. 38, 293 (1985); maximin distance: Johnson et al., J. Stat. Plan. Inference 26,
    131 (1990).
    """

    kind: Literal["coverage"] = "coverage"

    @property
    def needs_model(self) -> bool:
        """Features are enough."""
        return False

    def acquisition(self, view: View) -> Floats:
        """Return the distance to the nearest measured place, shape (n,); before the first, minus that to the mean."""
        features = np.asarray(view.features if view.features.shape[1] else view.positions, dtype=np.float64)
        spread = features.std(axis=0)
        standard = (features - features.mean(axis=0)) / np.where(spread > 0.0, spread, 1.0)
        if not view.measured.any():
            typical: Floats = -np.linalg.norm(standard, axis=1)
            return typical
        places = standard[view.measured]
        # As a product of matrices: thousands of candidates from hundreds of places in tens of dimensions.
        squares = standard @ (-2.0 * places.T)
        squares += (places**2).sum(axis=1)
        nearest = squares.min(axis=1) + (standard**2).sum(axis=1)
        distance: Floats = np.sqrt(np.maximum(nearest, 0.0))
        return distance


class Random(Policy):
    """Any candidate, each as probable as another: what others are compared with."""

    kind: Literal["random"] = "random"

    @property
    def needs_model(self) -> bool:
        """Nothing is needed."""
        return False

    def acquisition(self, view: View) -> Floats:
        """Return uniform draws between 0 and 1, shape (n,)."""
        return np.asarray(jax.random.uniform(view.key, (len(view.positions),)), dtype=np.float64)
