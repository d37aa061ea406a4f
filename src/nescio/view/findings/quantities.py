"""Colours of numbers, and styles of classes and verdicts, on all maps."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.colors import Colormap, Normalize
from numpy.typing import NDArray

from nescio.signals import KNOWN, NOVEL, UNREADABLE
from nescio.view.findings.reading import VERDICTS, class_names, group_names, text_of
from nescio.view.style import ClassStyle, class_styles, scalar_norm

__all__ = ["CATEGORIES", "LOGARITHMIC", "category_styles", "colours", "is_novel", "norm_of"]

CATEGORIES = ("label", "verdict", "truth", "group")
LOGARITHMIC = ("reconstruction_error", "p_value")
_VERDICT_STYLES = {
    KNOWN: ClassStyle("#BFD9EC", "o"),
    NOVEL: ClassStyle("#D55E00", "X"),
    UNREADABLE: ClassStyle("#FFFFFF", "s"),
}
# Greys, so that groups are not mistaken for classes.
_GROUP_COLOURS, _GROUP_MARKERS = (
    ("#EEEEEE", "#C4C4C4", "#8F8F8F", "#DADADA", "#A9A9A9"),
    ("o", "D", "*", "v", "P"),
)


def colours(quantity: str) -> Colormap:
    """Return a colour map in which darker means more novel: large errors and scores, small p-values."""
    return colormaps["cividis" if quantity in ("p_value", "probability") else "cividis_r"].with_extremes(
        bad="white"
    )


def norm_of(values: NDArray[np.float64], quantity: str) -> Normalize:
    """Return the colour scale of a number: logarithmic for errors and p-values (up to 1 for p-values)."""
    norm = scalar_norm(values, log=quantity in LOGARITHMIC)
    if quantity == "p_value":
        norm.vmax = 1.0
    return norm


def category_styles(findings: xr.Dataset, quantity: str) -> dict[str, ClassStyle]:
    """Return the style of each value of a category."""
    if quantity == "verdict":
        present = set(text_of(findings, quantity))
        return {v: _VERDICT_STYLES[v] for v in VERDICTS if v in present}
    if quantity == "group":
        return {
            name: ClassStyle(_GROUP_COLOURS[i % 5], _GROUP_MARKERS[i % 5])
            for i, name in enumerate(group_names(findings))
        }
    return class_styles(class_names(findings))


def is_novel(findings: xr.Dataset) -> NDArray[np.bool_]:
    """Return which measurements have the verdict novel, shape (measurement,)."""
    if "verdict" not in findings:
        return np.zeros(findings.sizes["measurement"], dtype=bool)
    return np.asarray(text_of(findings, "verdict") == NOVEL)
