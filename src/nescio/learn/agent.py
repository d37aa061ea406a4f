"""Agents: what all kinds have in common, and how the kind of a prior leads to the agent that learns it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import xarray as xr
from numpy.typing import NDArray

from nescio.configuration import Settings
from nescio.display import key_figures
from nescio.errors import ConfigurationError
from nescio.registry import installed_names, installed_part
from nescio.techniques import Prior

__all__ = ["Agent", "agent_figures", "find_agent", "learn"]

_GROUP = "nescio.agents"


class Agent(Protocol):
    """A learned prior that assesses measurements; one class for each kind of answer.

    A class is registered under the entry point group ``nescio.agents`` by its kind. What learns, keeps, loads and asks
    agents uses these names only, so that a new kind (mixtures, pair distributions) is one more class. Its findings are
    shown by what is registered for the kind under ``nescio.findings`` (:class:`nescio.view.FindingsView`).
    """

    kind: ClassVar[str]
    """What it answers with: ``classes``, ``numbers``, ..."""
    settings_model: ClassVar[type[Settings]]
    """Of the table ``[learn]``."""
    seed_setting: ClassVar[str]
    """Key of the random seed in the settings, such as ``training.seed``."""

    @property
    def prior(self) -> Any:
        """What was learned (:class:`nescio.techniques.Prior`)."""

    @property
    def settings(self) -> Any:
        """How it learned, of type `settings_model`."""

    @property
    def known(self) -> tuple[str, ...]:
        """Names of what it can answer with: classes, or quantities."""

    @property
    def identity(self) -> str:
        """Short hash of technique, prior and settings."""

    @classmethod
    def train(
        cls,
        prior: Any,
        settings: Any = None,
        *,
        checkpoint: Path | None = None,
        resume: bool = False,
        progress: bool | None = None,
    ) -> Self:
        """Learn a prior of this kind, and calibrate what was learned on held-out draws.

        Args:
            prior: What is known.
            settings: How to learn; by default those of `settings_model`.
            checkpoint: Folder to keep the state of the training in.
            resume: Go on from the checkpoint, if there is one; ends in the same agent as an uninterrupted training.
            progress: Show progress bars; by default where standard error is a terminal.

        Raises:
            InterruptedTrainingError: Ctrl-C was pressed; the message says whether the state was kept.
            AgentError: The checkpoint does not fit, or the training diverged.
        """

    def assess(
        self, prepared: xr.Dataset, *, alpha: float = 0.01, progress: bool | None = None
    ) -> xr.Dataset:
        """Return findings (:mod:`nescio.signals`) on prepared measurements; attribute ``kind`` says of which kind.

        Raises:
            AgentError: The measurements do not fit the agent, or alpha is no level that it can keep.
        """

    def reference(self, n: int = 1000, *, seed: int = 0) -> xr.Dataset:
        """Return findings on `n` fresh known signals, with what is true of them in ``truth``."""

    def performance(self) -> tuple[str, ...]:
        """Return lines that say how well it does on fresh known signals."""

    def report_parts(self, findings: xr.Dataset) -> dict[str, Any]:
        """Return what the report of this kind shows beside the findings, by the names of its arguments."""

    def document(self) -> dict[str, Any]:
        """Return all but prior and arrays as JSON-compatible values."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all arrays by name."""

    @classmethod
    def restored(
        cls,
        prior: Any,
        document: Mapping[str, Any],
        arrays: Mapping[str, NDArray[Any]],
        folder: Path,
    ) -> Self:
        """Return the agent whose `document` and `arrays` were stored; the same numbers to the last bit.

        Args:
            prior: Built from its own document.
            document: With at least the keys that :meth:`document` gave, and ``sha256`` of the arrays.
            arrays: As :meth:`arrays` gave them.
            folder: Where they were read, for messages and caches.

        Raises:
            AgentError: Something is missing or damaged, or does not fit the prior.
        """


def agent_figures(agent: Agent) -> str:
    """Return the key figures of an agent as HTML, for notebooks."""
    axis = agent.prior.axis
    return key_figures(
        f"Agent of technique {agent.prior.technique}",
        {
            agent.kind: ", ".join(agent.known),
            "axis": f"{axis.values[0]:g} to {axis.values[-1]:g} {axis.attrs.get('units', '')}, {axis.size} points",
            "identity": agent.identity,
        },
    )


def find_agent(kind: str, source: str = "") -> type[Agent]:
    """Return the class of agents that answer in a kind, as priors name it.

    Args:
        kind: Such as ``classes``.
        source: Where it was named, for the message.

    Raises:
        ConfigurationError: No installed package registers that kind, or it cannot be imported.
    """
    agent: type[Agent] | None = installed_part(_GROUP, kind)
    if agent is None:
        where, known = f"{source}: " if source else "", ", ".join(installed_names(_GROUP))
        raise ConfigurationError(f"{where}no agents answer with {kind!r} (known: {known})")
    return agent


def learn(
    prior: Prior,
    settings: Settings | None = None,
    *,
    checkpoint: Path | None = None,
    resume: bool = False,
    progress: bool | None = None,
) -> Agent:
    """Train the agent that a prior's kind asks for; arguments and errors as of :meth:`Agent.train`.

    The classes of agents take more: see :class:`nescio.learn.ClassAgent` and :class:`nescio.learn.NumberAgent`.
    """
    return find_agent(prior.kind, f"prior of technique {prior.technique!r}").train(
        prior, settings, checkpoint=checkpoint, resume=resume, progress=progress
    )
