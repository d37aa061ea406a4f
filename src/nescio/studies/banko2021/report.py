"""Figures (PNG) and report (HTML) of the reproduction of Banko et al. (2021)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from nescio.files import write_atomically
from nescio.learn import ClassAgent
from nescio.progress import track
from nescio.studies.banko2021.samples import Sample
from nescio.version import __version__
from nescio.view import (
    Details,
    Picture,
    Section,
    Table,
    Text,
    decision_regions,
    error_against_fraction,
    error_over_latent_map,
    error_violins,
    figure_png,
    latent_map,
    latent_map_by_strongest,
    measured_against_reconstructed,
    p_value_uniformity,
    reliability_diagram,
    signals_on_map,
    training_history,
    write_report,
)

__all__ = ["write_reproduction"]


class _Aim(NamedTuple):
    """Description, target and published value of a number."""

    words: str
    reached: Callable[[Any], bool]
    aim: str
    published: str = "–"


_AIMS: Mapping[str, _Aim] = {
    "knn_accuracy": _Aim(
        "accuracy of nearest neighbours on the two-dimensional map",
        lambda x: x >= 0.992,
        "≥ 99.2 %",
        "99.16 %",
    ),
    "error_ratio": _Aim(
        "mean squared reconstruction error, unknown phase / known phases",
        lambda x: x >= 10,
        "≥ 10",
        "5.3 (0.09 / 0.017)",
    ),
    "auroc_novel": _Aim(
        "AUROC of the unknown phase against pure known phases", lambda x: x >= 0.998, "≥ 0.998"
    ),
    "auroc_mixture": _Aim("AUROC of 30–70 % mixtures against pure phases", lambda x: x >= 0.99, "≥ 0.99"),
    "flagged_at_0.01": _Aim(
        "share of new known patterns called novel at level 0.01",
        lambda x: 0.008 <= x <= 0.012,
        "0.008 to 0.012",
    ),
    "flagged_at_0.05": _Aim(
        "share of new known patterns called novel at level 0.05",
        lambda x: 0.04 <= x <= 0.06,
        "0.040 to 0.060",
    ),
    "mixture_peak_fractions": _Aim(
        "share of the first phase at which the mean error of mixtures is largest",
        lambda x: all(0.4 <= v <= 0.6 for v in x.values()),
        "0.4 to 0.6",
        "near 0.5",
    ),
    "seconds_to_agent": _Aim(
        "seconds from structures to a calibrated agent (two cores)", lambda x: x <= 120, "≤ 120"
    ),
    "patterns_per_second": _Aim("patterns assessed per second", lambda x: x >= 3000, "≥ 3000"),
    "peak_memory_mb": _Aim("peak memory in MB", lambda x: x <= 2000, "≤ 2000"),
}
_CROSSES = 150
_FORMATS = {
    "knn_accuracy": ".2%",
    "seconds_to_agent": ".0f",
    "patterns_per_second": ",.0f",
    "peak_memory_mb": ",.0f",
}


def write_reproduction(
    folder: Path,
    agent: ClassAgent,
    figures: Mapping[str, Any],
    *,
    known: Sample,
    novel: Sample,
    mixed: Sample,
    curves: xr.Dataset,
    hard: bool = False,
    progress: bool | None = None,
) -> Path:
    """Write ``report.html`` and a PNG file for each figure.

    Args:
        folder: The output folder; created if needed.
        agent: The trained agent.
        figures: Numbers from :func:`nescio.studies.banko2021.reproduce_banko2021`.
        known: Findings of held-out patterns of the known phases, with ``truth``.
        novel: Findings of patterns of the phase that is not in the training.
        mixed: Findings of 30-70 % mixtures.
        curves: Findings of mixtures over the whole range, with ``pair`` and ``fraction``.
        hard: Whether the ranges were doubled; targets and published values do not apply then and are omitted.
        progress: Show a progress bar; by default where standard error is a terminal.

    Returns:
        The path of the report.

    Raises:
        FileError: The folder cannot be written to.
    """
    pictures = _pictures(agent, known, novel, mixed, curves)
    with track("drawing figures", len(pictures), enabled=progress) as tell:
        for name, picture in pictures.items():
            png = figure_png(picture.figure)
            write_atomically(folder / f"{name}.png", png)
            tell(1, name.replace("_", " "))
    title = f"Reproduction of Banko et al. (2021){', all ranges doubled' if hard else ''}"
    sections = [
        Section("Results and targets", [_table(figures, hard=hard), *_NOTES]),
        Section("Similarity of the patterns (latent maps)", [pictures[name] for name in _MAPS]),
        Section("Reconstruction errors", [pictures[name] for name in _ERRORS]),
        Section("Calibration and training", [pictures[name] for name in _TRUST]),
        Section("Provenance", [Details(_provenance(agent, known, novel, mixed, curves, hard=hard))]),
    ]
    return write_report(folder / "report.html", title, sections, progress=progress)


_NOTES = (
    Text(
        "Banko, L., Maffettone, P. M., Naujoks, D., Olds, D. & Ludwig, A. Deep learning for visualization and novelty "
        "detection in large X-ray diffraction datasets. npj Computational Materials 7, 104 (2021). Known phases: "
        "Fm-3m, Im-3m and P6_3/mmc. The sigma phase, P4_2/mnm, was not in the training. All patterns tested here "
        "were drawn anew; none was used in training or calibration.",
        lead="Source",
    ),
    Text(
        "the map is a network with two latent dimensions, for plotting. Reconstructions and their errors come from an "
        "autoencoder with more dimensions. The novelty score combines this autoencoder with an ensemble of "
        "classifiers.",
        lead="Networks",
    ),
)
_MAPS = ("latent_map", "strongest_peak", "decision_regions", "patterns_on_map", "error_over_map")
_ERRORS = ("violins", "mixing_ratio", "reconstructions_known", "reconstructions_unknown")
_TRUST = ("p_values", "reliability", "training")


def _pictures(
    agent: ClassAgent, known: Sample, novel: Sample, mixed: Sample, curves: xr.Dataset
) -> dict[str, Picture]:
    def predict(latent: Any) -> Any:
        return agent.latent_grid_labels(np.asarray(latent, np.float32))

    def picture(figure: Figure, caption: str) -> Picture:
        return Picture(figure, caption, caption)

    kinds = {"pure": known.numbers, "mixed, 30–70 %": mixed.numbers, "unknown": novel.numbers}
    each = [int(np.flatnonzero(known.whole["truth"].values == label)[0]) for label in _present(known.whole)]
    strangest = np.argsort(-novel.whole["novelty"].values)
    spread = [int(strangest[i]) for i in np.linspace(0, len(strangest) - 1, 4).astype(int)]
    return {
        "latent_map": picture(
            latent_map(novel.whole.isel(measurement=slice(_CROSSES)), known.whole),
            "Held-out patterns of the known phases on the map (small points, by phase), and patterns of the unknown "
            "phase (with a cross if they are called novel).",
        ),
        "strongest_peak": picture(
            latent_map_by_strongest(known.whole),
            "The same patterns, coloured by two-theta of the strongest peak.",
        ),
        "decision_regions": picture(
            decision_regions(known.whole, predict, agent.labels),
            "Phase predicted by the nearest neighbours on the map, and held-out patterns of the known phases.",
        ),
        "patterns_on_map": picture(
            signals_on_map(known.whole), "Typical patterns at marked points of the map."
        ),
        "error_over_map": picture(
            error_over_latent_map({"known": known.whole, "unknown": novel.whole}),
            "Reconstruction errors of the known phases and of the unknown phase on the map, on one colour scale.",
        ),
        "violins": picture(
            error_violins(kinds),
            "Reconstruction errors of pure, mixed and unknown patterns: median (white dot), quartiles (bar), "
            "distribution (outline).",
        ),
        "mixing_ratio": picture(
            error_against_fraction(curves),
            "Reconstruction error against mixing ratio: median, with a band between the quartiles. The star marks the "
            "largest median; the table gives the position of the largest mean.",
        ),
        "reconstructions_known": picture(
            measured_against_reconstructed(known.whole, each),
            "One pattern of each known phase, and its reconstruction.",
        ),
        "reconstructions_unknown": picture(
            measured_against_reconstructed(novel.whole, spread),
            "Patterns of the unknown phase, from the most to the least novel, and their reconstructions.",
        ),
        "p_values": picture(
            p_value_uniformity(known.numbers),
            "Share of new known patterns called novel at each level. Calibrated p-values lie on the diagonal.",
        ),
        "reliability": picture(
            reliability_diagram(known.numbers),
            "How often the most probable phase is correct, against its probability.",
        ),
        "training": picture(training_history(agent.history), "Losses on held-out draws during training."),
    }


def _present(findings: xr.Dataset) -> list[str]:
    return list(dict.fromkeys(str(name) for name in findings["truth"].values))


def _table(figures: Mapping[str, Any], *, hard: bool) -> Table:
    header = ["quantity", "result"] if hard else ["quantity", "result", "target", "reached", "published"]
    rows = []
    for name, value in figures.items():
        aim = _AIMS[name]
        row = [aim.words, _number(name, value)]
        if not hard:
            row += [aim.aim, "yes" if aim.reached(value) else "no", aim.published]
        rows.append(row)
    caption = (
        "All ranges doubled; targets and published values do not apply to these ranges."
        if hard
        else "Results on patterns that were not used in training or calibration."
    )
    return Table(header, rows, caption)


def _number(name: str, value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{pair}: {fraction:.2f}" for pair, fraction in value.items())
    return format(value, _FORMATS.get(name, ".4g"))


def _provenance(
    agent: ClassAgent, known: Sample, novel: Sample, mixed: Sample, curves: xr.Dataset, *, hard: bool
) -> dict[str, str]:
    counts = {
        "pure": known.numbers,
        "unknown": novel.numbers,
        "mixed": mixed.numbers,
        "mixed, for the curves": curves,
    }
    return {
        "command": f"nescio reproduce banko2021{' --hard' if hard else ''} --seed {agent.settings.training.seed}",
        "version": f"nescio {__version__}",
        "agent": agent.identity,
        "patterns tested": ", ".join(f"{d.sizes['measurement']:,} {name}" for name, d in counts.items()),
        "training settings": agent.settings.model_dump_json(indent=1),
    }
