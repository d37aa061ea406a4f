"""Work on a file in a process of its own, which may crash, hang or take too much memory without harm to this one."""

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
    """The process ended before it had answered."""


class TimeLimitError(Exception):
    """The process did not answer in time, and was ended."""


_PATIENCE = 4
"""Seconds to wait for a second of the processor, on a machine that is busy with other work."""


def answer_apart(
    module: str, request: Mapping[str, Any], content: bytes, *, seconds: float, memory: int
) -> tuple[dict[str, Any], bytes]:
    """Run a module of ours, which calls :func:`serve_apart`, and return its answer: a JSON object and bytes.

    Args:
        module: Its full name.
        request: What it is asked, as JSON.
        content: Bytes that it gets as well.
        seconds: Of the processor that it may take, where the system can limit them.
        memory: Bytes that it may take, where the system can limit them.

    Raises:
        CrashError: It crashed, or ran out of memory.
        TimeLimitError: It took longer.
    """
    paths = [path for path in sys.path if path]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        # Each thread would reserve memory, and a file needs none.
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
    """Answer the request on standard input on standard output, within the memory that it states.

    Args:
        work: Makes a JSON object and bytes of a request and bytes.
    """
    # What a library prints must not get between.
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
    """Limit what this process may take beyond what it has, where the system can."""
    try:
        import resource
    except ImportError:  # Windows
        return
    own = resource.getrusage(resource.RUSAGE_SELF)
    _lower(resource.RLIMIT_CPU, math.ceil(own.ru_utime + own.ru_stime + seconds))
    status = Path("/proc/self/statm")  # of Linux; others do not hold to a limit of memory
    if status.exists():
        taken = int(status.read_text().split()[0]) * resource.getpagesize()
        _lower(resource.RLIMIT_AS, taken + memory)


def _lower(which: int, limit: int) -> None:
    import resource

    hard = resource.getrlimit(which)[1]
    resource.setrlimit(which, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))
