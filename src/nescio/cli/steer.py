"""Steer a running experiment from a second terminal: each line is an act, written into the record."""

from __future__ import annotations

import getpass
import sys
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from nescio.errors import ConfigurationError, NescioError

if TYPE_CHECKING:
    from nescio.trace import Trace

__all__ = ["parse_act", "present_person", "steer"]

_WAIT_SECONDS = 5.0
_POLL_SECONDS = 0.1

HELP = """\
pause                                   pause until resumed
resume                                  resume
step [N]                                make N measurements (default 1), then pause
approve | decline                       approve or decline the waiting choice
measure Y X | measure candidate=17      measure this position or candidate next
policy KIND [KEY=VALUE ...]             set the policy: policy expected-improvement xi=0.1
scalarizer KIND [KEY=VALUE ...]         set the scalarizer; all spectra are scalarized again
goal maximise|minimise                  set the goal; ["maximise","minimise"] for two outputs
forbid KIND KEY=VALUE ...               forbid rectangle low=[0,0] high=[10,20]
favour KIND KEY=VALUE ... [weight=2]    favour circle centre=[40,40] radius=8
reject N [why="drifted"]                ignore measurement N (number as in the report)
costs [seconds=5 weight=0.1 ...]        weigh the cost of measurements; without keys: ignore it
budget points=300 [seconds=none ...]    change limits; other limits stay
mode automatic|approve|watch [every=K]  measure each choice, ask for approval, or only watch
undo [N]                                undo act N, or the last act
status                                  print the status of the run
stop                                    end the experiment
quit                                    leave this terminal; the run continues"""


def steer(folder: Path, lines: Sequence[str]) -> None:
    """Write acts into a run's record, from arguments or typed by a person.

    Args:
        folder: Folder of the run.
        lines: Acts in the typed form; without any, the person is asked for them.

    Raises:
        NescioError: An act in `lines` is invalid or was refused.
    """
    from nescio.trace import Trace

    with Trace.open(folder) as trace:
        who = present_person()
        if lines:
            wait_seconds = _WAIT_SECONDS
            for line in lines:
                # If the run did not answer once, do not wait for it again.
                wait_seconds = wait_seconds if _do(trace, line, who, wait_seconds, strict=True) else 0.0
            return
        typer.echo(f"steering {folder} as {who}; type help for a list of acts")
        while True:
            try:
                line = input("nescio> " if sys.stdin.isatty() else "")
            except (EOFError, KeyboardInterrupt):
                typer.echo("")
                return
            if line.strip() in ("quit", "exit", "q"):
                return
            _do(trace, line, who, _WAIT_SECONDS, strict=False)


