"""Figures (PNG, one for each data set) and report (HTML) of a comparison of exploration methods."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import xarray as xr

from nescio.files import write_atomically
from nescio.studies.dkl.cases import CASES
from nescio.studies.dkl.methods import METHODS
from nescio.studies.dkl.summary import comparison_table, summarise
from nescio.version import __version__
from nescio.view import (
    Details,
    Picture,
    Section,
    Table,
    Text,
    comparison_curves,
    figure_png,
    write_report,
)

__all__ = ["write_comparison"]

_ABOUT = {
    "film": (
        "a measured film of lead titanate (Biswas et al., arXiv:2304.02484). Scalar: magnitude of the mean response "
        "over sweeps 2 and 3 of the hysteresis loop. True values are the measurements, including noise; the 95 % "
        "intervals are for measurements with noise, too."
    ),
    "ferroelectric": (
        "the simulated ferroelectric film. Scalar: area of the hysteresis loop. Measurements have noise; true values "
        "are the areas of the noise-free loops."
    ),
    "plasmon": (
        "the simulated array of plasmonic particles. Scalar: energy loss integrated from 0.58 to 0.68 eV, where the "
        "corners and edges of the array respond. Measurements have noise; true values are noise-free."
    ),
}


def write_comparison(folder: Path, curves: Mapping[str, xr.Dataset], *, progress: bool | None = None) -> Path:
    """Write ``report.html`` and a PNG file for each data set.

    Args:
        folder: The output folder; created if needed.
        curves: Curves of each data set, from :meth:`nescio.studies.dkl.Comparison.curves`.
        progress: Show a progress bar; by default where standard error is a terminal.

    Returns:
        The path of the report.

    Raises:
        FileError: The folder cannot be written to.
    """
    sections = [Section("Design of the comparison", _EXPLANATION)]
    for name, one in curves.items():
        caption = (
            "Best places found and quality of the models: medians over the random seeds, with bands between the "
            "quartiles. Grey line: every measured place is one of the best."
        )
        picture = Picture(
            comparison_curves(one), caption, f"Four panels of curves, one for each method, on {name}."
        )
        write_atomically(folder / f"{name}.png", figure_png(picture.figure))
        table = Table(
            *comparison_table(summarise(one)),
            f"Results after {int(one['point'][-1])} of {one.attrs['candidates']} places: median (quartiles) of "
            f"{one.sizes['seed']} explorations. Found top 5 %: share of the measured places that are among the best "
            "5 %. Top 20 ratio: mean of the 20 best measured places divided by the mean of the 20 best of all.",
        )
        about = [Text(_ABOUT[name], lead="The data")] if name in _ABOUT else []
        sections.append(Section(name, [*about, picture, table]))
    methods = dict.fromkeys(str(name) for one in curves.values() for name in one["method"].values)
    sections.append(Section("Methods", [Details({name: METHODS[name].description for name in methods})]))
    sections.append(Section("Provenance", [Details(_provenance(curves, list(methods)))]))
    return write_report(
        folder / "report.html", "Comparison of exploration methods", sections, progress=progress
    )


_EXPLANATION = (
    Text(
        "all methods start from the same randomly chosen places, then choose their own. The best 5 % and the 20 best "
        "places are ranked by true value. R² and coverage are evaluated at the unmeasured places, for methods with a "
        "model.",
        lead="Procedure",
    ),
    Text(
        "gp, vae, static, active and default use the same policy and differ in the model; improvement uses the model "
        "of default and differs in the policy.",
        lead="Differences",
    ),
)


def _provenance(curves: Mapping[str, xr.Dataset], methods: Sequence[str]) -> dict[str, str]:
    first = next(iter(curves.values()))
    seeds = [int(seed) for seed in first["seed"].values]
    options = [f"--case {name}" for name in curves]
    if any(CASES[name].file for name in curves if name in CASES):
        options.append("--data FOLDER")
    if list(methods) != list(METHODS):
        options += [f"--method {name}" for name in methods]
    options += [f"--seeds {len(seeds)}", f"--points {int(first['point'][-1])}", f"--seed {seeds[0]}"]
    settings = {name: METHODS[name].document() for name in methods}
    return {
        "command": f"nescio reproduce dkl {' '.join(options)}",
        "version": f"nescio {__version__}",
        "methods": json.dumps(settings, indent=1),
    }
