"""Reproduction of the results of Banko et al., npj Computational Materials 7, 104 (2021)."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from nescio.learn import ClassAgent, LearnSettings, flagged_fraction
from nescio.progress import track
from nescio.studies.banko2021.priors import banko2021_prior
from nescio.studies.banko2021.report import write_reproduction
from nescio.studies.banko2021.samples import fraction_curves, known_sample, mixed_sample, novel_sample
from nescio.studies.banko2021.trials import FRACTIONS

__all__ = ["BANKO2021_TARGETS", "Sizes", "reproduce_banko2021"]

BANKO2021_TARGETS = {
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
"""The target of each number, for the ranges of `banko2021_prior` with ``hard=False``."""


@dataclass(frozen=True)
class Sizes:
    """Numbers of held-out patterns of each kind."""

    known: int = 40_000
    novel: int = 3_000
    mixed: int = 3_000
    """Total over all pairs of phases."""
    per_fraction: int = 200
    """Number of mixtures of each pair at each of 21 fractions."""


def reproduce_banko2021(
    *,
    hard: bool = False,
    folder: Path | None = None,
    seed: int = 0,
    settings: LearnSettings | None = None,
    sizes: Sizes | None = None,
    progress: bool | None = None,
) -> dict[str, Any]:
    """Train an agent on the three phases, and compute the publication's numbers on newly drawn patterns.

    Args:
        hard: Double the ranges of all nuisance parameters.
        folder: Folder for figures and a report; None writes no files.
        seed: Random seed of training and of all draws.
        settings: Settings of training; by default the defaults, with `seed`.
        sizes: Numbers of patterns to test; by default the defaults.
        progress: Show progress bars; by default where standard error is a terminal.

    Returns:
        Numbers by name:

        * ``knn_accuracy``: accuracy of nearest neighbours on the two-dimensional map;
        * ``error_ratio``: mean squared reconstruction error of the novel phase divided by that of the known phases;
        * ``auroc_novel``, ``auroc_mixture``: AUROC of the novelty score for the novel phase and for 30-70 % mixtures,
          against pure known phases;
        * ``flagged_at_0.01``, ``flagged_at_0.05``: share of new known patterns with p-values at or below this level;
        * ``mixture_peak_fractions``: for each pair, the share of its first phase at which the mean error is largest;
        * ``seconds_to_agent``: time from structures to a calibrated agent;
        * ``patterns_per_second``: speed of assessment, from prepared data to findings;
        * ``peak_memory_mb``: peak memory of the process, if the system provides it.
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
    with track("testing", total, enabled=progress) as tell:
        known = known_sample(agent, sizes.known, seed, tell)
        novel = novel_sample(agent, sizes.novel, seed, tell, hard=hard)
        mixed = mixed_sample(agent, prior, pairs, sizes.mixed, seed, tell)
        curves = fraction_curves(agent, prior, pairs, sizes.per_fraction, seed, tell)
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
        **_peak_memory(),
    }
    if folder is not None:
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


def _knn_accuracy(known: xr.Dataset) -> float:
    voted = known["candidate"].values[known["knn_probability"].values.argmax(axis=1)]
    return float(np.mean(voted == known["truth"].values))


def _mean_error(findings: xr.Dataset) -> float:
    return float(findings["reconstruction_error"].mean())


def _auroc(known: xr.Dataset, strange: xr.Dataset) -> float:
    """Return the probability that a novel pattern has a higher score than a known one (Mann-Whitney)."""
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
    """Return the number of patterns assessed per second, the best of three runs after a first one that may compile."""
    prepared = known[["intensity", "covered"]]
    seconds = []
    for _ in range(4):
        start = time.perf_counter()
        agent.assess(prepared, progress=False)
        seconds.append(time.perf_counter() - start)
    return float(prepared.sizes["measurement"] / min(seconds[1:]))


def _peak_memory() -> dict[str, float]:
    """Return the peak memory of this process; an empty dict if the system does not provide it (Windows)."""
    try:
        import resource
    except ImportError:
        return {}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Kilobytes on Linux, bytes on macOS.
    return {"peak_memory_mb": peak / (1e6 if sys.platform == "darwin" else 1e3)}
