"""An agent that tells numbers: what learned them from a prior, and says how sure it is and whether the prior holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pydantic import Field

from nescio.configuration import Real, Settings, Whole
from nescio.errors import InterruptedTrainingError
from nescio.learn.asked import check_alpha, check_axis
from nescio.learn.familiarity import Familiarity, fit_familiarity
from nescio.learn.regression import Regression, RegressionSettings, fit_regression
from nescio.learn.settings import VAESettings
from nescio.learn.storage import learned_identity
from nescio.progress import track
from nescio.signals import KNOWN, NOVEL, UNREADABLE, simulated_measurements
from nescio.techniques import NumberPrior

__all__ = ["FamiliaritySettings", "IntervalSettings", "NumberAgent", "NumberSettings", "learn_numbers"]

Floats = NDArray[np.float64]
_Count = Annotated[Whole, Field(ge=50, le=1_000_000)]

# Random keys: one stream for each purpose, beyond those of the steps of training.
_KNOWN_KEY, _HELD_OUT_KEY, _CALIBRATION_KEY, _REFERENCE_KEY = range(2**31 - 4, 2**31)
_SHORT = 20_000
_AT_ONCE = 8192
_DRAWN_AT_ONCE = 1000
# So many structures are named in a sentence.
_NAMED = 12


class FamiliaritySettings(Settings):
    """The autoencoder that says whether a signal is like those of training."""

    hidden: Annotated[tuple[Whole, ...], Field(min_length=1, max_length=8)] = (128, 64)
    latent: Annotated[Whole, Field(ge=1, le=256)] = 8
    steps: Annotated[Whole, Field(ge=1, le=1_000_000)] = 3000
    draws: _Count = 8000
    """It learns from so many signals."""
    held_out: Annotated[Whole, Field(ge=99, le=1_000_000)] = 4000
    """And is calibrated with so many others."""

    @property
    def network(self) -> VAESettings:
        """Of the autoencoder."""
        return VAESettings(hidden=self.hidden, latent=self.latent, beta=0.1)


class IntervalSettings(Settings):
    """How the intervals are calibrated."""

    draws: _Count = 4000
    level: Annotated[Real, Field(gt=0.0, lt=1.0)] = 0.9
    """Share of numbers that are to lie within."""


class NumberSettings(Settings):
    """How an agent that tells numbers learns (the ``[learn]`` table of such a prior)."""

    networks: RegressionSettings = RegressionSettings()
    familiarity: FamiliaritySettings | None = FamiliaritySettings()
    """None leaves it out: then nothing is ever called novel."""
    intervals: IntervalSettings = IntervalSettings()


@dataclass(frozen=True, eq=False)
class NumberAgent:
    """A learned prior; made by :func:`learn_numbers`."""

    prior: NumberPrior
    settings: NumberSettings
    regression: Regression
    familiarity: Familiarity | None

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What is told."""
        return tuple(quantity.name for quantity in self.prior.quantities)

    @property
    def history(self) -> tuple[dict[str, float], ...]:
        """Of training: the step and the loss."""
        return tuple({"step": float(step), "networks": loss} for step, loss in self.regression.history)

    @cached_property
    def identity(self) -> str:
        """Short hash of prior and settings."""
        return learned_identity(self.prior, self.settings)[:12]

    def assess(
        self, prepared: xr.Dataset, *, alpha: float = 0.01, progress: bool | None = None
    ) -> xr.Dataset:
        """Say of every measurement which numbers it has, how sure that is, and whether the prior holds.

        The error has three parts: what signals like this leave open (aleatoric), what the networks do not know of them
        (epistemic), and by how much the answer changes with what nobody knows exactly of a measurement (systematic),
        where `prepared` says what that does to the signal. The interval is calibrated on the first two.

        Args:
            prepared: Measurements on the prior's axis, as the technique's `prepare` returns them.
            alpha: Share of known measurements that may be called novel.
            progress: Show a progress bar; by default where standard error is a terminal.

        Returns:
            The findings that :mod:`nescio.signals` describes for numbers.

        Raises:
            AgentError: The data are not on the agent's axis; or alpha is no probability, or smaller than any p-value of
                this calibration.
        """
        check_alpha(
            alpha, None if self.familiarity is None else self.familiarity.scores.size, "familiarity.held_out"
        )
        signals, problems = self._checked(prepared)
        asked = np.array([not problem for problem in problems], bool)
        n, quantities = len(signals), len(self.names)
        told = {
            name: np.full((n, quantities), np.nan)
            for name in ("value", "aleatoric", "epistemic", "systematic", "low", "high")
        }
        p_value = np.full(n, np.nan)
        given = np.full(signals.shape, np.nan, np.float32)
        latent = np.full((n, self.settings.familiarity.latent if self.settings.familiarity else 0), np.nan)
        rows = np.flatnonzero(asked)
        shown = False if progress is None and n < _SHORT else progress
        with track("assessing", max(len(rows), 1), enabled=shown) as tell:
            for start in range(0, len(rows), _AT_ONCE):
                some = rows[start : start + _AT_ONCE]
                found = self.regression.expect(signals[some])
                for name, values in (
                    ("value", found.mean),
                    ("aleatoric", found.aleatoric),
                    ("epistemic", found.epistemic),
                    ("low", found.low),
                    ("high", found.high),
                ):
                    told[name][some] = values
                told["systematic"][some] = self._systematic(prepared, some, found.mean)
                if self.familiarity is not None:
                    p_value[some] = self.familiarity.p_values(signals[some])
                    given[some] = self.familiarity.reconstructed(signals[some])
                    latent[some] = self.familiarity.latent(signals[some])
                tell(len(some), "")
        return self._findings(prepared, told, (p_value, given, latent), problems, alpha)

    def reference(self, n: int = 1000, *, seed: int = 0) -> xr.Dataset:
        """Return findings on `n` fresh known signals, their numbers in ``truth`` (measurement, quantity).

        They come from a stream of keys of their own: none was seen in training or calibration.
        """
        signals, numbers = _drawn(self.prior, self.settings, jax.random.key(seed), _REFERENCE_KEY, n)
        findings = self.assess(
            simulated_measurements(self.prior.axis, signals, [f"known#{i}" for i in range(n)]), progress=False
        )
        return findings.assign(truth=(("measurement", "quantity"), numbers))

    def saliency(self, n: int = 500, *, seed: int = 0) -> xr.DataArray:
        """Return by how much each number changes with each point of a signal, shape (quantity, points).

        The mean over `n` known signals of the magnitude of the gradient, times the spread of known signals at that
        point: so much of the answer rests on it.
        """
        signals, _ = _drawn(self.prior, self.settings, jax.random.key(seed), _REFERENCE_KEY, n)
        axis = self.prior.axis
        return xr.DataArray(
            self.regression.slopes(signals) * signals.std(axis=0),
            dims=("quantity", str(axis.name)),
            coords={"quantity": list(self.names), str(axis.name): axis},
            name="saliency",
            attrs={"long_name": "change of the number with a usual change of the signal"},
        )

    def structures(self, findings: xr.Dataset, most: int = 3) -> list[tuple[str, list[tuple[str, Floats]]]]:
        """Return, of a few measurements from the first to the last, the structures that fit; of known ones if any do.

        Args:
            findings: Of this agent.
            most: So many measurements.

        Returns:
            Names of measurements, each with the names and positions of structures; empty where the prior knows none.
        """
        everything = np.full(len(self.names), np.inf)
        if not self.prior.structures(-everything, everything):
            return []
        low, high = _reach({name: findings[name].values for name in ("value", "low", "high", "systematic")})
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

    def _checked(self, prepared: xr.Dataset) -> tuple[Floats, list[str]]:
        """Return signals and problems, or say what does not fit."""
        check_axis(prepared, self.prior.axis)
        signals = np.asarray(prepared["intensity"].values, np.float64)
        problems = (
            [str(p) for p in prepared["problem"].values] if "problem" in prepared else [""] * len(signals)
        )
        for i in range(len(signals)):
            if not problems[i] and not np.isfinite(signals[i]).all():
                problems[i] = (
                    "holds values that are not finite, or was not measured on all of the agent's axis"
                )
        return signals, problems

    def _systematic(self, prepared: xr.Dataset, rows: NDArray[np.intp], mean: Floats) -> Floats:
        """Return by how much the answers change with the disturbances, the largest of each cause, added in squares."""
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

    def _findings(
        self,
        prepared: xr.Dataset,
        told: dict[str, Floats],
        strangeness: tuple[Floats, NDArray[np.float32], Floats],
        problems: Sequence[str],
        alpha: float,
    ) -> xr.Dataset:
        p_value, given, latent = strangeness
        asked = np.array([not problem for problem in problems], bool)
        novel = asked & (p_value <= alpha)
        axis = str(self.prior.axis.name)
        both = ("measurement", "quantity")
        reasons, structures = [], []
        low, high = _reach(told)
        for i in range(len(asked)):
            fitting = [one.name for one in self.prior.structures(low[i], high[i])] if asked[i] else []
            more = len(fitting) - _NAMED
            structures.append("; ".join(fitting[:_NAMED]) + (f"; and {more} more" if more > 0 else ""))
            reasons.append(self._reason(told, i, float(p_value[i]), alpha) if asked[i] else problems[i])
        findings = (
            prepared.drop_vars("problem", errors="ignore")
            .assign({name: (both, values) for name, values in told.items()})
            .assign(
                p_value=("measurement", p_value),
                reconstruction=(("measurement", axis), given),
                latent=(("measurement", "latent_dimension"), latent),
                verdict=(
                    "measurement",
                    np.where(asked, np.where(novel, NOVEL, KNOWN), UNREADABLE).astype(str),
                ),
                reason=("measurement", np.array(reasons, dtype=object).astype(str)),
                structures=("measurement", np.array(structures, dtype=object).astype(str)),
            )
            .assign_coords(
                quantity=list(self.names),
                quantity_units=("quantity", [one.units for one in self.prior.quantities]),
                quantity_long_name=("quantity", [one.long_name for one in self.prior.quantities]),
                latent_dimension=np.arange(latent.shape[1]),
            )
        )
        findings["p_value"].attrs = {"long_name": "p-value (share of known measurements at least as strange)"}
        findings.attrs |= {
            "alpha": alpha,
            "level": self.regression.level,
            "agent": self.identity,
            "technique": self.prior.technique,
        }
        return findings

    def _reason(self, told: dict[str, Floats], i: int, p: float, alpha: float) -> str:
        if np.isnan(p):
            return "whether the numbers can hold was not learned"
        if p <= alpha:
            return (
                f"outside of the training signals (p = {p:.2g}, at most {alpha:g}): the numbers may not hold"
            )
        half = 0.5 * (told["high"][i] - told["low"][i])
        unsure = [
            name
            for name, error, width in zip(self.names, told["systematic"][i], half, strict=True)
            if error > width
        ]
        text = f"no stranger than known ones are (p = {p:.2g})"
        if unsure:
            text += f"; {', '.join(unsure)} depend on how it was measured by more than the interval"
        return text


