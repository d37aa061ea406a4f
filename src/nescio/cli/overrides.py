"""The option `--set KEY=VALUE`: keys of the table ``[learn]``, given on the command line."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nescio.errors import ConfigurationError

if TYPE_CHECKING:
    from nescio.learn import LearnSettings, NumberSettings

__all__ = ["SetOption", "learn_settings", "number_settings"]

SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the learn table; repeatable."),
]


def learn_settings(
    table: dict[str, Any], where: str, overrides: Iterable[str], seed: int | None = None
) -> LearnSettings:
    """Return the settings that a table and what was given on the command line come to.

    Args:
        table: Of a configuration file; changed in place.
        where: What errors call the table.
        overrides: Of the form KEY=VALUE, each value read as TOML.
        seed: Short for the override ``training.seed``.

    Raises:
        ConfigurationError: An override has no such form, or the outcome is not valid.
    """
    from nescio.configuration import validated
    from nescio.learn import LearnSettings

    _override_all(table, overrides, seed, "training")
    return validated(LearnSettings, table, where)


def number_settings(
    table: dict[str, Any], where: str, overrides: Iterable[str], seed: int | None = None
) -> NumberSettings:
    """Return the settings of an agent that tells numbers; as :func:`learn_settings`, `seed` being ``networks.seed``."""
    from nescio.configuration import validated
    from nescio.learn import NumberSettings

    _override_all(table, overrides, seed, "networks")
    return validated(NumberSettings, table, where)


def _override_all(table: dict[str, Any], overrides: Iterable[str], seed: int | None, seeded: str) -> None:
    for override in overrides:
        _override(table, override)
    if seed is not None:
        _override(table, f"{seeded}.seed={seed}")


def _override(table: dict[str, Any], override: str) -> None:
    name, separator, text = override.partition("=")
    *path, last = (part.strip() for part in name.split("."))
    if not separator or not last or not all(path):
        raise ConfigurationError(f"--set {override}: needs the form KEY=VALUE, such as training.steps=2000")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    # Besides its own errors the parser passes on others: for thousands of digits or brackets, an impossible date.
    except (ValueError, RecursionError):
        value = text.strip()
    for part in path:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise ConfigurationError(f"--set {override}: {part!r} is not a table")
    table[last] = value
