"""Calibration of probabilities and p-values, and the history of training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from numpy.typing import NDArray

from nescio.view.findings.reading import class_names, need, text_of, values_of
from nescio.view.style import MEASURED, class_styles, log_scale, new_figure, plain, say_empty, styled

__all__ = ["p_value_uniformity", "reliability_diagram", "training_history"]


@styled
def reliability_diagram(reference: xr.Dataset, bins: int = 10) -> Figure:
    """Draw how often the most probable class is correct against its probability (DeGroot & Fienberg 1983).

    Args:
        reference: Held-out known draws, with ``probability`` and ``truth``.
        bins: Number of equal bins of probability. Bars are Wilson's interval of one standard error (1927, J. Am. Stat.
            Assoc. 22, 209-212); they are wide for bins with few draws.
    """
    need(reference, "probability", "truth")
    probability, names = values_of(reference, "probability"), np.array(class_names(reference), dtype=object)
    good = np.isfinite(probability).all(axis=1)
    sure = probability[good].max(axis=1)
    right = names[probability[good].argmax(axis=1)] == text_of(reference, "truth")[good]
    where = np.clip((sure * bins).astype(int), 0, bins - 1)
    used = np.unique(where)
    x = np.array([sure[where == k].mean() for k in used])
    y = np.array([right[where == k].mean() for k in used])
    n = np.array([np.sum(where == k) for k in used])
    figure = new_figure(4.6, width=4.6)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3.2, 1))
    top.plot([0, 1], [0, 1], ls="--", color="#888888", lw=1, label="perfectly calibrated")
    if n.size:
        error = abs(float(np.sum(n * np.abs(x - y)) / n.sum()))
        top.errorbar(
            x,
            y,
            _wilson(y, n),
            color="#0072B2",
            marker="o",
            ls="",
            capsize=2,
            label=f"held-out draws (n = {n.sum():,})\nexpected calibration error {error:.3f}",
        )
        bottom.bar((used + 0.5) / bins, n, width=0.9 / bins, color="#8FB8D8")
        bottom.set_yscale("log")
    else:
        say_empty(top, "no draws to show")
    top.legend(loc="upper left")
    top.set(xlim=(0, 1.01), ylim=(0, 1.03), ylabel="share correct")
    bottom.set(xlabel="probability of the most probable class", ylabel="number")
    return figure


def _wilson(share: NDArray[np.float64], n: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the lower and upper errors of shares of n draws, shape (2, bins)."""
    centre = (share + 0.5 / n) / (1 + 1 / n)
    half = np.sqrt(share * (1 - share) / n + 0.25 / n**2) / (1 + 1 / n)
    return np.maximum([share - centre + half, centre + half - share], 0.0)


@styled
def p_value_uniformity(reference: xr.Dataset) -> Figure:
    """Draw the fraction of known draws called novel at each level; calibrated p-values lie on the diagonal.

    Args:
        reference: Held-out known draws that were not used to calibrate the p-values. The band is two standard errors.
    """
    p = values_of(reference, "p_value")
    p = np.sort(p[np.isfinite(p)])
    figure = new_figure(4.0, width=4.6)
    axes = figure.subplots()
    lowest = max(1 / max(len(p), 1), 1e-4) if len(p) > 1 else 1e-3
    alpha = np.geomspace(lowest, 1, 200)
    if len(p):
        spread = 2 * np.sqrt(alpha * (1 - alpha) / len(p))
        axes.fill_between(
            alpha,
            np.maximum(alpha - spread, lowest / 3),
            alpha + spread,
            color="#DDDDDD",
            lw=0,
            label="± 2 standard errors",
        )
        flagged = np.searchsorted(p, alpha, side="right") / len(p)
        axes.plot(
            alpha,
            np.where(flagged > 0, flagged, np.nan),
            color="#0072B2",
            lw=1.6,
            label=f"held-out draws (n = {len(p):,})",
        )
    else:
        say_empty(axes, "no draws to show")
    axes.plot(alpha, alpha, ls="--", color=MEASURED, lw=1, label="perfectly calibrated")
    axes.set(xscale="log", yscale="log", xlim=(lowest, 1), ylim=(lowest / 3, 1.3))
    axes.set_xlabel("level α (novel if p-value ≤ α)")
    axes.set_ylabel("fraction of known draws called novel")
    axes.legend(loc="lower right")
    return figure


@styled
def training_history(history: Sequence[Mapping[str, float]]) -> Figure:
    """Draw each held-out loss against the training step.

    Args:
        history: One record for each validation: ``step`` and named losses. The axis is logarithmic where a loss is
            positive throughout and varies by more than a factor of 3.
    """
    names = [name for name in dict.fromkeys(k for record in history for k in record) if name != "step"]
    steps = np.array([record["step"] for record in history], dtype=float)
    figure = new_figure(1.0 + 1.7 * max(len(names), 1), width=6.0)
    panels = figure.subplots(max(len(names), 1), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (name, style) in zip(panels, class_styles(names).items(), strict=False):
        losses = np.array([record.get(name, np.nan) for record in history], dtype=float)
        axes.plot(steps, losses, color=style.colour, marker=style.marker, ms=3, label=plain(name))
        if np.isfinite(losses).any():
            best = int(np.nanargmin(losses))
            axes.plot(steps[best], losses[best], marker="*", ms=12, color=style.colour, mec="black")
            axes.set_title(f"{plain(name)}: lowest {losses[best]:.4g} at step {steps[best]:,.0f}", loc="left")
            if np.nanmin(losses) > 0 and np.nanmax(losses) > 3 * np.nanmin(losses):
                log_scale(axes)
        axes.set_ylabel("held-out loss")
    panels[-1].set_xlabel("training step")
    if not names:
        say_empty(panels[0], "no training history was recorded")
        panels[0].set_ylabel("held-out loss")
    return figure
