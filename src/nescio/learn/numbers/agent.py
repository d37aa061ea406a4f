"""The agent for numbers: estimates quantities with calibrated uncertainty and flags novel measurements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from nescio.configuration import Settings, validated
from nescio.errors import AgentError
from nescio.learn.agent import agent_figures
from nescio.learn.calibration import flagged_fraction
from nescio.learn.checks import check_alpha, check_axis
from nescio.learn.networks import VAE, shapes_of
from nescio.learn.numbers.familiarity import Familiarity, fit_familiarity
from nescio.learn.numbers.findings import Results, findings_of, interval_ends
from nescio.learn.numbers.regression import Regression, blank_regression, fit_regression
from nescio.learn.numbers.settings import NumberSettings
from nescio.learn.storage import learned_identity, named_arrays, restore_arrays
from nescio.learn.train import Checkpoint, interrupted_after
from nescio.progress import track
from nescio.signals import KNOWN, NOVEL, NUMBERS, simulated_measurements
from nescio.techniques import NumberPrior

__all__ = ["NumberAgent"]

Floats = NDArray[np.float64]

# Random keys: one stream for each purpose, separate from those of the training steps.
_KNOWN_KEY, _HELD_OUT_KEY, _CALIBRATION_KEY, _REFERENCE_KEY = range(2**31 - 4, 2**31)
# Fewer measurements than this need no progress bar.
_SHORT = 20_000
_AT_ONCE = 8192
_DRAWN_AT_ONCE = 1000
_FRESH = 1000
# Number of measurements with structures in a report.
_STRUCTURES_OF = 3
_FAMILIAR = ("low", "span", "scale")


@dataclass(frozen=True, eq=False)
class NumberAgent:
    """An agent trained on a prior with numbers (:class:`nescio.learn.Agent`); made by :meth:`train`."""

    prior: NumberPrior
    settings: NumberSettings
    regression: Regression
    familiarity: Familiarity | None

    kind: ClassVar[str] = NUMBERS
    settings_model: ClassVar[type[Settings]] = NumberSettings
    seed_setting: ClassVar[str] = "networks.seed"

    @cached_property
    def known(self) -> tuple[str, ...]:
        """Names of the numbers."""
        return tuple(quantity.name for quantity in self.prior.quantities)

    @property
    def history(self) -> tuple[dict[str, float], ...]:
        """Step and mean loss since the previous entry, for the training."""
        return self.regression.history

    @cached_property
    def identity(self) -> str:
        """Short hash of technique, prior and settings."""
        return learned_identity(self.prior, self.settings)[:12]

    def _repr_html_(self) -> str:
        return agent_figures(self)

    @classmethod
    def train(
        cls,
        prior: NumberPrior,
        settings: NumberSettings | None = None,
        *,
        calibration: tuple[Floats, Floats] | None = None,
        checkpoint: Path | None = None,
        resume: bool = False,
        progress: bool | None = None,
    ) -> Self:
        """Train on draws from a prior and calibrate with held-out draws.

        Args:
            prior: The prior.
            settings: Settings of the training.
            calibration: Signals (n, points) and their quantities (n, quantities), to calibrate the intervals. The
                default is new draws from the prior, which do not represent samples unlike those of the prior.
            checkpoint: Folder for the state of the training.
            resume: Continue from the checkpoint if it exists.
            progress: Show progress bars; by default if standard error is a terminal.

        Raises:
            InterruptedTrainingError: Ctrl-C was pressed.
            AgentError: The checkpoint belongs to another prior or other settings, or the training diverged.
        """
        chosen = settings or NumberSettings()
        seed, identity = chosen.networks.seed, learned_identity(prior, chosen)
        trained = fit_regression(
            prior.sampler(chosen.networks.members, seed),
            chosen.networks,
            identity=identity,
            checkpoint=checkpoint,
            resume=resume,
            progress=progress,
        )
        root, intervals, wanted = jax.random.key(seed), chosen.intervals, chosen.familiarity
        with interrupted_after("the networks were trained", checkpoint):
            regression = trained.calibrated(
                *(calibration or _drawn(prior, chosen, root, _CALIBRATION_KEY, intervals.draws)),
                level=intervals.level,
            )
            if wanted is None:
                return cls(prior, chosen, regression, None)
            known, held_out = (
                _drawn(prior, chosen, root, stream, n)[0]
                for stream, n in ((_KNOWN_KEY, wanted.draws), (_HELD_OUT_KEY, wanted.held_out))
            )
            familiarity = fit_familiarity(
                known,
                held_out,
                hidden=wanted.hidden,
                latent=wanted.latent,
                steps=wanted.steps,
                seed=seed,
                checkpoint=None if checkpoint is None else Checkpoint(checkpoint, identity, "familiarity"),
                resume=resume,
                progress=progress,
            )
        return cls(prior, chosen, regression, familiarity)

    def assess(
        self, prepared: xr.Dataset, *, alpha: float = 0.01, progress: bool | None = None
    ) -> xr.Dataset:
        """Estimate the quantities of measurements with uncertainties, and flag novel measurements.

        The uncertainty has three parts: aleatoric (the signal does not determine the quantity), epistemic (more
        training would reduce it) and systematic (possible measurement errors, if `prepared` has disturbed signals).
        The interval is calibrated on the first two.

        Args:
            prepared: Measurements on the prior's axis, from the technique's `prepare`.
            alpha: Accepted false-alarm rate: share of known measurements flagged as novel.
            progress: Show a progress bar; by default if standard error is a terminal.

        Returns:
            Findings of kind "numbers" (:mod:`nescio.signals`).

        Raises:
            AgentError: The data have another axis; or alpha is not a probability, or is smaller than the smallest
                p-value of the calibration.
        """
        check_alpha(
            alpha, None if self.familiarity is None else self.familiarity.scores.size, "familiarity.held_out"
        )
        signals, problems = self._checked(prepared)
        rows = np.flatnonzero([not problem for problem in problems])
        results = Results.empty(len(signals), len(self.known), signals.shape[1], self._latent_dimensions)
        shown = False if progress is None and len(signals) < _SHORT else progress
        with track("assessing", max(len(rows), 1), enabled=shown) as advanced:
            for start in range(0, len(rows), _AT_ONCE):
                some = rows[start : start + _AT_ONCE]
                found = self.regression.expect(signals[some])
                systematic = self._systematic(prepared, some, found.mean)
                for name, values in (
                    ("value", found.mean),
                    ("aleatoric", found.aleatoric),
                    ("epistemic", found.epistemic),
                    ("systematic", systematic),
                    ("low", found.low),
                    ("high", found.high),
                ):
                    results.numbers[name][some] = values
                if self.familiarity is not None:
                    results.p_value[some] = self.familiarity.p_values(signals[some])
                    results.reconstruction[some] = self.familiarity.reconstructed(signals[some])
                    results.latent[some] = self.familiarity.latent(signals[some])
                advanced(len(some))
        return findings_of(
            prepared,
            results,
            problems,
            prior=self.prior,
            alpha=alpha,
            attributes={
                "level": self.regression.level,
                "agent": self.identity,
                "technique": self.prior.technique,
            },
        )

    def reference(self, n: int = 1000, *, seed: int = 0) -> xr.Dataset:
        """Return findings on `n` new known signals, with the true quantities in ``truth`` (measurement, quantity).

        Their random keys are independent of training and calibration.
        """
        signals, numbers = _drawn(self.prior, self.settings, jax.random.key(seed), _REFERENCE_KEY, n)
        findings = self.assess(
            simulated_measurements(self.prior.axis, signals, [f"known#{i}" for i in range(n)]), progress=False
        )
        return findings.assign(truth=(("measurement", "quantity"), numbers))

    def performance(self) -> tuple[str, ...]:
        """Return mean errors, coverage of the intervals and false-alarm rate for new known signals, as text."""
        fresh = self.reference(_FRESH)
        off = np.abs(fresh["value"].values - fresh["truth"].values).mean(axis=0)
        covered = float(((fresh["truth"] >= fresh["low"]) & (fresh["truth"] <= fresh["high"])).mean())
        errors = ", ".join(f"{name} {value:.2g}" for name, value in zip(self.known, off, strict=True))
        flagged = (
            ""
            if self.familiarity is None
            else f"; {flagged_fraction(fresh['p_value'], 0.01):.1%} are flagged at alpha 0.01"
        )
        line = (
            f"mean absolute errors on {_FRESH} new known signals: {errors}; "
            f"{self.regression.level:.0%} intervals contain {covered:.1%} of the true values{flagged}"
        )
        return (line,)

    def report_parts(self, findings: xr.Dataset) -> dict[str, Any]:
        """Return further arguments for :func:`nescio.view.numbers_report`."""
        return {
            "reference": self.reference(),
            "saliency": self.saliency(),
            "structures": self.structures(findings),
        }

    def saliency(self, n: int = 500, *, seed: int = 0) -> xr.DataArray:
        """Return the sensitivity of each quantity to each point of a signal, shape (quantity, points).

        The sensitivity is the mean magnitude of the gradient over `n` known signals, times the spread of known signals
        at the point.
        """
        signals, _ = _drawn(self.prior, self.settings, jax.random.key(seed), _REFERENCE_KEY, n)
        axis = self.prior.axis
        return xr.DataArray(
            self.regression.slopes(signals) * signals.std(axis=0),
            dims=("quantity", str(axis.name)),
            coords={"quantity": list(self.known), str(axis.name): axis},
            name="saliency",
            attrs={"long_name": "change of the quantity for a typical change of the signal"},
        )

    def structures(
        self, findings: xr.Dataset, most: int = _STRUCTURES_OF
    ) -> list[tuple[str, list[tuple[str, Floats]]]]:
        """Return the structures that fit some measurements, evenly chosen from first to last.

        Measurements with the verdict "known" are preferred, if structures fit any of them.

        Args:
            findings: Findings of this agent.
            most: Largest number of measurements.

        Returns:
            Names and positions of structures by measurement; empty if the prior has no structures.
        """
        everything = np.full(len(self.known), np.inf)
        if not self.prior.structures(-everything, everything):
            return []
        low, high = interval_ends(
            {name: findings[name].values for name in ("value", "low", "high", "systematic")}
        )
        fits = findings["structures"].values != ""
        known, novel = (findings["verdict"].values == verdict for verdict in (KNOWN, NOVEL))
        rows = next(
            (found for which in (known & fits, novel & fits, known) if len(found := np.flatnonzero(which))),
            np.zeros(0, np.intp),
        )
        picked = rows[np.unique(np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(int))]
        return [
            (
                str(findings["measurement"].values[i]),
                [(one.name, one.positions) for one in self.prior.structures(low[i], high[i])],
            )
            for i in picked
        ]

    def document(self) -> dict[str, Any]:
        """Return quantities, settings, level of the intervals and history."""
        return {
            "quantities": [list(quantity) for quantity in self.prior.quantities],
            "settings": self.settings.model_dump(mode="json"),
            "level": self.regression.level,
            "history": list(self.history),
        }

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return weights, scales and the calibration of intervals and novelty."""
        regression = self.regression
        arrays = {
            **named_arrays(regression.networks, "networks"),
            **named_arrays((regression.signal_scale, regression.target_scale), "scales"),
            "intervals.factor": regression.factor,
        }
        if self.familiarity is not None:
            arrays |= named_arrays(self.familiarity.network, "familiarity")
            arrays |= {
                f"familiarity.{name}": np.asarray(getattr(self.familiarity, name)) for name in _FAMILIAR
            }
            arrays["familiarity.scores"] = self.familiarity.scores
        return arrays

    @classmethod
    def restored(
        cls,
        prior: NumberPrior,
        document: Mapping[str, Any],
        arrays: Mapping[str, NDArray[Any]],
        folder: Path,
    ) -> Self:
        """Rebuild a stored agent; see :meth:`nescio.learn.Agent.restored`."""
        settings = validated(NumberSettings, document["settings"], "settings")
        if [tuple(one) for one in document["quantities"]] != [tuple(one) for one in prior.quantities]:
            raise AgentError(f"{folder}: the quantities of the agent do not match its prior")
        points, outputs = int(prior.axis.size), len(prior.quantities)
        blank = blank_regression(points, outputs, settings.networks)
        factor, level = arrays["intervals.factor"], float(document["level"])
        if factor.shape != (outputs,) or (factor <= 0.0).any() or not 0.0 < level < 1.0:
            raise AgentError(f"{folder}: the calibration of the intervals is damaged")
        scales = restore_arrays((blank.signal_scale, blank.target_scale), arrays, "scales", folder)
        regression = Regression(
            settings.networks,
            restore_arrays(blank.networks, arrays, "networks", folder),
            *scales,
            factor,
            level,
            tuple(_history_entry(entry) for entry in document["history"]),
        )
        return cls(prior, settings, regression, _familiarity(settings, points, arrays, folder))

    @property
    def _latent_dimensions(self) -> int:
        return self.settings.familiarity.latent if self.settings.familiarity else 0

    def _checked(self, prepared: xr.Dataset) -> tuple[Floats, list[str]]:
        """Return signals and problems.

        Raises:
            AgentError: The axis does not match.
        """
        check_axis(prepared, self.prior.axis)
        signals = np.asarray(prepared["intensity"].values, np.float64)
        problems = (
            [str(p) for p in prepared["problem"].values] if "problem" in prepared else [""] * len(signals)
        )
        for i in range(len(signals)):
            if not problems[i] and not np.isfinite(signals[i]).all():
                problems[i] = "has values that are not finite, or does not cover the agent's axis"
        return signals, problems

    def _systematic(self, prepared: xr.Dataset, rows: NDArray[np.intp], mean: Floats) -> Floats:
        """Return the change with the disturbances: root of the squared sum of the largest change of each cause."""
        if "disturbed" not in prepared:
            return np.zeros_like(mean)
        axis = str(self.prior.axis.name)
        disturbed = prepared["disturbed"].transpose("measurement", "disturbance", axis).values[rows]
        largest: dict[str, Floats] = {}
        for number, name in enumerate(prepared["disturbance"].values):
            cause = str(name).partition(":")[0]
            change = np.abs(self.regression.moments(disturbed[:, number])[0] - mean)
            largest[cause] = np.maximum(largest.get(cause, change), change)
        return np.asarray(np.sqrt(sum((change**2 for change in largest.values()), np.zeros_like(mean))))


