"""All networks of an agent, trained side by side on the same draws."""

from __future__ import annotations

from typing import TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from nescio.learn.classifier import Classifier
from nescio.learn.outliers import Outliers
from nescio.learn.settings import LearnSettings
from nescio.learn.vae import VAE
from nescio.techniques import Batch

__all__ = ["Learner"]

_Member = TypeVar("_Member", VAE, Classifier)


class Learner(eqx.Module):
    """Map, detector ensemble and classifier ensemble.

    One draw from the prior feeds all of them in one compiled step, since simulating costs as much as a network. The
    members of an ensemble are stacked along a leading axis and trained together.
    """

    map: VAE
    detectors: VAE
    """Stacked members."""
    classifiers: Classifier
    """Stacked members."""
    settings: LearnSettings = eqx.field(static=True)
    classes: int = eqx.field(static=True)

    def __init__(
        self,
        points: int,
        conditions: int,
        classes: int,
        settings: LearnSettings,
        rng: np.random.Generator | None = None,
    ) -> None:
        """Draw initial weights, by default from the seed in the settings."""
        # NumPy draws them: a random stream inside JAX would take seconds to compile for one use.
        rng = rng if rng is not None else np.random.default_rng(settings.training.seed)
        self.map = VAE(points, conditions, classes, settings.map, rng)
        self.detectors = _stacked(
            [
                VAE(points, conditions, classes, settings.detector, rng)
                for _ in range(settings.detector.members)
            ]
        )
        self.classifiers = _stacked(
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
            outliers: What the classifiers are to refuse.
            key: Random key of latent draws; without one (validation) latent means are taken.
        """
        map_key, detector_key = jax.random.split(jax.random.key(0) if key is None else key)
        members = self.settings.detector.members
        keys = None if key is None else jax.random.split(detector_key, members)
        detector = eqx.filter_vmap(
            lambda vae, k: vae.loss(*batch, k).mean(),
            in_axes=(eqx.if_array(0), None if keys is None else 0),
        )(self.detectors, keys)

        signals = jnp.concatenate([batch.signals, outliers.signals])
        told = jnp.concatenate([batch.conditions, outliers.conditions])
        labels = jnp.concatenate([batch.labels, jnp.full(len(outliers.weight), self.classes)])
        weight = jnp.concatenate(
            [jnp.ones(len(batch.labels)), self.settings.outliers.weight * outliers.weight]
        )
        logits = self.logits(signals, told)
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
        """Return the logits of every classifier, shape (members, n, classes + 1); the last says none of these."""
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


def _stacked(members: list[_Member]) -> _Member:
    """Put the members' arrays on top of each other, along a leading axis."""
    stacked: _Member = jax.tree.map(lambda *leaves: jnp.stack(leaves), *members)
    return stacked
