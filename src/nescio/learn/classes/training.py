"""Training of all networks of an agent: loss on new draws, optimisers, validation."""

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

# Random keys: one independent stream for each purpose.
_STEPS, _VALIDATION = 1, 2


class _Losses(eqx.Module):
    """Loss of all parts of a learner on a new draw."""

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
    """Adam; the classifiers have their own rate and weight decay."""

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
        learner: Networks with initial weights, and their settings.
        sampler: Source of training batches, inside the compiled step.
        validation: Source of held-out signals, with its own keys.
        identity: Hash of prior, settings and data; a checkpoint with another identity is refused.
        checkpoint: Folder for the state.
        resume: Continue from the checkpoint if it exists.
        progress: Show a progress bar; by default if standard error is a terminal.

    Raises:
        InterruptedTrainingError: Ctrl-C was pressed; the state is saved if a checkpoint folder is given.
        AgentError: The checkpoint does not match, or the training diverged.
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
