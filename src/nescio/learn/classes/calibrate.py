"""Calibration with held-out draws, for the whole axis or a part of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from nescio.learn.calibration import fit_temperature
from nescio.learn.classes.draws import drawn
from nescio.learn.classes.evaluation import evaluate
from nescio.learn.classes.learner import Learner
from nescio.learn.classes.novelty import NoveltyScale
from nescio.progress import track
from nescio.techniques import ClassPrior

__all__ = ["Calibration", "calibrate"]

# Random keys: one stream for each purpose; those below 10 belong to training, 10 and 13 to the agent.
_SCALE, _RANKS = 11, 12


class Calibration(NamedTuple):
    """Scores of held-out known signals, and the values derived from them."""

    temperature: float
    """Temperature of the class probabilities."""
    scale: NoveltyScale
    novelty: NDArray[np.float64]
    """Sorted novelty of held-out known signals, shape (draws,)."""
    error: float
    """Median reconstruction error of known signals."""


class _Seen(NamedTuple):
    """Outputs for held-out draws with one mask."""

    logits: NDArray[Any]
    labels: NDArray[Any]
    scores: NDArray[Any]
    error: NDArray[Any]


def calibrate(
    prior: ClassPrior,
    learner: Learner,
    masks: Sequence[NDArray[np.bool_] | None] = (None,),
    *,
    draws: int | None = None,
    temperature: float | None = None,
    progress: bool | None = None,
) -> list[Calibration]:
    """Calibrate with held-out draws: one set for scale and temperature, another for the ranks.

    All masks use the same draws, which are simulated once.

    Args:
        prior: Prior to draw from.
        learner: Trained networks.
        masks: Measured points for each calibration, shape (points,); None for all points.
        draws: Number of draws for the ranks; by default from the settings.
        temperature: Temperature of the class probabilities; fitted by default.
        progress: Show a progress bar; by default if standard error is a terminal.
    """
    sizes = learner.settings.calibration
    ranked = sizes.draws if draws is None else draws
    root = jax.random.key(learner.settings.training.seed)
    total = len(masks) * (sizes.scale_draws + ranked)
    described = "calibrating"
    if masks != (None,):
        described += " a partial range" if len(masks) == 1 else f" {len(masks)} partial ranges"
    with track(described, total, enabled=progress) as advanced:

        def look(stream: int, n: int) -> list[_Seen]:
            parts: list[list[_Seen]] = [[] for _ in masks]
            for signals, labels, conditions in drawn(prior, jax.random.fold_in(root, stream), n):
                for part, mask in zip(parts, masks, strict=True):
                    found = evaluate(learner, signals, conditions, mask)
                    part.append(_Seen(found.logits.swapaxes(0, 1), labels, found.scores, found.error))
                    advanced(len(labels))
            return [_Seen(*(np.concatenate(pieces) for pieces in zip(*part, strict=True))) for part in parts]

        scaling = look(_SCALE, sizes.scale_draws)
        ranking = look(_RANKS, ranked)
    return [_calibration(first, second, temperature) for first, second in zip(scaling, ranking, strict=True)]


def _calibration(scaling: _Seen, ranking: _Seen, temperature: float | None) -> Calibration:
    if temperature is None:
        temperature = fit_temperature(scaling.logits.swapaxes(0, 1)[..., :-1], scaling.labels)
    scale = NoveltyScale.fit(scaling.scores)
    return Calibration(
        temperature, scale, np.sort(scale.combine(ranking.scores)), float(np.median(ranking.error))
    )
