"""Progress of an exploration: values, model diagnostics and time against the number of measurements."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from nescio.view.exploration.marks import BEST, draw_measured, origin_handles
from nescio.view.exploration.reading import (
    Floats,
    act_steps,
    column,
    decided,
    duration_text,
    minimised,
    numbers,
    output_label,
    output_number,
    unit_of,
    usable,
    words,
)
from nescio.view.style import MEASURED, log_scale, new_figure, plain, say_empty, styled

__all__ = ["learning_curve", "model_history", "time_spent"]

_ACTS = 8
"""Most acts listed in the figure; the report's table lists all."""


@styled
def learning_curve(explored: xr.Dataset, output: str | None = None) -> Figure:
    """Draw the values and the best value so far against the number of measurements, with the acts of people.

    The lower panels show the change of the predicted map between decisions and the largest expected improvement.

    Args:
        explored: See `nescio.signals`.
        output: Name of the scalar; by default the first.

    Raises:
        MeasurementError: The output does not exist.
    """
    k = output_number(explored, output)
    figure = new_figure(6.2)
    top, middle, bottom = figure.subplots(3, 1, sharex=True, height_ratios=(2.2, 1, 1))
    handles = _values(top, explored, k)
    for axes, name, label, missing in (
        (middle, "map_change", "change of the map\n(in its own sd)", "no changes of the map were recorded"),
        (
            bottom,
            "largest_improvement",
            f"largest expected\nimprovement{_in(explored, k)}",
            "no expected improvements were recorded",
        ),
    ):
        step, values = decided(explored, name, k)
        good = values > 0
        if good.any():
            axes.plot(step[good], values[good], color=MEASURED, marker=".", ms=3.5, lw=0.8)
            _logarithmic(axes, values[good])
        else:
            say_empty(axes, missing)
        axes.set_ylabel(label)
    step, noise = decided(explored, "noise_sd", k)
    if len(noise) and (decided(explored, "largest_improvement", k)[1] > 0).any():
        bottom.plot(step, noise, color="#888888", ls="--", lw=0.9)
        handles.append(Line2D([], [], color="#888888", ls="--", lw=0.9, label="noise (one sd)"))
    figure.align_ylabels()
    acts = _acts((top, middle, bottom), explored)
    bottom.set_xlabel("measurements")
    _count(bottom)
    if handles:
        figure.legend(
            handles=handles, loc="outside upper center", ncols=min(len(handles), 6), columnspacing=1.2
        )
    if acts:
        figure.legend(handles=acts, loc="outside lower left", handlelength=1.2)
        figure.set_figheight(figure.get_figheight() + 0.18 * len(acts) + 0.1)
    return figure


def _values(axes: Axes, explored: xr.Dataset, k: int) -> list[Artist]:
    value, good = column(explored, "value", k), usable(explored, k)
    number = np.arange(1, len(value) + 1, dtype=float)
    axes.set_ylabel(output_label(explored, k))
    if not good.any():
        say_empty(axes, "no measurement has a value")
        return []
    uncertainty = column(explored, "uncertainty", k)
    known = good & np.isfinite(uncertainty)
    axes.errorbar(
        number[known], value[known], uncertainty[known], ls="", ecolor="#AAAAAA", elinewidth=0.8, zorder=1
    )
    size = float(np.clip(3000 / len(value), 8, 26))
    draw_measured(axes, number, np.where(good, value, np.nan), explored, size=size)
    sign = -1.0 if minimised(explored, k) else 1.0
    best = sign * np.maximum.accumulate(np.where(good, sign * value, -np.inf))
    from_first = np.isfinite(best)
    axes.step(number[from_first], best[from_first], where="post", color=BEST, lw=1.4, zorder=5)
    handles = [*origin_handles(explored), Line2D([], [], color=BEST, lw=1.4, label="best so far")]
    if (~good).any():
        transform = axes.get_xaxis_transform()
        axes.plot(number[~good], np.full((~good).sum(), 0.02), "x", color="black", ms=4, transform=transform)
        handles.append(Line2D([], [], ls="", marker="x", color="black", ms=4, label="no value, or rejected"))
    return handles


