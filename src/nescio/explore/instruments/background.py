"""Run work that may hang in a thread, so that Ctrl-C always works."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Self

__all__ = ["Task"]

_LONGEST_WAIT = 0.25


class Task:
    """Work that may hang or fail, in a daemon thread."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work
        # An event, because a `join` interrupted by Ctrl-C treats the thread as ended from then on.
        self._done = threading.Event()
        self._begun = False
        self._thread = threading.Thread(target=self._run, name="nescio-instrument", daemon=True)

    def start(self) -> Self:
        """Start the thread."""
        self._begun = True
        self._thread.start()
        return self

    def ended(self, seconds: float = 0.0) -> bool:
        """Wait up to `seconds` for the end, and return whether the work has ended."""
        end = time.monotonic() + seconds
        # Wait in short intervals: on some systems Ctrl-C cannot interrupt a long wait.
        while not self._done.is_set() and (left := end - time.monotonic()) > 0.0:
            self._done.wait(min(left, _LONGEST_WAIT))
        # Work interrupted before its start has ended, too.
        return self._done.is_set() or not self._begun

    def _run(self) -> None:
        try:
            self._work()
        except BaseException:
            # A failed abort shows up as a measurement that does not end.
            return
        finally:
            self._done.set()
