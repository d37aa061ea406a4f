"""What the networks say of signals, in batches of one fixed shape."""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from nescio.learn.learner import Learner
from nescio.learn.novelty import reconstruction_scores, refusal_score
from nescio.learn.outliers import rescale

__all__ = ["BATCH", "Evaluation", "evaluate"]

BATCH = 512
# How often what was not measured is replaced by what the detector expects there.
_FILLINGS = 5


class Evaluation(NamedTuple):
    """What the networks say of n signals, before any calibration."""

    latent: NDArray[np.float32]
    """Shape (n, latent), position on the map."""
    logits: NDArray[np.float32]
    """Shape (members, n, classes + 1)."""
    reconstruction: NDArray[np.float32]
    """Shape (n, points)."""
    error: NDArray[np.float32]
    """Shape (n,), mean squared difference over the covered points."""
    scores: NDArray[np.float32]
    """Shape (n, 2), one column for each of `VIEWS`; larger is stranger."""


def evaluate(
    learner: Learner,
    signals: NDArray[np.float32],
    conditions: NDArray[np.float32],
    covered: NDArray[np.bool_] | None = None,
) -> Evaluation:
    """Pass signals through all networks.

    Every batch has the same shape, so that nothing compiles anew as data grow, and a signal gives the same numbers
    whatever comes with it.

    Args:
        learner: Trained networks.
        signals: Shape (n, points), 0 to 1.
        conditions: Shape (n, conditions).
        covered: Shape (points,), False where none of the signals was measured. What is missing is filled with the
            detectors' own reconstruction, repeatedly (Rezende, Mohamed and Wierstra, 2014, arXiv:1401.4082,
            appendix F).
    """
    n = len(signals)
    everywhere = covered is None or bool(covered.all())
    mask = jnp.ones(signals.shape[1], bool) if covered is None else jnp.asarray(covered)
    parts = []
    for start in range(0, max(n, 1), BATCH):
        rows = slice(start, start + BATCH)
        padded = (jnp.asarray(_padded(signals[rows])), jnp.asarray(_padded(conditions[rows])))
        parts.append([np.asarray(part) for part in _evaluate(learner, *padded, mask, everywhere)])
    latent, logits, *rest = zip(*parts, strict=True)
    return Evaluation(
        np.concatenate(latent)[:n],
        np.concatenate(logits, axis=1)[:, :n],
        *(np.concatenate(part)[:n] for part in rest),
    )


def _padded(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.pad(np.asarray(rows, np.float32), ((0, BATCH - len(rows)), (0, 0)))


@eqx.filter_jit
def _evaluate(
    learner: Learner, signals: Array, conditions: Array, covered: Array, everywhere: bool
) -> tuple[Array, ...]:
    filled = signals
    if not everywhere:
        signals = rescale(jnp.where(covered, signals, 0.0))

        def fill(_: int, filled: Array) -> Array:
            return jnp.where(covered, signals, learner.reconstruct(filled, conditions))

        filled = jax.lax.fori_loop(0, _FILLINGS, fill, signals)
    reconstruction = learner.reconstruct(filled, conditions)
    weight = jnp.broadcast_to(covered.astype(jnp.float32), signals.shape)
    squared, absolute = reconstruction_scores(signals, reconstruction, weight)
    logits = learner.logits(filled, conditions)
    scores = jnp.stack([absolute, refusal_score(logits)], axis=1)
    return learner.map.encode(filled, conditions)[0], logits, reconstruction, squared, scores
