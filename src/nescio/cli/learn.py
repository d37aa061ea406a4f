"""The command `learn`: train an agent on a prior."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from nescio.cli.outcome import report_notes, say
from nescio.cli.overrides import SetOption, overridden
from nescio.errors import ConfigurationError, InterruptedTrainingError
from nescio.files import usable_folder
from nescio.signals import notes_of

__all__ = ["learn"]

# Up to this many names are listed; more are only counted.
_FEW = 12


def learn(
    prior: Annotated[
        Path, typer.Argument(metavar="PRIOR.toml", help="TOML file of the prior: phases, ranges, axis.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="AGENT", help="Folder for the agent.")],
    resume: Annotated[bool, typer.Option("--resume", help="Continue an interrupted training.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing agent.")] = False,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of all random draws.")] = None,
    setting: SetOption = None,
) -> None:
    """Train and calibrate an agent on simulated measurements of a prior.

    Ctrl-C saves the state of the training; the same command with --resume
    continues it and gives the same result.

    Example: nescio learn phases.toml -o agent --set training.steps=2000
    """
    from nescio.learn import find_agent, train_into
    from nescio.techniques import read_prior

    if not overwrite and output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise ConfigurationError(f"{output}: exists already; add --overwrite to replace it")
    loaded, table = read_prior(prior)
    report_notes(notes_of(loaded))
    kind = find_agent(loaded.kind, str(prior))
    settings = overridden(
        kind.settings_model, table, f"{prior} [learn]", setting or (), (kind.seed_setting, seed)
    )
    usable_folder(output)
    start = time.perf_counter()
    agent = train_into(
        output,
        lambda checkpoint, resume: kind.train(loaded, settings, checkpoint=checkpoint, resume=resume),
        resume=resume,
    )
    seconds = time.perf_counter() - start
    known = ", ".join(agent.known) if len(agent.known) <= _FEW else f"{len(agent.known)} {agent.kind}"
    say(f"{output}: learned {known} in {seconds:.0f} s")
    try:
        lines = agent.performance()
    except KeyboardInterrupt:
        raise InterruptedTrainingError(f"interrupted; the agent is saved in {output}") from None
    for line in lines:
        say(line)
