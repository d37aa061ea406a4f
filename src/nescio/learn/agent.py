"""The protocol of all agents, and the choice of the agent class for a prior."""

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
    """A trained agent that assesses measurements; one class for each kind of answer.

    Classes are registered by kind under the entry point group ``nescio.agents``. Nescio uses only the names of this
    protocol, so that a new kind (mixtures, pair distributions) needs only a new class. A view registered for the kind
    under ``nescio.findings`` shows its findings (:class:`nescio.view.FindingsView`).
    """

    kind: ClassVar[str]
    """Kind of the answers: ``classes``, ``numbers``, ..."""
    settings_model: ClassVar[type[Settings]]
    """Model of the table ``[learn]``."""
    seed_setting: ClassVar[str]
    """Key of the random seed in the settings, such as ``training.seed``."""

    @property
    def prior(self) -> Any:
        """The prior of the agent (:class:`nescio.techniques.Prior`)."""

    @property
    def settings(self) -> Any:
        """Settings of the training, of type `settings_model`."""

    @property
    def known(self) -> tuple[str, ...]:
        """Names of the known classes or of the quantities."""

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
        """Train an agent on a prior of this kind and calibrate it with held-out draws.

        Args:
            prior: The prior.
            settings: Settings of the training; by default those of `settings_model`.
            checkpoint: Folder for the state of the training.
            resume: Continue from the checkpoint if it exists; gives the same agent as an uninterrupted training.
            progress: Show progress bars; by default if standard error is a terminal.

        Raises:
            InterruptedTrainingError: Ctrl-C was pressed; the message says whether the state was saved.
            AgentError: The checkpoint does not match, or the training diverged.
        """

    def assess(
        self, prepared: xr.Dataset, *, alpha: float = 0.01, progress: bool | None = None
    ) -> xr.Dataset:
        """Return findings (:mod:`nescio.signals`) on prepared measurements; their attribute ``kind`` is the kind.

        Raises:
            AgentError: The measurements do not match the agent, or alpha is outside its range.
        """

    def reference(self, n: int = 1000, *, seed: int = 0) -> xr.Dataset:
        """Return findings on `n` new known signals, with the true values in ``truth``."""

    def performance(self) -> tuple[str, ...]:
        """Return lines on the performance for new known signals."""

    def report_parts(self, findings: xr.Dataset) -> dict[str, Any]:
        """Return further arguments for the report of this kind, by name."""

    def document(self) -> dict[str, Any]:
        """Return everything except prior and arrays as JSON-compatible values."""

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
        """Rebuild a stored agent from `document` and `arrays`; its numbers are identical to the last bit.

        Args:
            prior: The prior, rebuilt from its own document.
            document: All keys of :meth:`document`, and ``sha256`` of the arrays.
            arrays: The arrays of :meth:`arrays`.
            folder: Folder of the agent, for messages and caches.

        Raises:
            AgentError: Something is missing or damaged, or does not match the prior.
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
    """Return the agent class for a kind of prior.

    Args:
        kind: The kind, such as ``classes``.
        source: Source of the name, for the message.

    Raises:
        ConfigurationError: No installed package registers the kind, or the class cannot be imported.
    """
    agent: type[Agent] | None = installed_part(_GROUP, kind)
    if agent is None:
        where, known = f"{source}: " if source else "", ", ".join(installed_names(_GROUP))
        raise ConfigurationError(f"{where}no agents of kind {kind!r} are installed (installed: {known})")
    return agent


def learn(
    prior: Prior,
    settings: Settings | None = None,
    *,
    checkpoint: Path | None = None,
    resume: bool = False,
    progress: bool | None = None,
) -> Agent:
    """Train the agent for a prior's kind; arguments and errors as for :meth:`Agent.train`.

    The agent classes have further arguments; see :class:`nescio.learn.ClassAgent` and
    :class:`nescio.learn.NumberAgent`.
    """
    return find_agent(prior.kind, f"prior of technique {prior.technique!r}").train(
        prior, settings, checkpoint=checkpoint, resume=resume, progress=progress
    )
