"""Outputs of all networks of an agent, in batches of fixed shape."""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from nescio.learn.classes.draws import BATCH
from nescio.learn.classes.learner import Learner
from nescio.learn.classes.novelty import reconstruction_scores, refusal_score
from nescio.learn.classes.outliers import rescale

__all__ = ["Evaluation", "evaluate"]

# Rounds in which missing points are replaced by the detectors' reconstruction.
_FILLINGS = 5


class Evaluation(NamedTuple):
    """Outputs of the networks for n signals, before calibration."""

    latent: NDArray[np.float32]
    """Shape (n, latent), position on the map."""
    logits: NDArray[np.float32]
    """Shape (members, n, classes + 1)."""
    reconstruction: NDArray[np.float32]
    """Shape (n, points)."""
    error: NDArray[np.float32]
    """Shape (n,), mean squared difference over the covered points."""
    scores: NDArray[np.float32]
    """Shape (n, 2), one column for each of `VIEWS`; larger is more novel."""


def evaluate(
    learner: Learner,
    signals: NDArray[np.float32],
    conditions: NDArray[np.float32],
    covered: NDArray[np.bool_] | None = None,
) -> Evaluation:
    """Evaluate all networks for signals.

    All batches have the same shape: nothing is compiled again for more data, and the numbers of a signal do not depend
    on the other signals.

    Args:
        learner: Trained networks.
        signals: Shape (n, points), 0 to 1.
        conditions: Shape (n, conditions).
        covered: False for missing points; shape (points,) for all signals or (n, points) for each. Missing points are
            filled repeatedly with the detectors' reconstruction (Rezende, Mohamed and Wierstra, 2014,
            arXiv:1401.4082, appendix F). None: no missing points.
    """
    n = len(signals)
    masks = None if covered is None else np.broadcast_to(covered, signals.shape)
    parts = []
    for start in range(0, max(n, 1), BATCH):
        rows = slice(start, start + BATCH)
        padded = (_padded(signals[rows], jnp.float32), _padded(conditions[rows], jnp.float32))
        mask = None if masks is None else _padded(masks[rows], jnp.bool_)
        parts.append([np.asarray(part) for part in _evaluate(learner, *padded, mask)])
    latent, logits, *rest = zip(*parts, strict=True)
    return Evaluation(
        np.concatenate(latent)[:n],
        np.concatenate(logits, axis=1)[:, :n],
        *(np.concatenate(part)[:n] for part in rest),
    )


def _padded(rows: NDArray[Any], kind: Any) -> Array:
    return jnp.asarray(np.pad(rows, ((0, BATCH - len(rows)), (0, 0))), kind)


@eqx.filter_jit
def _evaluate(
    learner: Learner, signals: Array, conditions: Array, covered: Array | None
) -> tuple[Array, ...]:
    filled = signals
    if covered is not None:
        signals = rescale(jnp.where(covered, signals, 0.0))

        def fill(_: int, filled: Array) -> Array:
            return jnp.where(covered, signals, learner.reconstruct(filled, conditions))

        filled = jax.lax.fori_loop(0, _FILLINGS, fill, signals)
    weight = jnp.ones_like(signals) if covered is None else covered.astype(jnp.float32)
    reconstruction = learner.reconstruct(filled, conditions)
    squared, absolute = reconstruction_scores(signals, reconstruction, weight)
    logits = learner.logits(filled, conditions)
    scores = jnp.stack([absolute, refusal_score(logits)], axis=1)
    return learner.map.encode(filled, conditions)[0], logits, reconstruction, squared, scores
