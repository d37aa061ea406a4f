"""Progress with remaining time: a bar on a terminal, else a plain line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO

__all__ = ["Advance", "track"]

SECONDS_BETWEEN_LINES = 10.0


class Advance(Protocol):
    """Takes the amount of work done since the last call, and a short message."""

    def __call__(self, amount: float, message: str = "") -> None:
        """Move the bar by `amount`; replace the text right of it when `message` is not empty."""


def _silent(amount: float, message: str = "") -> None:
    """Show nothing."""


@contextmanager
def track(description: str, total: float, *, enabled: bool | None = None) -> Iterator[Advance]:
    """Show the progress of one piece of work on standard error while the block runs.

    Args:
        description: What is being done.
        total: Amount of work, in the unit that `Advance` is called with.
        enabled: True shows a bar, False nothing. By default there is a bar if standard error is a terminal, and else a
            plain line every ten seconds, so that short work prints nothing into a log.

    Yields:
        A function `advance(amount, message)`; `message` replaces the text right of the bar when not empty.
    """
    if enabled is False:
        yield _silent
    elif enabled or sys.stderr.isatty():
        with _bar(description, total) as advance:
            yield advance
    else:
        yield _Lines(description, total, sys.stderr)


class _Lines:
    """Prints a line when ten seconds have passed since the last."""

    def __init__(self, description: str, total: float, stream: TextIO) -> None:
        self._description, self._total, self._stream = description, total, stream
        self._done, self._message = 0.0, ""
        self._start = self._last = time.monotonic()
        self._resumed: float | None = None

    def __call__(self, amount: float, message: str = "") -> None:
        now = time.monotonic()
        if self._resumed is None:
            # Work that was done before, of a training that is resumed, comes at once and took no time.
            self._resumed = amount if now - self._start < 0.1 else 0.0
        self._done += amount
        self._message = message or self._message
        if now - self._last < SECONDS_BETWEEN_LINES:
            return
        self._last = now
        share = min(self._done / max(self._total, 1e-9), 1.0)
        text = f"{self._description}: {share:.0%}"
        worked = self._done - self._resumed
        if worked > 0.0:
            text += f", {_duration((now - self._start) * max(self._total - self._done, 0.0) / worked)} left"
        print(text + (f", {self._message}" if self._message else ""), file=self._stream, flush=True)


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes = round(whole / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


@contextmanager
def _bar(description: str, total: float) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description:<20}"),
        # Beside the bar stand some 75 characters; where there is no room for all, the bar gives way.
        BarColumn(bar_width=min(max(console.width - 76, 6), 30)),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("[dim]{task.fields[message]}"),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(description, total=total, message="")

        def advance(amount: float, message: str = "") -> None:
            if message:
                progress.update(task, message=message)
            progress.advance(task, amount)

        yield advance
