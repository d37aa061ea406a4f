"""Findings of any kind as a data frame, as files (NetCDF and CSV), on the terminal, and as a report."""

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

__all__ = ["findings_figure", "findings_report", "findings_table", "print_summary", "write_findings"]

# Spreadsheets take a cell that begins with one of these for a formula (OWASP, CSV injection), wide forms included.
_FORMULA = ("=", "+", "-", "@", "\t", "\n", "＝", "＋", "－", "＠")


def findings_table(findings: xr.Dataset) -> pd.DataFrame:
    """Return findings as a data frame, one row a measurement.

    Columns are ``name``, those of the kind of findings, and where the findings have them ``x_mm``, ``y_mm``, one
    ``composition[ELEMENT]`` an element, ``reason`` and ``source``. Classes: ``label``, ``verdict``, ``p_value``,
    ``novelty``, ``reconstruction_error``, one ``probability[CLASS]`` and ``knn_probability[CLASS]`` a class, one
    ``latent[NUMBER]`` a dimension. Numbers: ``verdict``, and for each number ``value[NAME]``, ``low[NAME]``,
    ``high[NAME]``, ``aleatoric[NAME]``, ``epistemic[NAME]``, ``systematic[NAME]``; ``p_value``, ``latent[NUMBER]``,
    ``structures``.
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
    """Write ``findings.nc`` (NetCDF4, everything) and ``findings.csv`` (:func:`findings_table`) into a folder.

    A crash or a full disk leaves each file old or new, never half. Attributes that NetCDF cannot hold become JSON; text
    that UTF-8 cannot hold, such as part of a file name, is escaped. In the CSV file an apostrophe stands before a text
    that a spreadsheet would take for a formula.

    Returns:
        The paths of the two files.

    Raises:
        FileError: The folder cannot be made or written to, or the disk is full.
    """
    folder = Path(folder)
    storable = _storable(findings)
    table = findings_table(storable)
    encoding = {
        str(name): {"zlib": True, "complevel": 4, "shuffle": True}
        for name, variable in storable.variables.items()
        if variable.ndim == 2 and variable.dtype.kind == "f" and variable.size
    }
    # In memory first: the HDF5 library crashes where the disk is full.
    content = storable.to_netcdf(engine="h5netcdf", encoding=encoding)
    return (
        write_atomically(folder / "findings.nc", content),
        write_atomically(folder / "findings.csv", _harmless(table).to_csv(index=False)),
    )


def print_summary(findings: xr.Dataset, console: Console | None = None, count: int = 5) -> None:
    """Print the most important of the findings.

    Args:
        findings: Of any kind, and any number of measurements.
        console: Where to; by default the standard output.
        count: Measurements that are listed one by one, such as the strangest.
    """
    from rich.console import Console, Group

    shown = view_of(findings).summary(findings, findings_table(findings), count)
    (console or Console()).print(Group(*shown))


def findings_figure(findings: xr.Dataset) -> Figure:
    """Draw the one figure that shows findings best, whatever their kind.

    Raises:
        ConfigurationError: Nothing shows findings of this kind.
    """
    return view_of(findings).figure(findings)


def findings_report(
    findings: xr.Dataset, path: str | Path, *, provenance: Mapping[str, object], **parts: Any
) -> Path:
    """Write the standard report of findings of any kind: one HTML file that needs nothing else.

    Args:
        findings: Measured.
        path: The file.
        provenance: Agent, prior, versions, command and settings, in the words to show.
        parts: What the agent adds (:meth:`nescio.learn.Agent.report_parts`), and other options of
            :func:`nescio.view.assessment_report` for classes or :func:`nescio.view.numbers_report` for numbers.

    Returns:
        The path.

    Raises:
        FileError: The file cannot be written.
        MeasurementError: The findings lack what every assessment has.
    """
    return view_of(findings).report(findings, path=path, provenance=provenance, **parts)


def _harmless(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table in which no text is a formula to a spreadsheet."""
    texts = {
        # The csv module takes no notice of a line break by "\r" alone, but readers do.
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
    """Return the dataset with text as text that UTF-8 can hold, and attributes that NetCDF can hold."""
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
