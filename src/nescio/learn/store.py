"""An agent on disk: a folder of two files, of which nothing is run when it is loaded."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nescio.configuration import validated
from nescio.errors import AgentError, NescioError
from nescio.files import file_content
from nescio.learn.agent import Agent, Calibration
from nescio.learn.learner import Learner
from nescio.learn.neighbours import Neighbours
from nescio.learn.novelty import VIEWS, NoveltyScale
from nescio.learn.number_store import assembled_numbers, number_arrays, number_document
from nescio.learn.numbers import NumberAgent
from nescio.learn.settings import LearnSettings
from nescio.learn.shapes import shapes_of
from nescio.learn.storage import (
    document_digest,
    named_arrays,
    read_arrays,
    read_json,
    restore_arrays,
    write_arrays,
    write_json,
)
from nescio.techniques import NumberPrior, Prior, Technique, find_technique

__all__ = ["load_agent", "open_agent", "save_agent"]

_FORMAT = 2
_NUMBERS = "numbers"
_ARRAYS, _DOCUMENT = "weights.safetensors", "agent.json"
_PACKAGES = ("nescio", "jax", "equinox", "optax", "numpy")


def save_agent(agent: Agent | NumberAgent, folder: str | Path) -> None:
    """Write an agent: weights and calibration as safetensors, prior, axis, settings and versions as JSON.

    Args:
        agent: What to keep.
        folder: Made if it does not exist; an agent that is there already is replaced.
    """
    folder = Path(folder)
    if isinstance(agent, NumberAgent):
        arrays, own = number_arrays(agent), {"tells": _NUMBERS, **number_document(agent)}
    else:
        arrays, own = _arrays(agent), _own_document(agent)
    write_arrays(folder / _ARRAYS, arrays)
    axis = agent.prior.axis
    document = {
        "format": _FORMAT,
        "technique": agent.prior.technique,
        "axis": {
            "name": str(axis.name),
            "units": str(axis.attrs.get("units", "")),
            "start": float(axis.values[0]),
            "stop": float(axis.values[-1]),
            "points": int(axis.size),
        },
        "prior": agent.prior.to_document(),
        **own,
        "sha256": _digest(folder / _ARRAYS),
        "versions": {name: version(name) for name in _PACKAGES},
    }
    document["digest"] = document_digest(document)
    write_json(folder / _DOCUMENT, document)


def _arrays(agent: Agent) -> dict[str, NDArray[Any]]:
    return {
        **named_arrays(agent.learner, "learner"),
        "calibration.novelty": agent.calibration.novelty,
        "calibration.median": agent.calibration.scale.median,
        "calibration.spread": agent.calibration.scale.spread,
        "map.latent": agent.neighbours.latent,
        "map.labels": agent.neighbours.labels,
    }


def _own_document(agent: Agent) -> dict[str, Any]:
    return {
        "labels": list(agent.prior.labels),
        "settings": agent.settings.model_dump(mode="json"),
        "temperature": agent.calibration.temperature,
        "known_error": agent.calibration.error,
        "history": list(agent.history),
    }


def load_agent(folder: str | Path, *, technique: Technique | None = None) -> Agent:
    """Read an agent that tells classes; see :func:`open_agent`.

    Raises:
        AgentError: As there, or the agent tells numbers.
    """
    agent = open_agent(folder, technique=technique)
    if not isinstance(agent, Agent):
        raise AgentError(f"{folder}: this agent tells numbers ({', '.join(agent.names)}), not classes")
    return agent


def open_agent(folder: str | Path, *, technique: Technique | None = None) -> Agent | NumberAgent:
    """Read an agent that :func:`save_agent` wrote; on the same machine it gives the same numbers to the last bit.

    Args:
        folder: Where it is.
        technique: What builds the prior; by default the installed technique that the agent names.

    Raises:
        AgentError: Something is missing, damaged, altered, or of another format.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise AgentError(f"{folder}: no such agent; an agent is a folder with {_DOCUMENT} and {_ARRAYS}")
    path = folder / _DOCUMENT
    document = read_json(path)
    if (found := document.get("format")) != _FORMAT:
        raise AgentError(
            f"{path}: format {found!r} of an agent, where this version of Nescio reads {_FORMAT}; learn it again"
        )
    arrays = read_arrays(folder / _ARRAYS)
    if _digest(folder / _ARRAYS) != document.get("sha256"):
        raise AgentError(f"{folder}: {_ARRAYS} is not the one that {_DOCUMENT} was written with")
    _check_digest(path, document)
    try:
        return _assemble(document, arrays, folder, technique)
    except AgentError:
        raise
    except NescioError as error:
        raise AgentError(f"{path}: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise AgentError(f"{path}: damaged ({type(error).__name__}: {error})") from None


def _check_digest(path: Path, document: dict[str, Any]) -> None:
    try:
        digest = document_digest({key: value for key, value in document.items() if key != "digest"})
    except (ValueError, RecursionError):
        raise AgentError(f"{path}: holds a number that is not finite, or is nested too deep") from None
    if document.get("digest") != digest:
        raise AgentError(f"{path}: was altered after it was written (it does not fit its digest)")


def _positive(document: dict[str, Any], key: str) -> float:
    value = float(document[key])
    if not 0.0 < value < np.inf:
        raise AgentError(f"{_DOCUMENT}: {key} is {value:g}, where a positive number is needed")
    return value


def _assemble(
    document: dict[str, Any], arrays: dict[str, Any], folder: Path, technique: Technique | None
) -> Agent | NumberAgent:
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
    if document.get("tells") == _NUMBERS:
        if not isinstance(prior, NumberPrior):
            raise AgentError(f"{folder}: tells numbers, which its technique {technique.name!r} does not")
        return assembled_numbers(prior, document, arrays, folder / _ARRAYS)
    if not isinstance(prior, Prior):
        raise AgentError(f"{folder}: tells classes, which its technique {technique.name!r} does not")
    settings = validated(LearnSettings, document["settings"], "settings")
    if settings.model_dump(mode="json") != document["settings"]:
        raise AgentError(f"{folder}: the settings are not complete")
    if tuple(document["labels"]) != prior.labels:
        raise AgentError(f"{folder}: the labels that were learned are not those that the prior describes")
    blank = shapes_of(
        lambda rng: Learner(prior.axis.size, len(prior.condition_names), len(prior.labels), settings, rng)
    )
    learner = restore_arrays(blank, arrays, "learner", folder / _ARRAYS)
    scale = NoveltyScale(arrays["calibration.median"], arrays["calibration.spread"])
    latent, labels = arrays["map.latent"], arrays["map.labels"]
    if (
        scale.median.shape != (len(VIEWS),)
        or scale.spread.shape != (len(VIEWS),)
        or (scale.spread <= 0).any()
    ):
        raise AgentError(f"{folder}: the calibration's scale is damaged")
    novelty = arrays["calibration.novelty"]
    if novelty.ndim != 1 or novelty.size == 0 or (np.diff(novelty) < 0).any():
        raise AgentError(f"{folder}: the calibration's scores are damaged")
    known = labels.dtype.kind in "iu" and ((labels >= 0) & (labels < len(prior.labels))).all()
    if (
        latent.ndim != 2
        or latent.shape[1] != settings.map.latent
        or labels.shape != latent.shape[:1]
        or not known
    ):
        raise AgentError(f"{folder}: the positions on the map are damaged")
    return Agent(
        prior,
        learner,
        Calibration(_positive(document, "temperature"), scale, novelty, _positive(document, "known_error")),
        Neighbours(latent, labels, len(prior.labels), settings.calibration.neighbours),
        tuple({str(k): float(v) for k, v in dict(entry).items()} for entry in document["history"]),
    )


def _digest(path: Path) -> str:
    return hashlib.sha256(file_content(path, 2**32)).hexdigest()
