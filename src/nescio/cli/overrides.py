"""The option `--set KEY=VALUE`, which overrides keys of the table ``[learn]``."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from nescio.errors import ConfigurationError

if TYPE_CHECKING:
    from nescio.configuration import Settings

__all__ = ["SetOption", "overridden"]

_Settings = TypeVar("_Settings", bound="Settings")

SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the table [learn]; can be repeated."),
]


def overridden(
    model: type[_Settings],
    table: dict[str, Any],
    where: str,
    overrides: Iterable[str],
    seed: tuple[str, int | None] = ("", None),
) -> _Settings:
    """Return the settings of a table after applying overrides from the command line.

    Args:
        model: Model of the settings.
        table: Table of a configuration file; changed in place.
        where: Name of the table, for messages.
        overrides: Overrides of the form KEY=VALUE; values are TOML.
        seed: Key and value of one more override; ignored if the value is None.

    Raises:
        ConfigurationError: An override has another form, or the settings are not valid.
    """
    from nescio.configuration import validated

    for override in overrides:
        _override(table, override)
    if seed[1] is not None:
        _override(table, f"{seed[0]}={seed[1]}")
    return validated(model, table, where)


def _override(table: dict[str, Any], override: str) -> None:
    name, separator, text = override.partition("=")
    *path, last = (part.strip() for part in name.split("."))
    if not separator or not last or not all(path):
        raise ConfigurationError(f"--set {override}: needs the form KEY=VALUE, such as training.steps=2000")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    # The parser also raises other errors: for thousands of digits or brackets, or an impossible date.
    except (ValueError, RecursionError):
        value = text.strip()
    for part in path:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise ConfigurationError(f"--set {override}: {part!r} is not a table")
    table[last] = value
