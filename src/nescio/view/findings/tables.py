"""Findings of any kind as a data frame, as files (NetCDF and CSV), on the terminal and as a report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from nescio.errors import printable
from nescio.files import write_atomically
from nescio.view.findings.cells import expanded
from nescio.view.findings.kinds import view_of
from nescio.view.findings.reading import names_of, text_of, values_of

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]
    from matplotlib.figure import Figure
    from rich.console import Console

__all__ = [
    "findings_figure",
    "findings_report",
    "findings_table",
    "harmless_table",
    "print_summary",
    "write_findings",
]

# Spreadsheets read a cell that begins with one of these characters as a formula (OWASP, CSV injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\n", "＝", "＋", "－", "＠")


def findings_table(findings: xr.Dataset) -> pd.DataFrame:
    """Return findings as a data frame with one row for each measurement.

    Columns of all kinds: ``name``, and if present ``x_mm``, ``y_mm``, ``composition[ELEMENT]`` for each element,
    ``reason`` and ``source``. Columns of classes: ``label``, ``verdict``, ``p_value``, ``novelty``,
    ``reconstruction_error``, ``probability[CLASS]`` and ``knn_probability[CLASS]`` for each class, ``latent[NUMBER]``
    for each dimension. Columns of numbers: ``verdict``; for each number ``value[NAME]``, ``low[NAME]``, ``high[NAME]``,
    ``aleatoric[NAME]``, ``epistemic[NAME]``, ``systematic[NAME]``; ``p_value``, ``latent[NUMBER]``, ``structures``.
    """
    import pandas as pd

    return pd.DataFrame(
        {
            "name": names_of(findings),
            **view_of(findings).columns(findings),
            **{name: values_of(findings, name) for name in ("x_mm", "y_mm") if name in findings},
            **expanded(findings, "composition", _elements(findings)),
            **{name: text_of(findings, name) for name in ("reason", "source") if name in findings.variables},
        }
    )


def write_findings(findings: xr.Dataset, folder: str | Path) -> tuple[Path, Path]:
    """Write ``findings.nc`` (NetCDF4, all variables) and ``findings.csv`` (:func:`findings_table`) to a folder.

    After a crash or on a full disk, each file is either old or new, never incomplete. Attributes that NetCDF does not
    support are stored as JSON; text that is not valid UTF-8, such as part of a file name, is escaped. In the CSV file,
    text that a spreadsheet would read as a formula gets a leading apostrophe.

    Returns:
        The paths of the two files.

    Raises:
        FileError: The folder cannot be created or written to, or the disk is full.
    """
    folder = Path(folder)
    storable = _storable(findings)
    table = findings_table(storable)
    encoding = {
        str(name): {"zlib": True, "complevel": 4, "shuffle": True}
        for name, variable in storable.variables.items()
        if variable.ndim == 2 and variable.dtype.kind == "f" and variable.size
    }
    # Write to memory first: the HDF5 library crashes when the disk is full.
    content = storable.to_netcdf(engine="h5netcdf", encoding=encoding)
    return (
        write_atomically(folder / "findings.nc", content),
        write_atomically(folder / "findings.csv", harmless_table(table).to_csv(index=False)),
    )


def print_summary(findings: xr.Dataset, console: Console | None = None, count: int = 5) -> None:
    """Print a summary of the findings.

    Args:
        findings: Findings of any kind and any number of measurements.
        console: The console to print to; by default standard output.
        count: Number of measurements to list individually, such as the most novel.
    """
    from rich.console import Console, Group

    shown = view_of(findings).summary(findings, findings_table(findings), count)
    (console or Console()).print(Group(*shown))


def findings_figure(findings: xr.Dataset) -> Figure:
    """Draw the main figure of findings of any kind.

    Raises:
        ConfigurationError: No view is installed for this kind of findings.
    """
    return view_of(findings).figure(findings)


def findings_report(
    findings: xr.Dataset, path: str | Path, *, provenance: Mapping[str, object], **parts: Any
) -> Path:
    """Write the standard report of findings of any kind, as one self-contained HTML file.

    Args:
        findings: Findings of measurements.
        path: The HTML file.
        provenance: Agent, prior, versions, command and settings, by name; values are shown as text.
        parts: Parts that the agent adds (:meth:`nescio.learn.Agent.report_parts`), and other options of
            :func:`nescio.view.assessment_report` (classes) or :func:`nescio.view.numbers_report` (numbers).

    Returns:
        The path.

    Raises:
        FileError: The file cannot be written.
        MeasurementError: The findings lack a required variable.
    """
    return view_of(findings).report(findings, path=path, provenance=provenance, **parts)


def harmless_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table in which a spreadsheet reads no text as a formula: such text begins with an apostrophe."""
    texts = {
        # The csv module does not quote a lone "\r", but readers treat it as a line break.
        name: [_plain(text.replace("\r", "\\r")) for text in column.astype(str)]
        for name, column in table.items()
        if column.dtype.kind not in "fiub"
    }
    return table.assign(**texts)


def _plain(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _elements(findings: xr.Dataset) -> list[str]:
    return [str(e) for e in findings["element"].values] if "element" in findings.coords else []


def _storable(findings: xr.Dataset) -> xr.Dataset:
    """Return the dataset with text in valid UTF-8 and attributes that NetCDF supports."""
    stored = findings.copy()
    for name, variable in findings.variables.items():
        if variable.dtype.kind in "OU":
            text = [_encodable(str(value)) for value in variable.values.ravel()]
            stored[name] = (variable.dims, np.array(text, dtype=str).reshape(variable.shape), variable.attrs)
        stored[name].attrs = {str(k): _attribute(v) for k, v in variable.attrs.items()}
    stored.attrs = {str(k): _attribute(v) for k, v in findings.attrs.items()}
    return stored


def _encodable(text: str) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return printable(text)
    return text


def _attribute(value: Any) -> Any:
    if isinstance(value, str):
        return _encodable(value)
    if isinstance(value, int | float | np.number | np.ndarray) and not isinstance(value, bool):
        return value
    if isinstance(value, list | tuple) and value and all(type(v) in (int, float) for v in value):
        return np.asarray(value)
    return json.dumps(value, default=str)
