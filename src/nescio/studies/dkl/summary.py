"""Numbers that summarise explorations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from nescio.studies.dkl.cases import Case
from nescio.studies.dkl.exploration import Run

__all__ = ["JUDGED", "comparison_table", "judge", "summarise"]

Floats = NDArray[np.float64]

_BEST = 20
JUDGED = ("found", "top20_ratio", "r2", "coverage95")
"""Names of the results of :func:`judge`."""
# Columns of the table and their headings.
_COLUMNS: Mapping[str, str] = {
    "found_top5": "found top 5 %",
    "top20_ratio": "top 20 ratio",
    "r2": "R²",
    "coverage95": "coverage 95 %",
}


def judge(case: Case, run: Run) -> dict[str, Floats]:
    """Return the results of an exploration, each of shape (points,); NaN where the method has no model.

    * ``found``: share of the best 5 % of the candidates that was measured;
    * ``top20_ratio``: mean true value of the 20 best measured, divided by that of the 20 best of all;
    * ``r2``, ``coverage95``: see :class:`Run`.
    """
    is_best = np.zeros(len(case), bool)
    is_best[case.best] = True
    largest = np.sort(case.truth)[::-1][:_BEST].mean()
    chosen = np.array(run.chosen)
    found, ratio = [], []
    for n in run.points:
        found.append(is_best[chosen[:n]].sum() / len(case.best))
        ratio.append(np.sort(case.truth[chosen[:n]])[::-1][:_BEST].mean() / largest)
    missing = np.full(len(run.points), np.nan)
    return {
        "found": np.array(found),
        "top20_ratio": np.array(ratio),
        "r2": missing if run.r2 is None else np.array(run.r2),
        "coverage95": missing if run.coverage95 is None else np.array(run.coverage95),
    }


def summarise(curves: xr.Dataset) -> dict[str, dict[str, Any]]:
    """Return medians over the random seeds, by method.

    Args:
        curves: Curves from :meth:`nescio.studies.dkl.Comparison.curves`.

    Returns:
        For each method (None where it has no model):

        * ``found_top5``: share of the measured points that are among the best 5 % of the candidates, at the end;
        * ``top20_ratio``, ``r2``, ``coverage95``: values at the end, see :func:`judge`;
        * ``quartiles``: quartiles of these, each [lower, upper];
        * ``seconds``: time of one exploration;
        * ``seeds``: number of explorations;
        * ``curves``: ``points``, and at each ``found``, ``top20_ratio``, ``r2`` and ``coverage95`` as ``median``,
          ``lower`` and ``upper``.
    """
    points = curves["point"].values
    # This is the share of the measured points, not of the best candidates.
    among = curves["found"].isel(point=-1) * (curves.attrs["best"] / points[-1])
    ends = {"found_top5": among, **{name: curves[name].isel(point=-1) for name in JUDGED[1:]}}
    summary: dict[str, dict[str, Any]] = {}
    for method in map(str, curves["method"].values):
        quartiles = {name: _quartiles(values.sel({"method": method}).values) for name, values in ends.items()}
        lines = {name: _quartiles(curves[name].sel({"method": method}).values) for name in JUDGED}
        summary[method] = {
            **{name: None if three is None else float(three[1]) for name, three in quartiles.items()},
            "quartiles": {
                name: None if three is None else [float(three[0]), float(three[2])]
                for name, three in quartiles.items()
            },
            "seconds": float(np.median(curves["seconds"].sel({"method": method}))),
            "seeds": int(curves.sizes["seed"]),
            "curves": {
                "points": [int(n) for n in points],
                **{
                    name: None
                    if three is None
                    else dict(zip(("lower", "median", "upper"), three.round(6).tolist(), strict=True))
                    for name, three in lines.items()
                },
            },
        }
    return summary


def _quartiles(values: Floats) -> Floats | None:
    """Return the lower quartile, median and upper quartile over the first axis; None if a value is missing."""
    if np.isnan(values).any():
        return None
    found: Floats = np.percentile(values, (25.0, 50.0, 75.0), axis=0)
    return found


def comparison_table(summary: Mapping[str, Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Return the column headings of a table, and a row for each method: medians with quartiles in brackets."""
    rows = [[method, *(_text(figures, name) for name in _COLUMNS)] for method, figures in summary.items()]
    return ["method", *_COLUMNS.values()], rows


def _text(figures: Mapping[str, Any], name: str) -> str:
    if figures[name] is None:
        return "–"
    if figures["seeds"] == 1:
        return f"{figures[name]:.2f}"
    lower, upper = figures["quartiles"][name]
    return f"{figures[name]:.2f} ({lower:.2f}–{upper:.2f})"
