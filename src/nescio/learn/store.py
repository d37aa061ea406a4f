"""Agents on disk: a folder with a document and weights; loading executes nothing."""

from __future__ import annotations

import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar, overload

from nescio.errors import AgentError, NescioError
from nescio.learn.agent import Agent, find_agent
from nescio.learn.storage import Pair, document_digest, read_json, write_json
from nescio.signals import CLASSES
from nescio.techniques import Technique, find_technique

__all__ = ["agent_digest", "load_agent", "save_agent"]

_Agent = TypeVar("_Agent", bound=Agent)

_FORMAT = 3
# Format 2 had weights.safetensors alone, and `tells` for a kind other than classes.
_READ = (2, _FORMAT)
_DOCUMENT, _STEM = "agent.json", "weights"
_PACKAGES = ("nescio", "jax", "equinox", "optax", "numpy")


def save_agent(agent: Agent, folder: str | Path) -> None:
    """Save an agent: weights and calibration as safetensors; prior, axis, settings and versions as JSON.

    An existing agent stays usable until the new one is complete, even if the process is killed.

    Args:
        agent: The agent.
        folder: Folder, made if missing; an existing agent in it is replaced.

    Raises:
        FileError: The folder cannot be written to.
    """
    folder = Path(folder)
    pair = Pair(folder, _DOCUMENT, _STEM)
    named = pair.write_arrays(agent.arrays())
    axis = agent.prior.axis
    document = {
        "format": _FORMAT,
        "kind": agent.kind,
        "technique": agent.prior.technique,
        "axis": {
            "name": str(axis.name),
            "units": str(axis.attrs.get("units", "")),
            "start": float(axis.values[0]),
            "stop": float(axis.values[-1]),
            "points": int(axis.size),
        },
        "prior": agent.prior.to_document(),
        **agent.document(),
        **named,
        "versions": {name: version(name) for name in _PACKAGES},
    }
    document["digest"] = document_digest(document)
    write_json(pair.path, document)
    pair.remove_unused()
    # Calibrations of the previous agent.
    shutil.rmtree(folder / "calibrations", ignore_errors=True)


@overload
def load_agent(folder: str | Path, *, technique: Technique | None = None) -> Agent: ...
@overload
def load_agent(folder: str | Path, of: type[_Agent], *, technique: Technique | None = None) -> _Agent: ...
def load_agent(
    folder: str | Path, of: type[Agent] | None = None, *, technique: Technique | None = None
) -> Agent:
    """Load an agent saved by :func:`save_agent`; on the same machine its numbers are identical to the last bit.

    Args:
        folder: Folder of the agent.
        of: Required class of the agent, such as :class:`nescio.learn.ClassAgent`; by default any class.
        technique: Technique that rebuilds the prior; by default the installed technique named in the agent.

    Raises:
        AgentError: A part is missing, damaged, changed or of another format, or the agent has another class.
    """
    folder = Path(folder)
    pair = Pair(folder, _DOCUMENT, _STEM)
    if not folder.is_dir():
        raise AgentError(f"{folder}: no such agent; an agent is a folder with {_DOCUMENT} and its weights")
    document = read_json(pair.path)
    if (found := document.get("format")) not in _READ:
        raise AgentError(
            f"{pair.path}: the agent has format {found!r}; this version of Nescio reads {_FORMAT}; train it again"
        )
    document, arrays = pair.read()
    _check_digest(pair.path, document)
    try:
        agent = _assembled(document, arrays, folder, technique)
    except AgentError:
        raise
    except NescioError as error:
        raise AgentError(f"{pair.path}: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise AgentError(f"{pair.path}: damaged ({type(error).__name__}: {error})") from None
    if of is not None and agent.kind != of.kind:
        raise AgentError(
            f"{folder}: this agent is of kind {agent.kind} ({', '.join(agent.known)}), not {of.kind}"
        )
    return agent


def agent_digest(folder: str | Path) -> str:
    """Return the digest of a saved agent without loading it; agents with equal digests are equal.

    Raises:
        AgentError: There is no agent, or its document is damaged or has no digest.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise AgentError(f"{folder}: no such agent; an agent is a folder made by `nescio learn`")
    digest = read_json(folder / _DOCUMENT).get("digest")
    if not isinstance(digest, str) or not digest:
        raise AgentError(f"{folder}: {_DOCUMENT} has no digest; train the agent again")
    return digest


def _check_digest(path: Path, document: dict[str, Any]) -> None:
    try:
        digest = document_digest({key: value for key, value in document.items() if key != "digest"})
    except (ValueError, RecursionError):
        raise AgentError(f"{path}: holds a number that is not finite, or is nested too deep") from None
    if document.get("digest") != digest:
        raise AgentError(f"{path}: was changed after it was written (it does not match its digest)")


def _assembled(
    document: dict[str, Any], arrays: dict[str, Any], folder: Path, technique: Technique | None
) -> Agent:
    technique = technique or find_technique(str(document["technique"]))
    prior = technique.prior_from_document(document["prior"])
    axis = document["axis"]
    expected = (
        str(prior.axis.name),
        prior.axis.size,
        float(prior.axis.values[0]),
        float(prior.axis.values[-1]),
    )
    if (axis["name"], axis["points"], axis["start"], axis["stop"]) != expected:
        raise AgentError(f"{folder}: the axis of the agent does not match its prior")
    kind = str(document.get("kind", document.get("tells", CLASSES)))
    if kind != prior.kind:
        raise AgentError(
            f"{folder}: the agent is of kind {kind}, but its prior (technique {technique.name!r}) has kind "
            f"{prior.kind}"
        )
    return find_agent(kind, str(folder)).restored(prior, document, arrays, folder)