def _reach(told: Mapping[str, Floats]) -> tuple[Floats, Floats]:
    """Return the ends of intervals that hold errors of measuring as well."""
    half = np.hypot(0.5 * (told["high"] - told["low"]), told["systematic"])
    return told["value"] - half, told["value"] + half


def learn_numbers(
    prior: NumberPrior,
    settings: NumberSettings | None = None,
    *,
    calibration: tuple[Floats, Floats] | None = None,
    checkpoint: Path | None = None,
    resume: bool = False,
    progress: bool | None = None,
) -> NumberAgent:
    """Learn to tell the numbers of a prior's signals, and calibrate what was learned on held-out draws.

    Args:
        prior: What is known.
        settings: How to learn.
        calibration: Signals and numbers for the intervals; by default fresh draws from the prior, which say nothing of
            samples unlike all of its own.
        checkpoint: Folder to keep the state of training in.
        resume: Go on from the checkpoint.
        progress: Show progress bars; by default where standard error is a terminal.

    Raises:
        InterruptedTrainingError: Ctrl-C was pressed.
        AgentError: The checkpoint is of another prior or other settings; or the training diverged.
    """
    chosen = settings or NumberSettings()
    seed = chosen.networks.seed
    trained = fit_regression(
        prior.sampler(chosen.networks.members, seed),
        chosen.networks,
        identity=learned_identity(prior, chosen),
        checkpoint=checkpoint,
        resume=resume,
        progress=progress,
    )
    root = jax.random.key(seed)
    intervals = chosen.intervals
    trained = trained.calibrated(
        *(calibration or _drawn(prior, chosen, root, _CALIBRATION_KEY, intervals.draws)),
        level=intervals.level,
    )
    familiarity = None
    if (wanted := chosen.familiarity) is not None:
        try:
            familiarity = fit_familiarity(
                _drawn(prior, chosen, root, _KNOWN_KEY, wanted.draws)[0],
                _drawn(prior, chosen, root, _HELD_OUT_KEY, wanted.held_out)[0],
                hidden=wanted.hidden,
                latent=wanted.latent,
                steps=wanted.steps,
                seed=seed,
                progress=progress,
            )
        except InterruptedTrainingError:
            kept = "" if checkpoint is None else "; run the same command with --resume to go on from there"
            raise InterruptedTrainingError(f"interrupted after the networks had learned{kept}") from None
    return NumberAgent(prior, chosen, trained, familiarity)


def _drawn(
    prior: NumberPrior, settings: NumberSettings, root: jax.Array, stream: int, n: int
) -> tuple[Floats, Floats]:
    sampler = prior.sampler(seed=settings.networks.seed)
    key = jax.random.fold_in(jax.random.fold_in(root, stream), settings.networks.seed)
    # Always as many at once, so that one program is compiled whatever is asked for.
    draw = jax.jit(sampler, static_argnums=1)
    pieces = [
        draw(jax.random.fold_in(key, number), _DRAWN_AT_ONCE, jnp.asarray(0))
        for number in range(max(-(-n // _DRAWN_AT_ONCE), 1))
    ]
    signals, numbers = (np.concatenate(part)[:n].astype(np.float64) for part in zip(*pieces, strict=True))
    return signals, numbers
