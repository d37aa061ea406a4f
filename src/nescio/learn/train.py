"""The training loop: compiled pieces, progress, held-out looks, checkpoints."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jax import Array

from nescio.compute import return_freed_memory
from nescio.errors import AgentError, InterruptedTrainingError
from nescio.learn.learner import Learner
from nescio.learn.sampling import Sampler
from nescio.learn.settings import TrainingSettings
from nescio.learn.storage import (
    named_arrays,
    read_arrays,
    read_json,
    restore_arrays,
    write_arrays,
    write_json,
)
from nescio.progress import track

__all__ = ["Training", "fit"]

_ARRAYS, _DOCUMENT = "checkpoint.safetensors", "checkpoint.json"
# Random keys: one stream for each purpose, so that none depends on how far another has come.
_STEPS, _VALIDATION = 1, 2


@dataclass(frozen=True)
class Training:
    """What a training run came to."""

    learner: Learner
    """At the step whose held-out loss was lowest."""
    history: tuple[dict[str, float], ...]
    """For every held-out look: the step, and the mean held-out loss of each part."""
    steps: int
    """Steps taken."""


class _State(eqx.Module):
    """All that changes while training; a checkpoint holds just this."""

    learner: Learner
    optimiser: Any
    best: Learner
    best_loss: Array
    step: Array


def fit(
    learner: Learner,
    sampler: Sampler,
    *,
    validation: Sampler,
    identity: str = "",
    checkpoint: Path | None = None,
    resume: bool = False,
    progress: bool | None = None,
) -> Training:
    """Train all parts of a learner.

    Args:
        learner: Initial weights; its settings say how long and how fast.
        sampler: Draws training batches inside the compiled step.
        validation: Draws the held-out signals, with keys of its own.
        identity: What is trained on (a hash); a checkpoint of another identity is refused.
        checkpoint: Folder to keep the state in, written at every held-out look and on Ctrl-C.
        resume: Go on from the checkpoint, if there is one; ends in the same weights as an uninterrupted run.
        progress: Show a progress bar; by default where standard error is a terminal.

    Raises:
        InterruptedTrainingError: Ctrl-C was pressed; with a checkpoint folder the state is kept there.
        AgentError: The checkpoint does not fit, or the training diverged.
    """
    settings = learner.settings.training
    root = jax.random.key(settings.seed)
    outliers = learner.settings.outliers
    held_out = eqx.filter_jit(lambda draw, key: draw(key, settings.validation_size, outliers))(
        validation, jax.random.fold_in(root, _VALIDATION)
    )
    return_freed_memory()
    optimiser = _optimiser(learner, settings)
    optimiser_state = jax.jit(optimiser.init)(eqx.filter(learner, eqx.is_array))
    state = _State(
        learner, optimiser_state, learner, jnp.asarray(jnp.inf, jnp.float32), jnp.asarray(0, jnp.int32)
    )
    history: list[dict[str, float]] = []
    if resume and checkpoint is not None and (checkpoint / _DOCUMENT).exists():
        state, history = _load(checkpoint, state, identity)

    chunk = min(settings.chunk, settings.steps)

    @eqx.filter_jit
    def advance(state: _State, sampler: Sampler, root: Array) -> _State:
        def step(number: Array, carried: tuple[Any, Any]) -> tuple[Any, Any]:
            arrays, optimiser_state = carried
            draw_key, loss_key = jax.random.split(
                jax.random.fold_in(jax.random.fold_in(root, _STEPS), number)
            )
            drawn = sampler(draw_key, settings.batch, outliers)

            def total(arrays: Any) -> Array:
                return sum(
                    eqx.combine(arrays, static).losses(drawn.known, drawn.outliers, loss_key).values(),
                    jnp.asarray(0.0),
                )

            updates, optimiser_state = optimiser.update(jax.grad(total)(arrays), optimiser_state, arrays)
            return optax.apply_updates(arrays, updates), optimiser_state

        arrays, static = eqx.partition(state.learner, eqx.is_array)
        stop = jnp.minimum(state.step + chunk, settings.steps)
        arrays, optimiser_state = jax.lax.fori_loop(state.step, stop, step, (arrays, state.optimiser))
        return _State(eqx.combine(arrays, static), optimiser_state, state.best, state.best_loss, stop)

    @eqx.filter_jit
    def look(learner: Learner) -> dict[str, Array]:
        return learner.losses(held_out.known, held_out.outliers, None)

    def record(state: _State) -> _State:
        losses = {name: float(value) for name, value in look(state.learner).items()}
        loss = sum(losses.values())
        _check_finite(losses, int(state.step), settings)
        history.append({"step": float(state.step), **losses})
        if loss < float(state.best_loss):
            return _State(
                state.learner, state.optimiser, state.learner, jnp.asarray(loss, jnp.float32), state.step
            )
        return state

    done, start = int(state.step), state
    with track("learning", settings.steps, enabled=progress) as tell:
        tell(done, "")
        try:
            while done < settings.steps and not _stalled(history, settings):
                following = advance(state, sampler, root)
                before, done = done, int(following.step)
                if done // settings.validation_every > before // settings.validation_every or (
                    done == settings.steps
                ):
                    following = record(following)
                    if checkpoint is not None and done < settings.steps:
                        _save(checkpoint, following, history, identity)
                if state is start:
                    return_freed_memory()
                state = following
                message = f"held-out loss {sum_losses(history[-1]):.4g}" if history else ""
                tell(done - before, message)
        except KeyboardInterrupt:
            step = int(state.step)
            if checkpoint is None:
                raise InterruptedTrainingError(
                    f"interrupted at step {step} of {settings.steps}; nothing was kept"
                ) from None
            _save(checkpoint, state, [h for h in history if h["step"] <= step], identity)
            raise InterruptedTrainingError(
                f"interrupted at step {step} of {settings.steps}; the state is kept in {checkpoint}, "
                "run the same command with --resume to go on"
            ) from None
    return Training(state.best, tuple(history), done)


def _check_finite(losses: dict[str, float], step: int, settings: TrainingSettings) -> None:
    for part, loss in losses.items():
        if not math.isfinite(loss):
            rate = "classifier_learning_rate" if part == "classifier" else "learning_rate"
            raise AgentError(
                f"the held-out loss of the {part} is no longer a number at step {step}; "
                f"lower training.{rate}, which is {getattr(settings, rate):g}, or the weights of its loss"
            )


def sum_losses(entry: dict[str, float]) -> float:
    """Return the total held-out loss of one history entry."""
    return sum(value for name, value in entry.items() if name != "step")


def _stalled(history: list[dict[str, float]], settings: TrainingSettings) -> bool:
    """Return whether the last `patience` looks have brought nothing better than those before."""
    if settings.patience is None or len(history) <= settings.patience:
        return False
    losses = [sum_losses(entry) for entry in history]
    return min(losses[-settings.patience :]) >= min(losses[: -settings.patience])


def _optimiser(learner: Learner, settings: TrainingSettings) -> optax.GradientTransformation:
    """Adam with a warm-up and a half cosine; the classifiers at their own rate and with weight decay."""

    def schedule(rate: float) -> optax.Schedule:
        return optax.warmup_cosine_decay_schedule(
            init_value=0.0,
            peak_value=rate,
            warmup_steps=min(settings.warmup, max(settings.steps // 4, 1)),
            decay_steps=max(settings.steps, 2),
            end_value=0.01 * rate,
        )

    arrays = eqx.filter(learner, eqx.is_array)
    kinds = jax.tree.map(lambda _: "autoencoder", arrays)
    kinds = eqx.tree_at(
        lambda tree: tree.classifiers, kinds, jax.tree.map(lambda _: "classifier", arrays.classifiers)
    )
    return optax.multi_transform(
        {
            "autoencoder": optax.adam(schedule(settings.learning_rate)),
            "classifier": optax.adamw(schedule(settings.classifier_learning_rate), weight_decay=1e-4),
        },
        kinds,
    )


def _save(folder: Path, state: _State, history: list[dict[str, float]], identity: str) -> None:
    arrays = named_arrays(state, "state")
    # An infinite best loss (no look taken yet) is no number a file should hold.
    arrays = {name: array for name, array in arrays.items() if not name.endswith(".best_loss")}
    best = float(state.best_loss)
    write_arrays(folder / _ARRAYS, arrays)
    write_json(
        folder / _DOCUMENT,
        {
            "step": int(state.step),
            "best_loss": best if jnp.isfinite(best) else None,
            "history": history,
            "identity": identity,
        },
    )


def _load(folder: Path, like: _State, identity: str) -> tuple[_State, list[dict[str, float]]]:
    document = read_json(folder / _DOCUMENT)
    if document.get("identity") != identity:
        raise AgentError(
            f"{folder}: this checkpoint is of another prior or other settings; "
            "remove the folder or run without --resume"
        )
    arrays = read_arrays(folder / _ARRAYS)
    best = document.get("best_loss")
    arrays["state.best_loss"] = jnp.asarray(jnp.inf if best is None else best, jnp.float32).__array__()
    state = restore_arrays(like, arrays, "state", folder / _ARRAYS)
    if int(state.step) != document.get("step"):
        raise AgentError(f"{folder}: the two files of the checkpoint are of different steps")
    return state, list(document["history"])
