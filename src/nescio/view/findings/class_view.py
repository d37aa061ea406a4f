"""View of class findings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray as xr

from nescio.signals import NOVEL
from nescio.view.findings.assessment import assessment_report
from nescio.view.findings.cells import expanded, terminal_text, unreadable_tables
from nescio.view.findings.composition import composition_map
from nescio.view.findings.latent import latent_map
from nescio.view.findings.patterns import most_novel
from nescio.view.findings.reading import VERDICTS, class_names, need, text_of, values_of
from nescio.view.findings.wafer import wafer_map

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]
    from matplotlib.figure import Figure
    from rich.console import RenderableType
    from rich.table import Table

__all__ = ["ClassView"]

_SCALARS = ("p_value", "novelty", "reconstruction_error")


class ClassView:
    """Show the most probable class, its probability and the novelty of each measurement."""

    def columns(self, findings: xr.Dataset) -> dict[str, Any]:
        """Return class, verdict, scores, probabilities and latent position."""
        need(findings, "verdict")
        return {
            **{name: text_of(findings, name) for name in ("label", "verdict") if name in findings},
            **{name: values_of(findings, name) for name in _SCALARS if name in findings},
            **expanded(findings, "probability", class_names(findings)),
            **expanded(findings, "knn_probability", class_names(findings)),
            **expanded(findings, "latent"),
        }

    def summary(self, findings: xr.Dataset, table: pd.DataFrame, count: int) -> list[RenderableType]:
        """Return the numbers of measurements by class and verdict, and the most novel measurements."""
        return [
            _counts(findings, table),
            *_strangest(findings, table, count),
            *unreadable_tables(table, count),
        ]

    def figure(self, findings: xr.Dataset) -> Figure:
        """Draw the classes by position, else by composition, else on the latent map."""
        if "x_mm" in findings.variables and "y_mm" in findings.variables:
            return wafer_map(findings)
        if "composition" in findings.variables and findings.sizes["element"] > 1:
            return composition_map(findings)
        return latent_map(findings)

    def report(
        self, findings: xr.Dataset, *, path: str | Path, provenance: Mapping[str, object], **parts: Any
    ) -> Path:
        """Write the report (:func:`nescio.view.assessment_report`)."""
        return assessment_report(
            findings, parts.pop("reference", None), path=path, provenance=provenance, **parts
        )


def _counts(findings: xr.Dataset, table: pd.DataFrame) -> Table:
    from rich.table import Table

    counts = Table(title=f"{len(table):,} measurement{'s' if len(table) != 1 else ''}", title_justify="left")
    counts.add_column("most probable class")
    present = [v for v in VERDICTS if (table["verdict"] == v).any()]
    for verdict in present:
        counts.add_column(verdict, justify="right")
    known = class_names(findings)
    groups = [(name, table["label"] == name) for name in known if (table["label"] == name).any()]
    named = table["label"].isin(known)
    if not named.all():
        groups.append(("(none)", ~named))
    for name, mine in groups:
        some = table[mine]
        counts.add_row(terminal_text(name), *(f"{(some['verdict'] == v).sum():,}" for v in present))
    if counts.row_count > 1:
        counts.add_section()
        counts.add_row("all", *(f"{(table['verdict'] == v).sum():,}" for v in present))
    return counts


def _strangest(findings: xr.Dataset, table: pd.DataFrame, count: int) -> list[Table]:
    from rich.table import Table

    chosen = [i for i in most_novel(findings, count) if table["verdict"].iloc[i] == NOVEL]
    if not chosen:
        return []
    strangest = Table(title="most novel", title_justify="left")
    for title in ("measurement", "p-value", "reason"):
        strangest.add_column(title, justify="right" if title == "p-value" else "left")
    for i in chosen:
        row = table.iloc[i]
        strangest.add_row(
            terminal_text(row["name"]), f"{row['p_value']:.2g}", terminal_text(row.get("reason", ""))
        )
    return [strangest]
