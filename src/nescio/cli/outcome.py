"""How a verb ends: an error is one line on standard error, and the exit code says what happened."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import ParamSpec

import typer

from nescio.compute import enable_compilation_cache
from nescio.errors import InterruptedExplorationError, InterruptedTrainingError, NescioError

__all__ = ["FAILED", "INCOMPLETE", "INTERRUPTED", "WAITING", "guarded", "report_error", "report_notes"]

INCOMPLETE = 1
FAILED = 2
WAITING = 3
INTERRUPTED = 130

_FEW = 3
"""A note on more files than these names one of them."""

_Arguments = ParamSpec("_Arguments")


def report_error(error: object) -> None:
    """Print an error as one line on standard error."""
    typer.echo("error: " + " ".join(str(error).split()), err=True)


def report_notes(notes: Iterable[str]) -> None:
    """Print notes, each once, as a line on standard error; one on many files is one line."""
    files: dict[str, list[str]] = {}
    for note in dict.fromkeys(" ".join(note.split()) for note in notes):
        file, colon, sentence = note.partition(": ")
        files.setdefault(sentence if colon else note, []).append(file if colon else "")
    for sentence, names in files.items():
        shown = names if len(names) <= _FEW else [f"{names[0]} and {len(names) - 1} more"]
        for name in shown:
            typer.echo(f"note: {name}: {sentence}" if name else f"note: {sentence}", err=True)


def guarded(verb: Callable[_Arguments, None]) -> Callable[_Arguments, None]:
    """Run a verb with the compilation cache, and turn what goes wrong into a line and an exit code."""

    @functools.wraps(verb)
    def run(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> None:
        try:
            enable_compilation_cache()
            verb(*args, **kwargs)
        except (InterruptedTrainingError, InterruptedExplorationError) as error:
            report_error(error)
            raise typer.Exit(INTERRUPTED) from None
        except KeyboardInterrupt:
            report_error("interrupted; nothing was kept")
            raise typer.Exit(INTERRUPTED) from None
        except NescioError as error:
            report_error(error)
            raise typer.Exit(FAILED) from None
        except BrokenPipeError:
            raise
        except OSError as error:
            report_error(f"{error.filename}: {error.strerror}" if error.filename else error)
            raise typer.Exit(FAILED) from None

    return run