def present_person() -> str:
    """Return the name of the current user."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "somebody"


def _do(trace: Trace, line: str, who: str, wait_seconds: float, *, strict: bool) -> bool:
    """Execute a line; return False if the run was asked but did not answer."""
    words = line.strip()
    if not words:
        return True
    if words == "help":
        typer.echo(HELP)
        return True
    try:
        if words == "status":
            typer.echo(_status(trace))
            return True
        kind, parameters = parse_act(words, pending=_pending(trace) if words == "decline" else None)
        row = trace.add_act(kind, parameters, who=who)
        return _await(trace, row, wait_seconds, strict=strict)
    except NescioError as error:
        if strict:
            raise
        typer.echo(f"error: {error}")
    return True


def _await(trace: Trace, row: int, seconds: float, *, strict: bool) -> bool:
    """Print the outcome of an act if the run answers in time; it answers between two measurements."""
    from nescio.trace import Act, ActOutcome

    deadline = time.monotonic() + seconds
    while True:
        for _, outcome in trace.all(ActOutcome):
            if outcome.act == row:
                if not outcome.accepted:
                    if strict:
                        raise ConfigurationError(f"refused: {outcome.message}")
                    typer.echo(f"refused: {outcome.message}")
                else:
                    number = trace.get(Act, row).number + 1
                    typer.echo(f"act {number}: done, after {outcome.step} measurements")
                return True
        if time.monotonic() >= deadline:
            break
        time.sleep(_POLL_SECONDS)
    typer.echo("stored; the act takes effect before the next measurement, or when the run is resumed")
    return False


def _pending(trace: Trace) -> int | None:
    """Return the latest chosen candidate that is not measured yet."""
    from nescio.explore import Experiment

    with Experiment.open(trace.path, read_only=True) as experiment:
        return next(iter(experiment.state.pending()), None)


def _status(trace: Trace) -> str:
    from nescio.explore import Experiment

    with Experiment.open(trace.path, read_only=True) as experiment:
        return "\n".join(experiment.status().lines())


def parse_act(line: str, *, pending: int | None = None) -> tuple[str, dict[str, Any]]:
    """Return kind and parameters of a typed act.

    Args:
        line: The typed line, see `HELP`.
        pending: The candidate that waits for approval, for "decline".

    Raises:
        ConfigurationError: The act is unknown or has the wrong form.
    """
    from nescio.explore import build_act

    kind, *words = _words(line) or [""]
    plain = [word for word in words if "=" not in word]
    keys = dict(_pair(word) for word in words if "=" in word)
    parameters = _parameters(kind, plain, keys, pending)
    return kind, build_act(kind, parameters).parameters()


def _parameters(kind: str, plain: list[str], keys: dict[str, Any], pending: int | None) -> dict[str, Any]:
    match kind:
        case "policy" | "scalarizer" | "forbid" | "favour":
            field = {"forbid": "region", "favour": "region"}.get(kind, kind)
            beside: dict[str, Any] = {
                name: keys.pop(name) for name in ("weight", "goal") if kind == _OWNER[name] and name in keys
            }
            if "goal" in beside and not isinstance(beside["goal"], dict):
                beside["goal"] = {"direction": beside["goal"]}
            return {field: {"kind": _only(kind, plain), **keys}, **beside}
        case "goal":
            return {"goal": {"direction": _value(_only(kind, plain))}}
        case "mode":
            return {"mode": {"kind": _only(kind, plain), **keys}}
        case "budget" if not plain:
            return {"budget": {name: None if value == "none" else value for name, value in keys.items()}}
        case "measure" if plain:
            return {"position": [_value(word) for word in plain], **keys}
        case "reject":
            return {"measurement": _counted(kind, _value(_only(kind, plain))), **keys}
        case "undo" if plain:
            return {"act": _counted(kind, _value(_only(kind, plain))), **keys}
        case "step" if plain:
            return {"measurements": _value(_only(kind, plain)), **keys}
        case "decline" if "candidate" not in keys:
            if pending is None:
                raise ConfigurationError("decline: nothing waits for approval")
            return {"candidate": pending}
        case _:
            if plain:
                raise ConfigurationError(f"{kind}: {plain[0]!r} is not understood; see help")
            return keys


_OWNER = {"weight": "favour", "goal": "scalarizer"}


def _words(line: str) -> list[str]:
    """Split a line into words; text in quotes or brackets is one word, including the quotes or brackets."""
    words, word, quote, depth = [], "", "", 0
    for character in line:
        if not quote and depth <= 0 and character.isspace():
            words.append(word)
            word = ""
            continue
        word += character
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        else:
            depth += (character in "[{") - (character in "]}")
    if quote or depth > 0:
        raise ConfigurationError(f"{line}: {quote or 'a bracket'} is not closed")
    return [word for word in [*words, word] if word]


def _only(kind: str, plain: list[str]) -> str:
    if len(plain) != 1:
        raise ConfigurationError(f"{kind}: needs exactly one word, not {len(plain)}; see help")
    return plain[0]


def _counted(kind: str, number: Any) -> Any:
    """Convert a number that counts from 1, as in the report, to an index."""
    if not isinstance(number, int) or isinstance(number, bool):
        return number
    if number < 1:
        raise ConfigurationError(f"{kind} {number}: numbers start at 1, as in the report")
    return number - 1


def _pair(word: str) -> tuple[str, Any]:
    name, _, text = word.partition("=")
    return name, _value(text)


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    # The parser may also raise other errors, for thousands of digits or brackets.
    except (ValueError, RecursionError):
        return text
