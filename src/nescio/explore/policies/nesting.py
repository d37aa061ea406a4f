"""Policies out of configurations, and policies that hold others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import SerializeAsAny

from nescio.errors import ConfigurationError
from nescio.explore.nesting import nested
from nescio.explore.policies.base import Policy
from nescio.registry import build

__all__ = ["AnyPolicy", "build_policy"]


def build_policy(document: Mapping[str, Any], source: str) -> Policy:
    """Return the policy that a table of a configuration describes.

    Args:
        document: With a key ``kind``, the name of an installed policy; the rest are its fields.
        source: Where it was read, for messages.

    Raises:
        ConfigurationError: There is no such kind, or a field is unknown or impossible.
    """
    try:
        policy = build("nescio.policies", document, source)
    except RecursionError:
        raise ConfigurationError(f"{source}: policies are nested too deep") from None
    if not isinstance(policy, Policy):
        raise ConfigurationError(f"{source}: {type(policy).__name__} is registered as a policy but is none")
    return policy


AnyPolicy = Annotated[SerializeAsAny[Policy], nested(build_policy)]
"""A field that holds any policy, written as a table with its kind."""
