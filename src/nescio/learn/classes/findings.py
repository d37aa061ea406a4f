"""Findings of an agent for classes, from the outputs of networks and calibrations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from nescio.learn.calibration import conformal_p_values, tempered_probabilities
from nescio.learn.classes.calibrate import Calibration
from nescio.learn.classes.evaluation import Evaluation
from nescio.learn.classes.neighbours import Neighbours
from nescio.learn.classes.novelty import VIEWS
from nescio.signals import CLASSES, KNOWN, NOVEL, UNREADABLE

__all__ = ["Results", "findings_of"]


@dataclass(frozen=True)
class Results:
    """Arrays with one row per measurement; NaN if it was not assessed."""

    latent: NDArray[np.float64]
    knn: NDArray[np.float64]
    probability: NDArray[np.float64]
    reconstruction: NDArray[np.float32]
    error: NDArray[np.float64]
    known_error: NDArray[np.float64]
    novelty: NDArray[np.float64]
    views: NDArray[np.float64]
    p_value: NDArray[np.float64]

    @classmethod
    def empty(cls, n: int, points: int, classes: int, latent: int) -> Results:
        """Return results without values."""
        return cls(
            latent=np.full((n, latent), np.nan),
            knn=np.full((n, classes), np.nan),
            probability=np.full((n, classes), np.nan),
            reconstruction=np.full((n, points), np.nan, np.float32),
            error=np.full(n, np.nan),
            known_error=np.full(n, np.nan),
            novelty=np.full(n, np.nan),
            views=np.full((n, len(VIEWS)), np.nan),
            p_value=np.full(n, np.nan),
        )

    def put(
        self,
        rows: NDArray[np.intp],
        found: Evaluation,
        calibrations: Sequence[Calibration],
        neighbours: Neighbours,
    ) -> None:
        """Fill in some rows, each with its own calibration."""
        self.latent[rows] = found.latent
        self.knn[rows] = neighbours.probabilities(found.latent)
        self.reconstruction[rows] = found.reconstruction
        self.error[rows] = found.error
        for calibration, mine in _by_calibration(calibrations):
            some, scores = rows[mine], found.scores[mine]
            self.probability[some] = tempered_probabilities(
                found.logits[:, mine, :-1], calibration.temperature
            )
            self.known_error[some] = calibration.error
            self.views[some] = calibration.scale.scaled(scores)
            self.novelty[some] = calibration.scale.combine(scores)
            self.p_value[some] = conformal_p_values(self.novelty[some], calibration.novelty)


def _by_calibration(calibrations: Sequence[Calibration]) -> list[tuple[Calibration, NDArray[np.intp]]]:
    """Return each calibration once, with its positions."""
    positions: dict[int, list[int]] = {}
    for position, one in enumerate(calibrations):
        positions.setdefault(id(one), []).append(position)
    return [(calibrations[mine[0]], np.asarray(mine, np.intp)) for mine in positions.values()]


def findings_of(
    prepared: xr.Dataset,
    results: Results,
    coverage: NDArray[np.float64],
    problems: Sequence[str],
    *,
    labels: Sequence[str],
    alpha: float,
    axis: str,
    attributes: Mapping[str, Any],
) -> xr.Dataset:
    """Return findings as :mod:`nescio.signals` describes them.

    Args:
        prepared: The measurements.
        results: Results of networks and calibrations.
        coverage: Used share of the axis for each measurement, shape (n,).
        problems: Reasons why measurements could not be assessed, or empty.
        labels: Names of the classes.
        alpha: Level of the verdict.
        axis: Name of the axis.
        attributes: Further attributes of the dataset.
    """
    assessed = np.array([not problem for problem in problems], bool)
    best = np.where(assessed, np.nan_to_num(results.probability, nan=-1.0).argmax(axis=1), -1)
    label = np.array([labels[i] if i >= 0 else "" for i in best], dtype=object).astype(str)
    novel = assessed & (results.p_value <= alpha)
    verdict = np.where(assessed, np.where(novel, NOVEL, KNOWN), UNREADABLE)
    reason = [
        _reason(i, results, label[i], bool(novel[i]), alpha) + _range_used(coverage[i])
        if assessed[i]
        else problems[i]
        for i in range(len(assessed))
    ]
    findings = prepared.drop_vars("problem", errors="ignore").assign(
        latent=(("measurement", "latent_dimension"), results.latent),
        knn_probability=(("measurement", "candidate"), results.knn),
        probability=(("measurement", "candidate"), results.probability),
        label=("measurement", label),
        reconstruction=(("measurement", axis), results.reconstruction),
        reconstruction_error=("measurement", results.error),
        novelty=("measurement", results.novelty),
        view_novelty=(("measurement", "view"), results.views),
        p_value=("measurement", results.p_value),
        verdict=("measurement", verdict.astype(str)),
        reason=("measurement", np.array(reason, dtype=object).astype(str)),
    )
    findings = findings.assign_coords(
        candidate=list(labels), view=list(VIEWS), latent_dimension=np.arange(results.latent.shape[1])
    )
    findings["reconstruction_error"].attrs = {"long_name": "mean squared reconstruction error"}
    findings["p_value"].attrs = {
        "long_name": "p-value (share of known measurements with at least this novelty)"
    }
    findings["novelty"].attrs = {
        "long_name": "novelty (1: reached by one known measurement in a hundred in one view)"
    }
    findings.attrs |= {"kind": CLASSES, "alpha": alpha, **attributes}
    return findings


def _reason(i: int, results: Results, label: str, novel: bool, alpha: float) -> str:
    share = f"p = {results.p_value[i]:.2g}"
    if not novel:
        sure = results.probability[i].max()
        return f"classified as {label} (probability {sure:.3g}); as novel as known measurements or less ({share})"
    times = results.error[i] / max(results.known_error[i], 1e-12)
    strangest = VIEWS[int(np.argmax(results.views[i]))]
    why = (
        f"the reconstruction error is {times:.2g} times that of known measurements"
        if strangest == "reconstruction"
        else "the classifiers assign the measurement to none of the known classes"
    )
    return f"{why} ({share}, at most {alpha:g}); the most similar class is {label}"


def _range_used(coverage: float) -> str:
    return "" if coverage >= 0.995 else f"; only {coverage:.0%} of the agent's range was used"
