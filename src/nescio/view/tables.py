"""Findings as tables: a data frame, files (NetCDF and CSV), and a few lines on the terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from nescio.files import write_atomically
from nescio.signals import UNREADABLE
from nescio.view.patterns import most_novel
from nescio.view.reading import VERDICTS, class_names, names_of, need, text_of, values_of

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]
    from rich.console import Console
    from rich.table import Table

__all__ = [
    "concise",
    "findings_table",
    "print_summary",
    "write_findings",
]

_SCALARS = {
    "p_value": "p_value",
    "novelty": "novelty",
    "reconstruction_error": "reconstruction_error",
    "x_mm": "x_mm",
    "y_mm": "y_mm",
}
_TEXTS = ("label", "verdict")
_PRINTED = 40


def findings_table(findings: xr.Dataset) -> pd.DataFrame:
    """Return findings as a data frame, one row a measurement.

    Columns, where the findings have them: ``name``, ``label``, ``verdict``, ``p_value``, ``novelty``,
    ``reconstruction_error``, ``x_mm``, ``y_mm``, one ``probability[CLASS]`` and ``knn_probability[CLASS]`` a class,
    one ``latent[NUMBER]`` a dimension, one ``composition[ELEMENT]`` an element, of numbers ``value[NAME]``, ``low``,
    ``high``, ``aleatoric``, ``epistemic`` and ``systematic`` alike, ``structures``, ``reason``, ``source``.
    """
    import pandas as pd

    need(findings, "verdict")
    columns: dict[str, Any] = {"name": names_of(findings)}
    columns |= {name: text_of(findings, name) for name in _TEXTS if name in findings}
    if "value" in findings:
        columns |= {
            f"{name}[{quantity}]": values_of(findings, name)[:, i]
            for i, quantity in enumerate(findings["quantity"].values)
            for name in ("value", "low", "high", "aleatoric", "epistemic", "systematic")
        }
    columns |= {title: values_of(findings, name) for name, title in _SCALARS.items() if name in findings}
    for name, parts in (
        ("probability", class_names(findings)),
        ("knn_probability", class_names(findings)),
        ("latent", None),
        ("composition", _elements(findings)),
    ):
        if name not in findings:
            continue
        values = values_of(findings, name)
        numbers = [str(k + 1) for k in range(values.shape[1])]
        for i, part in zip(range(values.shape[1]), [*(parts or ()), *numbers], strict=False):
            columns[f"{name}[{part}]"] = values[:, i]
    columns |= {
        name: text_of(findings, name)
        for name in ("structures", "reason", "source")
        if name in findings.variables
    }
    return pd.DataFrame(columns)


def write_findings(findings: xr.Dataset, folder: str | Path) -> tuple[Path, Path]:
    """Write ``findings.nc`` (NetCDF4, everything) and ``findings.csv`` (:func:`findings_table`) into a folder.

    A crash or a full disk leaves each file old or new, never half. Attributes that NetCDF cannot hold become JSON.

    Returns:
        The paths of the two files.

    Raises:
        FileError: The folder cannot be made or written to, or the disk is full.
    """
    folder = Path(folder)
    table, storable = findings_table(findings), _storable(findings)
    encoding = {
        str(name): {"zlib": True, "complevel": 4, "shuffle": True}
        for name, variable in storable.variables.items()
        if variable.ndim == 2 and variable.dtype.kind == "f" and variable.size
    }
    # In memory first: the HDF5 library crashes where the disk is full.
    content = storable.to_netcdf(engine="h5netcdf", encoding=encoding)
    return (
        write_atomically(folder / "findings.nc", content),
        write_atomically(folder / "findings.csv", table.to_csv(index=False)),
    )


def print_summary(findings: xr.Dataset, console: Console | None = None, count: int = 5) -> None:
    """Print how many measurements have which verdict and class, and the strangest ones.

    Args:
        findings: Of any number of measurements.
        console: Where to; by default the standard output.
        count: How many of the strangest.
    """
    from rich.console import Console, Group
    from rich.table import Table
    from rich.text import Text

    table = findings_table(findings)
    if "value" in findings:
        _print_numbers(findings, table, console or Console())
        return
    counts = Table(title=f"{len(table):,} measurement{'s' if len(table) != 1 else ''}", title_justify="left")
    counts.add_column("most probable class")
    present = [v for v in VERDICTS if (table["verdict"] == v).any()]
    for verdict in present:
        counts.add_column(verdict, justify="right")
    for label in [c for c in class_names(findings) if (table["label"] == c).any()]:
        mine = table[table["label"] == label]
        counts.add_row(_text(label), *(f"{(mine['verdict'] == v).sum():,}" for v in present))
    named = table["label"].isin(class_names(findings))
    if not named.all():
        rest = table[~named]
        counts.add_row(Text("(none)"), *(f"{(rest['verdict'] == v).sum():,}" for v in present))
    if counts.row_count > 1:
        counts.add_section()
        counts.add_row("all", *(f"{(table['verdict'] == v).sum():,}" for v in present))
    shown: list[Table] = [counts]
    chosen = [i for i in most_novel(findings, count) if table["verdict"].iloc[i] == "novel"]
    if chosen:
        strangest = Table(title="strangest", title_justify="left")
        for title in ("measurement", "p-value", "reason"):
            strangest.add_column(title, justify="right" if title == "p-value" else "left")
        for i in chosen:
            row = table.iloc[i]
            strangest.add_row(_text(row["name"]), f"{row['p_value']:.2g}", _text(row.get("reason", "")))
        shown.append(strangest)
    shown += _unreadable(table, count)
    (console or Console()).print(Group(*shown))


def concise(value: float, error: float) -> str:
    """Return a number with its error in brackets, in units of the last digit: 2.556(3) is 2.556 +- 0.003.

    The error has two digits where the first of them is 1.
    """
    if not (np.isfinite(value) and np.isfinite(error)):
        return "–"
    if error <= 0.0:
        return f"{value:g}"
    place = int(np.floor(np.log10(error)))
    digits = max((1 if round(error / 10.0**place, 1) < 2.0 else 0) - place, 0)
    return f"{value:.{digits}f}({error * 10.0**digits:.0f})"


def _print_numbers(findings: xr.Dataset, table: pd.DataFrame, console: Console) -> None:
    """Print the numbers of each measurement with half their intervals."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    names = [str(name) for name in findings["quantity"].values]
    title = f"{len(table):,} measurement{'s' if len(table) != 1 else ''}"
    if "level" in findings.attrs:
        title += f"; in brackets, of the last digits, what holds {float(findings.attrs['level']):.0%} of known ones"
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
        shown.add_row(_text(row["name"]), *cells, p, _text(row["verdict"]))
    if len(table) > _PRINTED:
        shown.add_row(f"and {len(table) - _PRINTED:,} more", *[""] * (len(names) + 2))
    console.print(shown, *_unreadable(table, _PRINTED))


