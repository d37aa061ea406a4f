"""Figure of an identified pattern: measured, fitted, phases, tick marks and difference."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from nescio.view import MEASURED, MODEL, new_figure, plain, styled
from nescio.xrd.identify.answer import Answer

__all__ = ["identification_figure"]

_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#555555")
_DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1)), (0, (1, 1)))


@styled
def identification_figure(answer: Answer) -> Figure:
    """Draw a pattern with the fit, its phases, their lines and the difference.

    Args:
        answer: Of a pattern that was fitted; of others only the pattern is drawn, if there is one.
    """
    figure = new_figure(4.4)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3.5, 1.0))
    pattern = answer.pattern
    if pattern is None:
        upper.set_title(plain(answer.problem or "nothing was measured"))
        return figure
    within = pattern.measured
    x, y = pattern.two_theta[within], pattern.counts[within]
    upper.plot(x, y, ".", color=MEASURED, markersize=2, label="measured")
    if answer.fit is not None and answer.background is not None and answer.components is not None:
        fit, background = answer.fit[within], answer.background[within]
        upper.plot(x, fit, color=MODEL, linewidth=1.0, label="fit")
        upper.plot(x, background, color="#888888", linewidth=0.8, label="background")
        for place, phase in enumerate(answer.phases):
            share = f"{100 * phase.weight_fraction:.1f} ± {100 * phase.weight_error:.1f} %"
            upper.plot(
                x,
                background + answer.components[place][within],
                color=_COLOURS[place % len(_COLOURS)],
                linestyle=_DASHES[place % len(_DASHES)],
                linewidth=0.8,
                label=plain(f"{phase.label}, {share} by weight"),
            )
        lower.plot(x, y - fit, color=MEASURED, linewidth=0.6)
    for line in answer.unexplained[:8]:
        upper.axvline(line.two_theta, color="#999999", linestyle=":", linewidth=0.8, zorder=0)
    lower.axhline(0.0, color="#999999", linewidth=0.6)
    upper.set_ylabel("intensity (counts)")
    lower.set_ylabel("difference")
    lower.set_xlabel("two-theta (degree)")
    upper.set_title(plain(f"{answer.name}: {answer.verdict}"))
    upper.set_ylim(top=1.05 * float(np.max(y)))
    upper.legend(loc="upper right", fontsize=7)
    return figure
