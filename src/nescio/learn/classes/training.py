"""Training of a learner: its loss on fresh draws, its optimisers, its held-out looks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jax import Array

from nescio.compute import return_freed_memory
from nescio.learn.classes.learner import Learner
from nescio.learn.classes.sampling import Sampler, TrainingDraw
from nescio.learn.classes.settings import OutlierSettings, TrainingSettings
from nescio.learn.train import Checkpoint, Plan, Trained, fit, warm_cosine

__all__ = ["fit_learner"]

# Random keys: one stream for each purpose, so that none depends on how far another has come.
_STEPS, _VALIDATION = 1, 2


class _Losses(eqx.Module):
    """The loss of all parts of a learner on a fresh draw."""

    sampler: Sampler
    root: Array
    batch: int = eqx.field(static=True)
    outliers: OutlierSettings = eqx.field(static=True)

    def __call__(self, module: Learner, step: Array) -> Array:
        draw_key, loss_key = jax.random.split(jax.random.fold_in(jax.random.fold_in(self.root, _STEPS), step))
        drawn = self.sampler(draw_key, self.batch, self.outliers)
        losses = module.losses(drawn.known, drawn.outliers, loss_key)
        return sum(losses.values(), jnp.asarray(0.0))


@dataclass(frozen=True)
class _Adams:
    """Adam for the autoencoders; for the classifiers at a rate of their own and with weight decay."""

    settings: TrainingSettings

    def __call__(self, module: Learner) -> optax.GradientTransformation:
        s = self.settings
        arrays = eqx.filter(module, eqx.is_array)
        kinds: Any = jax.tree.map(lambda _: "autoencoder", arrays)
        kinds = eqx.tree_at(
            lambda tree: tree.classifiers, kinds, jax.tree.map(lambda _: "classifier", arrays.classifiers)
        )
        return optax.multi_transform(
            {
                "autoencoder": optax.adam(warm_cosine(s.learning_rate, s.steps, s.warmup)),
                "classifier": optax.adamw(
                    warm_cosine(s.classifier_learning_rate, s.steps, s.warmup), weight_decay=1e-4
                ),
            },
            kinds,
        )


def fit_learner(
    learner: Learner,
    sampler: Sampler,
    *,
    validation: Sampler,
    identity: str = "",
    checkpoint: Path | None = None,
    resume: bool = False,
    progress: bool | None = None,
) -> Trained[Learner]:
    """Train all parts of a learner; see :func:`nescio.learn.train.fit`.

    Args:
        learner: Initial weights; its settings say how long and how fast.
        sampler: Draws training batches inside the compiled step.
        validation: Draws the held-out signals, with keys of its own.
        identity: Hash of all that is learned from; a checkpoint of another identity is refused.
        checkpoint: Folder to keep the state in.
        resume: Go on from the checkpoint, if there is one.
        progress: Show a progress bar; by default where standard error is a terminal.

    Raises:
        InterruptedTrainingError: Ctrl-C was pressed; with a checkpoint folder the state is kept there.
        AgentError: The checkpoint does not fit, or the training diverged.
    """
    settings = learner.settings.training
    root = jax.random.key(settings.seed)
    held_out = _draw(
        validation,
        jax.random.fold_in(root, _VALIDATION),
        settings.validation_size,
        learner.settings.outliers,
    )
    return_freed_memory()
    return fit(
        learner,
        _Losses(sampler, root, settings.batch, learner.settings.outliers),
        _Adams(settings),
        Plan(
            settings.steps,
            min(settings.chunk, settings.steps),
            settings.validation_every,
            settings.patience,
            _remedies(settings),
        ),
        look=lambda module: _held_out_losses(module, held_out),
        checkpoint=None if checkpoint is None else Checkpoint(checkpoint, identity),
        resume=resume,
        progress=progress,
    )


@eqx.filter_jit
def _draw(sampler: Sampler, key: Array, n: int, outliers: OutlierSettings) -> TrainingDraw:
    return sampler(key, n, outliers)


@eqx.filter_jit
def _held_out_losses(learner: Learner, drawn: TrainingDraw) -> dict[str, Array]:
    return learner.losses(drawn.known, drawn.outliers, None)


def _remedies(settings: TrainingSettings) -> Mapping[str, str]:
    rates = dict.fromkeys(("map", "detector"), "learning_rate") | {"classifier": "classifier_learning_rate"}
    return {
        part: f"lower training.{rate}, which is {getattr(settings, rate):g}, or the weights of its loss"
        for part, rate in rates.items()
    }
