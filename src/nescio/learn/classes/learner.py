"""All networks of an agent, trained together on the same draws."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from nescio.learn.classes.outliers import Outliers
from nescio.learn.classes.settings import LearnSettings
from nescio.learn.networks import VAE, Classifier, Draws, stacked
from nescio.techniques import Batch

__all__ = ["Learner"]


class Learner(eqx.Module):
    """Map, detector ensemble and classifier ensemble.

    All networks use the same draw from the prior in one compiled step, since a simulation costs as much as a network.
    The members of an ensemble are stacked along a leading axis and trained together.
    """

    map: VAE
    detectors: VAE
    """Stacked members."""
    classifiers: Classifier
    """Stacked members."""
    settings: LearnSettings = eqx.field(static=True)
    classes: int = eqx.field(static=True)

    def __init__(
        self, points: int, conditions: int, classes: int, settings: LearnSettings, rng: Draws | None = None
    ) -> None:
        """Draw initial weights.

        Args:
            points: Length of a signal.
            conditions: Number of conditions, may be 0.
            classes: Number of known classes.
            settings: Sizes and weights.
            rng: Draws the weights; by default from the seed in the settings.
        """
        rng = np.random.default_rng(settings.training.seed) if rng is None else rng
        self.map = VAE(points, conditions, classes, settings.map, rng)
        self.detectors = stacked(
            [
                VAE(points, conditions, classes, settings.detector, rng)
                for _ in range(settings.detector.members)
            ]
        )
        self.classifiers = stacked(
            [
                Classifier(points, conditions, classes, settings.classifier, rng)
                for _ in range(settings.classifier.members)
            ]
        )
        self.settings = settings
        self.classes = classes

    def losses(self, batch: Batch, outliers: Outliers, key: Array | None) -> dict[str, Array]:
        """Return the mean loss of each part.

        Args:
            batch: Known signals.
            outliers: Signals of none of the known classes, for the classifiers.
            key: Random key of the latent draws; None (validation) uses the latent means.
        """
        map_key, detector_key = jax.random.split(jax.random.key(0) if key is None else key)
        members = self.settings.detector.members
        keys = None if key is None else jax.random.split(detector_key, members)
        detector = eqx.filter_vmap(
            lambda vae, k: vae.loss(*batch, k).mean(),
            in_axes=(eqx.if_array(0), None if keys is None else 0),
        )(self.detectors, keys)

        signals = jnp.concatenate([batch.signals, outliers.signals])
        conditions = jnp.concatenate([batch.conditions, outliers.conditions])
        labels = jnp.concatenate([batch.labels, jnp.full(len(outliers.weight), self.classes)])
        weight = jnp.concatenate(
            [jnp.ones(len(batch.labels)), self.settings.outliers.weight * outliers.weight]
        )
        logits = self.logits(signals, conditions)
        log_class = jax.nn.log_softmax(logits, axis=-1)
        chosen = jnp.take_along_axis(
            log_class, jnp.broadcast_to(labels[None, :, None], (*logits.shape[:2], 1)), axis=2
        )[..., 0]
        return {
            "map": self.map.loss(*batch, None if key is None else map_key).mean(),
            "detector": detector.sum(),
            "classifier": -jnp.sum(weight * chosen) / jnp.sum(weight),
        }

    def logits(self, signals: Array, conditions: Array) -> Array:
        """Return the logits of every classifier, shape (members, n, classes + 1); the last is "none of these"."""
        result: Array = eqx.filter_vmap(
            lambda member: member(signals, conditions), in_axes=(eqx.if_array(0),)
        )(self.classifiers)
        return result

    def reconstruct(self, signals: Array, conditions: Array) -> Array:
        """Return the detectors' mean reconstruction, shape (n, points)."""
        members: Array = eqx.filter_vmap(
            lambda member: member.reconstruct(signals, conditions), in_axes=(eqx.if_array(0),)
        )(self.detectors)
        return members.mean(axis=0)
