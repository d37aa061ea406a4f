"""Learning into a folder: one learner at a time, the state of an interrupted training kept beside the agent."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from nescio.errors import AgentError, CheckpointError, FileError, InterruptedTrainingError
from nescio.learn.agent import Agent
from nescio.learn.store import save_agent
from nescio.learn.train import interrupted_after

__all__ = ["checkpoint_of", "train_into"]

_Agent = TypeVar("_Agent", bound=Agent)
_LOCK = "lock"


def checkpoint_of(folder: Path) -> Path:
    """Return the folder that keeps the state of a training whose agent goes into `folder`."""
    return folder.with_name(f"{folder.name}.checkpoint")


def train_into(folder: Path, train: Callable[[Path, bool], _Agent], *, resume: bool | None = None) -> _Agent:
    """Train an agent and keep it in a folder; an agent that is there already is replaced at the very end.

    Args:
        folder: For the agent; the state of the training is kept beside it until the agent is there.
        train: Called with the folder of the checkpoint and whether to resume, as :meth:`nescio.learn.Agent.train`.
        resume: Go on from a checkpoint, which must fit. None goes on from one that fits, and else begins anew.

    Raises:
        InterruptedTrainingError: Ctrl-C was pressed; the message says how to go on.
        AgentError: Another process is learning into this folder; the checkpoint does not fit; the training diverged.
        FileError: The folders cannot be written to.
    """
    checkpoint = checkpoint_of(folder)
    with _reserved(folder, checkpoint):
        try:
            agent = train(checkpoint, resume is not False)
        except CheckpointError:
            if resume is not None:
                raise
            agent = train(checkpoint, False)
        except InterruptedTrainingError:
            if resume is not None:
                raise
            raise InterruptedTrainingError(
                f"interrupted; the state is kept in {checkpoint}, run the same command again to go on"
            ) from None
        with interrupted_after("the training", checkpoint):
            save_agent(agent, folder)
        _empty(checkpoint)
    return agent


@contextmanager
def _reserved(folder: Path, checkpoint: Path) -> Iterator[None]:
    """Hold the folder's lock, which the operating system takes back when the process ends, however it ends."""
    from filelock import FileLock, Timeout

    lock = FileLock(checkpoint / _LOCK, timeout=0)
    try:
        checkpoint.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise AgentError(
            f"{folder}: another process is learning into this folder; wait for it, or choose another folder"
        ) from None
    except (OSError, NotImplementedError) as error:
        raise FileError(f"{checkpoint}: cannot be locked ({error})") from None
    try:
        yield
    finally:
        if not any(file.name != _LOCK for file in checkpoint.iterdir()):
            with suppress(OSError):
                # While it is held: later it may be another learner's.
                (checkpoint / _LOCK).unlink()
        lock.release()
        if os.name == "nt":
            # Windows removes no file that is open, be it ours or another learner's.
            with suppress(OSError):
                (checkpoint / _LOCK).unlink()
        with suppress(OSError):
            checkpoint.rmdir()


def _empty(checkpoint: Path) -> None:
    for entry in checkpoint.iterdir():
        if entry.name == _LOCK:
            continue
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            with suppress(OSError):
                entry.unlink()
