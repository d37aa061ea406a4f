"""Accuracy of an exploration's predictions and calibration of their uncertainties."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.special import ndtri

from nescio.view.exploration.marks import draw_measured, origin_handles
from nescio.view.exploration.reading import Floats, column, output_label, output_number, unit_of, usable
from nescio.view.style import MEASURED, new_figure, plain, say_empty, styled

__all__ = ["predicted_share", "prediction_against_measurement"]

_LEVELS = np.linspace(0.05, 0.95, 19)


def standardised_residuals(explored: xr.Dataset, k: int) -> Floats:
    """Return (measured - predicted) / predicted standard deviation where all are known, in order, shape (n,)."""
    value, expected, sd = (column(explored, name, k) for name in ("value", "predicted", "predicted_sd"))
    known = usable(explored, k) & np.isfinite(expected) & np.isfinite(sd) & (sd > 0)
    return np.asarray((value[known] - expected[known]) / sd[known])


def predicted_share(
    explored: xr.Dataset, output: str | None = None, level: float = 0.95
) -> tuple[float, int]:
    """Return the share of measurements inside their predicted interval, and the number of measurements with one.

    The share is NaN if there are none.

    Args:
        explored: With ``predicted`` and ``predicted_sd``.
        output: Name of the scalar; by default the first.
        level: Level of the central interval of a normal distribution.
    """
    residuals = standardised_residuals(explored, output_number(explored, output))
    if not len(residuals):
        return float("nan"), 0
    return float(np.mean(np.abs(residuals) <= ndtri(0.5 + level / 2))), len(residuals)


@styled
def prediction_against_measurement(explored: xr.Dataset, output: str | None = None) -> Figure:
    """Draw measured values against the values predicted just before, and the calibration of the intervals.

    Bars are one standard deviation of the prediction. Right: the share of measurements inside the central interval of
    each level; on the diagonal, uncertainties are correct; below it, they are too small. The band is the range expected
    by chance, two standard errors. Candidates chosen for their high predicted values are a hard test: some of these
    predictions are high by mistake.

    Args:
        explored: See `nescio.signals`.
        output: Name of the scalar; by default the first.

    Raises:
        MeasurementError: The output does not exist.
    """
    k = output_number(explored, output)
    figure = new_figure(3.7)
    left, right = figure.subplots(1, 2)
    value, expected, sd = (column(explored, name, k) for name in ("value", "predicted", "predicted_sd"))
    known = usable(explored, k) & np.isfinite(expected)
    name = output_label(explored, k, long=False)
    left.set(xlabel=f"predicted: {name}", ylabel=f"measured: {name}")
    if known.any():
        bars = np.where(np.isfinite(sd[known]), sd[known], 0.0)
        left.errorbar(
            expected[known], value[known], xerr=bars, ls="", ecolor="#BBBBBB", elinewidth=0.8, zorder=1
        )
        both = np.concatenate([expected[known], value[known]])
        ends = [both.min(), both.max()]
        left.plot(ends, ends, color="#888888", ls="--", lw=1, zorder=0)
        draw_measured(left, np.where(known, expected, np.nan), value, explored, size=18)
        handles = origin_handles(explored.isel(measurement=np.flatnonzero(known)))
        figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))
        unit = plain(unit_of(explored, k), 16)
        rms = np.sqrt(np.mean((value[known] - expected[known]) ** 2))
        left.set_title(f"{known.sum():,} measurements, rms difference {rms:.3g} {unit}".rstrip(), loc="left")
    else:
        say_empty(left, "no predictions were recorded")
    _calibration(right, standardised_residuals(explored, k))
    return figure


def _calibration(axes: Axes, residuals: Floats) -> None:
    axes.set(
        xlim=(0, 1),
        ylim=(0, 1),
        xlabel="level of the predicted interval",
        ylabel="share of measurements inside",
    )
    axes.set_aspect("equal")
    axes.plot([0, 1], [0, 1], color="#888888", ls="--", lw=1)
    if not len(residuals):
        say_empty(axes, "no uncertainties were recorded")
        return
    inside = np.array([np.mean(np.abs(residuals) <= ndtri(0.5 + level / 2)) for level in _LEVELS])
    chance = 2 * np.sqrt(_LEVELS * (1 - _LEVELS) / len(residuals))
    axes.fill_between(
        _LEVELS, np.maximum(_LEVELS - chance, 0), np.minimum(_LEVELS + chance, 1), color="#E4E4E4", lw=0
    )
    axes.plot(_LEVELS, inside, color=MEASURED, marker="o", ms=3.5, lw=1)
    axes.set_title(f"{100 * inside[-1]:.0f} % inside the 95 % interval", loc="left")
    axes.text(0.04, 0.93, "intervals too wide", color="#555555", fontsize=8, va="center")
    axes.text(0.96, 0.06, "intervals too narrow", color="#555555", fontsize=8, ha="right", va="center")
