"""The agent of classes: which class a measurement belongs to, and whether it belongs to none."""

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

# Random keys: one stream for each purpose; those below 10 belong to training, 11 and 12 to calibration.
_MAP, _REFERENCE = 10, 13
# Fewer measurements than this take no time that a progress bar could fill.
_SHORT = 3000
_AT_ONCE = 4096
# Partial ranges that are calibrated on one simulation; each takes some megabytes.
_RANGES_AT_ONCE = 8
_FRESH = 1000


@dataclass(frozen=True, eq=False)
class ClassAgent:
    """A learned prior of classes (:class:`nescio.learn.Agent`); made by :meth:`train`."""

    prior: ClassPrior
    learner: Learner
    calibration: Calibration
    neighbours: Neighbours
    history: tuple[dict[str, float], ...] = ()
    """Of training: the step and the held-out loss of each part, at every look."""
    partial: CalibrationStore = field(default_factory=CalibrationStore, repr=False)
    """Calibrations for measurements that cover a part of the axis only."""

    kind: ClassVar[str] = CLASSES
    settings_model: ClassVar[type[Settings]] = LearnSettings
    seed_setting: ClassVar[str] = "training.seed"

    @property
    def settings(self) -> LearnSettings:
        """How it learned."""
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
        """Train all networks on draws from a prior, and calibrate them on held-out draws.

        Args:
            prior: What is known.
            settings: How to learn; the defaults suit a handful of phases.
            data: A stored data set to train on instead of draws from the prior; calibration and validation still draw
                from the prior.
            checkpoint: Folder to keep the state of the training in.
            resume: Go on from the checkpoint, if there is one.
            progress: Show progress bars; by default where standard error is a terminal.

        Raises:
            InterruptedTrainingError: Ctrl-C was pressed.
            AgentError: The checkpoint is of another prior, other settings or other data; or the training diverged.
            MeasurementError: The data do not fit the prior.
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
        """Return the class of every measurement, how sure that is, and whether it belongs to none.

        Args:
            prepared: Measurements on the prior's axis and scale, as the technique's `prepare` returns them.
            alpha: Share of known measurements that may be called novel.
            progress: Show a progress bar; by default where standard error is a terminal.

        Returns:
            The findings that :mod:`nescio.signals` describes. Where a part of the axis was not measured, the p-values
            are calibrated with known signals that lack the same part.

        Raises:
            AgentError: The data are not on the agent's axis or lack a composition it needs; or alpha is no probability,
                or smaller than any p-value of this calibration.
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

    def performance(self) -> tuple[str, ...]:
        """Return how often fresh known signals are classified correctly, and how often flagged."""
        fresh = self.reference(_FRESH)
        right = float((fresh["label"] == fresh["truth"]).mean())
        labels = [self.labels.index(name) for name in fresh["truth"].values]
        off = expected_calibration_error(fresh["probability"].values, labels)
        flagged = flagged_fraction(fresh["p_value"], 0.01)
        line = (
            f"of {_FRESH} fresh known signals {right:.1%} are classified correctly (probabilities are off by "
            f"{off:.1%} on average), {flagged:.1%} flagged at alpha 0.01"
        )
        return (line,)

    def report_parts(self, findings: xr.Dataset) -> dict[str, Any]:  # noqa: ARG002 - the same for all findings
        """Return what :func:`nescio.view.assessment_report` shows beside the findings."""
        return {
            "reference": self.reference(),
            "predict": lambda latent: self.latent_grid_labels(np.asarray(latent, np.float32)),
            "history": self.history,
        }

    def latent_grid_labels(self, latent: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the class index that the neighbours vote for at positions (n, latent) on the map."""
        return self.neighbours.predict(latent)

    def document(self) -> dict[str, Any]:
        """Return labels, settings, the numbers of the calibration, and the history."""
        return {
            "labels": list(self.labels),
            "settings": self.settings.model_dump(mode="json"),
            "temperature": self.calibration.temperature,
            "known_error": self.calibration.error,
            "history": list(self.history),
        }

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return weights, scores of the calibration, and the known signals on the map."""
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
        """Return the agent that was stored; see :meth:`nescio.learn.Agent.restored`."""
        settings = validated(LearnSettings, document["settings"], "settings")
        if settings.model_dump(mode="json") != document["settings"]:
            raise AgentError(f"{folder}: the settings are not complete")
        if tuple(document["labels"]) != prior.labels:
            raise AgentError(f"{folder}: the labels that were learned are not those that the prior describes")
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
            AgentError: The axis does not fit, or compositions are missing.
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
        # So many that a hundred known signals lie beyond the level; all draws for each range would take too long.
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
        raise AgentError(f"agent.json: {key} is {value:g}, where a positive number is needed")
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
