"""Status of a running experiment, and its display in a terminal, a log or a notebook."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from types import TracebackType
from typing import Any, Self

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from nescio.display import NotebookOutput, in_notebook, key_figures
from nescio.view.exploration.reading import number_text

__all__ = ["LiveView", "RunStatus"]

_NAN = float("nan")
_LEVELS, _ASCII_LEVELS = "▁▂▃▄▅▆▇█", "_.-~=+*#"
_MESSAGES = 4
_NARROWEST = 40
_PAUSED_PATIENCE = 60


@dataclass(frozen=True)
class RunStatus:
    """Status of an experiment. Unknown numbers are NaN, unknown texts are empty.

    The terminal, ``nescio explore --control``, ``nescio trace info`` and the dashboard show this object.
    """

    measured: int
    budget: int | None = None
    """Most measurements; None if only time or a criterion ends the experiment."""
    title: str = ""
    quantity: str = ""
    """Name of the first output."""
    unit: str = ""
    direction: str = "maximise"
    """Goal for the first output: "maximise" or "minimise"."""
    best_value: float = _NAN
    best_place: str = ""
    last_value: float = _NAN
    last_uncertainty: float = _NAN
    last_reason: str = ""
    """Why the last measurement has no value."""
    next_candidate: int | None = None
    """Index of the candidate to measure next."""
    next_place: str = ""
    next_origin: str = ""
    """Who chose it: "seed", "policy" or "person"."""
    needs_approval: bool = False
    """Whether the next candidate waits for a person's approval."""
    next_mean: float = _NAN
    """Value that the model predicts at the next place."""
    next_sd: float = _NAN
    """Standard deviation of that prediction."""
    mean_sd: float = _NAN
    """Standard deviation of the prediction, averaged over all candidates."""
    noise: float = _NAN
    """Standard deviation of the noise of one measurement."""
    policy: str = ""
    mode: str = ""
    """Mode of control, such as "automatic"."""
    paused: str = ""
    """Reason for the pause; empty if the experiment is not paused."""
    finished: str = ""
    """Reason for the end; empty if the experiment is not finished."""
    elapsed: float = 0.0
    """Seconds since this process began to measure."""
    remaining: float = _NAN
    """Estimated seconds until the budget is spent."""
    seconds: float = 0.0
    """Total seconds of measuring."""
    dose: float = 0.0
    without_spectrum: int = 0
    """Number of measurements without a spectrum."""
    chosen_by: Mapping[str, int] = field(default_factory=dict)
    """Number of measurements by who chose them."""
    decisions: int = 0
    acts: int = 0
    """Number of acts of people."""
    acts_waiting: int = 0
    """Number of acts that are neither accepted nor refused yet."""
    last_event: str = ""
    best_so_far: tuple[float, ...] = ()
    """Best value after each measurement."""
    messages: tuple[str, ...] = ()
    """Recent messages, oldest first."""

    def to_document(self) -> dict[str, Any]:
        """Return the status as JSON-compatible values; NaN becomes None."""
        document = asdict(self)
        return {
            name: None if isinstance(value, float) and not np.isfinite(value) else value
            for name, value in document.items()
        }

    def to_html(self, title: str = "") -> str:
        """Return the status as a small HTML table, for notebooks."""
        figures: dict[str, object] = {"measured": _amount(self)}
        if np.isfinite(self.best_value):
            figures["best"] = f"{_of(self, self.best_value)}{_at(self.best_place)}"
        if len(self.best_so_far) > 1:
            figures["best so far"] = sparkline(self.best_so_far, 40)
        if self.next_candidate is not None:
            figures["next"] = f"{self.next_place} ({self.next_origin})"
        figures |= {
            name: text
            for name, text in (
                ("policy", self.policy),
                ("paused", self.paused),
                ("finished", self.finished),
                ("messages", "; ".join(self.messages[-_MESSAGES:])),
            )
            if text
        }
        return key_figures(title or self.title or "Exploration", figures)

    def lines(self) -> list[str]:
        """Return the status as a few lines of text."""
        lines = [f"{_amount(self)} measurements"]
        if self.finished:
            lines.append(f"finished: {self.finished}")
        elif self.paused:
            lines.append(f"paused: {self.paused}")
        if self.next_candidate is not None:
            needs = " (needs approval)" if self.needs_approval else ""
            lines.append(f"next: candidate {self.next_candidate} at {self.next_place}{needs}")
        if np.isfinite(self.best_value):
            lines.append(f"best: {_of(self, self.best_value)}{_at(self.best_place)}")
        if self.last_event:
            lines.append(f"last event: {self.last_event}")
        return [_clean(line) for line in lines]


