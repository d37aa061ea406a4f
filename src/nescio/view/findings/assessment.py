"""Report of class findings: verdicts, maps, novelty and calibration of the agent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from nescio.signals import KNOWN, NOVEL, UNREADABLE
from nescio.view.findings.calibration import p_value_uniformity, reliability_diagram, training_history
from nescio.view.findings.cells import number_cell
from nescio.view.findings.composition import composition_map
from nescio.view.findings.errors import (
    by_group,
    error_against_fraction,
    error_violins,
    score_histogram,
)
from nescio.view.findings.latent import (
    decision_regions,
    error_over_latent_map,
    latent_map,
    latent_map_by_strongest,
    signals_on_map,
)
from nescio.view.findings.patterns import measured_against_reconstructed, most_novel
from nescio.view.findings.reading import (
    axis_label,
    class_names,
    names_of,
    present_verdicts,
    readable,
    signal_axis,
    text_of,
    values_of,
    verdict_counts,
)
from nescio.view.findings.wafer import wafer_map
from nescio.view.report import Cards, Details, Picture, Section, Table, Text, notes_section, write_report

__all__ = ["assessment_report"]

ROWS = 3000
"""Most measurements in the report's table, so that a browser sorts it quickly; of more, the most novel are kept."""

_READING = {
    "Class": (
        "the most probable of the known classes. If the verdict is “novel”, it is only the most similar class."
    ),
    "p-value": (
        "the share of measurements of known classes that are at least as unusual as this one. 0.5 is typical; 0.001 "
        "means that one known measurement in a thousand is as unusual. It is not the probability that the measurement "
        "belongs to a known class."
    ),
    "Verdict": (
        "“novel” if the p-value is at or below the chosen level: the measurement belongs to no known class (another "
        "phase, a mixture, a glass, an artefact), or it is one of the few known measurements that are unusual by "
        "chance. “known” if there is no evidence against the class. “unreadable” if the measurement could not be "
        "assessed; the table gives the reason."
    ),
    "Reconstruction error": (
        "mean squared difference between the signal, scaled to 0–1, and its reconstruction by the agent, over the "
        "measured range."
    ),
    "Many measurements": "some known ones are called novel by chance: at a level of 1 %, about one in a hundred.",
}


def assessment_report(
    findings: xr.Dataset,
    reference: xr.Dataset | None,
    *,
    path: str | Path,
    provenance: Mapping[str, object],
    title: str = "Assessment of measurements",
    predict: Callable[[NDArray[np.float64]], ArrayLike] | None = None,
    trials: xr.Dataset | None = None,
    history: Sequence[Mapping[str, float]] = (),
    progress: bool | None = None,
) -> Path:
    """Write the standard report of class findings, with every figure for which the findings hold the data.

    Args:
        findings: Findings of measurements. Wafer maps need ``x_mm`` and ``y_mm``, composition maps ``composition``,
            violins ``group``, mixing curves ``fraction`` and ``pair``.
        reference: Held-out known draws with ``truth``, for comparison; if None, the comparing figures are omitted.
        path: The HTML file.
        provenance: Agent, prior, versions, command and settings, by name; values are shown as text.
        title: Heading of the report.
        predict: Classifier on the latent map, as for :func:`nescio.view.decision_regions`.
        trials: Findings of simulated pure, mixed and unknown signals, with ``group``, and for mixtures ``fraction`` and
            ``pair``.
        history: Held-out losses of the training, as for :func:`nescio.view.training_history`.
        progress: Show a progress bar; by default where standard error is a terminal.

    Returns:
        The path.

    Raises:
        FileError: The file cannot be written.
        MeasurementError: The findings lack a required variable.
    """
    sections = [
        _summary(findings),
        *notes_section(findings),
        Section("How to read this report", [Text(text, lead=lead) for lead, text in _READING.items()]),
    ]
    if readable(findings).any():
        sections += [
            _strangest(findings),
            *_sample_maps(findings),
            _latent_maps(findings, reference, predict),
            *_errors("Reconstruction errors", findings),
        ]
    if trials is not None and trials.sizes.get("measurement", 0):
        sections += _errors("Tests on simulated pure, mixed and unknown signals", trials)
    if reference is not None and reference.sizes.get("measurement", 0):
        sections.append(_trust(findings, reference, history))
    sections += [
        _everything(findings),
        Section("Provenance", [Details({k: str(v) for k, v in provenance.items()})]),
    ]
    return write_report(path, title, sections, progress=progress)


