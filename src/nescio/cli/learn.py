"""The verb `learn`: from a prior to an agent."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nescio.cli.outcome import report_notes
from nescio.cli.overrides import SetOption, learn_settings, number_settings
from nescio.errors import ConfigurationError
from nescio.files import usable_folder
from nescio.signals import notes_of

if TYPE_CHECKING:
    from nescio.learn import Agent, NumberAgent

__all__ = ["learn"]

_FRESH = 1000
# More classes than this are counted rather than listed.
_FEW = 12


def learn(
    prior: Annotated[Path, typer.Argument(metavar="PRIOR.toml", help="What is known: phases, ranges, axis.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="AGENT", help="Folder for the agent.")],
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted training.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an agent that exists.")] = False,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of all random draws.")] = None,
    setting: SetOption = None,
) -> None:
    """Learn a prior from physics alone, and calibrate what was learned.

    Ctrl-C keeps the state of the training; the same command with --resume
    goes on from there, to the same result.

    Example: nescio learn phases.toml -o agent --set training.steps=2000
    """
    from nescio.learn import NumberAgent, learn_numbers, save_agent
    from nescio.learn import learn as learn_prior
    from nescio.techniques import NumberPrior, find_technique

    if not overwrite and output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise ConfigurationError(f"{output}: exists already; add --overwrite to replace it")
    technique, table = _read(prior)
    loaded = find_technique(technique).load_prior(prior)
    report_notes(notes_of(loaded))
    where, overrides = f"{prior} [learn]", setting or ()
    checkpoint = output.with_name(output.name + ".checkpoint")
    agent: Agent | NumberAgent
    if isinstance(loaded, NumberPrior):
        of_numbers = number_settings(table, where, overrides, seed)
        usable_folder(output)
        start = time.perf_counter()
        agent = learn_numbers(loaded, of_numbers, checkpoint=checkpoint, resume=resume)
    else:
        settings = learn_settings(table, where, overrides, seed)
        usable_folder(output)
        start = time.perf_counter()
        agent = learn_prior(loaded, settings, checkpoint=checkpoint, resume=resume)
    seconds = time.perf_counter() - start
    save_agent(agent, output)
    shutil.rmtree(checkpoint, ignore_errors=True)
    if isinstance(agent, NumberAgent):
        _print_numbers(agent, output, seconds)
    else:
        _print_result(agent, output, seconds)


def _read(path: Path) -> tuple[str, dict[str, Any]]:
    """Return the name of the technique and the table of learning."""
    from nescio.configuration import read_toml
    from nescio.techniques import available_techniques

    document = read_toml(path)
    technique = document.get("technique")
    if not isinstance(technique, str):
        known = ", ".join(f'"{name}"' for name in available_techniques())
        raise ConfigurationError(f"{path}: needs a key technique, one of {known}")
    table = document.get("learn", {})
    if not isinstance(table, dict):
        raise ConfigurationError(f"{path}: learn must be a table, [learn]")
    return technique, table


def _print_numbers(agent: NumberAgent, folder: Path, seconds: float) -> None:
    """Say which numbers were learned, and how well they are told of signals that were never seen."""
    import numpy as np

    from nescio.learn import flagged_fraction

    fresh = agent.reference(_FRESH)
    off = np.abs(fresh["value"].values - fresh["truth"].values).mean(axis=0)
    inside = ((fresh["truth"] >= fresh["low"]) & (fresh["truth"] <= fresh["high"])).mean()
    typer.echo(f"{folder}: learned {', '.join(agent.names)} in {seconds:.0f} s")
    told = ", ".join(f"{name} by {value:.2g}" for name, value in zip(agent.names, off, strict=True))
    flagged = "" if agent.familiarity is None else (
        f", {flagged_fraction(fresh['p_value'], 0.01):.1%} are flagged at alpha 0.01"
    )  # fmt: skip
    typer.echo(
        f"of {_FRESH} fresh known signals the numbers are off, on average: {told}; "
        f"{agent.regression.level:.0%} intervals hold {float(inside):.1%} of them{flagged}"
    )


def _print_result(agent: Agent, folder: Path, seconds: float) -> None:
    """Say what was learned, and how it does on signals it never saw."""
    from nescio.learn import expected_calibration_error, flagged_fraction

    fresh = agent.reference(_FRESH)
    right = float((fresh["label"] == fresh["truth"]).mean())
    labels = [agent.labels.index(name) for name in fresh["truth"].values]
    off = expected_calibration_error(fresh["probability"].values, labels)
    count = len(agent.labels)
    known = ", ".join(agent.labels) if count <= _FEW else f"{count} classes"
    typer.echo(f"{folder}: learned {known} in {seconds:.0f} s")
    typer.echo(
        f"of {_FRESH} fresh known signals {right:.1%} are named right (probabilities are off by {off:.1%} on average), "
        f"{flagged_fraction(fresh['p_value'], 0.01):.1%} flagged at alpha 0.01"
    )
