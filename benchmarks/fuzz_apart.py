"""Processes of their own for readers, forked from one that has loaded what they need instead of started anew.

`nescio.files` starts a Python for each file that is read apart from the program; to load the libraries takes it most of
a second, or several. :func:`fork_instead` replaces that start for the fuzzer. The child does what the started process
would do, under the same limits. Needs Linux.
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import struct
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any, cast

_REQUEST, _ANSWER = struct.Struct("<dQ"), struct.Struct("<iddQ")
_SIZE = struct.Struct("<Q")
_TIMED_OUT = 10**6
# What starts threads may fail in a child: it inherits a part of the parent's address space as its own.
_WITH_THREADS = ("nescio.microscopy.read.hyperspy.zspy_worker",)


class Used:
    """What the children took since it was last asked for."""

    seconds = 0.0
    memory = 0

    @classmethod
    def take(cls) -> tuple[float, int]:
        """Return seconds of the processor and bytes beyond what the parent had, and forget them."""
        taken = cls.seconds, cls.memory
        cls.seconds, cls.memory = 0.0, 0
        return taken


class _Parent:
    """A process that has loaded a module, and forks a child for each request."""

    def __init__(self, module: str, environment: Mapping[str, str]) -> None:
        self.process = subprocess.Popen(  # noqa: S603 - this program
            [sys.executable, "-P", __file__, module],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=dict(environment),
        )  # fmt: skip

    def run(self, content: bytes, timeout: float) -> SimpleNamespace:
        to, of = cast("IO[bytes]", self.process.stdin), cast("IO[bytes]", self.process.stdout)
        to.write(_REQUEST.pack(timeout, len(content)) + content)
        to.flush()
        code, seconds, memory, size = _ANSWER.unpack(of.read(_ANSWER.size))
        output = of.read(size)
        Used.seconds += seconds
        Used.memory = max(Used.memory, int(memory))
        if code == _TIMED_OUT:
            raise subprocess.TimeoutExpired("fork", timeout)
        return SimpleNamespace(returncode=code, stdout=output)

    def end(self) -> None:
        for stream in (self.process.stdin, self.process.stdout):
            cast("IO[bytes]", stream).close()
        self.process.wait()


def fork_instead() -> Callable[[], None]:
    """Have :func:`nescio.files.answer_apart` fork its processes; return what ends that."""
    apart = import_module("nescio.files.apart")
    parents: dict[str, _Parent] = {}
    before = apart.subprocess  # type: ignore[attr-defined]

    def run(
        command: Sequence[str], *, timeout: float, env: Mapping[str, str], **given: Any
    ) -> SimpleNamespace:
        module = command[-1]
        # A test's own module may not return from its import.
        if not module.startswith("nescio.") or module in _WITH_THREADS:
            return before.run(command, timeout=timeout, env=env, **given)
        if module not in parents or parents[module].process.poll() is not None:
            parents[module] = _Parent(module, env)
        return parents[module].run(given["input"], timeout)

    apart.subprocess = SimpleNamespace(  # type: ignore[attr-defined]
        run=run, TimeoutExpired=subprocess.TimeoutExpired
    )

    def end() -> None:
        apart.subprocess = before  # type: ignore[attr-defined]
        for parent in parents.values():
            parent.end()

    return end


class Maker:
    """Makes mutants in processes of their own: the HDF5 library crashes on writing some damage, too."""

    def __init__(self, make: Callable[[str], bytes], instead: Callable[[str], bytes]) -> None:
        """Fork, before libraries that have threads are loaded.

        Args:
            make: Returns the mutant of a name.
            instead: Returns another where that crashes.
        """
        asked, ask = os.pipe()
        answer, answered = os.pipe()
        if not os.fork():
            os.close(ask)
            os.close(answer)
            try:
                self._make(make, instead, asked, answered)
            finally:
                os._exit(0)
        os.close(asked)
        os.close(answered)
        self._to, self._of = os.fdopen(ask, "w", buffering=1), os.fdopen(answer, "rb")

    def __call__(self, which: str) -> bytes:
        """Return a mutant."""
        self._to.write(which + "\n")
        (size,) = _SIZE.unpack(self._of.read(_SIZE.size))
        return self._of.read(size)

    @staticmethod
    def _make(
        make: Callable[[str], bytes], instead: Callable[[str], bytes], asked: int, answered: int
    ) -> None:
        with os.fdopen(asked) as names, os.fdopen(answered, "wb") as answers:
            for line in names:
                which = line.strip()
                with tempfile.TemporaryFile(dir=_folder()) as made:
                    if not (child := os.fork()):
                        status = 1
                        try:
                            made.write(make(which))
                            made.flush()
                            status = 0
                        finally:
                            os._exit(status)
                    died = os.waitpid(child, 0)[1]
                    made.seek(0)
                    content = instead(which) if died else made.read()
                answers.write(_SIZE.pack(len(content)) + content)
                answers.flush()


def _serve(module: str) -> None:
    """Answer requests until there are no more."""
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    import_module(module)
    while head := requests.read(_REQUEST.size):
        timeout, size = _REQUEST.unpack(head)
        content = requests.read(size)
        _load(content)
        with tempfile.TemporaryFile(dir=_folder()) as given, tempfile.TemporaryFile(dir=_folder()) as made:
            given.write(content)
            given.seek(0)
            code, seconds, memory = _fork(module, given.fileno(), made.fileno(), timeout)
            made.seek(0)
            output = made.read()
        answers.write(_ANSWER.pack(code, seconds, memory, len(output)) + output)
        answers.flush()


def _folder() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108


def _load(content: bytes) -> None:
    """Load what the child would load before it looks at the file."""
    request = json.loads(content.partition(b"\n")[0])
    for name in (
        *(api for _, api in request.get("readers", ())),
        *(["dask.array"] if "readers" in request else []),
    ):
        with suppress(ImportError):
            import_module(name)


def _fork(module: str, given: int, made: int, timeout: float) -> tuple[int, float, float]:
    resident = os.sysconf("SC_PAGE_SIZE") * int(Path("/proc/self/statm").read_text().split()[1])
    if not (child := os.fork()):
        status = 1
        try:
            os.dup2(given, 0)
            os.dup2(made, 1)
            sys.modules.pop(module, None)
            sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)  # noqa: SIM115
            warnings.simplefilter("ignore")
            runpy.run_module(module, run_name="__main__", alter_sys=True)
            status = 0
        finally:
            os._exit(status)
    deadline, timed_out = time.monotonic() + timeout, False
    while not (ended := os.wait4(child, os.WNOHANG))[0]:
        if time.monotonic() > deadline and not timed_out:
            timed_out = True
            os.kill(child, signal.SIGKILL)
        time.sleep(0.001)
    used = ended[2]
    code = _TIMED_OUT if timed_out else os.waitstatus_to_exitcode(ended[1])
    return code, used.ru_utime + used.ru_stime, float(max(0, 1024 * used.ru_maxrss - resident))


if __name__ == "__main__":
    _serve(sys.argv[1])
