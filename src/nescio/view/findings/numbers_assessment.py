"""Report of number findings: estimates, errors, structures and calibration of the agent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from nescio.view.findings.calibration import p_value_uniformity
from nescio.view.findings.cells import concise, number_cell
from nescio.view.findings.numbers import (
    numbers_against_truth,
    numbers_of_measurements,
    quantity_label,
    quantity_names,
    saliency_curves,
    signals_among_known,
    structures_in_space,
    training_space,
)
from nescio.view.findings.patterns import measured_against_reconstructed, most_novel
from nescio.view.findings.reading import names_of, readable, text_of, values_of, verdict_counts
from nescio.view.report import Cards, Details, Picture, Section, Table, Text, notes_section, write_report

__all__ = ["numbers_report"]

ROWS = 3000
_DRAWN = 8

_READING = {
    "Numbers": (
        "each is a mean over the whole sample. The interval covers the true number in the stated share of samples that "
        "are like the training samples. It has two parts: the aleatoric part, which remains even with perfect "
        "training, and the epistemic part, which more training would reduce."
    ),
    "Systematic errors": (
        "the change of the number due to errors of the energy, the resolution, the edge step and similar "
        "(systematic). The interval does not include it."
    ),
    "p-value": (
        "the share of known signals that are at least as unusual as this one. It is not the probability that the "
        "prior describes the measurement."
    ),
    "Verdict": (
        "“novel” if the p-value is at or below the chosen level: the sample has a feature that no sample of the prior "
        "has, or the theory does not describe it. Numbers are still given, but they are unreliable. “unreadable” if "
        "the measurement could not be assessed; the table gives the reason."
    ),
    "Structures": (
        "all known structures whose numbers lie within all intervals at once, systematic errors included. Usually "
        "several structures fit: the numbers alone do not determine shape and size."
    ),
}


def numbers_report(
    findings: xr.Dataset,
    reference: xr.Dataset | None,
    *,
    path: str | Path,
    provenance: Mapping[str, object],
    title: str = "Assessment of measurements",
    along: str | None = None,
    saliency: xr.DataArray | None = None,
    structures: Sequence[tuple[str, Sequence[tuple[str, ArrayLike]]]] = (),
    progress: bool | None = None,
) -> Path:
    """Write the standard report of number findings, with every figure for which the findings hold the data.

    Args:
        findings: Findings of measurements, in the layout of `nescio.signals` for numbers.
        reference: Held-out known draws with ``truth``, for comparison; if None, the comparing figures are omitted.
        path: The HTML file.
        provenance: Agent, prior, versions, command and settings, by name; values are shown as text.
        title: Heading of the report.
        along: Coordinate of the measurements for the horizontal axis, such as time.
        saliency: See :func:`nescio.view.saliency_curves`.
        structures: Name of a measurement and its fitting structures, each with a name and positions in angstrom.
        progress: Show a progress bar; by default where standard error is a terminal.

    Raises:
        FileError: The file cannot be written.
        MeasurementError: The findings lack a required variable.
    """
    sections = [
        _summary(findings),
        Section("How to read this report", [Text(text, lead=lead) for lead, text in _READING.items()]),
        Section(
            "Estimated numbers",
            [
                Picture(
                    numbers_of_measurements(findings, along, reference),
                    "All numbers of all measurements. An arrow at the edge marks a value far outside the range of "
                    "known draws.",
                    f"Numbers with intervals of {findings.sizes['measurement']} measurements.",
                )
            ],
        ),
        *notes_section(findings),
        _signals(findings, reference),
    ]
    if structures:
        sections.append(_structures(structures))
    if reference is not None:
        sections.append(_trust(reference, saliency))
    sections += [
        _everything(findings),
        Section("Provenance", [Details({k: str(v) for k, v in provenance.items()})]),
    ]
    return write_report(path, title, sections, progress=progress)


def _summary(findings: xr.Dataset) -> Section:
    names = ", ".join(quantity_names(findings))
    described = [
        f"{quantity_names(findings)[i]}: {name}"
        for i, name in enumerate(findings["quantity_long_name"].values)
    ]
    return Section(
        "Summary",
        [
            Cards(verdict_counts(findings)),
            Text("; ".join(described) + ".", lead=f"Numbers ({names})"),
        ],
    )


def _signals(findings: xr.Dataset, reference: xr.Dataset | None) -> Section:
    blocks = [
        Picture(
            signals_among_known(findings, reference),
            "The prepared signals, over the band that holds 98 % of known signals at each point.",
            "Curves of all signals over the band of known signals.",
        )
    ]
    if readable(findings).any() and findings.sizes.get("latent_dimension", 0):
        if reference is not None:
            blocks.append(
                Picture(
                    training_space(findings, reference),
                    "Latent position of each measurement among known draws; similar signals lie close together. A "
                    "novel measurement may lie among known draws if this map does not show its unusual feature.",
                    "Map of known draws with the measurements on it.",
                )
            )
        chosen = most_novel(findings, 4)
        if chosen:
            described = ", ".join(str(names_of(findings)[i]) for i in chosen)
            blocks.append(
                Picture(
                    measured_against_reconstructed(findings, chosen),
                    "The most novel measurements and their reconstructions.",
                    f"Signals and reconstructions of the most novel measurements: {described}",
                )
            )
    return Section("Signals compared with known draws", blocks)


def _structures(structures: Sequence[tuple[str, Sequence[tuple[str, ArrayLike]]]]) -> Section:
    blocks: list[Picture | Text] = []
    for name, fitting in structures:
        if not fitting:
            blocks.append(Text("no known structure fits.", lead=name))
            continue
        more = f"; {_DRAWN} are drawn, from the smallest to the largest" if len(fitting) > _DRAWN else ""
        places = np.unique(np.linspace(0, len(fitting) - 1, min(_DRAWN, len(fitting))).round().astype(int))
        blocks.append(
            Picture(
                structures_in_space([fitting[i] for i in places]),
                f"{name}: {len(fitting)} known structures fit{more}.",
                f"Atoms of structures that fit {name}: {', '.join(fitting[i][0] for i in places)}",
            )
        )
    return Section("Fitting structures", blocks)


def _trust(reference: xr.Dataset, saliency: xr.DataArray | None) -> Section:
    blocks = [
        Picture(
            numbers_against_truth(reference),
            "Estimated against true numbers, for known draws that were not used in training.",
            "Scatter plots of estimated against true numbers.",
        )
    ]
    if np.isfinite(values_of(reference, "p_value")).any():
        blocks.append(
            Picture(
                p_value_uniformity(reference),
                "Share of known draws that are called novel at each level. The p-values are calibrated where the line "
                "follows the diagonal.",
                "Fraction of known draws called novel against the level.",
            )
        )
    if saliency is not None:
        blocks.append(
            Picture(
                saliency_curves(saliency),
                "Saliency: derivative of each number with respect to each point of the signal, times the usual spread "
                "of that point.",
                "Curves of saliency over the axis, one for each number.",
            )
        )
    return Section("Calibration of the agent", blocks)


def _everything(findings: xr.Dataset) -> Section:
    p = values_of(findings, "p_value")
    names = quantity_names(findings)
    order = range(min(findings.sizes["measurement"], ROWS))
    header = ["measurement", "verdict", "p-value", *(quantity_label(findings, i) for i in range(len(names)))]
    rows: list[list[str | tuple[str, float]]] = []
    value, half = (
        values_of(findings, "value"),
        0.5 * (values_of(findings, "high") - values_of(findings, "low")),
    )
    for i in order:
        shown = [
            (concise(value[i, number], half[i, number]), float(value[i, number]))
            for number in range(len(names))
        ]
        texts = [str(text_of(findings, name)[i]) for name in ("structures", "reason")]
        rows.append(
            [
                str(names_of(findings)[i]),
                str(text_of(findings, "verdict")[i]),
                number_cell(float(p[i]), ".3g"),
                *shown,
                *texts,
            ]
        )
    note = "All measurements, in order. In brackets: half the interval, in units of the last digits."
    if findings.sizes["measurement"] > ROWS:
        count = findings.sizes["measurement"]
        note = f"The first {ROWS:,} of {count:,} measurements; findings.csv and findings.nc hold all."
    table = Table([*header, "fitting structures", "reason"], rows, note, interactive=True, kinds=1)
    return Section("All measurements", [table])
