"""Run FEFF on many inputs in parallel; results are named by their input and computed once."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from nescio.errors import ConfigurationError, MissingExtraError, NescioError
from nescio.progress import track
from nescio.xas.feff.run import FeffProgram, digest_of, end_running, run_feff

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Sweep", "executor_at", "sweep_feff"]


@dataclass(frozen=True)
class Sweep:
    """Results of many runs."""

    results: dict[str, Path] = field(default_factory=dict)
    """The folder of each result, by the name of its input."""
    failures: dict[str, str] = field(default_factory=dict)
    """The error of each failed run, by the name of its input."""
    found: int = 0
    """Number of results that existed already."""


def sweep_feff(
    inputs: Mapping[str, str],
    program: FeffProgram,
    folder: str | Path,
    *,
    workers: int = 2,
    executor: Executor | None = None,
    seconds: float = 600.0,
    progress: bool | None = None,
) -> Sweep:
    """Run FEFF on many inputs; failures are reported, and the other runs continue.

    After an interruption, the same call computes the missing results.

    Args:
        inputs: Contents of feff.inp, by a name for messages; equal inputs are computed once.
        program: The FEFF to run.
        folder: Folder for the results, see :func:`nescio.xas.run_feff`.
        workers: Number of simultaneous runs, without an `executor`.
        executor: Runs FEFF elsewhere, such as :func:`executor_at`; its workers must see the same folder.
        seconds: Time limit of each run.
        progress: Show a progress bar; by default if standard error is a terminal.

    Raises:
        ConfigurationError: Fewer than one worker.
    """
    if workers < 1:
        raise ConfigurationError(f"{workers} workers: needs 1 or more")
    target = Path(folder).absolute()
    named: dict[str, list[str]] = {}
    for name, text in inputs.items():
        named.setdefault(digest_of(text, program), []).append(name)
    sweep = Sweep(found=sum((target / digest / program.proof).is_file() for digest in named))
    texts = {digest: inputs[names[0]] for digest, names in named.items()}
    pool = ThreadPoolExecutor(workers) if executor is None else executor
    futures: dict[Future[Path], str] = {}
    try:
        for digest, text in texts.items():
            futures[pool.submit(run_feff, text, program, target, seconds=seconds)] = digest
        with track("running FEFF", len(futures), enabled=progress) as advance:
            for future in as_completed(futures):
                names = named[futures[future]]
                try:
                    result = future.result()
                except NescioError as error:
                    sweep.failures.update(dict.fromkeys(names, str(error)))
                else:
                    sweep.results.update(dict.fromkeys(names, result))
                advance(1.0, names[0])
    finally:
        # After Ctrl-C nothing is waiting or running; finished results stay.
        for future in futures:
            future.cancel()
        if executor is None:
            if not all(future.done() for future in futures):
                end_running()
            pool.shutdown(wait=True)
    return sweep


@contextmanager
def executor_at(address: str) -> Iterator[Executor]:
    """Connect to a Dask scheduler whose workers see the same files.

    Args:
        address: Such as ``tcp://127.0.0.1:8786``.

    Raises:
        MissingExtraError: Dask is not installed.
        ConfigurationError: No scheduler answers.
    """
    try:
        from distributed import Client
    except ImportError:
        raise MissingExtraError("a scheduler needs an extra: pip install nescio[dask]") from None
    try:
        client = Client(address, timeout="10s")  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{address}: no Dask scheduler answers ({error})") from None
    with client:
        yield client.get_executor()  # type: ignore[no-untyped-call]
