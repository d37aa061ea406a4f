"""The protocol of policies, which rank candidates from a surrogate's predictions; larger is measured first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import jax
import numpy as np
from numpy.typing import NDArray
from pydantic import SerializeAsAny

from nescio.configuration import Settings
from nescio.display import Summarised
from nescio.registry import Kinds

__all__ = ["POLICIES", "AnyPolicy", "Floats", "Policy", "View", "build_policy"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class View(Summarised):
    """The input of a policy. Larger is better: outputs to be minimised have their sign reversed."""

    mean: Floats
    """Shape (n, outputs); posterior mean at each candidate, in units of the scalar."""
    sd: Floats
    """Shape (n, outputs); posterior standard deviation, without measurement noise."""
    noise_sd: Floats
    """Shape (outputs,); one standard deviation of a repeated measurement."""
    measured: NDArray[np.bool_]
    """Shape (n,); True for candidates that are measured or being measured."""
    values: Floats
    """Shape (m, outputs); the measured scalars, without missing ones."""
    features: NDArray[np.float32]
    """Shape (n, features)."""
    positions: Floats
    """Shape (n, coordinates)."""
    allowed: NDArray[np.bool_]
    """Shape (n,); True for candidates that may be chosen."""
    step: int
    """Number of measurements."""
    key: jax.Array
    """Random key, for policies that draw."""
    spent: float = 0.0
    """Fraction of the budget spent, 0 to 1."""
    current: int | None = None
    """The candidate at which the instrument is."""
    sample: Callable[[jax.Array, int], Floats] | None = None
    """(key, draws) -> joint draws of the posterior, shape (draws, n, outputs)."""
    fantasize: Callable[[Sequence[int]], View] | None = None
    """(candidates) -> the view after these were measured and gave their posterior mean."""


class Policy(Settings):
    """Base class of policies; the fields are the policy's parameters.

    To add a policy, derive from this class, declare ``kind: Literal["its-name"] = "its-name"``, and register the class
    in the entry point group ``nescio.policies``.
    """

    kind: str

    def acquisition(self, view: View) -> Floats:
        """Return the acquisition of each candidate, shape (n,), finite for allowed candidates; larger is better."""
        raise NotImplementedError

    @property
    def logarithmic(self) -> bool:
        """Whether `acquisition` is the logarithm of a positive quantity."""
        return False

    @property
    def needs_model(self) -> bool:
        """Whether the policy uses the surrogate; if so, it cannot choose before the first measurement."""
        return True

    def check(self, outputs: int) -> None:
        """Check that the policy supports this number of outputs; by default it supports any.

        Args:
            outputs: Number of outputs of the scalarizer.

        Raises:
            ExplorationError: The policy does not; the message names one that does.
        """
        del outputs

    def at(self, step: int) -> Policy:
        """Return the policy in force at a step: the policy itself, except for schedules."""
        del step
        return self

    def document(self) -> dict[str, Any]:
        """Return the definition as JSON-compatible values."""
        return self.model_dump(mode="json")


POLICIES = Kinds("policy", Policy, group="nescio.policies")
build_policy = POLICIES.build
AnyPolicy = Annotated[SerializeAsAny[Policy], POLICIES.table]
"""Type of a field for any policy, given as a table with its kind."""
