"""Ways to explore, compared on known scalars: what each finds, and how much its model knows, as points are added."""

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

# Workers share the cores between them: more than one thread each would only get in the others' way.
_ONE_THREAD = {
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
    "NPROC": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}


class Outcome(NamedTuple):
    """What a comparison found."""

    numbers: dict[str, dict[str, dict[str, Any]]]
    """By data set and method, see :func:`nescio.studies.dkl.summarise`."""
    report: Path | None
    """Path of the report, where one was asked for."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """Explorations that are to be compared: all methods on all data sets, from the same first points of each seed."""

    cases: Mapping[str, Case]
    jobs: tuple[Job, ...]

    @property
    def missing(self) -> tuple[Job, ...]:
        """Those that no earlier comparison has made."""
        return tuple(job for job in self.jobs if job.result() is None)

    def outlook(self, workers: int) -> str:
        """Say in one line how much there is to do."""
        missing = self.missing
        minutes = max(1, round(self.seconds(missing) / workers / 60))
        cores = {1: "one core", 2: "two cores"}.get(workers, f"{workers} cores")
        kept = len(self.jobs) - len(missing)
        return f"{len(missing)} explorations, about {minutes} min on {cores}" + (
            f", {kept} more are kept from before" if kept else ""
        )

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
                # The result would not be used; finished explorations are kept, and no file is half written.
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
            for name in JUDGED
        }
        seconds = np.array([[results[method, seed].seconds for seed in seeds] for method in methods])
        return xr.Dataset(
            {**variables, "seconds": (dims[:2], seconds)},
            {"method": methods, "seed": seeds, "point": list(points)},
            {"candidates": len(self.cases[case]), "best": len(self.cases[case].best)},
        )

    def outcome(self, folder: Path | None = None, *, progress: bool | None = None) -> Outcome:
        """Return medians over the seeds, and write a report with figures where a folder is given.

        Args:
            folder: For ``report.html``, and one PNG a data set.
            progress: Show a progress bar; by default where standard error is a terminal.

        Raises:
            ExplorationError: An exploration has not been made.
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
    """Return the explorations that a comparison needs; make the data sets that are not kept from an earlier one.

    Args:
        cases: Names of data sets; by default all that can be made.
        methods: Names of ways to explore; by default all.
        data: Folder of measured data, which the data set ``film`` needs: it holds ``film.npz``, with the arrays
            ``image`` (y, x), ``loops`` (y, x, step, sweep) and ``pos`` (candidates, 2), pixels y and x of each loop.
        seeds: Number of explorations by each method.
        first_seed: Random seed of the first; the others follow.
        points: Number of candidates that are measured.
        first: How many of them are chosen at random, before the model learns.
        cache: Folder for what can be computed again; by default ``dkl`` in Nescio's own.
        own: Further data sets by name, each with the file it is kept in.

    Raises:
        ConfigurationError: A name is unknown, or a number impossible.
        FileError: A data set cannot be read.
    """
    folder = cache_directory() / "dkl" if cache is None else cache
    own = own or {}
    cases = available_cases(data) if cases is None else cases
    methods = tuple(METHODS) if methods is None else methods
    for what, names, known in (("case", cases, {**CASES, **own}), ("method", methods, METHODS)):
        for name in names:
            if name not in known:
                raise ConfigurationError(f"{what} {name!r} is not known (known: {', '.join(known)})")
    if seeds < 1 or first < 1:
        raise ConfigurationError(f"{seeds} seeds of {first} first points: needs 1 or more of both")
    loaded: dict[str, tuple[Case, Path]] = {}
    for name in dict.fromkeys(cases):
        loaded[name] = own[name] if name in own else load_case(name, folder, data)
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
    cases: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    *,
    workers: int = 2,
    progress: bool | None = None,
    folder: Path | None = None,
    **options: Any,
) -> dict[str, dict[str, dict[str, Any]]]:
    """Compare ways to explore.

    In a script of one's own the call belongs under ``if __name__ == "__main__":``, since workers are new processes.

    Args:
        cases: Names of data sets; by default all that can be made.
        methods: Names of ways to explore; by default all.
        workers: Number of processes; 0 does all work in this one.
        progress: Show a progress bar; by default where standard error is a terminal.
        folder: Write figures and a report there.
        options: Of :func:`plan_comparison`.

    Returns:
        Numbers by data set and method, see :func:`summarise`.
    """
    comparison = plan_comparison(cases, methods, **options)
    comparison.run(workers=workers, progress=progress)
    return comparison.outcome(folder, progress=progress).numbers


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
        # The parent has ended: an exit without clean-up loses nothing.
        os._exit(1)
