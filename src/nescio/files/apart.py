"""Work on a file in a separate process, so that a crash, a hang or too much memory does no harm to the main process."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["CrashError", "TimeLimitError", "answer_apart", "serve_apart"]

_ANSWER = b"nescio answer "


class CrashError(Exception):
    """The process ended before it answered."""


class TimeLimitError(Exception):
    """The process did not answer in time and was killed."""


_PATIENCE = 4
"""Seconds of clock time allowed for each second of processor time, for machines under load."""


def answer_apart(
    module: str, request: Mapping[str, Any], content: bytes, *, seconds: float, memory: int
) -> tuple[dict[str, Any], bytes]:
    """Run a module of Nescio in a separate process and return its answer, a JSON object and bytes.

    Args:
        module: Full name of a module that calls :func:`serve_apart`.
        request: Request, sent as JSON.
        content: Bytes sent with the request.
        seconds: Limit of processor time in seconds, on systems that can limit it.
        memory: Limit of memory in bytes, on systems that can limit it.

    Raises:
        CrashError: The process crashed or ran out of memory.
        TimeLimitError: The process exceeded its time limit.
    """
    paths = [path for path in sys.path if path]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        # Each thread would reserve memory; reading a file needs no threads.
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }
    line = json.dumps({**request, "memory": memory, "seconds": seconds}).encode() + b"\n"
    try:
        done = subprocess.run(  # noqa: S603 - our own program; what the file holds goes to its input
            [sys.executable, "-P", "-m", module],
            input=line + content,
            capture_output=True,
            timeout=_PATIENCE * seconds,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise TimeLimitError from None
    if done.returncode == -getattr(signal, "SIGXCPU", 0) < 0:
        raise TimeLimitError
    found = done.stdout.find(_ANSWER)
    if done.returncode != 0 or found < 0:
        raise CrashError
    head, _, rest = done.stdout[found + len(_ANSWER) :].partition(b"\n")
    answer: dict[str, Any] = json.loads(head)
    return answer, rest


def serve_apart(work: Callable[[dict[str, Any], bytes], tuple[dict[str, Any], bytes]]) -> None:
    """Read a request from standard input and write the answer to standard output, within the limits of the request.

    Args:
        work: Function from a request and bytes to the answer, a JSON object and bytes.
    """
    # Libraries must not print into the answer.
    output = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    sys.stdout = sys.stderr
    request: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
    content = sys.stdin.buffer.read()
    _limit(int(request["memory"]), float(request["seconds"]))
    answer, data = work(request, content)
    output.write(_ANSWER + json.dumps(answer).encode() + b"\n")
    output.write(data)
    output.flush()


def _limit(memory: int, seconds: float) -> None:
    """Limit the further processor time and memory of this process, on systems that can."""
    try:
        import resource
    except ImportError:  # Windows
        return
    own = resource.getrusage(resource.RUSAGE_SELF)
    _lower(resource.RLIMIT_CPU, math.ceil(own.ru_utime + own.ru_stime + seconds))
    status = Path("/proc/self/statm")  # Linux only; other systems do not enforce a memory limit
    if status.exists():
        taken = int(status.read_text().split()[0]) * resource.getpagesize()
        _lower(resource.RLIMIT_AS, taken + memory)


def _lower(which: int, limit: int) -> None:
    import resource

    hard = resource.getrlimit(which)[1]
    resource.setrlimit(which, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))