def _acts(panels: tuple[Axes, ...], explored: xr.Dataset) -> list[Artist]:
    """Mark the acts of people; return a legend entry for each."""
    steps = act_steps(explored)
    who, text = words(explored, "act_who", "act"), words(explored, "act_text", "act")
    handles: list[Artist] = []
    for i, step in enumerate(steps):
        if np.isfinite(step):
            for axes in panels:
                axes.axvline(step + 0.5, color="#009E73", ls=":", lw=1.1, zorder=0)
            panels[0].annotate(
                str(i + 1),
                (step + 0.5, 1.0),
                xycoords=("data", "axes fraction"),
                xytext=(0, 1),
                textcoords="offset points",
                ha="center",
                va="bottom",
                fontsize=8,
                color="#00664B",
            )
        if i < _ACTS:
            label = f"{i + 1}  {plain(f'{who[i]}: {text[i]}' if who[i] else text[i], 96)}"
            handles.append(Line2D([], [], color="#009E73", ls=":", lw=1.1, label=label))
    if len(steps) > _ACTS:
        handles.append(Line2D([], [], lw=0, label=f"and {len(steps) - _ACTS} more"))
    return handles


@styled
def model_history(explored: xr.Dataset, output: str | None = None) -> Figure:
    """Draw the model's diagnostics: noise, calibration factor and leave-one-out coverage.

    The band around 95 % is the range expected by chance: two standard errors for the number of measurements.

    Args:
        explored: See `nescio.signals`.
        output: Name of the scalar; by default the first.
    """
    k = output_number(explored, output)
    figure = new_figure(4.6)
    panels = figure.subplots(3, 1, sharex=True)
    labels = {
        "noise_sd": f"noise,\none sd{_in(explored, k)}",
        "scale": "calibration factor\nof the variance",
        "loo_coverage": "leave-one-out coverage\nof the 95 % interval",
    }
    for axes, (name, label) in zip(panels, labels.items(), strict=True):
        step, values = decided(explored, name, k)
        axes.set_ylabel(label)
        if not len(values):
            say_empty(axes, "not recorded")
            continue
        if name == "loo_coverage":
            chance = 2 * np.sqrt(0.95 * 0.05 / np.maximum(step, 1))
            low, high = np.maximum(0.95 - chance, 0), np.minimum(0.95 + chance, 1)
            axes.fill_between(step, low, high, color="#DDDDDD", lw=0)
            axes.axhline(0.95, color="#888888", ls="--", lw=0.8)
            axes.set_ylim(min(0.6, float(values.min()) - 0.05), 1.03)
        if name == "scale":
            axes.axhline(1.0, color="#888888", ls="--", lw=0.8)
            axes.set_ylim(0, 1.1 * max(2.0, float(values.max())))
        axes.plot(step, values, color=MEASURED, marker=".", ms=3.5, lw=0.8)
    panels[-1].set_xlabel("measurements")
    _count(panels[-1])
    figure.align_ylabels()
    return figure


@styled
def time_spent(explored: xr.Dataset) -> Figure:
    """Draw the duration of each measurement, and of each model fit with the following choice."""
    figure = new_figure(2.9)
    axes = figure.subplots()
    axes.set(xlabel="measurements", ylabel="time for each (s)")
    _count(axes)
    drawn = []
    if "seconds" in explored:
        seconds = numbers(explored, "seconds")
        known = np.isfinite(seconds) & (seconds > 0)
        label = f"measuring, {duration_text(float(seconds[known].sum()))} in total"
        number = np.arange(1, len(seconds) + 1)
        axes.plot(number[known], seconds[known], "s", color=MEASURED, ms=3, mfc="white", label=label)
        drawn.append(seconds[known])
    step, seconds = decided(explored, "fit_seconds")
    if len(seconds):
        known = seconds > 0
        label = f"fitting and choosing, {duration_text(float(seconds[known].sum()))} in total"
        axes.plot(step[known], seconds[known], "-", color="#0072B2", marker=".", ms=3.5, lw=0.8, label=label)
        drawn.append(seconds[known])
    everything = np.concatenate(drawn) if drawn else np.empty(0)
    if not everything.size:
        say_empty(axes, "no times were recorded")
        return figure
    _logarithmic(axes, everything)
    figure.legend(loc="outside upper center", ncols=2)
    return figure


def _count(axes: Axes) -> None:
    """Use round whole numbers on a horizontal axis."""
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))


def _in(explored: xr.Dataset, k: int) -> str:
    unit = unit_of(explored, k)
    return f" ({plain(unit, 12)})" if unit else ""


def _logarithmic(axes: Axes, values: Floats) -> None:
    """Make a vertical axis logarithmic, over at least a factor of 16, so that it has labels."""
    log_scale(axes)
    low, high = float(values.min()), float(values.max())
    if high < 10 * low:
        middle = np.sqrt(low * high)
        axes.set_ylim(middle / 4, middle * 4)
