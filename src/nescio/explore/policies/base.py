"""A policy ranks candidates by what a surrogate expects of them; larger is measured first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import jax
import numpy as np
from numpy.typing import NDArray
from pydantic import SerializeAsAny

from nescio.configuration import Settings
from nescio.registry import Kinds

__all__ = ["POLICIES", "AnyPolicy", "Floats", "Policy", "View", "build_policy"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class View:
    """All that a policy may look at; larger is better (goals that are minimised arrive with their sign turned)."""

    mean: Floats
    """Shape (n, outputs); expected value at each candidate, in the units of the scalar."""
    sd: Floats
    """Shape (n, outputs); the model's own uncertainty, without measurement noise."""
    noise_sd: Floats
    """Shape (outputs,); one standard deviation of a repeated measurement."""
    measured: NDArray[np.bool_]
    """Shape (n,); where a measurement was made or is under way."""
    values: Floats
    """Shape (m, outputs); the scalars so far, without missing ones."""
    features: NDArray[np.float32]
    """Shape (n, features)."""
    positions: Floats
    """Shape (n, coordinates)."""
    allowed: NDArray[np.bool_]
    """Shape (n,); False where nothing may be measured (again)."""
    step: int
    """How many measurements there are."""
    key: jax.Array
    """For policies that draw."""
    spent: float = 0.0
    """Share of the budget that is spent, 0 to 1."""
    current: int | None = None
    """The candidate where the instrument is."""
    sample: Callable[[jax.Array, int], Floats] | None = None
    """(key, draws) -> joint draws of the posterior, shape (draws, n, outputs)."""
    fantasize: Callable[[Sequence[int]], View] | None = None
    """Candidates taken as if measured at their mean -> the view there would be."""


class Policy(Settings):
    """Base of all policies: its fields are its parameters.

    A policy of one's own derives from this, declares ``kind: Literal["its-name"] = "its-name"``, and is registered
    under the entry point group ``nescio.policies``.
    """

    kind: str

    def acquisition(self, view: View) -> Floats:
        """Return the value of measuring each candidate next, shape (n,), finite where allowed; larger is better."""
        raise NotImplementedError

    @property
    def logarithmic(self) -> bool:
        """Whether `acquisition` is the logarithm of something positive."""
        return False

    @property
    def needs_model(self) -> bool:
        """Whether it looks at what the surrogate expects; if so it cannot choose before something was measured."""
        return True

    def check(self, outputs: int) -> None:
        """See that it can rank by that many numbers; by default by any.

        Args:
            outputs: How many numbers the scalarizer gives.

        Raises:
            ExplorationError: It cannot, and what could.
        """
        del outputs

    def at(self, step: int) -> Policy:
        """Return the policy that holds at a step; itself unless it is a schedule."""
        del step
        return self

    def document(self) -> dict[str, Any]:
        """Return its definition as JSON-compatible values."""
        return self.model_dump(mode="json")


POLICIES = Kinds("policy", Policy, group="nescio.policies")
build_policy = POLICIES.build
AnyPolicy = Annotated[SerializeAsAny[Policy], POLICIES.table]
"""A field that holds any policy, written as a table with its kind."""
