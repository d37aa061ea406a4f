"""View of number findings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from nescio.view.findings.cells import concise, expanded, terminal_text, unreadable_tables
from nescio.view.findings.numbers import numbers_of_measurements, quantity_names
from nescio.view.findings.numbers_assessment import numbers_report
from nescio.view.findings.reading import need, text_of, values_of

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]
    from matplotlib.figure import Figure
    from rich.console import RenderableType

__all__ = ["NumberView"]

_OF_A_QUANTITY = ("value", "low", "high", "aleatoric", "epistemic", "systematic")
_PRINTED = 40


class NumberView:
    """Show the estimated numbers of each measurement with their errors."""

    def columns(self, findings: xr.Dataset) -> dict[str, Any]:
        """Return the verdict, the numbers with intervals and errors, the p-value and the fitting structures."""
        need(findings, "verdict", *_OF_A_QUANTITY)
        columns: dict[str, Any] = {"verdict": text_of(findings, "verdict")}
        for i, quantity in enumerate(quantity_names(findings)):
            columns |= {f"{name}[{quantity}]": values_of(findings, name)[:, i] for name in _OF_A_QUANTITY}
        columns["p_value"] = values_of(findings, "p_value")
        columns |= expanded(findings, "latent")
        if "structures" in findings:
            columns["structures"] = text_of(findings, "structures")
        return columns

    def summary(self, findings: xr.Dataset, table: pd.DataFrame, count: int) -> list[RenderableType]:
        """Return a table of the numbers of each measurement with half their intervals."""
        from rich.box import SIMPLE_HEAD
        from rich.table import Table

        names = quantity_names(findings)
        title = f"{len(table):,} measurement{'s' if len(table) != 1 else ''}"
        if "level" in findings.attrs:
            level = float(findings.attrs["level"])
            title += f"; in brackets: half the {level:.0%} interval, in units of the last digits"
        shown = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        shown.add_column("measurement", overflow="fold")
        for name in names:
            shown.add_column(name, justify="right", no_wrap=True)
        shown.add_column("p-value", justify="right", no_wrap=True)
        shown.add_column("verdict", no_wrap=True)
        for _, row in table.head(_PRINTED).iterrows():
            cells = [
                concise(row[f"value[{name}]"], 0.5 * (row[f"high[{name}]"] - row[f"low[{name}]"]))
                for name in names
            ]
            p = f"{row['p_value']:.2g}" if np.isfinite(row["p_value"]) else "–"
            shown.add_row(terminal_text(row["name"]), *cells, p, terminal_text(row["verdict"]))
        if len(table) > _PRINTED:
            shown.add_row(f"and {len(table) - _PRINTED:,} more", *[""] * (len(names) + 2))
        return [shown, *unreadable_tables(table, max(count, _PRINTED))]

    def figure(self, findings: xr.Dataset) -> Figure:
        """Draw the numbers of all measurements, in order."""
        return numbers_of_measurements(findings)

    def report(
        self, findings: xr.Dataset, *, path: str | Path, provenance: Mapping[str, object], **parts: Any
    ) -> Path:
        """Write the report (:func:`nescio.view.numbers_report`)."""
        return numbers_report(
            findings, parts.pop("reference", None), path=path, provenance=provenance, **parts
        )