class LiveView:
    """Context manager that shows the status of an experiment; an observer for :func:`nescio.explore.drive`.

    On a terminal, it updates a panel on standard error. Elsewhere (log file, batch job), it prints one plain line every
    `every_steps` measurements or `every_seconds`, whichever comes first, and when a pause begins or ends. During a
    pause, lines are 60 times less frequent.

    Args:
        title: Title of the experiment.
        resume: Command that resumes the experiment after Ctrl-C; empty if there is none.
        console: The console to print to; by default standard error.
        every_steps: Number of measurements between plain lines.
        every_seconds: Seconds between plain lines.
        clock: Function that returns a monotonic time in seconds.
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
        self._output: NotebookOutput | None = None
        self._shown: tuple[RunStatus, float] | None = None
        self._printed: tuple[RunStatus, float] | None = None

    def __enter__(self) -> Self:
        if in_notebook():
            self._output = NotebookOutput()
        elif self._console.is_terminal:
            # Rich also redraws it regularly, so that the clock advances during a long measurement.
            self._live = Live(get_renderable=self._render, console=self._console, refresh_per_second=2)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._output is not None:
            self._output = None
        elif self._live is not None:
            self._live.stop()
            self._live = None
        elif self._shown is not None and (self._printed is None or self._printed[0] is not self._shown[0]):
            self._print_line(self._shown[0])

    def update(self, status: RunStatus) -> None:
        """Show the current status."""
        now = self._clock()
        self._shown = (status, now)
        if self._output is not None:
            self._output.show(status.to_html(self._title))
            return
        if self._live is not None:
            self._live.refresh()
            return
        if self._console.is_terminal:
            return
        if self._printed is not None:
            before, when = self._printed
            # Waiting for a person need not be repeated often.
            patience = self._every_seconds * (_PAUSED_PATIENCE if status.paused else 1)
            recent = status.measured - before.measured < self._every_steps and now - when < patience
            if recent and bool(status.paused) == bool(before.paused):
                return
        self._print_line(status)

    def say(self, messages: Sequence[str]) -> None:
        """Print messages, one a line, unless a panel shows them."""
        if not self._console.is_terminal and self._output is None:
            for message in messages:
                self._console.print(Text(_clean(message)), soft_wrap=True, highlight=False)

    def _print_line(self, status: RunStatus) -> None:
        self._printed = (status, self._clock())
        # Log lines are neither wrapped nor coloured.
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


def status_line(status: RunStatus) -> str:
    """Return a status as one line."""
    parts = [f"{_clock_text(status.elapsed)}  {_amount(status)} measured"]
    if np.isfinite(status.best_value):
        parts.append(f"best {_of(status, status.best_value)}{_at(status.best_place)}")
    if status.last_reason:
        parts.append(f"last measurement without value ({status.last_reason})")
    elif np.isfinite(status.last_value):
        parts.append(f"last {_of(status, status.last_value, status.last_uncertainty)}")
    if status.paused:
        parts.append(f"paused: {status.paused}")
    elif status.next_place:
        parts.append(f"next{_at(status.next_place)}")
    if np.isfinite(status.remaining) and not status.paused:
        parts.append(f"about {_clock_text(status.remaining)} left")
    return _clean("; ".join(parts))


def render_status(
    status: RunStatus, console: Console, *, title: str = "", resume: str = ""
) -> RenderableType:
    """Return a status as a panel as wide as the console, at least 40 columns.

    Args:
        status: The status to show.
        console: Console that sets the width and whether only ASCII is used.
        title: Title of the experiment.
        resume: Command that resumes the experiment.
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
    next_place = f"{status.next_place} ({status.next_origin})" if status.next_origin else status.next_place
    rows.add_row("next", _line(next_place or "–"))
    if np.isfinite(status.next_mean) or np.isfinite(status.next_sd):
        rows.add_row("", _line(f"predicted {_of(status, status.next_mean, status.next_sd)}"))
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
    # The command must be complete to be useful: if it does not fit into the frame, it is printed below.
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
    """Return numbers as a row of at most `width` bars; of numbers that share a bar, the last is shown."""
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


def _progress(status: RunStatus, room: int) -> RenderableType:
    text = _amount(status)
    times = _clock_text(status.elapsed)
    if np.isfinite(status.remaining):
        times += f", about {_clock_text(status.remaining)} left"
    beside = f"{text}  {times}"
    if not status.budget or room - len(beside) - 2 < 6:
        return _line(beside)
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(width=min(room - len(beside) - 2, 30))
    grid.add_column(no_wrap=True, overflow="ellipsis")
    grid.add_row(
        ProgressBar(total=status.budget, completed=min(status.measured, status.budget)), _line(beside)
    )
    return grid


def _model(status: RunStatus) -> str:
    parts = []
    if np.isfinite(status.mean_sd):
        parts.append(f"uncertainty {_with_unit(f'{status.mean_sd:.3g}', status.unit)} on average")
    if np.isfinite(status.noise):
        parts.append(f"noise {_with_unit(f'{status.noise:.3g}', status.unit)}")
    return ", ".join(parts) or "–"


def _amount(status: RunStatus) -> str:
    return f"{status.measured} of {status.budget}" if status.budget else f"{status.measured}"


def _of(status: RunStatus, value: float, uncertainty: float = _NAN) -> str:
    if not np.isfinite(value):
        return "–"
    text = number_text(value, uncertainty)
    if "±" in text and status.unit:
        text = f"({text})"
    return f"{status.quantity} {_with_unit(text, status.unit)}".strip()


def _with_unit(number: str, unit: str) -> str:
    return f"{number} {unit}".strip()


def _at(place: str) -> str:
    return f" at {place}" if place else ""


def _clock_text(seconds: float) -> str:
    whole = round(seconds) if np.isfinite(seconds) else 0
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def _clean(text: str) -> str:
    """Return text without control characters, which could change the terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _line(*parts: str, style: str = "") -> Text:
    """Return text on one line, without markup; the style applies to the first part."""
    line = Text(no_wrap=True, overflow="ellipsis")
    for i, part in enumerate(parts):
        line.append(_clean(part), style=style if i == 0 else "")
    return line
