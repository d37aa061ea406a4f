"""Scalarizers from tables of a configuration, and scalarizers that hold others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import SerializeAsAny

from nescio.errors import ConfigurationError
from nescio.explore.nesting import nested
from nescio.explore.scalarizers.base import Scalarizer
from nescio.registry import build, find_kind

__all__ = ["Part", "build_scalarizer", "named_from"]


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


def named_from(home: Path, document: Any) -> Any:
    """Return the table of a scalarizer with the files that it, or a part of it, names relative to a folder.

    Args:
        home: The folder from which they are named.
        document: The table; what is none is returned as it is.
    """
    if isinstance(document, list):
        return [named_from(home, part) for part in document]
    if not isinstance(document, Mapping):
        return document
    named = {key: named_from(home, value) for key, value in document.items()}
    try:
        files = getattr(find_kind("nescio.scalarizers", str(named.get("kind", ""))), "files", ())
    except ConfigurationError:
        # Whoever builds it says so.
        return named
    for field in files:
        if isinstance(named.get(field), str):
            named[field] = str((home / named[field]).absolute())
    return named


Part = Annotated[SerializeAsAny[Scalarizer], nested(build_scalarizer)]
"""A field that holds any scalarizer, written as a table with its kind."""
