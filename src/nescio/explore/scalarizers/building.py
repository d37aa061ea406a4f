"""Scalarizers from tables of a configuration, and scalarizers that hold others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import SerializeAsAny

from nescio.errors import ConfigurationError
from nescio.explore.nesting import nested
from nescio.explore.scalarizers.base import Scalarizer
from nescio.registry import build

__all__ = ["Part", "build_scalarizer"]


def build_scalarizer(document: Mapping[str, Any], source: str) -> Scalarizer:
    """Return the scalarizer that a table describes: ``kind`` names it, the rest are its fields.

    Args:
        document: As in a configuration file, or as ``model_dump(mode="json")`` of a scalarizer returned.
        source: Where it was read, for messages.

    Raises:
        ConfigurationError: There is no such kind, or a field is unknown or impossible.
    """
    try:
        built = build("nescio.scalarizers", document, source)
    except RecursionError:
        raise ConfigurationError(f"{source}: scalarizers are nested too deep") from None
    if not isinstance(built, Scalarizer):
        raise ConfigurationError(
            f"{source}: {type(built).__name__} is registered as a scalarizer but is none"
        )
    return built


Part = Annotated[SerializeAsAny[Scalarizer], nested(build_scalarizer)]
"""A field that holds any scalarizer, written as a table with its kind."""
