"""Two thousand measurements of one experiment: time and memory of a step, and how many programs are compiled.

    python benchmarks/long_run.py --points 2000 --json long_run.json

The sample is a smooth function of eight random fields on a grid, measured with noise; nothing waits for an
instrument. Memory is the resident size of the process; a program is a shape for which JAX compiles one of the
surrogate's functions. The time of a step is the median over the last fifty. With ``--quick`` the surrogate has two
members and few steps of training: what grows with the number of measurements grows all the same. With ``--first 950``
the first 950 points are random ones, without a surrogate: the run is then soon beyond the cap of the exact surrogate.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from scipy.ndimage import gaussian_filter

from nescio.compute import enable_compilation_cache
from nescio.explore import Experiment, ExploreSettings
from nescio.explore.surrogates.conditioned import condition, predict
from nescio.explore.surrogates.ensemble import train
from nescio.explore.surrogates.sampling import draw_functions
from nescio.explore.surrogates.sparse import choose_inducing, condition_sparse

QUICK = {"members": 2, "steps": 10, "warm_steps": 2, "position": "never"}


def resident_mb() -> float:
    """Return the memory of this process that is in use now."""
    status = Path("/proc/self/statm")
    if status.exists():
        return int(status.read_text(encoding="ascii").split()[1]) * resource.getpagesize() / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)


def programs() -> int:
    """Return how many programs of the surrogate were compiled."""
    functions = (train, condition, predict, draw_functions, choose_inducing, condition_sparse)
    return sum(function._cache_size() for function in functions)


class Sample:
    """A grid of places, whose spectra hold one number each."""

    def __init__(self, side: int) -> None:
        """Draw it."""
        rng = np.random.default_rng(0)
        fields = np.stack(
            [gaussian_filter(rng.normal(size=(side, side)), width) for width in (1, 2, 3, 5) * 2]
        )
        fields /= fields.std(axis=(1, 2), keepdims=True)
        self.features = fields.reshape(8, -1).T
        y, x = np.divmod(np.arange(side**2), side)
        self.positions = np.column_stack([y, x]).astype(float)
        self.truth = np.tanh(self.features[:, 3]) + 0.5 * self.features[:, 6] * self.features[:, 7]
        self._noise = 0.2 * rng.normal(size=side**2)

    def survey(self) -> xr.Dataset:
        """Return the places with their features."""
        return xr.Dataset(
            {
                "position": (("candidate", "coordinate"), self.positions, {"units": "um"}),
                "features": (("candidate", "feature"), self.features),
            },
            {"coordinate": ["y", "x"]},
        )

    def measure(self, candidate: int) -> xr.DataArray:
        """Return the spectrum of a place."""
        value = self.truth[candidate] + self._noise[candidate]
        return xr.DataArray(np.full(4, value + 10.0), dims="channel", attrs={"units": "counts"})


def settings(points: int, first: int, batch: int, surrogate: dict[str, Any]) -> ExploreSettings:
    """Return the experiment; its instrument is never asked."""
    return ExploreSettings.model_validate(
        {
            "instrument": {"kind": "ferroelectric-twin"},
            "candidates": {"kind": "features"},
            "scalarizer": {"kind": "mean-magnitude"},
            "surrogate": surrogate,
            "seeds": {"points": first},
            "batch": batch,
            "stop": {"kind": "map-settled", "tolerance": 1e-9},
            "budget": {"points": points},
        }
    )


def run(
    folder: Path, points: int, first: int, batch: int, side: int, surrogate: dict[str, Any], every: int
) -> list[dict[str, float]]:
    """Measure, and return figures at every so many points."""
    sample, figures, taken = Sample(side), [], []
    with Experiment.create(
        folder / "trace.sqlite", settings(points, first, batch, surrogate), sample.survey()
    ) as experiment:
        while not (asked := experiment.ask()).finished:
            start = time.perf_counter()
            for candidate in asked.candidates:
                experiment.tell(candidate, sample.measure(candidate))
            taken.append(time.perf_counter() - start)
            step = experiment.state.step
            if step % every == 0 or step == points:
                rest = ~experiment.state.taken()
                fit = experiment.fit
                error = (
                    np.nan if fit is None else np.mean((fit.mean[rest, 0] - 10.0 - sample.truth[rest]) ** 2)
                )
                decisions = [one.timing for _, one in experiment.state.decisions[-50:]]
                one = {
                    "points": step,
                    "memory_mb": resident_mb(),
                    "programs": programs(),
                    "seconds": float(np.median([sum(timing.values()) for timing in decisions])),
                    "r2": float(1.0 - error / sample.truth[rest].var()),
                }
                figures.append(one)
                print(
                    f"{step:6} points  {one['memory_mb']:7.0f} MB  {one['programs']:3} programs  "
                    f"{one['seconds']:6.3f} s a step  R2 {one['r2']:.3f}",
                    flush=True,
                )
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--points", type=int, default=2000)
    parser.add_argument("--first", type=int, default=20, help="random points before the first decision")
    parser.add_argument("--batch", type=int, default=1, help="points that a decision chooses")
    parser.add_argument("--side", type=int, default=100, help="candidates along each side of the grid")
    parser.add_argument("--every", type=int, default=100)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    enable_compilation_cache()
    with tempfile.TemporaryDirectory() as folder:
        surrogate = QUICK if options.quick else {}
        figures = run(
            Path(folder), options.points, options.first, options.batch, options.side, surrogate, options.every
        )
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
