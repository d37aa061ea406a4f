"""Parts found by name among the installed packages (techniques, agents, policies), so that others can add theirs."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any

from nescio.configuration import validated
from nescio.errors import ConfigurationError, NescioError

__all__ = ["available_kinds", "build", "find_kind", "find_part"]


def available_kinds(group: str) -> tuple[str, ...]:
    """Return the names registered under an entry point group, sorted."""
    return tuple(sorted({point.name for point in entry_points(group=group)}))


def find_part(group: str, name: str) -> Any | None:
    """Return what an installed package registers under a name; None if none does.

    Raises:
        ConfigurationError: A package registers the name, but what it registers cannot be imported.
    """
    for point in entry_points(group=group):
        if point.name == name:
            try:
                return point.load()
            except NescioError:
                raise
            except Exception as error:  # whatever another package fails with when it is imported
                raise ConfigurationError(
                    f"{group}: {name!r} ({point.value}) cannot be loaded: {type(error).__name__}: {error}"
                ) from error
    return None


def find_kind(group: str, name: str, source: str = "") -> Any:
    """Return what is registered under `name`.

    Args:
        group: Entry point group, such as ``nescio.scalarizers``.
        name: The kind.
        source: Where the kind was named, for the message.

    Raises:
        ConfigurationError: No installed package registers that name.
    """
    found = find_part(group, name)
    if found is None:
        where = f"{source}: " if source else ""
        known = ", ".join(available_kinds(group)) or "none"
        raise ConfigurationError(f"{where}kind {name!r} is not known (known: {known})")
    return found


def build(group: str, document: Mapping[str, Any], source: str) -> Any:
    """Return the part that a table of a configuration describes: its ``kind`` names the model, the rest its fields.

    Args:
        group: Entry point group; what it registers are pydantic models.
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
