"""A second terminal's hand on a running experiment: each line is an act, written into the record."""

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
pause                                   measure nothing more until resumed
resume                                  go on
step [N]                                make N measurements (1), then pause
approve | decline                       what waits for approval
measure Y X | measure candidate=17      measure there next
policy KIND [KEY=VALUE ...]             policy expected-improvement xi=0.1
scalarizer KIND [KEY=VALUE ...]         all past spectra are scalarized anew
goal maximise|minimise                  which way is better; ["maximise","minimise"] for two
forbid KIND KEY=VALUE ...               forbid rectangle low=[0,0] high=[10,20]
favour KIND KEY=VALUE ... [weight=2]    favour circle centre=[40,40] radius=8
reject N [why="drifted"]                learn nothing from measurement N of the report
costs [seconds=5 weight=0.1 ...]        weigh what measurements cost; alone: no more
budget points=300 [seconds=none ...]    spend more or less; other limits stay
mode automatic|approve|watch [every=K]  how far it goes on its own
undo [N]                                take back act N, or the last
status                                  how the run stands
stop                                    end the experiment
quit                                    leave this terminal; the run goes on"""


def steer(folder: Path, lines: Sequence[str]) -> None:
    """Write acts into a run's record: those given, or those that a person types.

    Args:
        folder: Of the run.
        lines: Acts as they would be typed; none means to ask for them.

    Raises:
        NescioError: An act given in `lines` is not one, or was refused.
    """
    from nescio.trace import Trace

    with Trace.open(folder) as trace:
        who = present_person()
        if lines:
            wait_seconds = _WAIT_SECONDS
            for line in lines:
                # A run that did not answer once is not waited for again.
                wait_seconds = wait_seconds if _do(trace, line, who, wait_seconds, strict=True) else 0.0
            return
        typer.echo(f"steering {folder} as {who}; help lists what can be done")
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
    """Return the name of whoever is logged in."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "somebody"


def _do(trace: Trace, line: str, who: str, wait_seconds: float, *, strict: bool) -> bool:
    """Do what a line says, and return whether the run answered, where it was asked."""
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
    """Say what became of an act, if the run answers soon: between two measurements it does."""
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
    typer.echo("written down; it takes effect before the next measurement, or when the run is resumed")
    return False


def _pending(trace: Trace) -> int | None:
    """Return the candidate that was chosen last and is not measured yet."""
    from nescio.explore import Experiment

    with Experiment.open(trace.path, read_only=True) as experiment:
        return next(iter(experiment.state.pending()), None)


def _status(trace: Trace) -> str:
    from nescio.explore import Experiment

    with Experiment.open(trace.path, read_only=True) as experiment:
        return "\n".join(experiment.status().lines())


def parse_act(line: str, *, pending: int | None = None) -> tuple[str, dict[str, Any]]:
    """Return the kind and the parameters of an act as it is typed.

    Args:
        line: See `HELP`.
        pending: The candidate that waits for approval, for "decline".

    Raises:
        ConfigurationError: It is no act, or has not the form that it needs.
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
    """Return the words of a line; what stands in quotes or brackets is one, and keeps them."""
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
        raise ConfigurationError(f"{kind}: needs one word after it, not {len(plain)}; see help")
    return plain[0]


def _counted(kind: str, number: Any) -> Any:
    """Return the index of what a person counts from 1, as the report does."""
    if not isinstance(number, int) or isinstance(number, bool):
        return number
    if number < 1:
        raise ConfigurationError(f"{kind} {number}: they are counted from 1, as in the report")
    return number - 1


def _pair(word: str) -> tuple[str, Any]:
    name, _, text = word.partition("=")
    return name, _value(text)


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    # Besides its own errors the parser passes on others: for thousands of digits or brackets.
    except (ValueError, RecursionError):
        return text
