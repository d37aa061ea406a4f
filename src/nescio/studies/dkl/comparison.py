"""Comparison of exploration methods on known scalars: best places found and model quality against measurements."""

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
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from nescio.compute import cache_directory, enable_compilation_cache
from nescio.errors import ConfigurationError, ExplorationError, InterruptedExplorationError
from nescio.progress import Advance, track
from nescio.studies.dkl.cases import CASES, Case, available_cases, load_case
from nescio.studies.dkl.exploration import Job, Run
from nescio.studies.dkl.methods import METHODS
from nescio.studies.dkl.report import write_comparison
from nescio.studies.dkl.summary import JUDGED, judge, summarise

__all__ = ["Comparison", "Outcome", "compare", "plan_comparison"]

# Workers share the cores, so each uses only one thread.
_ONE_THREAD = {
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
    "NPROC": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}


class Outcome(NamedTuple):
    """Results of a comparison."""

    numbers: dict[str, dict[str, dict[str, Any]]]
    """By data set and method, see :func:`nescio.studies.dkl.summarise`."""
    report: Path | None
    """Path of the report; None if no folder was given."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """The explorations to compare: all methods on all data sets, with the same first points for each random seed."""

    cases: Mapping[str, Case]
    jobs: tuple[Job, ...]

    @property
    def missing(self) -> tuple[Job, ...]:
        """Explorations without a stored result."""
        return tuple(job for job in self.jobs if job.result() is None)

    def outlook(self, workers: int) -> str:
        """Return one line about the remaining work."""
        missing = self.missing
        minutes = max(1, round(self.seconds(missing) / workers / 60))
        cores = {1: "one core", 2: "two cores"}.get(workers, f"{workers} cores")
        kept = len(self.jobs) - len(missing)
        return f"{len(missing)} explorations, about {minutes} min on {cores}" + (
            f"; {kept} more are already stored" if kept else ""
        )

    def seconds(self, jobs: Sequence[Job]) -> float:
        """Return the estimated time of explorations on one core, in seconds."""
        return sum(self._seconds(job) for job in jobs)

    def _seconds(self, job: Job) -> float:
        # The time of a method is for 160 choices among 3600 candidates.
        share = len(self.cases[job.case]) / 3600 * (job.points - job.first + 1) / 161
        return METHODS[job.method].seconds * share

    def run(self, *, workers: int = 2, progress: bool | None = None) -> None:
        """Run the missing explorations, and store each result as soon as it is finished.

        Args:
            workers: Number of processes, with one thread each; 0 runs everything in this process.
            progress: Show a progress bar; by default where standard error is a terminal.

        Raises:
            InterruptedExplorationError: Ctrl-C was pressed.
            ExplorationError: A worker died.
        """
        missing = self.missing
        if not missing:
            return
        # Without workers, a method may show its own progress bar.
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
                    f"interrupted with {left} of {len(self.jobs)} explorations left; the same command resumes"
                ) from None

    def _side_by_side(self, jobs: Sequence[Job], workers: int, tell: Advance) -> None:
        earlier = set(multiprocessing.active_children())
        with _one_thread_each():
            pool = ProcessPoolExecutor(
                min(workers, len(jobs)), multiprocessing.get_context("spawn"), initializer=_begin_worker
            )
            try:
                # The longest first, so that all workers finish at about the same time.
                order = sorted(jobs, key=lambda job: -self._seconds(job))
                futures: dict[Future[None], Job] = {pool.submit(job.perform): job for job in order}
                for future in as_completed(futures):
                    future.result()
                    job = futures[future]
                    tell(self._seconds(job), f"{job.case} {job.method}, seed {job.seed}")
            except BrokenProcessPool:
                raise ExplorationError(
                    "a worker process died, possibly from lack of memory; the same command resumes"
                ) from None
            except BaseException:
                # Running explorations are lost; finished ones are stored, and no file is incomplete.
                for process in set(multiprocessing.active_children()) - earlier:
                    process.terminate()
                raise
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def curves(self, case: str) -> xr.Dataset:
        """Return the results against the number of measurements, as `nescio.view.comparison_curves` draws them.

        Raises:
            ExplorationError: An exploration has not been run.
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
            for name in JUDGED
        }
        seconds = np.array([[results[method, seed].seconds for seed in seeds] for method in methods])
        return xr.Dataset(
            {**variables, "seconds": (dims[:2], seconds)},
            {"method": methods, "seed": seeds, "point": list(points)},
            {"candidates": len(self.cases[case]), "best": len(self.cases[case].best)},
        )

    def outcome(self, folder: Path | None = None, *, progress: bool | None = None) -> Outcome:
        """Return medians over the random seeds, and write a report with figures if a folder is given.

        Args:
            folder: Output folder for ``report.html`` and one PNG file for each data set.
            progress: Show a progress bar; by default where standard error is a terminal.

        Raises:
            ExplorationError: An exploration has not been run.
            FileError: The folder cannot be written to.
        """
        curves = {name: self.curves(name) for name in self.cases}
        report = None if folder is None else write_comparison(folder, curves, progress=progress)
        return Outcome({name: summarise(one) for name, one in curves.items()}, report)


