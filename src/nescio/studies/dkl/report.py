"""Figures and report of a comparison of ways to explore: one figure a data set, all of them in one HTML file."""

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
        "a measured film of lead titanate (Biswas et al., arXiv:2304.02484): magnitude of the mean response over "
        "sweeps 2 and 3 of the hysteresis loop. The truth is the measurement itself, with its noise; so is what the "
        "95 % interval is of."
    ),
    "ferroelectric": (
        "the simulated ferroelectric film: area within the hysteresis loop. Measured with noise, judged by the area of "
        "the loop without."
    ),
    "plasmon": (
        "the simulated array of plasmonic particles: loss from 0.58 to 0.68 eV, where corners and edges of the array "
        "respond. Measured with noise, judged by the loss without."
    ),
}


def write_comparison(folder: Path, curves: Mapping[str, xr.Dataset], *, progress: bool | None = None) -> Path:
    """Write ``report.html``, and one PNG a data set.

    Args:
        folder: Where to; made if it does not exist.
        curves: By data set, as :meth:`nescio.studies.dkl.Comparison.curves` gives them.
        progress: Show a progress bar; by default where standard error is a terminal.

    Returns:
        The path of the report.

    Raises:
        FileError: The folder cannot be written to.
    """
    sections = [Section("What is compared", _EXPLANATION)]
    for name, one in curves.items():
        caption = (
            "What was found and what the models knew: medians over the seeds, and the bands between the quartiles. "
            "Grey: if every measured place were one of the best."
        )
        picture = Picture(
            comparison_curves(one), caption, f"Four panels of curves, one for each method, on {name}."
        )
        write_atomically(folder / f"{name}.png", figure_png(picture.figure))
        table = Table(
            *comparison_table(summarise(one)),
            f"After {int(one['point'][-1])} of {one.attrs['candidates']} places: median (quartiles) of "
            f"{one.sizes['seed']} explorations. Found top 5 %: share of the measured places that are among the best "
            "5 %. Top 20 ratio: mean of the 20 best measured, over that of the 20 best there are.",
        )
        about = [Text(_ABOUT[name], lead="The data")] if name in _ABOUT else []
        sections.append(Section(name, [*about, picture, table]))
    methods = dict.fromkeys(str(name) for one in curves.values() for name in one["method"].values)
    sections.append(Section("Methods", [Details({name: METHODS[name].description for name in methods})]))
    sections.append(Section("Provenance", [Details(_provenance(curves, list(methods)))]))
    return write_report(folder / "report.html", "Ways to explore, compared", sections, progress=progress)


_EXPLANATION = (
    Text(
        "every method measures the same first places at random, then those that it chooses. The best 5 % and the 20 "
        "best are by truth; R² and coverage are of the places that were not measured, and only methods with a model "
        "have them.",
        lead="How",
    ),
    Text(
        "gp, vae, static, active and default share one policy and differ in the model; improvement shares the "
        "default's model and differs in the policy.",
        lead="What differs",
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
