"""Protocol of a view: table, terminal summary, figure and report of one kind of findings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import xarray as xr

from nescio.errors import ConfigurationError
from nescio.registry import installed_names, installed_part
from nescio.signals import CLASSES

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]
    from matplotlib.figure import Figure
    from rich.console import RenderableType

__all__ = ["FindingsView", "view_of"]

_GROUP = "nescio.findings"


class FindingsView(Protocol):
    """Show findings of one kind; registered under that kind in the entry point group ``nescio.findings``.

    The kind is an attribute of the findings. A new kind needs one class like this and one class of agents
    (:class:`nescio.learn.Agent`).
    """

    def columns(self, findings: xr.Dataset) -> Mapping[str, Any]:
        """Return the table's columns by name, with one row for each measurement.

        Columns common to all kinds (name, position, composition, reason, source) are added to them.
        """

    def summary(self, findings: xr.Dataset, table: pd.DataFrame, count: int) -> list[RenderableType]:
        """Return the output of `nescio assess`.

        Args:
            findings: Findings of any number of measurements.
            table: Their :func:`nescio.view.findings_table`.
            count: Number of measurements to list individually, such as the most novel.
        """

    def figure(self, findings: xr.Dataset) -> Figure:
        """Draw the main figure: by position or composition if these are known."""

    def report(
        self, findings: xr.Dataset, *, path: str | Path, provenance: Mapping[str, object], **parts: Any
    ) -> Path:
        """Write the report, and return its path.

        Args:
            findings: Findings of measurements.
            path: The HTML file.
            provenance: Agent, prior, versions, command and settings, by name.
            parts: Parts that the agent adds (:meth:`nescio.learn.Agent.report_parts`).
        """


def view_of(findings: xr.Dataset) -> FindingsView:
    """Return the view for findings; findings without a kind are class findings.

    Raises:
        ConfigurationError: No installed package registers a view for this kind.
    """
    kind = str(findings.attrs.get("kind", CLASSES))
    found = installed_part(_GROUP, kind)
    if found is None:
        known = ", ".join(installed_names(_GROUP))
        raise ConfigurationError(f"no view is installed for findings of kind {kind!r} (known kinds: {known})")
    view: FindingsView = found()
    return view
