"""The report of findings of numbers: estimates, errors, structures, and how well the agent is calibrated."""

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
        "each is a mean over the whole sample. The interval covers the true number in the stated share of samples like "
        "those of training. It has two parts: what signals like this leave open (aleatoric) and what more training "
        "would reduce (epistemic)."
    ),
    "Errors of measurement": (
        "the change of the number with an error of the energy, the resolution, the edge step and the like "
        "(systematic). The interval does not include it."
    ),
    "p-value": (
        "the share of known signals that are at least as strange as this one. It is not the probability that the "
        "prior describes the measurement."
    ),
    "Verdict": (
        "“novel” where the p-value is at or below the chosen level: the sample has something that no sample of the "
        "prior has, or the theory does not describe it. The numbers are given all the same, but may not hold. "
        "“unreadable” where the measurement could not be assessed; the reason says why."
    ),
    "Structures": (
        "all known structures whose numbers lie within all intervals at once, errors of measurement included. Usually "
        "several fit: the numbers alone do not determine shape and size."
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
    """Write the report of findings of numbers, with every figure that the findings allow.

    Args:
        findings: Measured, as `nescio.signals` describes them for numbers.
        reference: Held-out known draws with ``truth``, for comparison; without them those figures are left out.
        path: The HTML file.
        provenance: Agent, prior, versions, command and settings, in the words to show.
        title: Heading of the report.
        along: A coordinate of the measurements to draw the numbers against, such as time.
        saliency: See :func:`nescio.view.saliency_curves`.
        structures: For some measurements, by name: the structures that fit, each a name and positions in angstrom.
        progress: Show a progress bar; by default where standard error is a terminal.

    Raises:
        FileError: The file cannot be written.
        MeasurementError: The findings lack what every assessment has.
    """
    sections = [
        _summary(findings),
        Section("How to read this", [Text(text, lead=lead) for lead, text in _READING.items()]),
        Section(
            "Numbers",
            [
                Picture(
                    numbers_of_measurements(findings, along, reference),
                    "Every number of every measurement. An arrow at the edge: far outside the range of known draws.",
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
            "The prepared signals.",
            "Curves of all signals over the band of known signals.",
        )
    ]
    if readable(findings).any() and findings.sizes.get("latent_dimension", 0):
        if reference is not None:
            blocks.append(
                Picture(
                    training_space(findings, reference),
                    "Latent position of each measurement among known draws: similar signals lie close together. A "
                    "novel measurement may lie among known draws, if this map does not show what is strange about it.",
                    "Map of known draws with the measurements on it.",
                )
            )
        chosen = most_novel(findings, 4)
        if chosen:
            described = ", ".join(str(names_of(findings)[i]) for i in chosen)
            blocks.append(
                Picture(
                    measured_against_reconstructed(findings, chosen),
                    "The strangest measurements, and their reconstructions.",
                    f"Signals and reconstructions of the strangest measurements: {described}",
                )
            )
    return Section("Signals", blocks)


def _structures(structures: Sequence[tuple[str, Sequence[tuple[str, ArrayLike]]]]) -> Section:
    blocks: list[Picture | Text] = []
    for name, fitting in structures:
        if not fitting:
            blocks.append(Text("no known structure fits.", lead=name))
            continue
        more = (
            f"; {_DRAWN} of them are drawn, from the smallest to the largest" if len(fitting) > _DRAWN else ""
        )
        places = np.unique(np.linspace(0, len(fitting) - 1, min(_DRAWN, len(fitting))).round().astype(int))
        blocks.append(
            Picture(
                structures_in_space([fitting[i] for i in places]),
                f"{name}: {len(fitting)} known structures fit{more}.",
                f"Atoms of structures that fit {name}: {', '.join(fitting[i][0] for i in places)}",
            )
        )
    return Section("Structures that fit", blocks)


def _trust(reference: xr.Dataset, saliency: xr.DataArray | None) -> Section:
    blocks = [
        Picture(
            numbers_against_truth(reference),
            "Estimated against true numbers of fresh known draws.",
            "Scatter plots of estimated against true numbers.",
        )
    ]
    if np.isfinite(values_of(reference, "p_value")).any():
        blocks.append(
            Picture(
                p_value_uniformity(reference),
                "Share of known draws flagged at each level. The p-values are calibrated where the line follows the "
                "diagonal.",
                "Fraction of known draws flagged against the level.",
            )
        )
    if saliency is not None:
        blocks.append(
            Picture(
                saliency_curves(saliency),
                "Saliency: slope of each number with each point of the signal, times the usual spread of the point.",
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
        note = (
            f"The first {ROWS:,} of {findings.sizes['measurement']:,}; findings.csv and findings.nc hold all."
        )
    table = Table([*header, "structures that fit", "reason"], rows, note, interactive=True, kinds=1)
    return Section("All findings", [table])
