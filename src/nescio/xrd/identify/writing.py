"""Write identified phases: a table, and a report with a figure of each pattern."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from nescio.files import write_atomically
from nescio.view import Cards, Details, Picture, Section, Table, Text, harmless_table, write_report
from nescio.xrd.identify.answer import Answer
from nescio.xrd.identify.figure import identification_figure
from nescio.xrd.identify.patterns import phase_table

__all__ = ["MOST_FIGURES", "write_phases"]

MOST_FIGURES = 60
"""Patterns that get a figure in a report; the others are in the table alone."""
_MOST_LINES = 8


def write_phases(
    answers: Sequence[Answer], folder: str | Path, *, provenance: Mapping[str, str] | None = None
) -> tuple[Path, ...]:
    """Write ``phases.csv`` and, with a provenance, ``report.html``.

    Args:
        answers: From :func:`nescio.xrd.identify_patterns`.
        folder: Folder for both; it is created if needed.
        provenance: What the report says of its origin.

    Returns:
        The paths of what was written.

    Raises:
        FileError: The folder cannot be written to.
    """
    folder = Path(folder)
    table = phase_table(answers)
    text = {name: column.fillna("") for name, column in table.items() if column.dtype.kind not in "fiub"}
    content = harmless_table(table.assign(**text)).to_csv(index=False)
    written = [write_atomically(folder / "phases.csv", content)]
    if provenance is not None:
        sections = [Section("Phases of all patterns", [_overview(answers)])]
        sections += [_section(answer) for answer in answers[:MOST_FIGURES]]
        if len(answers) > MOST_FIGURES:
            sections.append(
                Section(
                    "Further patterns",
                    [Text(f"{len(answers) - MOST_FIGURES} more patterns are in phases.csv.")],
                )
            )
        sections.append(Section("Origin", [Details(provenance)]))
        written.append(write_report(folder / "report.html", "Phases of diffraction patterns", sections))
    return tuple(written)


def _overview(answers: Sequence[Answer]) -> Table:
    rows = [
        (
            answer.name,
            answer.verdict,
            ", ".join(f"{one.label} {100 * one.weight_fraction:.1f} %" for one in answer.phases)
            or answer.problem,
            (f"{answer.probability:.3f}", answer.probability) if answer.phases else "",
            (f"{100 * answer.r_weighted:.1f} %", answer.r_weighted) if answer.phases else "",
        )
        for answer in answers
    ]
    return Table(
        ("pattern", "verdict", "phases (weight fractions)", "probability of this set", "weighted R"),
        rows,
        f"{len(answers)} patterns",
        interactive=True,
        kinds=1,
    )


def _section(answer: Answer) -> Section:
    blocks: list[Cards | Picture | Table | Text] = []
    if answer.problem:
        return Section(answer.name, [Text(answer.problem, "Unreadable.")])
    blocks.append(
        Cards(
            {
                "verdict": answer.verdict,
                "probability of the set": f"{answer.probability:.3f}",
                "weighted R": f"{100 * answer.r_weighted:.2f} %",
                "expected R": f"{100 * answer.r_expected:.2f} %",
            }
        )
    )
    caption = "Measured points, fit, background and phases; below, the difference. Dotted: unexplained lines."
    blocks.append(Picture(identification_figure(answer), caption, f"Fit of {answer.name}"))
    if answer.phases:
        rows = [
            (
                one.label,
                f"{100 * one.weight_fraction:.1f} ± {100 * one.weight_error:.1f} %",
                " ".join(f"{value:.4f}" for value in one.cell[:3]),
                " ".join(f"{value:.2f}" for value in one.cell[3:]),
                f"{one.size_nm:.0f}",
                f"{1e3 * one.microstrain:.2f}",
                f"{one.march:.2f} ({one.axis[0]} {one.axis[1]} {one.axis[2]})",
            )
            for one in answer.phases
        ]
        header = (
            "phase", "weight fraction", "a, b, c (Å)", "angles (degree)", "size (nm)", "microstrain (1e-3)", "March r",
        )  # fmt: skip
        blocks.append(Table(header, rows, "Phases of the best set"))
    if len(answer.alternatives) > 1:
        others = [(" + ".join(one.labels), f"{one.probability:.3f}") for one in answer.alternatives]
        blocks.append(Table(("set", "probability"), others, "Sets that the pattern does not tell apart"))
    if answer.unexplained:
        lines = [
            (f"{one.two_theta:.3f}", f"{one.d:.4f}", f"{100 * one.share:.1f} %", f"{one.significance:.0f}")
            for one in answer.unexplained[:_MOST_LINES]
        ]
        titles = ("two-theta (degree)", "d (Å)", "height of the highest peak", "standard deviations")
        blocks.append(Table(titles, lines, "Lines that no phase explains"))
    return Section(answer.name, blocks)
