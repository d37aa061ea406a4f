"""Training into a folder: one process at a time; the state of an interrupted training is saved beside the agent."""

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
    """Return the checkpoint folder of a training whose agent is saved in `folder`."""
    return folder.with_name(f"{folder.name}.checkpoint")


def train_into(folder: Path, train: Callable[[Path, bool], _Agent], *, resume: bool | None = None) -> _Agent:
    """Train an agent and save it in a folder; an existing agent is replaced only at the end.

    Args:
        folder: Folder of the agent; the state of the training is saved beside it until the agent is complete.
        train: Function called with the checkpoint folder and `resume`, as :meth:`nescio.learn.Agent.train`.
        resume: True continues from a checkpoint, which must match. None continues from a matching checkpoint and
            otherwise starts again.

    Raises:
        InterruptedTrainingError: Ctrl-C was pressed; the message says how to continue.
        AgentError: Another process is training into this folder, the checkpoint does not match, or the training
            diverged.
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
                f"interrupted; the state is saved in {checkpoint}; run the same command again to continue"
            ) from None
        with interrupted_after("the training", checkpoint):
            save_agent(agent, folder)
        _empty(checkpoint)
    return agent


@contextmanager
def _reserved(folder: Path, checkpoint: Path) -> Iterator[None]:
    """Lock the folder; the operating system releases the lock when the process ends."""
    from filelock import FileLock, Timeout

    lock = FileLock(checkpoint / _LOCK, timeout=0)
    try:
        checkpoint.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise AgentError(
            f"{folder}: another process is training into this folder; wait for it, or choose another folder"
        ) from None
    except (OSError, NotImplementedError) as error:
        raise FileError(f"{checkpoint}: cannot be locked ({error})") from None
    try:
        yield
    finally:
        if not any(file.name != _LOCK for file in checkpoint.iterdir()):
            with suppress(OSError):
                # Remove the file while it is locked; later it may belong to another process.
                (checkpoint / _LOCK).unlink()
        lock.release()
        if os.name == "nt":
            # Windows cannot remove an open file.
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
