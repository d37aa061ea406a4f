"""Policies that need no surrogate: coverage and random."""

from __future__ import annotations

from typing import Literal

import jax
import numpy as np

from nescio.explore.policies.base import Floats, Policy, View

__all__ = ["Coverage", "Random"]


class Coverage(Policy):
    """Choose the candidate furthest from all measured ones, so that each kind of feature is measured early.

    Distances are Euclidean, between features (between positions if there are no features), with each column in standard
    deviations over all candidates. The first choice is the candidate nearest to the mean.

    Source: Gonzalez, Theor. Comput. Sci. 38, 293 (1985); maximin distance: Johnson et al., J. Stat. Plan. Inference 26,
    131 (1990).
    """

    kind: Literal["coverage"] = "coverage"

    @property
    def needs_model(self) -> bool:
        """The policy only uses features."""
        return False

    def acquisition(self, view: View) -> Floats:
        """Return distances to the nearest measured candidate, shape (n,); at first, minus the distance to the mean."""
        features = np.asarray(view.features if view.features.shape[1] else view.positions, dtype=np.float64)
        spread = features.std(axis=0)
        standard = (features - features.mean(axis=0)) / np.where(spread > 0.0, spread, 1.0)
        if not view.measured.any():
            typical: Floats = -np.linalg.norm(standard, axis=1)
            return typical
        places = standard[view.measured]
        # A matrix product is fast for thousands of candidates, hundreds of measurements and tens of dimensions.
        squares = standard @ (-2.0 * places.T)
        squares += (places**2).sum(axis=1)
        nearest = squares.min(axis=1) + (standard**2).sum(axis=1)
        distance: Floats = np.sqrt(np.maximum(nearest, 0.0))
        return distance


class Random(Policy):
    """Choose uniformly at random; the baseline for other policies."""

    kind: Literal["random"] = "random"

    @property
    def needs_model(self) -> bool:
        """The policy uses nothing but the random key."""
        return False

    def acquisition(self, view: View) -> Floats:
        """Return uniform draws between 0 and 1, shape (n,)."""
        return np.asarray(jax.random.uniform(view.key, (len(view.positions),)), dtype=np.float64)
