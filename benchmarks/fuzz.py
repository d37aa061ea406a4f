"""Damaged files for whatever reads files: none may escape as anything but a `NescioError`, hang, or take much memory.

    python benchmarks/fuzz.py                            all that is registered, as many mutants as each has by default
    python benchmarks/fuzz.py xrd-text cif -n 500        some of it, 500 mutants each
    python benchmarks/fuzz.py --files FOLDER             honest files of yours, for every installed technique
    python benchmarks/fuzz.py xrd-npz --repeat a.npz:17  one mutant again, with the traceback

Honest files (:mod:`fuzz_files`) are damaged (:mod:`fuzz_mutations`) and read in worker processes. Reported are

- escapes: an exception that is no `NescioError`, a warning, a message of several lines, or a process that dies;
- hangs: no answer in 10 s (of the processor, where others use it too);
- memory: more than 1 GiB beyond what the process had before.

The exit code is 1 if there is any. Each is named by file and number, so that it can be repeated. Needs Linux, for the
memory of other processes.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import selectors
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from random import Random
from typing import IO, Any, cast

from fuzz_apart import Used, fork_instead
from fuzz_files import TARGETS, Target
from fuzz_mutations import mutant

LONGEST = 10.0
MOST_MEMORY = 2**30
# Workers begin anew after so many mutants, so that what one leaves behind does not pile up.
ROUND = 2500
_SAID = {"read": "read", "refused": "refused", "escape": "escapes", "hang": "hangs", "memory": "over 1 GiB"}
_HONEST = "honest"
_IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
_PATIENCE = 6  # times the longest time by the clock, on a machine that others use


def read_one(target: Target, files: Mapping[str, bytes], which: str, folder: Path) -> dict[str, Any]:
    """Read the mutant FILE:NUMBER in this process and return what came of it."""
    from nescio.errors import NescioError

    path = _written(files, which, folder)
    _forget_peak()
    Used.take()
    memory, start = _memory("VmRSS"), _seconds()
    outcome: dict[str, Any] = {"outcome": "read"}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            target.read(path)
    except NescioError as error:
        message = str(error)
        outcome = {"outcome": "refused"}
        if not message.isprintable() or len(message) > 3000:
            outcome = {"outcome": "escape", "what": f"a message that is not one line: {message[:100]!r}"}
    except BaseException as error:  # that is what is looked for
        frames = traceback.extract_tb(error.__traceback__)
        where = [frame for frame in frames if "nescio" in frame.filename][-1:] or frames[-1:]
        what = f"{type(error).__name__} at {Path(where[0].filename).name}:{where[0].lineno}: {error}"[:300]
        outcome = {"outcome": "escape", "what": what}
    seconds, apart = Used.take()
    outcome["seconds"] = _seconds() - start + seconds
    outcome["memory"] = max(_memory("VmHWM") - memory, apart)
    if outcome["outcome"] != "escape":
        if outcome["seconds"] > LONGEST:
            outcome |= {"outcome": "hang", "what": f"{outcome['seconds']:.1f} s"}
        elif outcome["memory"] > MOST_MEMORY:
            outcome |= {"outcome": "memory", "what": f"{outcome['memory'] / 2**20:.0f} MiB"}
    return outcome


def _written(files: Mapping[str, bytes], which: str, folder: Path) -> Path:
    name, _, number = which.rpartition(":")
    path = folder / name
    damaged = mutant(files[name], list(files.values()), Random(which))
    path.write_bytes(files[name] if number == _HONEST else damaged)
    return path


def _seconds() -> float:
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def _memory(which: str, process: int | str = "self") -> int:
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in status.splitlines() if line.startswith(which)), 0)


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def work(target: Target) -> None:
    """Read the mutants whose numbers come on standard input, one line each, and answer on standard output."""
    fork_instead()
    files = target.files()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for which in chain((f"{name}:{_HONEST}" for name in files), sys.stdin):
        with tempfile.TemporaryDirectory(dir=_IN_MEMORY) as folder:
            outcome = read_one(target, files, which.strip(), Path(folder))
        # The honest files come first, so that all that reading needs is loaded.
        if which.endswith(f":{_HONEST}"):
            continue
        answers.write(json.dumps(outcome) + "\n")
        answers.flush()


@dataclass
class Report:
    """What came of the mutants of a target."""

    counts: Counter[str] = field(default_factory=Counter)
    found: list[str] = field(default_factory=list)
    """Escapes, hangs and memory, one line each."""
    kinds: Counter[str] = field(default_factory=Counter)
    longest: float = 0.0
    largest: int = 0

    def add(self, name: str, number: int, outcome: Mapping[str, Any]) -> None:
        """Note an outcome."""
        self.counts[outcome["outcome"]] += 1
        self.longest = max(self.longest, outcome.get("seconds", 0.0))
        self.largest = max(self.largest, outcome.get("memory", 0))
        if "what" in outcome:
            kind = f"{outcome['outcome']}: {outcome['what'].split(':')[0]}:{outcome['what'].partition(':')[2][:12]}"
            self.kinds[kind] += 1
            if self.kinds[kind] <= 3:
                self.found.append(f"{outcome['outcome']} {name}:{number} {outcome['what']}")


class Worker:
    """A process that reads mutants of one target."""

    def __init__(self, arguments: list[str]) -> None:
        self.process = subprocess.Popen(  # noqa: S603 - this program
            [sys.executable, __file__, *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, bufsize=1,
            env={**os.environ, "JAX_PLATFORMS": "cpu", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )  # fmt: skip
        self.input, self.output = cast("IO[str]", self.process.stdin), cast("IO[str]", self.process.stdout)

    def read(self, name: str, number: int) -> dict[str, Any]:
        """Return what came of a mutant, whatever happens to the process."""
        try:
            self.input.write(f"{name}:{number}\n")
        except BrokenPipeError:
            return self._dead()
        start = time.monotonic()
        with selectors.DefaultSelector() as waiting:
            waiting.register(self.output, selectors.EVENT_READ)
            while not waiting.select(0.2):
                if _memory("VmRSS", self.process.pid) > 4 * MOST_MEMORY:
                    self.process.kill()
                    return {"outcome": "memory", "what": "more than 4 GiB; ended"}
                if time.monotonic() - start > _PATIENCE * LONGEST:
                    self.process.kill()
                    return {
                        "outcome": "hang",
                        "what": f"more than {_PATIENCE * LONGEST:.0f} s by the clock; ended",
                    }
        line = self.output.readline()
        return json.loads(line) if line else self._dead()

    def _dead(self) -> dict[str, Any]:
        return {"outcome": "escape", "what": f"the process died with {self.process.wait()}"}

    def end(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()


def run(arguments: list[str], files: Mapping[str, bytes], mutants: int, first: int = 0) -> Report:
    """Have the mutants of a target read, files in turn."""
    report, worker = Report(), None
    names = list(files)
    try:
        for number in range(first, first + mutants):
            if worker is None or worker.process.poll() is not None or number % ROUND == 0:
                if worker is not None:
                    worker.end()
                worker = Worker(arguments)
            name = names[number % len(names)]
            report.add(name, number, worker.read(name, number))
    finally:
        if worker is not None:
            worker.end()
    return report


def own_targets(folder: Path) -> dict[str, Target]:
    """Return a target for each installed technique, and one for images, with honest files out of a folder."""
    from nescio.microscopy import IMAGE_PATTERNS
    from nescio.techniques import available_techniques, find_technique

    def files_of(patterns: tuple[str, ...]) -> Callable[[], dict[str, bytes]]:
        found = sorted(
            {path for pattern in patterns for path in folder.rglob(pattern) if path.stat().st_size < 10**6}
        )
        return lambda: {path.name: path.read_bytes() for path in found}

    targets = {
        name: Target(find_technique(name).read, files_of(tuple(find_technique(name).file_patterns())), 2000)
        for name in available_techniques()
    }
    targets["images"] = Target(TARGETS["microscopy-arrays"].read, files_of(IMAGE_PATTERNS), 2000)
    return {f"own-{name}": target for name, target in targets.items() if target.files()}


def main() -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("targets", nargs="*", help=f"of {', '.join(TARGETS)}; all if none is given")
    parser.add_argument("-n", "--mutants", type=int, help="of each target; by default its own number")
    parser.add_argument("--first", type=int, default=0, help="number of the first mutant")
    parser.add_argument("--files", type=Path, help="folder of honest files of yours")
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--repeat", help=f"FILE:NUMBER of a mutant, or FILE:{_HONEST}, to read again here")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    known = own_targets(given.files) if given.files else TARGETS
    chosen = given.targets or list(known)
    if unknown := set(chosen) - set(known):
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    if given.work:
        work(known[chosen[0]])
        return 0
    if given.repeat:
        return _repeat(known[chosen[0]], given.repeat)
    figures: dict[str, Any] = {}
    for name in chosen:
        target = known[name]
        more = ["--files", str(given.files)] if given.files else []
        start = time.monotonic()
        report = run([name, "--work", *more], target.files(), given.mutants or target.mutants, given.first)
        bad = sum(report.counts[kind] for kind in ("escape", "hang", "memory"))
        counts = ", ".join(f"{report.counts[kind]:,} {said}" for kind, said in _SAID.items())
        seconds, memory = f"{report.longest:.1f} s", f"{report.largest / 2**20:.0f} MiB"
        took = f"{report.counts.total():,} mutants in {time.monotonic() - start:.0f} s"
        print(f"{name}: {took}: {counts}; at most {seconds} and {memory}", flush=True)
        for line in report.found:
            print(f"  {line}", flush=True)
        figures[name] = {
            **{kind: report.counts[kind] for kind in _SAID},
            "bad": bad,
            "longest": report.longest,
            "largest": report.largest,
        }
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1) + "\n")
    return int(any(one["bad"] for one in figures.values()))


def _repeat(target: Target, which: str) -> int:
    path = _written(target.files(), which, Path(tempfile.mkdtemp()))
    print(path, path.stat().st_size, "bytes")
    warnings.simplefilter("error")
    print(target.read(path))
    return 0


if __name__ == "__main__":
    sys.exit(main())
