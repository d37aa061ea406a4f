"""Run FEFF in a folder of its own with a time limit, and report its errors."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from nescio.errors import FeffError, FileError
from nescio.files import opened_regular

__all__ = ["FeffProgram", "digest_of", "end_running", "find_feff6l", "find_feff8l", "own_feff", "run_feff"]

INPUT = "feff.inp"
OUTPUT = "output.txt"
"""Output of the program."""
_STEPS_8L = ("rdinp", "pot", "xsph", "pathfinder", "genfmt", "ff2x")
_PLATFORMS = {"linux": "linux64", "darwin": "darwin64", "win32": "win64"}
_SAID = 400
_READ = 2**20
_RUNNING: set[subprocess.Popen[bytes]] = set()
# Large intermediate files of FEFF.
_IN_PASSING = ("pot.pad", "libpotph.json", "atoms.json", "geom.json", "feff.pad")


@dataclass(frozen=True)
class FeffProgram:
    """A version of FEFF and how to run it."""

    name: str
    steps: tuple[Path, ...]
    """Programs to run one after the other in the folder of feff.inp."""
    proof: str
    """A file that exists after a successful run."""


def find_feff8l(folder: str | Path | None = None, *, paths: bool = False) -> FeffProgram:
    """Find FEFF8L in a folder, or in the package xraylarch.

    Args:
        folder: Folder with feff8l_rdinp and the other programs.
        paths: Compute scattering paths, not phase shifts only.

    Raises:
        FeffError: The program is not found.
    """
    steps = _STEPS_8L if paths else _STEPS_8L[:3]
    programs = tuple(_found(f"feff8l_{step}", folder) for step in steps)
    return FeffProgram("feff8l", programs, "xmu.dat" if paths else "phase.pad")


def find_feff6l(folder: str | Path | None = None) -> FeffProgram:
    """Find FEFF6L in a folder, or in the package xraylarch.

    Raises:
        FeffError: The program is not found.
    """
    return FeffProgram("feff6l", (_found("feff6l", folder),), "files.dat")


def own_feff(executable: str | Path, *, proof: str = "xmu.dat") -> FeffProgram:
    """Return a FEFF of your own, such as FEFF 9 or 10, that one program or script runs.

    Args:
        executable: Program to run in the folder of feff.inp.
        proof: A file that exists after a successful run.

    Raises:
        FeffError: The program is not found, or may not be run.
    """
    path = Path(executable).absolute()
    if not path.is_file() or not os.access(path, os.X_OK):
        raise FeffError(f"{path}: is no executable program")
    return FeffProgram(path.name, (path,), proof)


def _found(name: str, folder: str | Path | None) -> Path:
    suffix = ".exe" if sys.platform == "win32" else ""
    if folder is not None:
        path = Path(folder).absolute() / f"{name}{suffix}"
        if not path.is_file():
            raise FeffError(f"{path}: not found; give the folder that holds {name}")
        return path
    larch = find_spec("larch")
    if larch is not None and larch.origin is not None:
        path = Path(larch.origin).parent / "bin" / _PLATFORMS.get(sys.platform, "") / f"{name}{suffix}"
        if path.is_file():
            return path
    if (on_path := shutil.which(name)) is not None:
        return Path(on_path)
    raise FeffError(
        f"{name}: not found; install it by pip install nescio[feff], or give the folder that holds it"
    )


def digest_of(text: str, program: FeffProgram) -> str:
    """Return the name of a result: a hash of its input and its program."""
    return hashlib.sha256(f"{program.name}\n{program.proof}\n{text}".encode()).hexdigest()[:24]


def run_feff(
    text: str, program: FeffProgram, folder: str | Path, *, seconds: float = 600.0, keep_all: bool = False
) -> Path:
    """Run FEFF in a private folder, and keep its files in a folder named by the hash of the input.

    Existing results are not computed again. The folder gets its name when the run has finished, so that a killed
    process leaves no incomplete result.

    Args:
        text: Content of feff.inp.
        program: The FEFF to run.
        folder: Folder for all results; created if needed.
        seconds: Time limit of all steps together.
        keep_all: Also keep intermediate files.

    Returns:
        The folder of this result.

    Raises:
        FeffError: FEFF took too long, failed, or did not write its results.
        FileError: The folder cannot be written.
    """
    target = Path(folder) / digest_of(text, program)
    if (target / program.proof).is_file():
        return target
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        private = Path(tempfile.mkdtemp(prefix=".running-", dir=folder))
    except OSError as error:
        raise FileError(f"{folder}: cannot be written ({error.strerror or error})") from None
    try:
        (private / INPUT).write_text(text, encoding="utf-8")
        _run_steps(program, private, time.monotonic() + seconds, seconds)
        if not keep_all:
            for name in _IN_PASSING:
                (private / name).unlink(missing_ok=True)
        try:
            private.rename(target)
        except OSError:
            # Another process was faster.
            if not (target / program.proof).is_file():
                raise
    except OSError as error:
        raise FileError(f"{target}: cannot be written ({error.strerror or error})") from None
    finally:
        shutil.rmtree(private, ignore_errors=True)
    return target


def _run_steps(program: FeffProgram, folder: Path, deadline: float, seconds: float) -> None:
    with (folder / OUTPUT).open("wb") as output:
        for step in program.steps:
            try:
                process = subprocess.Popen(  # noqa: S603
                    [str(step)],
                    cwd=folder,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                raise FeffError(f"{step}: cannot be run ({error.strerror or error})") from None
            # A timer, since waiting with a time-out polls and notices late.
            late = threading.Event()
            timer = threading.Timer(max(deadline - time.monotonic(), 0.0), _ended, (process, late))
            timer.daemon = True
            timer.start()
            _RUNNING.add(process)
            try:
                code = process.wait()
            finally:
                timer.cancel()
                _RUNNING.discard(process)
                _ended(process)
            if late.is_set():
                raise FeffError(
                    f"{step.name}: stopped after {seconds:g} s; allow more time, or use fewer atoms"
                )
            # FEFF exits with 0 after many errors.
            if code != 0 or _complaint(folder):
                raise FeffError(f"{step.name}: {_complaint(folder) or _last_words(folder, code)}")
    if not (folder / program.proof).is_file():
        raise FeffError(f"{program.name}: wrote no {program.proof}; {_last_words(folder, 0)}")


def end_running() -> None:
    """End all runs that this process started."""
    for process in tuple(_RUNNING):
        _ended(process)


def _ended(process: subprocess.Popen[bytes], noticed: threading.Event | None = None) -> None:
    """End a process and its children."""
    if process.poll() is None:
        if noticed is not None:
            noticed.set()
        with suppress(OSError):
            if sys.platform == "win32":
                process.kill()
            else:
                os.killpg(process.pid, signal.SIGKILL)


def _complaint(folder: Path) -> str:
    """Return the program's message of a fatal error; empty if there was none."""
    lines = _said(folder)
    for number, line in enumerate(lines):
        lowered = line.lower()
        if "fatal error" in lowered or "error at line" in lowered or "fortran runtime error" in lowered:
            return " ".join(lines[max(number - 2, 0) : number + 3])[-_SAID:]
    return ""


def _last_words(folder: Path, code: int) -> str:
    lines: Sequence[str] = _said(folder)[-4:]
    how = f"ended with {code}" if code >= 0 else f"was ended by signal {-code}"
    return f"{how}, saying {' '.join(lines)[-_SAID:]!r}" if lines else f"{how}, saying nothing"


def _said(folder: Path) -> list[str]:
    with opened_regular(folder / OUTPUT) as file:
        # The last lines name the reason; the output before can be of any length.
        file.seek(max(os.fstat(file.fileno()).st_size - _READ, 0))
        text = file.read(_READ).decode("utf-8", "replace")
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]