def plan_comparison(
    cases: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    *,
    data: Path | None = None,
    seeds: int = 20,
    first_seed: int = 0,
    points: int = 180,
    first: int = 20,
    cache: Path | None = None,
    own: Mapping[str, tuple[Case, Path]] | None = None,
) -> Comparison:
    """Plan the explorations of a comparison; data sets that are not cached are computed.

    Args:
        cases: Names of data sets; by default all available.
        methods: Names of exploration methods; by default all.
        data: Folder of measured data with ``film.npz``, needed for the data set ``film``. The file has the arrays
            ``image`` (y, x), ``loops`` (y, x, step, sweep) and ``pos`` (candidates, 2), the pixel (y, x) of each loop.
        seeds: Number of explorations for each method.
        first_seed: First random seed; the others follow it.
        points: Number of measured candidates.
        first: Number of them that are chosen at random, before the first model fit.
        cache: Cache folder; by default ``dkl`` in Nescio's cache.
        own: Further data sets by name, each with its file.

    Raises:
        ConfigurationError: A name is unknown, or a number is out of range.
        FileError: A data set cannot be read.
    """
    folder = cache_directory() / "dkl" if cache is None else cache
    own = own or {}
    cases = available_cases(data) if cases is None else cases
    methods = tuple(METHODS) if methods is None else methods
    for what, names, known in (("case", cases, {**CASES, **own}), ("method", methods, METHODS)):
        for name in names:
            if name not in known:
                raise ConfigurationError(f"{what} {name!r} is unknown (known: {', '.join(known)})")
    if seeds < 1 or first < 1:
        raise ConfigurationError(f"seeds = {seeds}, first points = {first}: both must be at least 1")
    loaded: dict[str, tuple[Case, Path]] = {}
    for name in dict.fromkeys(cases):
        loaded[name] = own[name] if name in own else load_case(name, folder, data)
        if not first < points < len(loaded[name][0]):
            raise ConfigurationError(
                f"points = {points}: must be above {first} (first points) and below {len(loaded[name][0])} "
                f"(candidates of {name})"
            )
    jobs = tuple(
        Job.of(case, path, method, seed=first_seed + number, points=points, first=first, folder=folder)
        for case, path in loaded.values()
        for method in dict.fromkeys(methods)
        for number in range(seeds)
    )
    return Comparison({name: case for name, (case, _) in loaded.items()}, jobs)


def compare(
    cases: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    *,
    workers: int = 2,
    progress: bool | None = None,
    folder: Path | None = None,
    **options: Any,
) -> dict[str, dict[str, dict[str, Any]]]:
    """Compare exploration methods.

    In a script, call this function under ``if __name__ == "__main__":``, because workers are new processes.

    Args:
        cases: Names of data sets; by default all available.
        methods: Names of exploration methods; by default all.
        workers: Number of processes; 0 runs everything in this process.
        progress: Show a progress bar; by default where standard error is a terminal.
        folder: Output folder for figures and a report; None writes none.
        options: Options of :func:`plan_comparison`.

    Returns:
        Numbers by data set and method, see :func:`summarise`.
    """
    comparison = plan_comparison(cases, methods, **options)
    comparison.run(workers=workers, progress=progress)
    return comparison.outcome(folder, progress=progress).numbers


def _need(job: Job) -> Run:
    run = job.result()
    if run is None:
        raise ExplorationError(f"{job.case} by {job.method}, random seed {job.seed}: not explored yet")
    return run


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Make processes that are started inside this context use one thread."""
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
    """Ignore Ctrl-C and the terminal, end with the parent process, and use its cache of compiled programs."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    threading.Thread(target=_end_with_parent, daemon=True).start()
    enable_compilation_cache()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        # The parent has ended, so nothing is lost by exiting without clean-up.
        os._exit(1)
