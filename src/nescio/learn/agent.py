"""The agent: what learned a prior, and says of measurements what they are and whether they are new."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from nescio.compute import return_freed_memory
from nescio.errors import AgentError
from nescio.learn.asked import check_alpha, check_axis
from nescio.learn.calibration import conformal_p_values, fit_temperature, tempered_probabilities
from nescio.learn.draws import draw, drawn
from nescio.learn.evaluation import Evaluation, evaluate
from nescio.learn.learner import Learner
from nescio.learn.neighbours import Neighbours
from nescio.learn.novelty import VIEWS, NoveltyScale
from nescio.learn.sampling import PriorSampler, Sampler, StoredSampler
from nescio.learn.settings import LearnSettings
from nescio.learn.storage import learned_identity
from nescio.learn.train import fit
from nescio.progress import track
from nescio.signals import KNOWN, NOVEL, UNREADABLE, simulated_measurements
from nescio.techniques import Prior

__all__ = ["Agent", "Calibration", "learn"]

_Array = NDArray[Any]

# Random keys: one stream for each purpose; those below 10 belong to training.
_MAP, _SCALE, _CALIBRATION, _REFERENCE = 10, 11, 12, 13
# Fewer measurements than this take no time that a progress bar could fill.
_SHORT = 3000
# Calibrations for measurements that cover only part of the axis, kept for the next time.
_MASKS_KEPT = 16
# Measurements that begin or end some points apart share a calibration: the axis is cut into so many blocks, and at one
# that was not covered whole nobody looks.
_BLOCKS = 128


class Calibration(NamedTuple):
    """What held-out known signals look like to the networks."""

    temperature: float
    """Of the class probabilities."""
    scale: NoveltyScale
    novelty: NDArray[np.float64]
    """Shape (draws,), sorted novelty of held-out known signals."""
    error: float
    """Median reconstruction error of known signals."""


@dataclass(frozen=True, eq=False)
class Agent:
    """A learned prior; made by :func:`learn`, kept by :func:`save_agent`, brought back by :func:`load_agent`."""

    prior: Prior
    learner: Learner
    calibration: Calibration
    neighbours: Neighbours
    history: tuple[dict[str, float], ...] = ()
    """Of training: the step and the held-out loss of each part, at every look."""
    _masked: OrderedDict[bytes, Calibration] = field(default_factory=OrderedDict, repr=False)

    @property
    def settings(self) -> LearnSettings:
        """How it learned."""
        return self.learner.settings

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the known classes."""
        return self.prior.labels

    @cached_property
    def identity(self) -> str:
        """Short hash of prior and settings."""
        return learned_identity(self.prior, self.settings)[:12]

    def assess(
        self, prepared: xr.Dataset, *, alpha: float = 0.01, progress: bool | None = None
    ) -> xr.Dataset:
        """Say of every measurement what it is, how sure that is, and whether it is new.

        Args:
            prepared: Measurements on the prior's axis and scale, as the technique's `prepare` returns them.
            alpha: Share of known measurements that may be called novel.
            progress: Show a progress bar; by default where standard error is a terminal.

        Returns:
            The findings that :mod:`nescio.signals` describes. Where part of the axis was not measured, the p-values are
            calibrated with known signals of which the same part is missing.

        Raises:
            AgentError: The data are not on the agent's axis or lack a composition it needs; or alpha is no probability,
                or smaller than any p-value of this calibration.
        """
        check_alpha(alpha, self.calibration.novelty.size, "calibration.draws")
        signals, conditions, covered, problems = self._checked(prepared)
        n = len(signals)
        asked = np.array([not problem for problem in problems], bool)
        result = _Results.empty(n, signals.shape[1], len(self.labels), self.settings.map.latent)
        groups = [
            (rows, covered[rows[0]], self._calibration_for(covered[rows[0]], progress))
            for rows in _alike(covered, asked)
        ]
        with track(
            "assessing", max(n, 1), enabled=False if progress is None and n < _SHORT else progress
        ) as tell:
            for rows, mask, calibration in groups:
                for start in range(0, len(rows), 4096):
                    some = rows[start : start + 4096]
                    found = evaluate(self.learner, signals[some], conditions[some], mask)
                    result.put(some, found, calibration, self.neighbours)
                    tell(len(some), "")
        return self._findings(prepared, result, covered.mean(axis=1), asked, problems, alpha)

    def reference(self, n: int = 1000, *, seed: int = 0) -> xr.Dataset:
        """Return findings on `n` fresh known signals, their classes in ``truth``.

        They come from a stream of keys of their own: none was seen in training or calibration.
        """
        key = jax.random.fold_in(
            jax.random.fold_in(jax.random.key(seed), _REFERENCE), self.settings.training.seed
        )
        signals, labels, conditions = draw(self.prior, key, n)
        prepared = simulated_measurements(
            self.prior.axis,
            signals,
            [f"known#{i}" for i in range(n)],
            composition=conditions,
            elements=self.prior.condition_names,
        )
        findings = self.assess(prepared, progress=False)
        return findings.assign(truth=("measurement", np.array(self.labels)[labels]))

    def latent_grid_labels(self, latent: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the class index that the neighbours vote for at positions (n, latent) on the map."""
        return self.neighbours.predict(latent)

    def _checked(
        self, prepared: xr.Dataset
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_], list[str]]:
        """Return signals, conditions, coverage and problems, or say what does not fit."""
        check_axis(prepared, self.prior.axis)
        signals = np.asarray(prepared["intensity"].values, np.float32)
        n = len(signals)
        covered = (
            _whole_blocks(np.asarray(prepared["covered"].values, bool))
            if "covered" in prepared
            else np.ones(signals.shape, bool)
        )
        problems = [str(p) for p in prepared["problem"].values] if "problem" in prepared else [""] * n
        conditions = np.zeros((n, len(self.prior.condition_names)), np.float32)
        if self.prior.condition_names:
            conditions = self._conditions(prepared)
        for i in range(n):
            if problems[i]:
                continue
            inside = signals[i][covered[i]]
            if inside.size == 0:
                problems[i] = "nothing was measured on the agent's axis"
            elif not np.isfinite(inside).all():
                problems[i] = "holds intensities that are not finite"
            elif inside.min() < -1e-6 or inside.max() > 1.0 + 1e-6:
                problems[i] = "intensities are not scaled to 0-1"
            elif not np.isfinite(conditions[i]).all():
                problems[i] = "its composition is not known, and this agent needs it"
        return np.where(covered, signals, 0.0).astype(np.float32), conditions, covered, problems

    def _conditions(self, prepared: xr.Dataset) -> NDArray[np.float32]:
        names = list(self.prior.condition_names)
        wanted = ", ".join(names)
        if "composition" not in prepared.coords:
            raise AgentError(
                f"this agent was taught with compositions ({wanted}); the measurements have none"
            )
        elements = [str(e) for e in prepared["element"].values]
        if missing := [name for name in names if name not in elements]:
            raise AgentError(
                f"the measurements' compositions lack {', '.join(missing)}; this agent needs {wanted}"
            )
        values = prepared["composition"].transpose("measurement", "element").values
        return np.asarray(values[:, [elements.index(name) for name in names]], np.float32)

    def _calibration_for(self, covered: NDArray[np.bool_], progress: bool | None) -> Calibration:
        if covered.all():
            return self.calibration
        key = np.packbits(covered).tobytes()
        if key not in self._masked:
            self._masked[key] = _calibrate(
                self.prior, self.learner, covered, self.calibration.temperature, progress=progress
            )
            if len(self._masked) > _MASKS_KEPT:
                self._masked.popitem(last=False)
        return self._masked[key]

    def _findings(
        self,
        prepared: xr.Dataset,
        result: _Results,
        coverage: NDArray[np.float64],
        asked: NDArray[np.bool_],
        problems: list[str],
        alpha: float,
    ) -> xr.Dataset:
        best = np.where(asked, np.nan_to_num(result.probability, nan=-1.0).argmax(axis=1), -1)
        label = np.array([self.labels[i] if i >= 0 else "" for i in best], dtype=object).astype(str)
        novel = asked & (result.p_value <= alpha)
        verdict = np.where(asked, np.where(novel, NOVEL, KNOWN), UNREADABLE)
        reason = [
            self._reason(i, result, label[i], bool(novel[i]), alpha) + _range_told(coverage[i])
            if asked[i]
            else problems[i]
            for i in range(len(asked))
        ]
        axis = str(self.prior.axis.name)
        findings = prepared.drop_vars("problem", errors="ignore").assign(
            latent=(("measurement", "latent_dimension"), result.latent),
            knn_probability=(("measurement", "candidate"), result.knn),
            probability=(("measurement", "candidate"), result.probability),
            label=("measurement", label),
            reconstruction=(("measurement", axis), result.reconstruction),
            reconstruction_error=("measurement", result.error),
            novelty=("measurement", result.novelty),
            view_novelty=(("measurement", "view"), result.views),
            p_value=("measurement", result.p_value),
            verdict=("measurement", verdict.astype(str)),
            reason=("measurement", np.array(reason, dtype=object).astype(str)),
        )
        findings = findings.assign_coords(
            candidate=list(self.labels),
            view=list(VIEWS),
            latent_dimension=np.arange(self.settings.map.latent),
        )
        findings["reconstruction_error"].attrs = {"long_name": "mean squared reconstruction error"}
        findings["p_value"].attrs = {"long_name": "p-value (share of known measurements at least as strange)"}
        findings["novelty"].attrs = {
            "long_name": "novelty (1: as strange to one view as one known measurement in a hundred)"
        }
        findings.attrs |= {"alpha": alpha, "agent": self.identity, "technique": self.prior.technique}
        return findings

    def _reason(self, i: int, result: _Results, label: str, novel: bool, alpha: float) -> str:
        share = f"p = {result.p_value[i]:.2g}"
        if not novel:
            sure = result.probability[i].max()
            return f"looks like {label} (probability {sure:.3g}), and is no stranger than known ones are ({share})"
        times = result.error[i] / max(result.known_error[i], 1e-12)
        strangest = VIEWS[int(np.argmax(result.views[i]))]
        why = (
            f"the reconstruction misses it, error {times:.2g} times that of known ones"
            if strangest == "reconstruction"
            else "the classifiers call it none of the known classes"
        )
        return f"{why} ({share}, at most {alpha:g}); nearest is {label}"


@dataclass(frozen=True)
class _Results:
    """Per-measurement arrays, NaN where nothing could be said."""

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
    def empty(cls, n: int, points: int, classes: int, latent: int) -> _Results:
        shapes = [
            (n, latent),
            (n, classes),
            (n, classes),
            (n, points),
            (n,),
            (n,),
            (n,),
            (n, len(VIEWS)),
            (n,),
        ]
        arrays = [
            np.full(shape, np.nan, np.float32 if i == 3 else np.float64) for i, shape in enumerate(shapes)
        ]
        return cls(*arrays)

    def put(
        self, rows: NDArray[np.intp], found: Evaluation, calibration: Calibration, neighbours: Neighbours
    ) -> None:
        """Fill in what was found for some rows."""
        self.latent[rows] = found.latent
        self.knn[rows] = neighbours.probabilities(found.latent)
        self.probability[rows] = tempered_probabilities(found.logits[..., :-1], calibration.temperature)
        self.reconstruction[rows] = found.reconstruction
        self.error[rows] = found.error
        self.known_error[rows] = calibration.error
        self.views[rows] = calibration.scale.scaled(found.scores)
        self.novelty[rows] = calibration.scale.combine(found.scores)
        self.p_value[rows] = conformal_p_values(self.novelty[rows], calibration.novelty)


def learn(
    prior: Prior,
    settings: LearnSettings | None = None,
    *,
    data: Sampler | None = None,
    checkpoint: Path | None = None,
    resume: bool = False,
    progress: bool | None = None,
) -> Agent:
    """Learn a prior: train all networks on draws from it, and calibrate them on held-out draws.

    Args:
        prior: What is known.
        settings: How to learn; the defaults suit a handful of phases.
        data: Where training signals come from instead of the prior, such as a :class:`StoredSampler`; calibration and
            validation still draw from the prior.
        checkpoint: Folder to keep the state of training in.
        resume: Go on from the checkpoint.
        progress: Show progress bars; by default where standard error is a terminal.

    Returns:
        A calibrated agent.

    Raises:
        InterruptedTrainingError: Ctrl-C was pressed.
        AgentError: The checkpoint is of another prior, other settings or other data; or the training diverged.
        MeasurementError: The data do not fit the prior.
    """
    settings = settings or LearnSettings()
    source = ""
    if isinstance(data, StoredSampler):
        data.check(prior)
        source = data.digest
    start = Learner(prior.axis.size, len(prior.condition_names), len(prior.labels), settings)
    training = fit(
        start,
        PriorSampler(prior) if data is None else data,
        validation=PriorSampler(prior),
        identity=learned_identity(prior, settings) + source,
        checkpoint=checkpoint,
        resume=resume,
        progress=progress,
    )
    learner = training.learner
    neighbours = _place_on_map(prior, learner, progress=progress)
    return_freed_memory()
    calibration = _calibrate(prior, learner, None, None, progress=progress)
    return Agent(prior, learner, calibration, neighbours, training.history)


def _whole_blocks(covered: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return coverage (n, points) without the blocks of neighbouring points that are covered only in part."""
    n, points = covered.shape
    size = -(-points // _BLOCKS)
    padded = np.pad(covered, ((0, 0), (0, -points % size)), constant_values=True)
    whole = padded.reshape(n, padded.shape[1] // size, size).all(axis=2)
    return np.asarray(np.repeat(whole, size, axis=1)[:, :points])


def _range_told(coverage: float) -> str:
    return "" if coverage >= 0.995 else f"; only {coverage:.0%} of the agent's range was measured"


def _alike(covered: NDArray[np.bool_], asked: NDArray[np.bool_]) -> list[NDArray[np.intp]]:
    """Return the rows that are asked for, those with the same coverage together."""
    groups: dict[bytes, list[int]] = {}
    for i in np.flatnonzero(asked):
        groups.setdefault(covered[i].tobytes(), []).append(int(i))
    return [np.asarray(rows, np.intp) for rows in groups.values()]


def _place_on_map(prior: Prior, learner: Learner, *, progress: bool | None) -> Neighbours:
    settings = learner.settings
    key = jax.random.fold_in(jax.random.key(settings.training.seed), _MAP)
    latent, labels = [], []
    with track("placing on the map", settings.calibration.map_draws, enabled=progress) as tell:
        for signals, truth, conditions in drawn(prior, key, settings.calibration.map_draws):
            latent.append(evaluate(learner, signals, conditions).latent)
            labels.append(truth)
            tell(len(truth), "")
    return Neighbours(
        np.concatenate(latent), np.concatenate(labels), len(prior.labels), settings.calibration.neighbours
    )


def _calibrate(
    prior: Prior,
    learner: Learner,
    covered: NDArray[np.bool_] | None,
    temperature: float | None,
    *,
    progress: bool | None,
) -> Calibration:
    """Look at held-out draws: one set for scale and temperature, another for the ranks."""
    sizes = learner.settings.calibration
    root = jax.random.key(learner.settings.training.seed)
    with track("calibrating", sizes.scale_draws + sizes.draws, enabled=progress) as tell:

        def look(stream: int, n: int) -> tuple[_Array, _Array, _Array, _Array]:
            parts = []
            for signals, labels, conditions in drawn(prior, jax.random.fold_in(root, stream), n):
                found = evaluate(learner, signals, conditions, covered)
                parts.append((found.logits.swapaxes(0, 1), labels, found.scores, found.error))
                tell(len(labels), "")
            logits, labels, scores, error = (np.concatenate(part) for part in zip(*parts, strict=True))
            return logits.swapaxes(0, 1), labels, scores, error

        logits, labels, scores, _ = look(_SCALE, sizes.scale_draws)
        if temperature is None:
            temperature = fit_temperature(logits[..., :-1], labels)
        scale = NoveltyScale.fit(scores)
        _, _, scores, error = look(_CALIBRATION, sizes.draws)
    return Calibration(temperature, scale, np.sort(scale.combine(scores)), float(np.median(error)))
