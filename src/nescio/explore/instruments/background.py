"""Work that may hang, and from which the keyboard can always call the program back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Self

__all__ = ["Task"]

_LONGEST_WAIT = 0.25


class Task:
    """Something that may hang or fail, in a thread for which nobody waits when the program ends."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work
        # Not the thread itself: a `join` that was interrupted from the keyboard takes it for ended ever after.
        self._done = threading.Event()
        self._begun = False
        self._thread = threading.Thread(target=self._run, name="nescio-instrument", daemon=True)

    def start(self) -> Self:
        """Begin."""
        self._begun = True
        self._thread.start()
        return self

    def ended(self, seconds: float = 0.0) -> bool:
        """Wait for its end, for some time at most, and return whether it has come."""
        end = time.monotonic() + seconds
        # In pieces, since a long wait cannot be interrupted from the keyboard on every system.
        while not self._done.is_set() and (left := end - time.monotonic()) > 0.0:
            self._done.wait(min(left, _LONGEST_WAIT))
        # What was interrupted before it began is over, too.
        return self._done.is_set() or not self._begun

    def _run(self) -> None:
        try:
            self._work()
        except BaseException:
            # An abort that fails shows in the measurement, which does not end.
            return
        finally:
            self._done.set()
