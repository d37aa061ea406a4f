"""A second terminal's hand on a running experiment: each line is an act, written into the record."""

from __future__ import annotations

import getpass
import shlex
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

__all__ = ["parse_act", "steer"]

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
goal maximise|minimise                  which way is better
forbid KIND KEY=VALUE ...               forbid rectangle low=[0,0] high=[10,20]
favour KIND KEY=VALUE ... [weight=2]    favour circle centre=[40,40] radius=8
reject N [why="drifted"]                learn nothing from measurement N
costs [seconds=5 speed=2 ...]           weigh what measurements cost; alone: no more
budget points=300                       spend more or less
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
        who = _who()
        if lines:
            for line in lines:
                _do(trace, line, who, strict=True)
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
            _do(trace, line, who, strict=False)


def _who() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "somebody"


def _do(trace: Trace, line: str, who: str, *, strict: bool) -> None:
    words = line.strip()
    if not words:
        return
    if words == "help":
        typer.echo(HELP)
        return
    if words == "status":
        typer.echo(_status(trace))
        return
    try:
        kind, parameters = parse_act(words, pending=_pending(trace))
        row = trace.add_act(kind, parameters, who=who)
        _await(trace, row, strict=strict)
    except NescioError as error:
        if strict:
            raise
        typer.echo(f"error: {error}")


def _await(trace: Trace, row: int, *, strict: bool) -> None:
    """Say what became of an act, if the run answers soon: between two measurements it does."""
    from nescio.trace import ActOutcome

    deadline = time.monotonic() + _WAIT_SECONDS
    while time.monotonic() < deadline:
        for _, outcome in trace.all(ActOutcome):
            if outcome.act == row:
                if not outcome.accepted:
                    if strict:
                        raise ConfigurationError(f"refused: {outcome.message}")
                    typer.echo(f"refused: {outcome.message}")
                else:
                    typer.echo(f"done, after {outcome.step} measurements")
                return
        time.sleep(_POLL_SECONDS)
    typer.echo("written down; it takes effect before the next measurement, or when the run is resumed")


def _pending(trace: Trace) -> int | None:
    """Return the candidate that was chosen last and is not measured yet."""
    from nescio.trace import Decision, Measurement

    last = trace.last(Decision)
    if last is None:
        return None
    done = {one.candidate for _, one in trace.all(Measurement)[last[1].step :]}
    return next((candidate for candidate in last[1].chosen if candidate not in done), None)


def _status(trace: Trace) -> str:
    from nescio.trace import Event, Measurement

    event = trace.last(Event)
    latest = f"; last event: {event[1].kind} {event[1].message}" if event else ""
    return f"{trace.count(Measurement)} measurements{latest}"


def parse_act(line: str, *, pending: int | None = None) -> tuple[str, dict[str, Any]]:
    """Return the kind and the parameters of an act as it is typed.

    Args:
        line: See `HELP`.
        pending: The candidate that waits for approval, for "decline".

    Raises:
        ConfigurationError: It is no act, or has not the form that it needs.
    """
    from nescio.explore.acts import build_act

    try:
        kind, *words = shlex.split(line)
    except ValueError as error:
        raise ConfigurationError(f"{line}: {error}") from None
    plain = [word for word in words if "=" not in word]
    keys = dict(_pair(word) for word in words if "=" in word)
    parameters = _parameters(kind, plain, keys, pending)
    return kind, build_act(kind, parameters).parameters()


def _parameters(kind: str, plain: list[str], keys: dict[str, Any], pending: int | None) -> dict[str, Any]:
    match kind:
        case "policy" | "scalarizer" | "forbid" | "favour":
            field = {"forbid": "region", "favour": "region"}.get(kind, kind)
            beside = {name: keys.pop(name) for name in ("weight", "goal") if kind == _OWNER[name] and name in keys}
            if "goal" in beside and not isinstance(beside["goal"], dict):
                beside["goal"] = {"direction": beside["goal"]}
            return {field: {"kind": _only(kind, plain), **keys}, **beside}
        case "goal":
            return {"goal": {"direction": _only(kind, plain)}}
        case "mode":
            return {"mode": {"kind": _only(kind, plain), **keys}}
        case "budget":
            return {"budget": keys}
        case "measure" if plain:
            return {"position": [_value(word) for word in plain], **keys}
        case "reject":
            return {"measurement": _value(_only(kind, plain)), **keys}
        case "step" | "undo" if plain:
            return {"measurements" if kind == "step" else "act": _value(_only(kind, plain)), **keys}
        case "decline" if "candidate" not in keys:
            if pending is None:
                raise ConfigurationError("decline: nothing waits for approval")
            return {"candidate": pending}
        case _:
            if plain:
                raise ConfigurationError(f"{kind}: {plain[0]!r} is not understood; see help")
            return keys


_OWNER = {"weight": "favour", "goal": "scalarizer"}


def _only(kind: str, plain: list[str]) -> str:
    if len(plain) != 1:
        raise ConfigurationError(f"{kind}: needs one word after it, not {len(plain)}; see help")
    return plain[0]


def _pair(word: str) -> tuple[str, Any]:
    name, _, text = word.partition("=")
    return name, _value(text)


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    # Besides its own errors the parser passes on others: for thousands of digits or brackets.
    except (ValueError, RecursionError):
        return text