def _familiarity(
    settings: NumberSettings, points: int, arrays: Mapping[str, NDArray[Any]], folder: Path
) -> Familiarity | None:
    if (wanted := settings.familiarity) is None:
        return None
    network = shapes_of(lambda rng: VAE(points, 0, 1, wanted.network, rng))
    low, span, scale = (jnp.asarray(arrays[f"familiarity.{name}"]) for name in _FAMILIAR)
    scores = arrays["familiarity.scores"]
    if {low.shape, span.shape, scale.shape} != {(points,)} or scores.ndim != 1 or not scores.size:
        raise AgentError(f"{folder}: the calibration of the novelty detector is damaged")
    if (np.diff(scores) < 0.0).any():
        raise AgentError(f"{folder}: the scores of known signals are not sorted")
    return Familiarity(restore_arrays(network, arrays, "familiarity", folder), low, span, scale, scores)


def _history_entry(entry: Any) -> dict[str, float]:
    """Return an entry of a stored history; in format 2 an entry is a pair of step and loss."""
    if isinstance(entry, list):
        step, loss = entry
        return {"step": float(step), "networks": float(loss)}
    return {str(name): float(value) for name, value in dict(entry).items()}


def _drawn(
    prior: NumberPrior, settings: NumberSettings, root: jax.Array, stream: int, n: int
) -> tuple[Floats, Floats]:
    sampler = prior.sampler(seed=settings.networks.seed)
    key = jax.random.fold_in(jax.random.fold_in(root, stream), settings.networks.seed)
    # Fixed batch size, so that only one program is compiled.
    draw = jax.jit(sampler, static_argnums=1)
    pieces = [
        draw(jax.random.fold_in(key, number), _DRAWN_AT_ONCE, jnp.asarray(0))
        for number in range(max(-(-n // _DRAWN_AT_ONCE), 1))
    ]
    signals, numbers = (np.concatenate(part)[:n].astype(np.float64) for part in zip(*pieces, strict=True))
    return signals, numbers
