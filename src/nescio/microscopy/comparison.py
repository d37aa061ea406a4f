"""Ways to explore, compared on known scalars: what each finds, and what its model knows, with ever more measured."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from nescio.compute import cache_directory, enable_compilation_cache
from nescio.errors import ConfigurationError, ExplorationError, InterruptedExplorationError
from nescio.microscopy.comparison_data import DATA_SETS, Case, load_case
from nescio.microscopy.comparison_methods import METHODS
from nescio.microscopy.comparison_run import Job, Run
from nescio.progress import Advance, track

__all__ = ["Comparison", "compare", "judge", "plan", "summarise"]

Floats = NDArray[np.float64]

_BEST = 20
_JUDGED = ("found", "top20_ratio", "r2", "coverage95")
# Workers share the cores between them: more than one thread each would only get in the others' way.
_ONE_THREAD = {
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
    "NPROC": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}


@dataclass(frozen=True, eq=False)
class Comparison:
    """Explorations that are to be compared: all methods on all data sets, from the same first points of each seed."""

    cases: Mapping[str, Case]
    jobs: tuple[Job, ...]

    @property
    def missing(self) -> tuple[Job, ...]:
        """Those that no earlier comparison has made."""
        return tuple(job for job in self.jobs if job.result() is None)

    def seconds(self, jobs: Sequence[Job]) -> float:
        """Return what some of them take on one core, roughly."""
        return sum(self._seconds(job) for job in jobs)

    def _seconds(self, job: Job) -> float:
        # A method's figure is of 160 choices among 3600 candidates.
        share = len(self.cases[job.case]) / 3600 * (job.points - job.first + 1) / 161
        return METHODS[job.method].seconds * share

    def run(self, *, workers: int = 2, progress: bool | None = None) -> None:
        """Make those that are missing, each kept as soon as it is made.

        Args:
            workers: Processes, with one thread each; with none, all is done in this one.
            progress: Show a progress bar; by default where standard error is a terminal.

        Raises:
            InterruptedExplorationError: Ctrl-C was pressed.
            ExplorationError: A worker died.
        """
        missing = self.missing
        if not missing:
            return
        # Without workers a method may show a bar of its own.
        shown = progress if workers else False
        with track("exploring", self.seconds(missing), enabled=shown) as tell:
            try:
                if workers:
                    self._side_by_side(missing, workers, tell)
                    return
                for job in missing:
                    job.perform()
                    tell(self._seconds(job))
            except KeyboardInterrupt:
                left = len(self.missing)
                raise InterruptedExplorationError(
                    f"interrupted with {left} of {len(self.jobs)} explorations left; the same command goes on"
                ) from None

    def _side_by_side(self, jobs: Sequence[Job], workers: int, tell: Advance) -> None:
        earlier = set(multiprocessing.active_children())
        with _one_thread_each():
            pool = ProcessPoolExecutor(
                min(workers, len(jobs)), multiprocessing.get_context("spawn"), initializer=_begin_worker
            )
            try:
                # The longest first, so that no worker is left alone with one at the end.
                order = sorted(jobs, key=lambda job: -self._seconds(job))
                futures: dict[Future[None], Job] = {pool.submit(job.perform): job for job in order}
                for future in as_completed(futures):
                    future.result()
                    job = futures[future]
                    tell(self._seconds(job), f"{job.case} {job.method}, seed {job.seed}")
            except BrokenProcessPool:
                raise ExplorationError(
                    "a worker process died, perhaps for lack of memory; the same command goes on"
                ) from None
            except BaseException:
                # Nobody waits for what will not be looked at; what is finished is kept, and no file is half written.
                for process in set(multiprocessing.active_children()) - earlier:
                    process.terminate()
                raise
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def curves(self, case: str) -> xr.Dataset:
        """Return what was found and known, for figures: see `nescio.view.comparison_curves`.

        Raises:
            ExplorationError: An exploration has not been made.
        """
        jobs = [job for job in self.jobs if job.case == case]
        methods = list(dict.fromkeys(job.method for job in jobs))
        seeds = list(dict.fromkeys(job.seed for job in jobs))
        results = {(job.method, job.seed): _need(job) for job in jobs}
        points = next(iter(results.values())).points
        judged = {key: judge(self.cases[case], run) for key, run in results.items()}
        dims = ("method", "seed", "point")
        variables: dict[str, Any] = {
            name: (dims, np.array([[judged[method, seed][name] for seed in seeds] for method in methods]))
            for name in _JUDGED
        }
        seconds = np.array([[results[method, seed].seconds for seed in seeds] for method in methods])
        return xr.Dataset(
            {**variables, "seconds": (dims[:2], seconds)},
            {"method": methods, "seed": seeds, "point": list(points)},
            {"candidates": len(self.cases[case]), "best": len(self.cases[case].best)},
        )


def plan(
    data: Sequence[str],
    methods: Sequence[str] = tuple(METHODS),
    *,
    seeds: int = 20,
    first_seed: int = 0,
    points: int = 180,
    first: int = 20,
    cache: Path | None = None,
    cases: Mapping[str, tuple[Case, Path]] | None = None,
) -> Comparison:
    """Say what is to be explored; makes the data sets that are not kept from an earlier comparison.

    Args:
        data: Names of data sets.
        methods: Names of ways to explore.
        seeds: How many explorations each makes.
        first_seed: Of the first; the others follow.
        points: How many candidates are measured.
        first: How many of them at random, before there is anything to learn from.
        cache: Folder for what can be computed again; by default ``dkl`` in Nescio's own.
        cases: Data sets of one's own by name, each with the file it is kept in.

    Raises:
        ConfigurationError: A name is unknown, or a number impossible.
        FileError: A data set cannot be read.
    """
    folder = cache_directory() / "dkl" if cache is None else cache
    known = {**DATA_SETS, **(cases or {})}
    for what, names, all_names in (("data", data, known), ("method", methods, METHODS)):
        for name in names:
            if name not in all_names:
                raise ConfigurationError(f"{what} {name!r} is not known (known: {', '.join(all_names)})")
    if seeds < 1 or first < 1:
        raise ConfigurationError(f"{seeds} seeds of {first} first points: needs 1 or more of both")
    loaded: dict[str, tuple[Case, Path]] = {}
    for name in dict.fromkeys(data):
        loaded[name] = cases[name] if cases and name in cases else load_case(name, folder)
        if not first < points < len(loaded[name][0]):
            raise ConfigurationError(
                f"points: {points} of the {len(loaded[name][0])} of {name} cannot be chosen after {first} at random"
            )
    jobs = tuple(
        Job.of(case, path, method, seed=first_seed + number, points=points, first=first, folder=folder)
        for case, path in loaded.values()
        for method in dict.fromkeys(methods)
        for number in range(seeds)
    )
    return Comparison({name: case for name, (case, _) in loaded.items()}, jobs)


def compare(
    data: Sequence[str],
    methods: Sequence[str] = tuple(METHODS),
    *,
    workers: int = 2,
    progress: bool | None = None,
    folder: Path | None = None,
    **options: Any,
) -> dict[str, dict[str, dict[str, Any]]]:
    """Compare ways to explore; see :func:`plan` for the options.

    In a script of one's own the call belongs under ``if __name__ == "__main__":``, since workers are new processes.

    Args:
        data: Names of data sets.
        methods: Names of ways to explore.
        workers: Processes; with none, all is done in this one.
        progress: Show a progress bar; by default where standard error is a terminal.
        folder: Write figures and a report there.
        options: Of :func:`plan`.

    Returns:
        By data set and method, see :func:`summarise`.
    """
    comparison = plan(data, methods, **options)
    comparison.run(workers=workers, progress=progress)
    curves = {name: comparison.curves(name) for name in comparison.cases}
    if folder is not None:
        from nescio.microscopy.comparison_report import write_comparison

        write_comparison(folder, curves, progress=progress)
    return {name: summarise(one) for name, one in curves.items()}


def judge(case: Case, run: Run) -> dict[str, Floats]:
    """Return what an exploration had found and knew, each of shape (points,); NaN where it has no model.

    * ``found``: share of the best twentieth of the candidates that was measured;
    * ``top20_ratio``: mean truth of the 20 best measured, over that of the 20 best there are;
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
    """Return medians over the seeds, by method.

    Args:
        curves: As :meth:`Comparison.curves` gives them.

    Returns:
        For each method, None where it has no model:

        * ``found_top5``: share of the measured points that are among the best twentieth of the candidates, at the end;
        * ``top20_ratio``, ``r2``, ``coverage95``: at the end, see :func:`judge`;
        * ``quartiles``: of these, each [lower, upper];
        * ``seconds``: of one exploration;
        * ``seeds``: how many explorations;
        * ``curves``: ``points``, and ``found``, ``top20_ratio``, ``r2`` and ``coverage95`` at each, as ``median``,
          ``lower`` and ``upper``.
    """
    points = curves["point"].values
    # What was found of the best, over what was measured rather than over what there is.
    among = curves["found"].isel(point=-1) * (curves.attrs["best"] / points[-1])
    ends = {"found_top5": among, **{name: curves[name].isel(point=-1) for name in _JUDGED[1:]}}
    summary: dict[str, dict[str, Any]] = {}
    for method in map(str, curves["method"].values):
        quartiles = {name: _quartiles(values.sel({"method": method}).values) for name, values in ends.items()}
        lines = {name: _quartiles(curves[name].sel({"method": method}).values) for name in _JUDGED}
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
    """Return lower quartile, median and upper quartile over the first axis; nothing where nothing is defined."""
    if np.isnan(values).any():
        return None
    found: Floats = np.percentile(values, (25.0, 50.0, 75.0), axis=0)
    return found


def _need(job: Job) -> Run:
    run = job.result()
    if run is None:
        raise ExplorationError(f"{job.case} by {job.method}, seed {job.seed}: not explored yet")
    return run


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Let processes that are started meanwhile compute with one thread."""
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(_ONE_THREAD)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _begin_worker() -> None:
    """Leave Ctrl-C and the terminal to the process that asked for the work, end with it, and compile nothing twice."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    threading.Thread(target=_end_with_parent, daemon=True).start()
    enable_compilation_cache()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        # Nobody is left to be told anything.
        os._exit(1)
