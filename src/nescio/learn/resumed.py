"""Learning that goes on by itself where it was interrupted, for whoever knows that nothing else was asked before."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from nescio.errors import AgentError, InterruptedTrainingError
from nescio.learn.agent import Agent
from nescio.learn.numbers import NumberAgent
from nescio.learn.store import save_agent

__all__ = ["learned_into"]

_Agent = TypeVar("_Agent", Agent, NumberAgent)


def learned_into(folder: Path, learn: Callable[[Path, bool], _Agent]) -> _Agent:
    """Learn, going on from where an interrupted call stopped if there is such a state, and keep the agent.

    Args:
        folder: For the agent; the state of a training is beside it.
        learn: Called with the folder of the checkpoint and whether to resume.

    Raises:
        InterruptedTrainingError: Ctrl-C was pressed; the same call goes on.
        AgentError: The training diverged.
    """
    checkpoint = folder.with_name(f"{folder.name}.checkpoint")
    begun = checkpoint.exists()
    try:
        agent = learn(checkpoint, True)
    except InterruptedTrainingError:
        raise InterruptedTrainingError(
            f"interrupted; the state is kept in {checkpoint}, run the same command again to go on"
        ) from None
    except AgentError:
        if not begun:
            raise
        # Left by another version: of no use, and nothing the user chose.
        shutil.rmtree(checkpoint)
        agent = learn(checkpoint, False)
    save_agent(agent, folder)
    shutil.rmtree(checkpoint, ignore_errors=True)
    return agent
