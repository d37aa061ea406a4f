"""An experiment on the terminal while it runs: how far, how good, where next; a line now and then in a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from nescio.view.exploration_reading import number_text

__all__ = ["LiveView", "Status"]

_NAN = float("nan")
_LEVELS, _ASCII_LEVELS = "▁▂▃▄▅▆▇█", "_.-~=+*#"
_MESSAGES = 4
_NARROWEST = 40
_PAUSED_PATIENCE = 60


@dataclass(frozen=True)
class Status:
    """What is known of a running experiment; what is not is NaN, or empty."""

    measured: int
    budget: int | None = None
    """Measurements that there are to spend; none if only time or a criterion ends it."""
    quantity: str = ""
    """What the values are, as "area"."""
    unit: str = ""
    best_value: float = _NAN
    best_place: str = ""
    last_value: float = _NAN
    last_uncertainty: float = _NAN
    last_reason: str = ""
    """Why the last measurement has no value."""
    next_place: str = ""
    next_mean: float = _NAN
    """What the model expects at the next place."""
    next_sd: float = _NAN
    """Its own uncertainty there, one standard deviation."""
    mean_sd: float = _NAN
    """The same, averaged over all candidates."""
    noise: float = _NAN
    """Of one measurement, one standard deviation."""
    policy: str = ""
    mode: str = ""
    """Who decides, as "automatic" or "each step is confirmed"."""
    paused: str = ""
    """Why it waits; empty while it does not."""
    elapsed: float = 0.0
    """Seconds since the beginning."""
    remaining: float = _NAN
    """Seconds still expected."""
    best_so_far: tuple[float, ...] = ()
    """After each measurement."""
    messages: tuple[str, ...] = ()
    """Recent ones, the oldest first."""


class LiveView:
    """Shows an experiment while a block runs; nothing but `update` is needed.

    On a terminal a panel that is drawn anew in place, on standard error. Elsewhere (a log file, a batch job) one plain
    line every `every_steps` measurements or `every_seconds`, whichever comes first (60 times as seldom while it is
    paused), and when a pause begins or ends.

    Args:
        title: Of the experiment.
        resume: The command that resumes it after Ctrl-C; empty if there is none.
        console: Where to; by default standard error.
        every_steps: Measurements between plain lines.
        every_seconds: Time between plain lines.
        clock: Seconds, rising.
    """

    def __init__(
        self,
        title: str = "exploration",
        *,
        resume: str = "",
        console: Console | None = None,
        every_steps: int = 10,
        every_seconds: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._title, self._resume = title, resume
        self._console = Console(stderr=True) if console is None else console
        self._every_steps, self._every_seconds, self._clock = every_steps, every_seconds, clock
        self._live: Live | None = None
        self._shown: tuple[Status, float] | None = None
        self._told: tuple[Status, float] | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            # Redrawn by itself as well, so that the clock goes on during a long measurement.
            self._live = Live(get_renderable=self._render, console=self._console, refresh_per_second=2)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
        elif self._shown is not None and (self._told is None or self._told[0] is not self._shown[0]):
            self._tell(self._shown[0])

    def update(self, status: Status) -> None:
        """Show how things stand now."""
        now = self._clock()
        self._shown = (status, now)
        if self._live is not None:
            self._live.refresh()
            return
        if self._console.is_terminal:
            return
        if self._told is not None:
            before, when = self._told
            # Whoever waits for a person need not say so again and again.
            patience = self._every_seconds * (_PAUSED_PATIENCE if status.paused else 1)
            recent = status.measured - before.measured < self._every_steps and now - when < patience
            if recent and bool(status.paused) == bool(before.paused):
                return
        self._tell(status)

    def say(self, messages: Sequence[str]) -> None:
        """Write down what happened, each in a line, where there is no panel that shows it."""
        if not self._console.is_terminal:
            for message in messages:
                self._console.print(Text(_clean(message)), soft_wrap=True, highlight=False)

    def _tell(self, status: Status) -> None:
        self._told = (status, self._clock())
        # Neither wrapped nor coloured: a line of a log is a line.
        self._console.print(Text(status_line(status)), soft_wrap=True, highlight=False)

    def _render(self) -> RenderableType:
        if self._shown is None:
            return Text("")
        status, when = self._shown
        passed = max(self._clock() - when, 0.0)
        ticking = replace(
            status, elapsed=status.elapsed + passed, remaining=max(status.remaining - passed, 0.0)
        )
        if not np.isfinite(status.remaining):
            ticking = replace(ticking, remaining=_NAN)
        return render_status(ticking, self._console, title=self._title, resume=self._resume)


def status_line(status: Status) -> str:
    """Return a status as one line."""
    parts = [f"{_clock_text(status.elapsed)}  {_amount(status)} measured"]
    if np.isfinite(status.best_value):
        parts.append(f"best {_of(status, status.best_value)}{_at(status.best_place)}")
    if status.last_reason:
        parts.append(f"last without value ({status.last_reason})")
    elif np.isfinite(status.last_value):
        parts.append(f"last {_of(status, status.last_value, status.last_uncertainty)}")
    if status.paused:
        parts.append(f"paused: {status.paused}")
    elif status.next_place:
        parts.append(f"next{_at(status.next_place)}")
    if np.isfinite(status.remaining) and not status.paused:
        parts.append(f"about {_clock_text(status.remaining)} left")
    return _clean("; ".join(parts))


def render_status(status: Status, console: Console, *, title: str = "", resume: str = "") -> RenderableType:
    """Return a status as a panel as wide as the console, from 40 columns on.

    Args:
        status: What to show.
        console: Tells how wide, and whether only ASCII can be shown.
        title: Of the experiment.
        resume: The command that resumes it.
    """
    width = max(console.width, _NARROWEST)
    ascii_only = console.options.ascii_only
    room = width - 15
    rows = Table.grid(padding=(0, 1), expand=True)
    rows.add_column(width=9, style="dim", no_wrap=True)
    rows.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    rows.add_row("measured", _progress(status, room))
    best = _line(_of(status, status.best_value), _at(status.best_place), style="bold")
    rows.add_row("best", best)
    if len(status.best_so_far) > 1:
        rows.add_row("so far", Text(sparkline(status.best_so_far, room, ascii_only=ascii_only), style="cyan"))
    if status.last_reason:
        rows.add_row("last", _line("no value: ", status.last_reason, style="yellow"))
    else:
        rows.add_row("last", _line(_of(status, status.last_value, status.last_uncertainty)))
    rows.add_row("next", _line(status.next_place or "–"))
    if np.isfinite(status.next_mean) or np.isfinite(status.next_sd):
        rows.add_row("", _line(f"expected {_of(status, status.next_mean, status.next_sd)}"))
    rows.add_row("model", _line(_model(status)))
    rows.add_row("policy", _line(" · ".join(filter(None, [status.policy, status.mode])) or "–"))
    parts: list[RenderableType] = [rows]
    if status.paused:
        parts.append(_line("paused: ", status.paused, style="bold yellow"))
    if status.messages:
        parts.append(Text())
        parts += [_line(message, style="dim") for message in status.messages[-_MESSAGES:]]
    hint = "Ctrl-C interrupts" + (f"; resume with {resume}" if resume else "")
    hints = Text(_clean(hint), style="dim", no_wrap=len(hint) <= width - 6, overflow="fold")
    # A command must be there as a whole to be of use: where it does not fit into the frame, it stands below.
    inside = len(hint) <= width - 6
    panel = Panel(
        Group(*parts),
        title=_line(title or "exploration", style="bold"),
        title_align="left",
        subtitle=hints if inside else None,
        subtitle_align="left",
        border_style="yellow" if status.paused else "blue",
        width=width,
    )
    return panel if inside else Group(panel, hints)


def sparkline(values: tuple[float, ...], width: int, *, ascii_only: bool = False) -> str:
    """Return numbers as a row of bars no wider than `width`; of several that share a bar the last counts."""
    levels = _ASCII_LEVELS if ascii_only else _LEVELS
    numbers = np.asarray(values, dtype=np.float64)
    if len(numbers) > width:
        numbers = numbers[np.linspace(0, len(numbers), width + 1).astype(int)[1:] - 1]
    finite = numbers[np.isfinite(numbers)]
    if not finite.size:
        return ""
    span = float(np.ptp(finite))
    shares = (numbers - finite.min()) / span if span else np.where(np.isfinite(numbers), 0.5, np.nan)
    return "".join(
        levels[min(int(s * len(levels)), len(levels) - 1)] if np.isfinite(s) else " " for s in shares
    )


def _progress(status: Status, room: int) -> RenderableType:
    told = _amount(status)
    times = _clock_text(status.elapsed)
    if np.isfinite(status.remaining):
        times += f", about {_clock_text(status.remaining)} left"
    beside = f"{told}  {times}"
    if not status.budget or room - len(beside) - 2 < 6:
        return _line(beside)
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(width=min(room - len(beside) - 2, 30))
    grid.add_column(no_wrap=True, overflow="ellipsis")
    grid.add_row(
        ProgressBar(total=status.budget, completed=min(status.measured, status.budget)), _line(beside)
    )
    return grid


def _model(status: Status) -> str:
    parts = []
    if np.isfinite(status.mean_sd):
        parts.append(f"uncertainty {_with_unit(f'{status.mean_sd:.3g}', status.unit)} on average")
    if np.isfinite(status.noise):
        parts.append(f"noise {_with_unit(f'{status.noise:.3g}', status.unit)}")
    return ", ".join(parts) or "–"


def _amount(status: Status) -> str:
    return f"{status.measured} of {status.budget}" if status.budget else f"{status.measured}"


def _of(status: Status, value: float, uncertainty: float = _NAN) -> str:
    if not np.isfinite(value):
        return "–"
    told = number_text(value, uncertainty)
    if "±" in told and status.unit:
        told = f"({told})"
    return f"{status.quantity} {_with_unit(told, status.unit)}".strip()


def _with_unit(number: str, unit: str) -> str:
    return f"{number} {unit}".strip()


def _at(place: str) -> str:
    return f" at {place}" if place else ""


def _clock_text(seconds: float) -> str:
    whole = round(seconds) if np.isfinite(seconds) else 0
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def _clean(text: str) -> str:
    """Return text without control characters, which would write over the terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _line(*parts: str, style: str = "") -> Text:
    """Return text on one line that is never read as markup; the style holds for the first part."""
    line = Text(no_wrap=True, overflow="ellipsis")
    for i, part in enumerate(parts):
        line.append(_clean(part), style=style if i == 0 else "")
    return line
