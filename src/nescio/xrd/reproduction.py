"""Reproduction of Banko et al., npj Computational Materials 7, 104 (2021), measured afresh."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from itertools import combinations
from pathlib import Path
from typing import Any

import jax
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from nescio.compute import return_freed_memory
from nescio.configuration import read_toml, validated
from nescio.learn import ClassAgent, LearnSettings, draw, flagged_fraction
from nescio.progress import track
from nescio.signals import simulated_measurements
from nescio.xrd.prior import Prior
from nescio.xrd.settings import PriorSettings
from nescio.xrd.trials import FRACTIONS, mixtures

__all__ = ["WANTED", "Sample", "Sizes", "banko2021_prior", "reproduce_banko2021", "sigma_prior"]

_AT_ONCE = 2_000
# Of how many patterns of each kind the signals are kept, for the figures.
_KEPT = 600
_DRAWN_AT_ONCE = 200
WANTED = {
    "knn_accuracy": "at least 0.992 (paper 0.9916)",
    "error_ratio": "at least 10 (paper 5.3)",
    "auroc_novel": "at least 0.998",
    "auroc_mixture": "at least 0.99",
    "flagged_at_0.01": "0.008 to 0.012",
    "flagged_at_0.05": "0.04 to 0.06",
    "mixture_peak_fractions": "0.4 to 0.6",
    "seconds_to_agent": "at most 120, two cores",
    "patterns_per_second": "at least 3000, two cores",
    "peak_memory_mb": "at most 2000",
}
"""What each figure is held against; the ranges of `banko2021_prior` without `hard`."""

# Random keys, apart from those that training and calibration fold in.
_NOVEL_KEY, _PAIR_KEY, _FRACTION_KEY = 101, 102, 103


@dataclass(frozen=True)
class Sizes:
    """How many held-out patterns of each kind the figures rest on."""

    known: int = 40_000
    novel: int = 3_000
    mixed: int = 3_000
    """Shared by the pairs of phases."""
    per_fraction: int = 200
    """Mixtures of each pair at each of 21 fractions."""


@dataclass(frozen=True)
class Sample:
    """Findings on patterns of one kind."""

    numbers: xr.Dataset
    """All of them, without their signals."""
    whole: xr.Dataset
    """Some of them, with their signals."""


def banko2021_prior(*, hard: bool = False) -> Prior:
    """Return the seed's prior: three phases and the ranges of the reproduction.

    Args:
        hard: Double every range: texture down to r = 0.1, lattice strain within 2 % and 0.5 % per axis, crystallites of
            2.5-80 nm, shift within 0.2 degree, noise up to 0.02.
    """
    document = _embedded("banko2021.toml")
    if hard:
        document["texture"]["march_coefficient"] = {"uniform": [0.1, 1.0]}
        document["lattice"] = {
            "strain": {"uniform": [-0.02, 0.02]},
            "axis_strain": {"uniform": [-0.005, 0.005]},
        }
        document["broadening"]["crystallite_size_nm"] = {"log_uniform": [2.5, 80.0]}
        document["instrument"]["zero_shift"] = {"uniform": [-0.2, 0.2]}
        document["noise"]["gaussian"] = {"uniform": [0.0, 0.02]}
    return Prior.from_settings(validated(PriorSettings, document, "banko2021"))


def sigma_prior(*, hard: bool = False) -> Prior:
    """Return the same ranges around the phase that the seed withholds, sigma (P4_2/mnm)."""
    known = banko2021_prior(hard=hard).settings.model_dump(mode="json")
    document = {**known, "phases": _embedded("sigma.toml")["phases"]}
    return Prior.from_settings(validated(PriorSettings, document, "sigma"))


def reproduce_banko2021(
    *,
    hard: bool = False,
    folder: Path | None = None,
    seed: int = 0,
    settings: LearnSettings | None = None,
    sizes: Sizes | None = None,
    progress: bool | None = None,
) -> dict[str, Any]:
    """Learn the seed's three phases and measure what it reported, on patterns drawn for nothing else.

    Args:
        hard: Double the ranges of every nuisance parameter.
        folder: Write figures and a report there.
        seed: Of training and of all draws.
        settings: How to learn; the defaults, with `seed`, if not given.
        sizes: How many patterns to measure with; the defaults if not given.
        progress: Show progress bars; by default where standard error is a terminal.

    Returns:
        Figures by name:

        * ``knn_accuracy``: of neighbours on the two-dimensional map;
        * ``error_ratio``: mean squared reconstruction error of the novel phase over that of known ones;
        * ``auroc_novel``, ``auroc_mixture``: of the novelty score, novel phase and 30-70 % mixtures against pure;
        * ``flagged_at_0.01``, ``flagged_at_0.05``: share of fresh known patterns with a p-value at most that;
        * ``mixture_peak_fractions``: for each pair, the share of its first phase at which the mean error is largest;
        * ``seconds_to_agent``: from structures to a calibrated agent;
        * ``patterns_per_second``: assessed, from prepared data to findings;
        * ``peak_memory_mb``: of the process.
    """
    if settings is None:
        settings = LearnSettings.model_validate({"training": {"seed": seed}})
    start = time.perf_counter()
    prior = banko2021_prior(hard=hard)
    agent = ClassAgent.train(prior, settings, progress=progress)
    seconds_to_agent = time.perf_counter() - start

    sizes = sizes or Sizes()
    pairs = list(combinations(range(len(prior.labels)), 2))
    total = sizes.known + sizes.novel + sizes.mixed + len(pairs) * FRACTIONS.size * sizes.per_fraction
    with track("measuring", total, enabled=progress) as tell:
        known = _known(agent, sizes.known, seed, tell)
        novel = _novel(agent, sizes.novel, seed, tell, hard=hard)
        mixed = _mixed(agent, prior, pairs, sizes.mixed, seed, tell)
        curves = _against_fraction(agent, prior, pairs, sizes.per_fraction, seed, tell)
    figures = {
        "knn_accuracy": _knn_accuracy(known.numbers),
        "error_ratio": _mean_error(novel.numbers) / _mean_error(known.numbers),
        "auroc_novel": _auroc(known.numbers, novel.numbers),
        "auroc_mixture": _auroc(known.numbers, mixed.numbers),
        "flagged_at_0.01": flagged_fraction(known.numbers["p_value"], 0.01),
        "flagged_at_0.05": flagged_fraction(known.numbers["p_value"], 0.05),
        "mixture_peak_fractions": _peaks(curves),
        "seconds_to_agent": seconds_to_agent,
        "patterns_per_second": _speed(agent, known.whole),
        "peak_memory_mb": _peak_memory_mb(),
    }
    if folder is not None:
        from nescio.xrd.reproduction_report import write_reproduction

        write_reproduction(
            folder,
            agent,
            figures,
            known=known,
            novel=novel,
            mixed=mixed,
            curves=curves,
            hard=hard,
            progress=progress,
        )
    return figures


def _embedded(name: str) -> dict[str, Any]:
    return read_toml(Path(str(files("nescio.xrd") / "data" / name)))


def _assessed(agent: ClassAgent, pieces: Iterable[xr.Dataset], tell: Any) -> Sample:
    """Assess pieces one by one, so that memory holds the signals of one piece only; keep some of the first piece."""
    return _gathered(agent, (agent.assess(piece, progress=False) for piece in pieces), tell, _KEPT)


def _gathered(agent: ClassAgent, pieces: Iterable[xr.Dataset], tell: Any, kept: int) -> Sample:
    numbers, whole = [], None
    for findings in pieces:
        n = findings.sizes["measurement"]
        if whole is None:
            whole = findings.isel(measurement=np.linspace(0, n - 1, min(n, kept)).astype(int))
        numbers.append(findings.drop_dims(str(agent.prior.axis.name)))
        tell(n, "")
    if whole is None:
        raise ValueError("nothing to assess")
    return_freed_memory()
    return Sample(xr.concat(numbers, "measurement"), whole)


def _known(agent: ClassAgent, n: int, seed: int, tell: Any) -> Sample:
    pieces = (
        agent.reference(min(_AT_ONCE, n - start), seed=1000 * seed + number + 1)
        for number, start in enumerate(range(0, n, _AT_ONCE))
    )
    return _gathered(agent, pieces, tell, 3 * _KEPT)


def _novel(agent: ClassAgent, n: int, seed: int, tell: Any, *, hard: bool) -> Sample:
    signals = draw(sigma_prior(hard=hard), _key(seed, _NOVEL_KEY), n).signals
    names = [f"novel#{i}" for i in range(n)]
    return _assessed(agent, [simulated_measurements(agent.prior.axis, signals, names)], tell)


def _mixed(
    agent: ClassAgent, prior: Prior, pairs: list[tuple[int, int]], n: int, seed: int, tell: Any
) -> Sample:
    """Mixtures of every pair, the share of the first uniform within 30-70 %."""
    each = n // len(pairs)
    pieces = []
    for number, pair in enumerate(pairs):
        key = jax.random.fold_in(_key(seed, _PAIR_KEY), number)
        fraction = jax.random.uniform(jax.random.fold_in(key, 2), (each,), minval=0.3, maxval=0.7)
        pieces.append(_mixture(prior, key, pair, np.asarray(fraction), number * each))
    return _assessed(agent, [xr.concat(pieces, "measurement")], tell)


def _against_fraction(
    agent: ClassAgent, prior: Prior, pairs: list[tuple[int, int]], each: int, seed: int, tell: Any
) -> xr.Dataset:
    """Mixtures of every pair over the whole range of fractions; error and novelty only."""
    fraction = np.repeat(FRACTIONS, each)
    pieces = (
        _mixture(
            prior,
            jax.random.fold_in(_key(seed, _FRACTION_KEY), number),
            pair,
            fraction,
            number * fraction.size,
        )
        for number, pair in enumerate(pairs)
    )
    return _assessed(agent, pieces, tell).numbers


def _mixture(
    prior: Prior, key: jax.Array, pair: tuple[int, int], fraction: NDArray[np.floating[Any]], first: int
) -> xr.Dataset:
    sides = [
        _phase_patterns(prior, jax.random.fold_in(key, side), phase, fraction.size)
        for side, phase in enumerate(pair)
    ]
    return mixtures(prior, pair, sides, fraction, jax.random.fold_in(key, 3), first=first)


def _phase_patterns(prior: Prior, key: jax.Array, phase: int, n: int) -> NDArray[np.float32]:
    """Draw Bragg peaks alone of one phase with one compiled program, whatever their number."""
    pieces = [
        np.asarray(prior.sample_phase(jax.random.fold_in(key, number), phase, _DRAWN_AT_ONCE))
        for number in range(-(-n // _DRAWN_AT_ONCE))
    ]
    return np.concatenate(pieces)[:n]


def _key(seed: int, stream: int) -> jax.Array:
    return jax.random.fold_in(jax.random.key(seed), stream)


def _knn_accuracy(known: xr.Dataset) -> float:
    voted = known["candidate"].values[known["knn_probability"].values.argmax(axis=1)]
    return float(np.mean(voted == known["truth"].values))


def _mean_error(findings: xr.Dataset) -> float:
    return float(findings["reconstruction_error"].mean())


def _auroc(known: xr.Dataset, strange: xr.Dataset) -> float:
    """Return the chance that a strange pattern scores higher than a known one (Mann-Whitney)."""
    from sklearn.metrics import roc_auc_score

    scores = np.concatenate([known["novelty"].values, strange["novelty"].values])
    truth = np.repeat([0, 1], [known.sizes["measurement"], strange.sizes["measurement"]])
    return float(roc_auc_score(truth, scores))


def _peaks(curves: xr.Dataset) -> dict[str, float]:
    error = curves["reconstruction_error"].values
    pair, fraction = curves["pair"].values, curves["fraction"].values
    peaks = {}
    for name in dict.fromkeys(pair.tolist()):
        means = [error[(pair == name) & (fraction == f)].mean() for f in FRACTIONS]
        peaks[str(name)] = float(FRACTIONS[int(np.argmax(means))])
    return peaks


def _speed(agent: ClassAgent, known: xr.Dataset) -> float:
    """Return patterns assessed a second, the best of three after a first that may compile."""
    prepared = known[["intensity", "covered"]]
    seconds = []
    for _ in range(4):
        start = time.perf_counter()
        agent.assess(prepared, progress=False)
        seconds.append(time.perf_counter() - start)
    return float(prepared.sizes["measurement"] / min(seconds[1:]))


def _peak_memory_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Kilobytes on Linux, bytes on macOS.
    return peak / (1e6 if sys.platform == "darwin" else 1e3)
