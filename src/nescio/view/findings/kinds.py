"""How findings of a kind are shown: their table, their lines on the terminal, their report."""

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
    """Shows findings of one kind; registered by the kind under the entry point group ``nescio.findings``.

    The kind is an attribute of the findings. A new kind of answer is one class like this beside one class of agents
    (:class:`nescio.learn.Agent`).
    """

    def columns(self, findings: xr.Dataset) -> Mapping[str, Any]:
        """Return the columns of a table with a row for each measurement, by name.

        What findings of all kinds have (name, position, composition, reason, source) is added to them.
        """

    def summary(self, findings: xr.Dataset, table: pd.DataFrame, count: int) -> list[RenderableType]:
        """Return what `nescio assess` prints.

        Args:
            findings: Of any number of measurements.
            table: :func:`nescio.view.findings_table` of them.
            count: Measurements that are listed one by one, such as the strangest.
        """

    def figure(self, findings: xr.Dataset) -> Figure:
        """Draw the one figure that shows the findings best: over position or composition where these are known."""

    def report(
        self, findings: xr.Dataset, *, path: str | Path, provenance: Mapping[str, object], **parts: Any
    ) -> Path:
        """Write the report, and return its path.

        Args:
            findings: Measured.
            path: The HTML file.
            provenance: Agent, prior, versions, command and settings, in the words to show.
            parts: What the agent adds (:meth:`nescio.learn.Agent.report_parts`).
        """


def view_of(findings: xr.Dataset) -> FindingsView:
    """Return what shows findings; those that do not say their kind are of classes.

    Raises:
        ConfigurationError: No installed package registers their kind.
    """
    kind = str(findings.attrs.get("kind", CLASSES))
    found = installed_part(_GROUP, kind)
    if found is None:
        known = ", ".join(installed_names(_GROUP))
        raise ConfigurationError(f"nothing shows findings of kind {kind!r} (known: {known})")
    view: FindingsView = found()
    return view
