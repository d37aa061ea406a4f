"""Named kinds of parts (scalarizers, policies, instruments), found by entry point, so that others can add theirs."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any

from pydantic import BaseModel

from nescio.configuration import validated
from nescio.errors import ConfigurationError

__all__ = ["available_kinds", "build", "find_kind"]


def available_kinds(group: str) -> tuple[str, ...]:
    """Return the names registered under an entry point group, sorted."""
    return tuple(sorted({point.name for point in entry_points(group=group)}))


def find_kind(group: str, name: str, source: str = "") -> type[BaseModel]:
    """Return the model registered under `name`.

    Args:
        group: Entry point group, such as ``nescio.scalarizers``.
        name: The kind.
        source: Where it was asked for, for the message.

    Raises:
        ConfigurationError: No installed package registers that name.
    """
    for point in entry_points(group=group):
        if point.name == name:
            model: type[BaseModel] = point.load()
            return model
    where = f"{source}: " if source else ""
    known = ", ".join(available_kinds(group)) or "none"
    raise ConfigurationError(f"{where}kind {name!r} is not known (known: {known})")


def build(group: str, document: Mapping[str, Any], source: str) -> Any:
    """Return the part that a table of a configuration describes: its ``kind`` names the model, the rest its fields.

    Args:
        group: Entry point group.
        document: With a key ``kind``.
        source: Where it was read, for messages.

    Raises:
        ConfigurationError: There is no such kind, or a field is unknown or impossible.
    """
    kind = document.get("kind")
    if not isinstance(kind, str):
        known = ", ".join(f'"{name}"' for name in available_kinds(group))
        raise ConfigurationError(f"{source}: needs a key kind, one of {known}")
    return validated(find_kind(group, kind, source), document, source)
