"""What of an agent that tells numbers is kept on disk, and how it is put together again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from nescio.configuration import validated
from nescio.errors import AgentError
from nescio.learn.familiarity import Familiarity
from nescio.learn.numbers import NumberAgent, NumberSettings
from nescio.learn.regression import blank_regression
from nescio.learn.shapes import shapes_of
from nescio.learn.storage import named_arrays, restore_arrays
from nescio.learn.vae import VAE
from nescio.techniques import NumberPrior

__all__ = ["assembled_numbers", "number_arrays", "number_document"]

_FAMILIAR = ("low", "span", "scale")


def number_arrays(agent: NumberAgent) -> dict[str, NDArray[Any]]:
    """Return all arrays of an agent by name."""
    regression = agent.regression
    arrays = {
        **named_arrays(regression.networks, "networks"),
        **named_arrays((regression.signal_scale, regression.target_scale), "scales"),
        "intervals.factor": regression.factor,
    }
    if agent.familiarity is not None:
        arrays |= named_arrays(agent.familiarity.network, "familiarity")
        arrays |= {f"familiarity.{name}": np.asarray(getattr(agent.familiarity, name)) for name in _FAMILIAR}
        arrays["familiarity.scores"] = agent.familiarity.scores
    return arrays


def number_document(agent: NumberAgent) -> dict[str, Any]:
    """Return what of an agent is no array."""
    return {
        "quantities": [list(quantity) for quantity in agent.prior.quantities],
        "settings": agent.settings.model_dump(mode="json"),
        "level": agent.regression.level,
        "history": [list(entry) for entry in agent.regression.history],
    }


def assembled_numbers(
    prior: NumberPrior, document: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], path: Path
) -> NumberAgent:
    """Return the agent that was kept.

    Raises:
        AgentError: Something is missing or damaged.
    """
    settings = validated(NumberSettings, document["settings"], "settings")
    if [tuple(one) for one in document["quantities"]] != [tuple(one) for one in prior.quantities]:
        raise AgentError(f"{path}: the quantities that were learned are not those that the prior describes")
    points, outputs = int(prior.axis.size), len(prior.quantities)
    blank = blank_regression(points, outputs, settings.networks)
    factor, level = arrays["intervals.factor"], float(document["level"])
    if factor.shape != (outputs,) or (factor <= 0.0).any() or not 0.0 < level < 1.0:
        raise AgentError(f"{path}: the calibration of the intervals is damaged")
    scales = restore_arrays((blank.signal_scale, blank.target_scale), arrays, "scales", path)
    regression = type(blank)(
        settings.networks,
        restore_arrays(blank.networks, arrays, "networks", path),
        *scales,
        factor,
        level,
        tuple((int(step), float(loss)) for step, loss in document["history"]),
    )
    familiarity = None
    if (wanted := settings.familiarity) is not None:
        network = shapes_of(lambda rng: VAE(points, 0, 1, wanted.network, rng))
        low, span, scale = (jnp.asarray(arrays[f"familiarity.{name}"]) for name in _FAMILIAR)
        scores = arrays["familiarity.scores"]
        if {low.shape, span.shape, scale.shape} != {(points,)} or scores.ndim != 1 or not scores.size:
            raise AgentError(f"{path}: the calibration of what is familiar is damaged")
        if (np.diff(scores) < 0.0).any():
            raise AgentError(f"{path}: the scores of known signals are not sorted")
        familiarity = Familiarity(
            restore_arrays(network, arrays, "familiarity", path), low, span, scale, scores
        )
    return NumberAgent(prior, settings, regression, familiarity)