def _unreadable(table: pd.DataFrame, count: int) -> list[Table]:
    """Return a table of why measurements cannot be read, if there are any."""
    from rich.table import Table

    unreadable = table[table["verdict"] == UNREADABLE]
    if not len(unreadable):
        return []
    problems = Table(title="unreadable", title_justify="left")
    problems.add_column("measurement")
    problems.add_column("reason")
    for _, row in unreadable.head(count).iterrows():
        problems.add_row(_text(row["name"]), _text(row.get("reason", "")))
    if len(unreadable) > count:
        problems.add_row(f"and {len(unreadable) - count:,} more", "")
    return [problems]


def _text(value: object) -> Any:
    """Return text for the terminal that is never read as markup and holds no control characters."""
    from rich.text import Text

    return Text("".join(c if c.isprintable() else "?" for c in str(value)))


def _elements(findings: xr.Dataset) -> list[str] | None:
    return [str(e) for e in findings["element"].values] if "element" in findings.coords else None


def _storable(findings: xr.Dataset) -> xr.Dataset:
    """Return the dataset with strings as strings and attributes that NetCDF can hold."""
    stored = findings.copy()
    for name, variable in findings.variables.items():
        if variable.dtype.kind == "O":
            text = np.array([str(v) for v in variable.values.ravel()], dtype=str).reshape(variable.shape)
            stored[name] = (variable.dims, text, variable.attrs)
        stored[name].attrs = {str(k): _attribute(v) for k, v in variable.attrs.items()}
    stored.attrs = {str(k): _attribute(v) for k, v in findings.attrs.items()}
    return stored


def _attribute(value: Any) -> Any:
    if isinstance(value, str | int | float | np.number | np.ndarray) and not isinstance(value, bool):
        return value
    if isinstance(value, list | tuple) and value and all(type(v) in (int, float) for v in value):
        return np.asarray(value)
    return json.dumps(value, default=str)