def _summary(findings: xr.Dataset) -> Section:
    verdicts, labels = text_of(findings, "verdict"), text_of(findings, "label")
    present = present_verdicts(findings)
    named = [c for c in class_names(findings) if (labels == c).any()]
    rows: list[list[str | tuple[str, float]]] = []
    for label in [*named, *(["(none)"] if not np.isin(labels, named).all() else [])]:
        mine = labels == label if label in named else ~np.isin(labels, named)
        counts = [int(np.sum(mine & (verdicts == v))) for v in present]
        rows.append([label, *((f"{n:,}", float(n)) for n in counts)])
    return Section(
        "Summary",
        [
            Cards(verdict_counts(findings)),
            Table(["most probable class", *present], rows, "Measurements by class and verdict"),
        ],
    )


def _strangest(findings: xr.Dataset) -> Section:
    chosen = most_novel(findings, 6)
    described = ", ".join(
        f"{names_of(findings)[i]} ({text_of(findings, 'verdict')[i]}, p {values_of(findings, 'p_value')[i]:.2g})"
        for i in chosen
    )
    return Section(
        "Most novel measurements",
        [
            Picture(
                measured_against_reconstructed(findings, chosen),
                "The measurements with the smallest p-values, and their reconstructions. Features that appear in only "
                "one of the two curves make a measurement novel.",
                f"Signals and reconstructions of the most novel measurements: {described}",
            )
        ],
    )


def _sample_maps(findings: xr.Dataset) -> list[Section]:
    """Return the sections with maps by position and by composition, if the findings hold these coordinates."""
    drawings: list[tuple[str, str, Callable[..., Figure]]] = []
    if {"x_mm", "y_mm"} <= set(findings.variables) and np.isfinite(values_of(findings, "x_mm")).any():
        drawings.append(("Verdict, class and novelty by position", "position on the sample", wafer_map))
    if "composition" in findings and findings["composition"].shape[1] > 1:
        composition = values_of(findings, "composition")
        if np.isfinite(composition).all(axis=1).any():
            drawings.append(("Verdict, class and novelty by composition", "composition", composition_map))
    sections = []
    for heading, where, draw in drawings:
        quantities = {
            "verdict": "Verdicts",
            "label": "Most probable classes",
            "p_value": "Novelty p-values",
            "reconstruction_error": "Reconstruction errors",
        }
        if "group" in findings:
            quantities = {"group": "True kinds of measurement", **quantities}
        if "truth" in findings:
            quantities = {"truth": "True classes (no colour: not one single known class)", **quantities}
        sections.append(
            Section(
                heading,
                [
                    Picture(
                        draw(findings, quantity),
                        f"{words} by {where}.",
                        f"{words} by {where}. {_counts(findings)}",
                    )
                    for quantity, words in quantities.items()
                ],
            )
        )
    return sections


def _latent_maps(
    findings: xr.Dataset,
    reference: xr.Dataset | None,
    predict: Callable[[NDArray[np.float64]], ArrayLike] | None,
) -> Section:
    axis = axis_label(findings, signal_axis(findings))
    blocks = [
        Picture(
            latent_map(findings, reference),
            "Latent position of each measurement; similar signals lie close together. Small points: known draws.",
            f"Map of latent space by most probable class. {_counts(findings)}",
        ),
        Picture(
            latent_map_by_strongest(findings),
            "The same map, coloured by the position of each signal's maximum.",
            f"Map of latent space coloured by the position along {axis} of each signal's maximum.",
        ),
        Picture(
            signals_on_map(findings),
            "Typical signals from different regions of the map.",
            "Map of latent space with marked points, and the signals measured there.",
        ),
    ]
    if reference is not None and reference.sizes.get("measurement", 0):
        blocks.append(
            Picture(
                error_over_latent_map({"known draws": reference, "measured": findings}),
                "Reconstruction errors of known draws and of the measurements on the map, with one colour scale.",
                "Two maps of latent space coloured by reconstruction error: known draws, and measurements.",
            )
        )
    if predict is not None:
        known = findings if reference is None else reference
        blocks.append(
            Picture(
                decision_regions(known, predict, class_names(known)),
                "Predicted class at each point of the map, by a vote of the nearest known signals.",
                "Map of latent space divided into the regions of the classes.",
            )
        )
    return Section("Similarity of the signals (latent map)", blocks)


