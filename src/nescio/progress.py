"""Progress bars with remaining time, silent where nobody is watching."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

__all__ = ["Advance", "track"]


class Advance(Protocol):
    """Told of the amount of work done since the last call, and a short message."""

    def __call__(self, amount: float, message: str = "") -> None:
        """Move the bar by `amount`; replace the text right of it when `message` is not empty."""


def _unwatched(amount: float, message: str = "") -> None:
    """Advance a bar that nobody sees."""


@contextmanager
def track(description: str, total: float, *, enabled: bool | None = None) -> Iterator[Advance]:
    """Show one progress bar on standard error while the block runs.

    Args:
        description: What is being done, shown left of the bar.
        total: Amount of work, in the unit that `Advance` is called with.
        enabled: Force the bar on or off; by default it is shown when standard error is a terminal.

    Yields:
        A function `advance(amount, message)`; `message` replaces the text right of the bar when not empty.
    """
    show = sys.stderr.isatty() if enabled is None else enabled
    if not show:
        yield _unwatched
        return
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
