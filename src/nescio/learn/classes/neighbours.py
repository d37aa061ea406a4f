"""Nearest known signals on the latent map."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Neighbours"]


class Neighbours:
    """A k-nearest-neighbours classifier on the latent map, built from arrays."""

    def __init__(
        self, latent: NDArray[np.float32], labels: NDArray[np.int32], classes: int, count: int
    ) -> None:
        """Build the search tree.

        Args:
            latent: Positions of the known signals, shape (n, latent).
            labels: Their classes, shape (n,).
            classes: Number of classes.
            count: Number of neighbours that vote.
        """
        from sklearn.neighbors import KDTree

        self.latent = latent
        self.labels = labels
        self.classes = classes
        self.count = min(count, len(labels))
        self._tree = KDTree(np.asarray(latent, np.float64))

    def probabilities(self, latent: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the neighbours' votes, shape (n, classes), for positions (n, latent)."""
        if len(latent) == 0:
            return np.zeros((0, self.classes))
        index = self._tree.query(np.asarray(latent, np.float64), k=self.count, return_distance=False)
        votes = self.labels[index][..., None] == np.arange(self.classes)
        return np.asarray(votes.mean(axis=1))

    def predict(self, latent: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the class with the most votes, shape (n,)."""
        return np.asarray(self.probabilities(latent).argmax(axis=1))