def _errors(title: str, findings: xr.Dataset) -> list[Section]:
    blocks = []
    if "group" in findings:
        blocks.append(
            Picture(
                error_violins(by_group(findings)),
                "Reconstruction errors of each kind of measurement: median (white dot), quartiles (bar), distribution "
                "(outline).",
                "Violins of reconstruction error by kind of measurement.",
            )
        )
    if {"fraction", "pair"} <= set(findings.variables):
        blocks.append(
            Picture(
                error_against_fraction(findings),
                "Reconstruction error against mixing ratio: median, with a band between the quartiles.",
                "Curves of reconstruction error against mixing ratio, one for each pair of classes.",
            )
        )
    return [Section(title, blocks)] if blocks else []


def _trust(findings: xr.Dataset, reference: xr.Dataset, history: Sequence[Mapping[str, float]]) -> Section:
    blocks = [
        Picture(
            score_histogram(reference, findings),
            "Novelty scores of known draws and of measurements.",
            "Histograms of the novelty score of known draws and of measurements.",
        ),
        Picture(
            p_value_uniformity(reference),
            "Share of known draws that are called novel at each level. The p-values are calibrated where the line "
            "follows the diagonal.",
            "Fraction of known draws called novel against the level.",
        ),
    ]
    if "truth" in reference:
        blocks.append(
            Picture(
                reliability_diagram(reference),
                "How often the most probable class is correct, against its probability, for known draws.",
                "Reliability diagram of class probabilities.",
            )
        )
    if history:
        blocks.append(
            Picture(
                training_history(history),
                "Losses on held-out draws during training.",
                "Curves of held-out losses against the training step.",
            )
        )
    return Section("Calibration of the agent", blocks)


def _everything(findings: xr.Dataset) -> Section:
    n = findings.sizes["measurement"]
    p = values_of(findings, "p_value")
    rows: list[list[str | tuple[str, float]]] = []
    order = np.argsort(np.nan_to_num(p, nan=np.inf), kind="stable")[:ROWS]
    header = ["measurement", "verdict", "class", "probability", "p-value", "reconstruction error"]
    sure = values_of(findings, "probability").max(axis=1) if "probability" in findings else np.full(n, np.nan)
    error = values_of(findings, "reconstruction_error")
    numbers = [(sure, ".3f"), (p, ".3g"), (error, ".3g")]
    for name, title in (("x_mm", "x (mm)"), ("y_mm", "y (mm)")):
        if name in findings:
            header.append(title)
            numbers.append((values_of(findings, name), ".4g"))
    texts = [names_of(findings), text_of(findings, "verdict"), text_of(findings, "label")]
    reasons = text_of(findings, "reason") if "reason" in findings else np.full(n, "", dtype=object)
    for i in order:
        words: list[str | tuple[str, float]] = [str(t[i]) for t in texts]
        rows.append([*words, *(number_cell(float(v[i]), form) for v, form in numbers), str(reasons[i])])
    note = "All measurements, most novel first."
    if n > ROWS:
        note = f"The {ROWS:,} most novel of {n:,} measurements; findings.csv and findings.nc hold all."
    return Section("All measurements", [Table([*header, "reason"], rows, note, interactive=True, kinds=1)])


def _counts(findings: xr.Dataset) -> str:
    verdicts = text_of(findings, "verdict")
    counts = ", ".join(f"{np.sum(verdicts == v):,} {v}" for v in (KNOWN, NOVEL, UNREADABLE))
    return f"Of {len(verdicts):,} measurements: {counts}."
