"""Progress with remaining time: a bar on a terminal or in a notebook, otherwise a plain line every ten seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import Protocol, TextIO

from nescio.display import NotebookOutput, in_notebook

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
    """Show the progress of work on standard error while the block runs.

    Args:
        description: Name of the work.
        total: Total amount of work, in the unit passed to `Advance`.
        enabled: True shows a bar, False nothing. By default, a bar is shown on a terminal or in a notebook; otherwise a
            plain line is printed every ten seconds, so that short work prints nothing.

    Yields:
        A function `advance(amount, message)`; `message` replaces the text right of the bar when not empty.
    """
    if enabled is False:
        yield _silent
    elif in_notebook():
        bar = _NotebookBar(description, total)
        yield bar
        bar.end()
    elif enabled or sys.stderr.isatty():
        with _bar(description, total) as advance:
            yield advance
    else:
        yield _Lines(description, total, sys.stderr)


class _Timed:
    """Counter of work that updates the display at intervals."""

    seconds_between: float

    def __init__(self, description: str, total: float) -> None:
        self._description, self._total = description, total
        self._done, self._message = 0.0, ""
        self._start = self._last = time.monotonic()
        self._resumed: float | None = None

    def __call__(self, amount: float, message: str = "") -> None:
        now = time.monotonic()
        if self._resumed is None:
            # A resumed training reports its earlier work at once; that took no time now.
            self._resumed = amount if now - self._start < 0.1 else 0.0
        self._done += amount
        self._message = message or self._message
        if now - self._last >= self.seconds_between:
            self._last = now
            self._show(self._text(now))

    def _text(self, now: float) -> str:
        text = f"{self._description}: {self._share():.0%}"
        worked = self._done - (self._resumed or 0.0)
        if worked > 0.0 and self._done < self._total:
            text += f", {_duration((now - self._start) * (self._total - self._done) / worked)} left"
        return text + (f", {self._message}" if self._message else "")

    def _share(self) -> float:
        return min(self._done / max(self._total, 1e-9), 1.0)

    def _show(self, text: str) -> None:
        raise NotImplementedError


class _Lines(_Timed):
    """Prints a line every ten seconds."""

    def __init__(self, description: str, total: float, stream: TextIO) -> None:
        super().__init__(description, total)
        self.seconds_between = SECONDS_BETWEEN_LINES
        self._stream = stream

    def _show(self, text: str) -> None:
        print(text, file=self._stream, flush=True)


class _NotebookBar(_Timed):
    """Draws a bar under a notebook's cell."""

    seconds_between = 0.5

    def __init__(self, description: str, total: float) -> None:
        super().__init__(description, total)
        self._output = NotebookOutput()
        self._shown = False

    def end(self) -> None:
        """Show the end, if anything was shown before."""
        if self._shown:
            self._show(f"{self._text(time.monotonic())}, {_duration(time.monotonic() - self._start)}")

    def _show(self, text: str) -> None:
        self._shown = True
        self._output.show(f"<progress value='{self._share():.4f}' max='1'></progress> {escape(text)}")


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
