"""The best compromises between two outputs (Pareto front)."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from numpy.typing import NDArray

from nescio.view.exploration.marks import draw_measured, origin_handles
from nescio.view.exploration.reading import Floats, column, minimised, output_label, usable
from nescio.view.style import MODEL, new_figure, say_empty, styled

__all__ = ["best_compromises", "front_figure"]


def best_compromises(explored: xr.Dataset) -> NDArray[np.intp]:
    """Return the indices of the measurements on the Pareto front of the first two outputs, by the first, best last.

    Of measurements with equal values, only the first is returned.

    Args:
        explored: With at least two outputs; see `nescio.signals`.
    """
    both = np.flatnonzero(usable(explored, 0) & usable(explored, 1))
    first, second = (_gain(explored, k)[both] for k in (0, 1))
    # In descending order of the first output, keep each point whose second output exceeds all previous ones.
    order = np.lexsort((both, -second, -first))
    reached = np.maximum.accumulate(np.concatenate([[-np.inf], second[order]]))[:-1]
    return np.asarray(both[order[second[order] > reached]][::-1], np.intp)


def _gain(explored: xr.Dataset, k: int) -> Floats:
    return column(explored, "value", k) * (-1.0 if minimised(explored, k) else 1.0)


@styled
def front_figure(explored: xr.Dataset) -> Figure:
    """Draw the first two outputs of all measurements against each other, with the Pareto front.

    Points on the side of the line away from the arrow are worse in both outputs than some measured point.

    Args:
        explored: With at least two outputs; see `nescio.signals`.

    Raises:
        MeasurementError: The exploration has fewer than two outputs.
    """
    figure = new_figure(3.9)
    axes = figure.subplots()
    axes.set(xlabel=output_label(explored, 0, long=False), ylabel=output_label(explored, 1, long=False))
    front = best_compromises(explored)
    if not len(front):
        say_empty(axes, "no measurement has both values")
        return figure
    x, y = column(explored, "value", 0), column(explored, "value", 1)
    draw_measured(axes, x, y, explored, size=18)
    # A staircase: between two compromises, the best known point is the worse of each output.
    axes.step(x[front], y[front], where="pre", color=MODEL, lw=1.2, zorder=3)
    axes.plot(x[front], y[front], ls="", marker="o", ms=9, mfc="none", mec=MODEL, mew=1.4, zorder=4)
    better = [-1.0 if minimised(explored, k) else 1.0 for k in (0, 1)]
    tip = [0.97 if sign > 0 else 0.03 for sign in better]
    axes.annotate(
        "better",
        (tip[0], tip[1]),
        (tip[0] - 0.12 * better[0], tip[1] - 0.12 * better[1]),
        xycoords="axes fraction",
        textcoords="axes fraction",
        ha="center",
        va="center",
        color="#444444",
        arrowprops={"arrowstyle": "->", "color": "#444444"},
    )
    axes.margins(0.12)
    axes.set_title(f"{len(front)} best compromises (ringed)", loc="left")
    handles = origin_handles(explored)
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))
    return figure
