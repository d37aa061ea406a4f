"""Parts shared by tables of all kinds of findings: columns, terminal text, numbers with errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from nescio.signals import UNREADABLE
from nescio.view.findings.reading import values_of

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]
    from rich.table import Table

__all__ = ["concise", "expanded", "number_cell", "terminal_text", "unreadable_tables"]


def expanded(findings: xr.Dataset, name: str, parts: Sequence[str] = ()) -> dict[str, NDArray[np.float64]]:
    """Return a variable of shape (measurement, parts) as columns ``name[PART]``; an empty dict if it is missing.

    Args:
        findings: The findings.
        name: Name of the variable.
        parts: Names of its parts; unnamed parts are numbered from 1.
    """
    if name not in findings:
        return {}
    values = values_of(findings, name)
    names = [*parts, *(str(number + 1) for number in range(len(parts), values.shape[1]))]
    return {f"{name}[{part}]": values[:, i] for i, part in enumerate(names[: values.shape[1]])}


def concise(value: float, error: float) -> str:
    """Return a number with its error in brackets, in units of the last digit: 2.556(3) means 2.556 +- 0.003.

    The error has two digits if the first is 1.
    """
    if not (np.isfinite(value) and np.isfinite(error)):
        return "–"
    if error <= 0.0:
        return f"{value:g}"
    place = int(np.floor(np.log10(error)))
    digits = max((1 if round(error / 10.0**place, 1) < 2.0 else 0) - place, 0)
    return f"{value:.{digits}f}({error * 10.0**digits:.0f})"


def number_cell(value: float, form: str) -> tuple[str, float]:
    """Return a number for a report's table: as text, and as the value to sort by."""
    return (format(value, form), value) if np.isfinite(value) else ("–", float("nan"))


def terminal_text(value: object) -> Any:
    """Return text for the terminal, without markup or control characters."""
    from rich.text import Text

    return Text("".join(c if c.isprintable() else "?" for c in str(value)))


def unreadable_tables(table: pd.DataFrame, count: int) -> list[Table]:
    """Return a table of the measurements that could not be assessed, with reasons; an empty list if there are none."""
    from rich.table import Table

    unreadable = table[table["verdict"] == UNREADABLE]
    if not len(unreadable):
        return []
    problems = Table(title="unreadable", title_justify="left")
    problems.add_column("measurement")
    problems.add_column("reason")
    for _, row in unreadable.head(count).iterrows():
        problems.add_row(terminal_text(row["name"]), terminal_text(row.get("reason", "")))
    if len(unreadable) > count:
        problems.add_row(f"and {len(unreadable) - count:,} more", "")
    return [problems]
