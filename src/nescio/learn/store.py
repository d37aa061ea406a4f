"""Agents on disk: a folder with a document and the weights that it names, of which nothing is run when it is loaded."""

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
    """Write an agent: weights and calibration as safetensors, prior, axis, settings and versions as JSON.

    An agent that is there already stays usable until the new one is whole, whatever happens to the process.

    Args:
        agent: What to keep.
        folder: Made if it does not exist; an agent that is there already is replaced.

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
    # Calibrations of the agent that was there.
    shutil.rmtree(folder / "calibrations", ignore_errors=True)


@overload
def load_agent(folder: str | Path, *, technique: Technique | None = None) -> Agent: ...
@overload
def load_agent(folder: str | Path, of: type[_Agent], *, technique: Technique | None = None) -> _Agent: ...
def load_agent(
    folder: str | Path, of: type[Agent] | None = None, *, technique: Technique | None = None
) -> Agent:
    """Read an agent that :func:`save_agent` wrote; on the same machine it gives the same numbers to the last bit.

    Args:
        folder: Where it is.
        of: The class of agents that is needed, such as :class:`nescio.learn.ClassAgent`; by default any.
        technique: What builds the prior; by default the installed technique that the agent names.

    Raises:
        AgentError: Something is missing, damaged, altered, of another format, or the agent is of another kind.
    """
    folder = Path(folder)
    pair = Pair(folder, _DOCUMENT, _STEM)
    if not folder.is_dir():
        raise AgentError(f"{folder}: no such agent; an agent is a folder with {_DOCUMENT} and its weights")
    document = read_json(pair.path)
    if (found := document.get("format")) not in _READ:
        raise AgentError(
            f"{pair.path}: format {found!r} of an agent, where this version of Nescio reads {_FORMAT}; learn it again"
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
            f"{folder}: this agent answers with {agent.kind} ({', '.join(agent.known)}), not with {of.kind}"
        )
    return agent


def agent_digest(folder: str | Path) -> str:
    """Return the digest that a saved agent bears, without loading it; agents with equal digests are equal.

    Raises:
        AgentError: There is no agent, or its document is damaged or bears no digest.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise AgentError(f"{folder}: no such agent; an agent is a folder that `nescio learn` made")
    digest = read_json(folder / _DOCUMENT).get("digest")
    if not isinstance(digest, str) or not digest:
        raise AgentError(f"{folder}: {_DOCUMENT} bears no digest; learn the agent again")
    return digest


def _check_digest(path: Path, document: dict[str, Any]) -> None:
    try:
        digest = document_digest({key: value for key, value in document.items() if key != "digest"})
    except (ValueError, RecursionError):
        raise AgentError(f"{path}: holds a number that is not finite, or is nested too deep") from None
    if document.get("digest") != digest:
        raise AgentError(f"{path}: was altered after it was written (it does not fit its digest)")


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
        raise AgentError(f"{folder}: the axis that was learned is not the one that the prior describes")
    kind = str(document.get("kind", document.get("tells", CLASSES)))
    if kind != prior.kind:
        raise AgentError(
            f"{folder}: answers with {kind}, where its prior, of technique {technique.name!r}, is of {prior.kind}"
        )
    return find_agent(kind, str(folder)).restored(prior, document, arrays, folder)
