"""The training loop of all networks: compiled chunks, progress, validation, checkpoints."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jax import Array

from nescio.compute import return_freed_memory
from nescio.errors import AgentError, CheckpointError, FileError, InterruptedTrainingError, NescioWarning
from nescio.learn.storage import Pair, named_arrays, read_json, restore_arrays, write_json
from nescio.progress import track

__all__ = [
    "Adam",
    "Checkpoint",
    "Objective",
    "Optimiser",
    "Plan",
    "Trained",
    "fit",
    "interrupted_after",
    "warm_cosine",
]

_Module = TypeVar("_Module", bound=eqx.Module)
_FORMAT = 2
_AGAIN = "remove the folder, or run without --resume"


class Objective(Protocol):
    """Loss of one step; an `equinox.Module`, so that equal objectives share a compiled program."""

    def __call__(self, module: Any, step: Array) -> Array:
        """Return the mean loss, a scalar; random keys depend on the step number."""


class Optimiser(Protocol):
    """Factory of an optimiser; hashable, so that equal factories share a compiled program."""

    def __call__(self, module: Any) -> optax.GradientTransformation:
        """Return the optimiser for the arrays of a module."""


def warm_cosine(rate: float, steps: int, warmup: int, last: float = 0.01) -> optax.Schedule:
    """Return a learning rate that rises linearly and then falls along a half cosine.

    Args:
        rate: Highest learning rate.
        steps: Total number of steps.
        warmup: Steps over which the rate rises; at most a quarter of all steps.
        last: Final rate as a share of the highest.
    """
    return optax.warmup_cosine_decay_schedule(
        init_value=0.0,
        peak_value=rate,
        warmup_steps=min(warmup, max(steps // 4, 1)),
        decay_steps=max(steps, 2),
        end_value=last * rate,
    )


@dataclass(frozen=True)
class Adam:
    """Adam with warm-up, half cosine and optional weight decay (Loshchilov and Hutter, 2019)."""

    rate: float
    steps: int
    warmup: int = 100
    last: float = 0.01
    """Final learning rate as a share of the highest."""
    weight_decay: float = 0.0

    def __call__(self, module: Any) -> optax.GradientTransformation:  # noqa: ARG002 - the same for all arrays
        """Return the optimiser."""
        schedule = warm_cosine(self.rate, self.steps, self.warmup, self.last)
        if self.weight_decay:
            return optax.adamw(schedule, weight_decay=self.weight_decay)
        return optax.adam(schedule)


@dataclass(frozen=True)
class Plan:
    """Length of a training and intervals of its validation."""

    steps: int
    chunk: int
    """Steps in one compiled chunk; progress and Ctrl-C are handled between chunks."""
    every: int
    """Steps between two validations, rounded up to whole chunks. The last step is always validated."""
    patience: int | None = None
    """Validations without improvement before training stops early; None never stops early."""
    remedies: Mapping[str, str] = field(default_factory=dict)
    """Advice for the user if the loss of a part diverges, by name of the part."""


@dataclass(frozen=True)
class Checkpoint:
    """Folder of the saved state of a training, and its identity."""

    folder: Path
    identity: str
    """Hash of prior, settings and data; a state with another identity is refused."""
    name: str = "checkpoint"
    """Stem of the files; several trainings of one agent share a folder."""

    @property
    def pair(self) -> Pair:
        """The files."""
        return Pair(self.folder, f"{self.name}.json", self.name)


@dataclass(frozen=True)
class Trained(Generic[_Module]):
    """Result of a training."""

    module: _Module
    """Module of the validated step with the lowest loss; without validation, of the last step."""
    history: tuple[dict[str, float], ...]
    """Step and loss of each part, for every validation."""
    steps: int
    """Steps taken."""


@dataclass(frozen=True)
class _State:
    """State that changes during training; a checkpoint stores exactly this."""

    module: Any
    optimiser: Any
    best: Any
    best_loss: float
    step: int
    pending: float
    """Sum of the training losses since the last validation."""
    history: tuple[dict[str, float], ...]


def fit(
    module: _Module,
    objective: Objective,
    optimiser: Optimiser,
    plan: Plan,
    *,
    look: Callable[[_Module], Mapping[str, Array]] | None = None,
    part: str = "networks",
    checkpoint: Checkpoint | None = None,
    resume: bool = False,
    progress: bool | None = None,
) -> Trained[_Module]:
    """Train a module. The same arguments give the same weights on the same machine.

    Args:
        module: Module with initial weights.
        objective: Loss of one step.
        optimiser: Factory of the optimiser.
        plan: Length of the training.
        look: Function that returns validation losses by part. Without it, the mean training loss is recorded and the
            last weights are returned.
        part: Name of that loss in the history and in messages.
        checkpoint: Folder for the state, saved at every validation, at the end and on Ctrl-C.
        resume: Continue from the checkpoint if it exists; gives the same weights as an uninterrupted training.
        progress: Show a progress bar; by default a bar on a terminal and otherwise a line every ten seconds.

    Raises:
        InterruptedTrainingError: Ctrl-C was pressed; the message says whether the state was saved.
        CheckpointError: The checkpoint is damaged or belongs to another prior or other settings.
        AgentError: The loss became NaN.
    """
    state = _State(
        module,
        jax.jit(optimiser(module).init)(eqx.filter(module, eqx.is_array)),
        module,
        math.inf,
        0,
        0.0,
        (),
    )
    if resume and checkpoint is not None and checkpoint.pair.path.exists():
        state = _load(checkpoint, state, held_out=look is not None)
    first = state.step
    with track("learning", plan.steps, enabled=progress) as advanced:
        advanced(state.step)
        try:
            while state.step < plan.steps and not _stalled(state.history, plan.patience):
                before = state.step
                following = _advanced(state, objective, optimiser, plan)
                if before == first:
                    # Compilation is finished here.
                    return_freed_memory()
                due = following.step == plan.steps or following.step // plan.every > before // plan.every
                # An interruption in here leaves the state before both, so that no look is missed when it goes on.
                state = _looked(following, look, part, plan) if due else following
                if due:
                    _keep_if_possible(checkpoint, state)
                advanced(state.step - before, _told(state, look is not None))
        except KeyboardInterrupt:
            kept = _keep_or_say_why(checkpoint, state)
            raise InterruptedTrainingError(
                f"interrupted at step {state.step} of {plan.steps}; {kept}"
            ) from None
    return Trained(state.module if look is None else state.best, state.history, state.step)


def _advanced(state: _State, objective: Objective, optimiser: Optimiser, plan: Plan) -> _State:
    """Advance the state by some steps."""
    stop = min(state.step + plan.chunk, plan.steps)
    module, moments, total = _run(
        state.module, state.optimiser, objective, optimiser, jnp.asarray(state.step), jnp.asarray(stop)
    )
    return _State(
        module, moments, state.best, state.best_loss, stop, state.pending + float(total), state.history
    )


@eqx.filter_jit
def _run(
    module: _Module, moments: Any, objective: Objective, optimiser: Optimiser, start: Array, stop: Array
) -> tuple[_Module, Any, Array]:
    """Run the steps from `start` to `stop`; also return the sum of their losses."""
    arrays, static = eqx.partition(module, eqx.is_array)
    transformation = optimiser(module)

    def step(number: Array, carried: tuple[Any, Any, Array]) -> tuple[Any, Any, Array]:
        arrays, moments, total = carried
        loss, gradient = jax.value_and_grad(lambda given: objective(eqx.combine(given, static), number))(
            arrays
        )
        updates, moments = transformation.update(gradient, moments, arrays)
        return optax.apply_updates(arrays, updates), moments, total + loss

    arrays, moments, total = jax.lax.fori_loop(start, stop, step, (arrays, moments, jnp.zeros(())))
    return eqx.combine(arrays, static), moments, total


def _looked(
    state: _State, look: Callable[[Any], Mapping[str, Array]] | None, part: str, plan: Plan
) -> _State:
    """Add an entry to the history, and keep the weights if they are the best so far."""
    if look is None:
        since = state.history[-1]["step"] if state.history else 0.0
        losses = {part: state.pending / (state.step - since)}
    else:
        losses = {name: float(value) for name, value in look(state.module).items()}
    for name, loss in losses.items():
        if not math.isfinite(loss):
            remedy = plan.remedies.get(name, "lower the learning rate")
            raise AgentError(
                f"the {'held-out ' if look else ''}loss of the {name} is no longer a number "
                f"at step {state.step}; {remedy}"
            )
    history = (*state.history, {"step": float(state.step), **losses})
    loss = total_loss(history[-1])
    better = look is not None and loss < state.best_loss
    return _State(
        state.module,
        state.optimiser,
        state.module if better else state.best,
        loss if better else state.best_loss,
        state.step,
        0.0,
        history,
    )


def total_loss(entry: Mapping[str, float]) -> float:
    """Return the total loss of an entry of a history."""
    return sum(value for name, value in entry.items() if name != "step")


def _stalled(history: tuple[dict[str, float], ...], patience: int | None) -> bool:
    """Return True if the last `patience` validations brought no improvement."""
    if patience is None or len(history) <= patience:
        return False
    losses = [total_loss(entry) for entry in history]
    return min(losses[-patience:]) >= min(losses[:-patience])


def _told(state: _State, held_out: bool) -> str:
    if not state.history:
        return ""
    return f"{'held-out ' if held_out else ''}loss {total_loss(state.history[-1]):.4g}"


def _keep_if_possible(checkpoint: Checkpoint | None, state: _State) -> None:
    """Save the state; a full disk does not stop the training."""
    if checkpoint is None:
        return
    try:
        _save(checkpoint, state)
    except FileError as error:
        warnings.warn(
            f"the training continues, but its state cannot be saved: {error}", NescioWarning, stacklevel=2
        )


def _keep_or_say_why(checkpoint: Checkpoint | None, state: _State) -> str:
    if checkpoint is None:
        return "nothing was saved"
    try:
        _save(checkpoint, state)
    except FileError as error:
        return f"the state could not be saved: {error}"
    return f"the state is saved in {checkpoint.folder}; run the same command with --resume to continue"


def _save(checkpoint: Checkpoint, state: _State) -> None:
    trees = {"module": state.module, "optimiser": state.optimiser}
    if math.isfinite(state.best_loss):
        trees["best"] = state.best
    arrays = {name: array for part, tree in trees.items() for name, array in named_arrays(tree, part).items()}
    pair = checkpoint.pair
    named = pair.write_arrays(arrays)
    write_json(
        pair.path,
        {
            "format": _FORMAT,
            "identity": checkpoint.identity,
            "step": state.step,
            "best_loss": state.best_loss if math.isfinite(state.best_loss) else None,
            "pending": state.pending,
            "history": list(state.history),
            **named,
        },
    )
    pair.remove_unused()


def _load(checkpoint: Checkpoint, like: _State, *, held_out: bool) -> _State:
    """Load the saved state.

    Raises:
        CheckpointError: The checkpoint is damaged or belongs to another training.
    """
    folder, pair = checkpoint.folder, checkpoint.pair
    try:
        document = read_json(pair.path)
        if document.get("format") != _FORMAT:
            raise CheckpointError(
                f"{folder}: this checkpoint was made by another version of Nescio; {_AGAIN}"
            )
        if document.get("identity") != checkpoint.identity:
            raise CheckpointError(
                f"{folder}: this checkpoint belongs to another prior or other settings; {_AGAIN}"
            )
        document, arrays = pair.read()
        source = folder / str(document["weights"])
        best = document["best_loss"]
        history = tuple({str(k): float(v) for k, v in dict(entry).items()} for entry in document["history"])
        module = restore_arrays(like.module, arrays, "module", source)
        return _State(
            module,
            restore_arrays(like.optimiser, arrays, "optimiser", source),
            restore_arrays(like.best, arrays, "best", source) if held_out and best is not None else module,
            math.inf if best is None else float(best),
            int(document["step"]),
            float(document["pending"]),
            history,
        )
    except CheckpointError:
        raise
    except (AgentError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{folder}: the checkpoint is damaged ({error}); {_AGAIN}") from None


@contextmanager
def interrupted_after(done: str, checkpoint: Path | None) -> Iterator[None]:
    """Report an interruption of the work after a training; only this work is lost.

    Args:
        done: Finished work, for the message.
        checkpoint: Folder with the state of the training.

    Raises:
        InterruptedTrainingError: Ctrl-C was pressed.
    """
    try:
        yield
    except KeyboardInterrupt:
        kept = (
            "nothing was saved"
            if checkpoint is None
            else f"the state is saved in {checkpoint}; run the same command with --resume to continue"
        )
        raise InterruptedTrainingError(f"interrupted after {done}; {kept}") from None
