"""How a verb begins and ends: what it prints, what goes wrong in one line, exit codes, requests to terminate."""

from __future__ import annotations

import functools
import signal
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, ParamSpec

import typer

from nescio.compute import enable_compilation_cache, engine_problem
from nescio.errors import (
    InterruptedExplorationError,
    InterruptedTrainingError,
    NescioError,
    NescioWarning,
    printable,
)

__all__ = [
    "FAILED",
    "INCOMPLETE",
    "INTERRUPTED",
    "WAITING",
    "guarded",
    "note",
    "report_error",
    "report_errors",
    "report_notes",
    "say",
    "terminated_like_interrupted",
]

INCOMPLETE = 1
FAILED = 2
WAITING = 3
INTERRUPTED = 130

_FEW = 3
"""A line on more files than these names one of them."""

_Arguments = ParamSpec("_Arguments")
_OF_THE_CACHE = "Error writing persistent compilation cache"


def say(text: object) -> None:
    """Print a line on standard output, with escapes for bytes of file names that are no text."""
    typer.echo(printable(str(text)))


def note(text: object) -> None:
    """Print something to know as one line on standard error."""
    _line("note", text)


def report_error(error: object) -> None:
    """Print an error as one line on standard error."""
    _line("error", error)


def report_errors(errors: Iterable[object]) -> None:
    """Print errors as lines on standard error; one on many files is one line."""
    for text in _grouped(map(str, errors)):
        report_error(text)


def report_notes(notes: Iterable[str]) -> None:
    """Print notes, each once, as a line on standard error; one on many files is one line."""
    for text in _grouped(notes):
        note(text)


def _grouped(texts: Iterable[str]) -> Iterator[str]:
    """Yield texts of the form "FILE: sentence", each once; where many files share a sentence, as one."""
    files: dict[str, list[str]] = {}
    for text in dict.fromkeys(" ".join(text.split()) for text in texts):
        file, colon, sentence = text.partition(": ")
        files.setdefault(sentence if colon else text, []).append(file if colon else "")
    for sentence, names in files.items():
        shown = names if len(names) <= _FEW else [f"{names[0]} and {len(names) - 1} more"]
        yield from (f"{name}: {sentence}" if name else sentence for name in shown)


def _line(kind: str, text: object) -> None:
    typer.echo(f"{kind}: {printable(' '.join(str(text).split()))}", err=True)


def guarded(verb: Callable[_Arguments, None], *, compiles: bool = True) -> Callable[_Arguments, None]:
    """Return a verb that turns what goes wrong into a line and an exit code.

    Args:
        verb: What to run.
        compiles: Keep its compiled programs on disk; this loads JAX.
    """

    @functools.wraps(verb)
    def run(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> None:
        try:
            with terminated_like_interrupted(), _warnings_as_notes():
                if compiles:
                    enable_compilation_cache()
                verb(*args, **kwargs)
        except (InterruptedTrainingError, InterruptedExplorationError) as error:
            report_error(error)
            raise typer.Exit(INTERRUPTED) from None
        except KeyboardInterrupt:
            report_error("interrupted")
            raise typer.Exit(INTERRUPTED) from None
        except NescioError as error:
            report_error(error)
            raise typer.Exit(FAILED) from None
        except (BrokenPipeError, typer.Exit, typer.Abort):
            raise
        except OSError as error:
            report_error(f"{error.filename}: {error.strerror}" if error.filename else error)
            raise typer.Exit(FAILED) from None
        except Exception:
            if not (problem := engine_problem()):
                raise
            report_error(problem)
            raise typer.Exit(FAILED) from None

    return run


@contextmanager
def terminated_like_interrupted() -> Iterator[None]:
    """Let a request to terminate, or a closed terminal, do what Ctrl-C does: the block gets a KeyboardInterrupt.

    A signal that is ignored (nohup) or handled already stays so.
    """

    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    names = ("SIGTERM", "SIGHUP")
    # Windows has no SIGHUP.
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    ours = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def _warnings_as_notes() -> Iterator[None]:
    """Print Nescio's own warnings as notes, and what JAX says of its cache as one; others as Python does."""
    with warnings.catch_warnings():
        usual, told = warnings.showwarning, set[str]()

        def show(message: Warning | str, category: type[Warning], *more: Any, **named: Any) -> None:
            if issubclass(category, NescioWarning):
                note(message)
            elif not str(message).startswith(_OF_THE_CACHE):
                usual(message, category, *more, **named)
            elif not told:
                # For every program one, where the disk is full.
                told.add(_OF_THE_CACHE)
                note(f"compiled programs cannot be kept for the next time ({message})")

        warnings.simplefilter("default", NescioWarning)
        warnings.showwarning = show
        yield
