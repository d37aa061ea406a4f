"""The agent for classes: classifies measurements and flags novel ones."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

import jax
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from nescio.compute import cache_directory, return_freed_memory
from nescio.configuration import Settings, validated
from nescio.errors import AgentError
from nescio.learn.agent import agent_figures
from nescio.learn.calibration import expected_calibration_error, flagged_fraction
from nescio.learn.checks import check_alpha, check_axis
from nescio.learn.classes.calibrate import Calibration, calibrate
from nescio.learn.classes.coverage import CalibrationStore, shared_coverage
from nescio.learn.classes.draws import draw, drawn
from nescio.learn.classes.evaluation import evaluate
from nescio.learn.classes.findings import Results, findings_of
from nescio.learn.classes.learner import Learner
from nescio.learn.classes.neighbours import Neighbours
from nescio.learn.classes.novelty import VIEWS, NoveltyScale
from nescio.learn.classes.sampling import PriorSampler, StoredSampler
from nescio.learn.classes.settings import LearnSettings
from nescio.learn.classes.training import fit_learner
from nescio.learn.networks import shapes_of
from nescio.learn.storage import learned_identity, named_arrays, restore_arrays
from nescio.learn.train import interrupted_after
from nescio.progress import track
from nescio.signals import CLASSES, simulated_measurements
from nescio.techniques import ClassPrior

__all__ = ["ClassAgent"]

# Random keys: one stream for each purpose; training uses those below 10, calibration 11 and 12.
_MAP, _REFERENCE = 10, 13
# Fewer measurements than this need no progress bar.
_SHORT = 3000
_AT_ONCE = 4096
# Number of partial ranges calibrated with one simulation; each takes some megabytes.
_RANGES_AT_ONCE = 8
_FRESH = 1000


@dataclass(frozen=True, eq=False)
class ClassAgent:
    """An agent trained on a prior with classes (:class:`nescio.learn.Agent`); made by :meth:`train`."""

    prior: ClassPrior
    learner: Learner
    calibration: Calibration
    neighbours: Neighbours
    history: tuple[dict[str, float], ...] = ()
    """Step and validation loss of each part, for every validation of the training."""
    partial: CalibrationStore = field(default_factory=CalibrationStore, repr=False)
    """Calibrations for measurements that cover only a part of the axis."""

    kind: ClassVar[str] = CLASSES
    settings_model: ClassVar[type[Settings]] = LearnSettings
    seed_setting: ClassVar[str] = "training.seed"

    @property
    def settings(self) -> LearnSettings:
        """Settings of the training."""
        return self.learner.settings

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the known classes."""
        return self.prior.labels

    @property
    def known(self) -> tuple[str, ...]:
        """Names of the known classes."""
        return self.prior.labels

    @cached_property
    def identity(self) -> str:
        """Short hash of technique, prior and settings."""
        return learned_identity(self.prior, self.settings)[:12]

    def _repr_html_(self) -> str:
        return agent_figures(self)

    @classmethod
    def train(
        cls,
        prior: ClassPrior,
        settings: LearnSettings | None = None,
        *,
        data: StoredSampler | None = None,
        checkpoint: Path | None = None,
        resume: bool = False,
        progress: bool | None = None,
    ) -> Self:
        """Train all networks on draws from a prior and calibrate them with held-out draws.

        Args:
            prior: The prior.
            settings: Settings of the training; the defaults suit a few phases.
            data: Stored data set to train on instead of draws from the prior; calibration and validation still use
                draws from the prior.
            checkpoint: Folder for the state of the training.
            resume: Continue from the checkpoint if it exists.
            progress: Show progress bars; by default if standard error is a terminal.

        Raises:
            InterruptedTrainingError: Ctrl-C was pressed.
            AgentError: The checkpoint belongs to another prior, other settings or other data, or the training diverged.
            MeasurementError: The data do not match the prior.
        """
        settings = settings or LearnSettings()
        if data is not None:
            data.check(prior)
        training = fit_learner(
            Learner(prior.axis.size, len(prior.condition_names), len(prior.labels), settings),
            PriorSampler(prior) if data is None else data,
            validation=PriorSampler(prior),
            identity=learned_identity(prior, settings) + ("" if data is None else data.digest),
            checkpoint=checkpoint,
            resume=resume,
            progress=progress,
        )
        learner = training.module
        with interrupted_after("the networks were trained", checkpoint):
            neighbours = _placed_on_map(prior, learner, progress=progress)
            return_freed_memory()
            (calibration,) = calibrate(prior, learner, progress=progress)
        return cls(prior, learner, calibration, neighbours, training.history)

    def assess(
        self, prepared: xr.Dataset, *, alpha: float = 0.01, progress: bool | None = None
    ) -> xr.Dataset:
        """Classify measurements, with probabilities, and flag novel ones.

        Args:
            prepared: Measurements on the prior's axis and scale, from the technique's `prepare`.
            alpha: Accepted false-alarm rate: share of known measurements flagged as novel.
            progress: Show a progress bar; by default if standard error is a terminal.

        Returns:
            Findings (:mod:`nescio.signals`). If a part of the axis was not measured, the p-values are calibrated with
            known signals without the same part.

        Raises:
            AgentError: The data have another axis or lack a required composition; or alpha is not a probability, or is
                smaller than the smallest p-value of the calibration.
        """
        check_alpha(alpha, self.calibration.novelty.size, "calibration.draws")
        signals, conditions, covered, problems = self._checked(prepared)
        assessed = np.array([not problem for problem in problems], bool)
        results = Results.empty(len(signals), signals.shape[1], len(self.labels), self.settings.map.latent)
        calibrations = self._calibrations(covered[assessed], alpha, progress)
        with track(
            "assessing",
            max(len(signals), 1),
            enabled=False if progress is None and len(signals) < _SHORT else progress,
        ) as advanced:
            for whole in (True, False):
                rows = np.flatnonzero(assessed & (covered.all(axis=1) == whole))
                for start in range(0, len(rows), _AT_ONCE):
                    some = rows[start : start + _AT_ONCE]
                    found = evaluate(
                        self.learner, signals[some], conditions[some], None if whole else covered[some]
                    )
                    own = [calibrations[covered[row].tobytes()] for row in some]
                    results.put(some, found, own, self.neighbours)
                    advanced(len(some))
        return findings_of(
            prepared,
            results,
            covered.mean(axis=1),
            problems,
            labels=self.labels,
            alpha=alpha,
            axis=str(self.prior.axis.name),
            attributes={"agent": self.identity, "technique": self.prior.technique},
        )

    def reference(self, n: int = 1000, *, seed: int = 0) -> xr.Dataset:
        """Return findings on `n` new known signals, with their true classes in ``truth``.

        Their random keys are independent of training and calibration.
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

    def performance(self) -> tuple[str, ...]:
        """Return accuracy and false-alarm rate for new known signals, as text."""
        fresh = self.reference(_FRESH)
        right = float((fresh["label"] == fresh["truth"]).mean())
        labels = [self.labels.index(name) for name in fresh["truth"].values]
        off = expected_calibration_error(fresh["probability"].values, labels)
        flagged = flagged_fraction(fresh["p_value"], 0.01)
        line = (
            f"{_FRESH} new known signals: {right:.1%} are classified correctly (mean error of the probabilities "
            f"{off:.1%}), {flagged:.1%} are flagged as novel at alpha 0.01"
        )
        return (line,)

    def report_parts(self, findings: xr.Dataset) -> dict[str, Any]:  # noqa: ARG002 - the same for all findings
        """Return further arguments for :func:`nescio.view.assessment_report`."""
        return {
            "reference": self.reference(),
            "predict": lambda latent: self.latent_grid_labels(np.asarray(latent, np.float32)),
            "history": self.history,
        }

    def latent_grid_labels(self, latent: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the class index with the most votes of the neighbours at map positions (n, latent)."""
        return self.neighbours.predict(latent)

    def document(self) -> dict[str, Any]:
        """Return labels, settings, calibration values and history."""
        return {
            "labels": list(self.labels),
            "settings": self.settings.model_dump(mode="json"),
            "temperature": self.calibration.temperature,
            "known_error": self.calibration.error,
            "history": list(self.history),
        }

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return weights, calibration scores and the known signals on the map."""
        return {
            **named_arrays(self.learner, "learner"),
            "calibration.novelty": self.calibration.novelty,
            "calibration.median": self.calibration.scale.median,
            "calibration.spread": self.calibration.scale.spread,
            "map.latent": self.neighbours.latent,
            "map.labels": self.neighbours.labels,
        }

    @classmethod
    def restored(
        cls,
        prior: ClassPrior,
        document: Mapping[str, Any],
        arrays: Mapping[str, NDArray[Any]],
        folder: Path,
    ) -> Self:
        """Rebuild a stored agent; see :meth:`nescio.learn.Agent.restored`."""
        settings = validated(LearnSettings, document["settings"], "settings")
        if settings.model_dump(mode="json") != document["settings"]:
            raise AgentError(f"{folder}: the settings are not complete")
        if tuple(document["labels"]) != prior.labels:
            raise AgentError(f"{folder}: the labels of the agent do not match its prior")
        points, classes = int(prior.axis.size), len(prior.labels)
        shapes = shapes_of(lambda rng: Learner(points, len(prior.condition_names), classes, settings, rng))
        learner = restore_arrays(shapes, arrays, "learner", folder)
        scale = NoveltyScale(arrays["calibration.median"], arrays["calibration.spread"])
        if {scale.median.shape, scale.spread.shape} != {(len(VIEWS),)} or (scale.spread <= 0).any():
            raise AgentError(f"{folder}: the calibration's scale is damaged")
        novelty = arrays["calibration.novelty"]
        if novelty.ndim != 1 or novelty.size == 0 or (np.diff(novelty) < 0).any():
            raise AgentError(f"{folder}: the calibration's scores are damaged")
        latent, labels = arrays["map.latent"], arrays["map.labels"]
        if latent.ndim != 2 or latent.shape[1] != settings.map.latent or labels.shape != latent.shape[:1]:
            raise AgentError(f"{folder}: the positions on the map are damaged")
        if (
            not latent.size
            or labels.dtype.kind not in "iu"
            or not 0 <= labels.min() <= labels.max() < classes
        ):
            raise AgentError(f"{folder}: the classes on the map are damaged")
        digest = str(document["sha256"])
        return cls(
            prior,
            learner,
            Calibration(
                _positive(document, "temperature"), scale, novelty, _positive(document, "known_error")
            ),
            Neighbours(latent, labels, classes, settings.calibration.neighbours),
            tuple({str(k): float(v) for k, v in dict(entry).items()} for entry in document["history"]),
            CalibrationStore(
                digest, (folder / "calibrations", cache_directory() / "calibrations" / digest[:16])
            ),
        )

    def _checked(
        self, prepared: xr.Dataset
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_], list[str]]:
        """Return signals, conditions, coverage and problems.

        Raises:
            AgentError: The axis does not match, or compositions are missing.
        """
        check_axis(prepared, self.prior.axis)
        signals = np.asarray(prepared["intensity"].values, np.float32)
        n = len(signals)
        covered = (
            shared_coverage(np.asarray(prepared["covered"].values, bool))
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
                problems[i] = "no measured point lies on the agent's axis"
            elif not np.isfinite(inside).all():
                problems[i] = "has intensities that are not finite"
            elif inside.min() < -1e-6 or inside.max() > 1.0 + 1e-6:
                problems[i] = "intensities are not scaled to 0-1"
            elif not np.isfinite(conditions[i]).all():
                problems[i] = "its composition is unknown, but this agent needs it"
        return np.where(covered, signals, 0.0).astype(np.float32), conditions, covered, problems

    def _conditions(self, prepared: xr.Dataset) -> NDArray[np.float32]:
        names = list(self.prior.condition_names)
        wanted = ", ".join(names)
        if "composition" not in prepared.coords:
            raise AgentError(
                f"this agent was trained with compositions ({wanted}); the measurements have none"
            )
        elements = [str(e) for e in prepared["element"].values]
        if missing := [name for name in names if name not in elements]:
            raise AgentError(
                f"the measurements' compositions lack {', '.join(missing)}; this agent needs {wanted}"
            )
        values = prepared["composition"].transpose("measurement", "element").values
        return np.asarray(values[:, [elements.index(name) for name in names]], np.float32)

    def _calibrations(
        self, covered: NDArray[np.bool_], alpha: float, progress: bool | None
    ) -> dict[bytes, Calibration]:
        """Return the calibration for each mask among rows of coverage (n, points), by the mask's bytes."""
        most = self.settings.calibration.draws
        # Enough draws that a hundred known signals exceed the level; all draws for each range would take too long.
        draws = min(most, max(most // 4, math.ceil(100 / alpha)))
        masks = {mask.tobytes(): mask for mask in covered}
        known = {key: self._known_calibration(mask, draws) for key, mask in masks.items()}
        missing = [masks[key] for key, found in known.items() if found is None]
        for start in range(0, len(missing), _RANGES_AT_ONCE):
            some = missing[start : start + _RANGES_AT_ONCE]
            made = calibrate(
                self.prior,
                self.learner,
                some,
                draws=draws,
                temperature=self.calibration.temperature,
                progress=progress,
            )
            self.partial.keep(some, made)
            known |= {mask.tobytes(): one for mask, one in zip(some, made, strict=True)}
        return {key: found for key, found in known.items() if found is not None}

    def _known_calibration(self, mask: NDArray[np.bool_], draws: int) -> Calibration | None:
        return self.calibration if mask.all() else self.partial.find(mask, draws)


def _positive(document: Mapping[str, Any], key: str) -> float:
    value = float(document[key])
    if not 0.0 < value < np.inf:
        raise AgentError(f"agent.json: {key} is {value:g}; it must be positive")
    return value


def _placed_on_map(prior: ClassPrior, learner: Learner, *, progress: bool | None) -> Neighbours:
    settings = learner.settings
    key = jax.random.fold_in(jax.random.key(settings.training.seed), _MAP)
    latent, labels = [], []
    with track("placing on the map", settings.calibration.map_draws, enabled=progress) as advanced:
        for signals, truth, conditions in drawn(prior, key, settings.calibration.map_draws):
            latent.append(evaluate(learner, signals, conditions).latent)
            labels.append(truth)
            advanced(len(truth))
    return Neighbours(
        np.concatenate(latent), np.concatenate(labels), len(prior.labels), settings.calibration.neighbours
    )
