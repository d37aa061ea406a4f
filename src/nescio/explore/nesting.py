"""Parts of a configuration that are one of several kinds, and that hold parts of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, BeforeValidator

from nescio.configuration import validated
from nescio.errors import ConfigurationError

__all__ = ["build_one_of", "nested"]

_Model = TypeVar("_Model", bound=BaseModel)


def build_one_of(models: Mapping[str, type[_Model]], document: Mapping[str, Any], source: str) -> _Model:
    """Return the part that a table describes: its ``kind`` names the model, the rest its fields.

    Args:
        models: By kind.
        document: With a key ``kind``.
        source: Where it was read, for messages.

    Raises:
        ConfigurationError: There is no such kind, or a field is unknown or impossible.
    """
    kind = document.get("kind")
    if not isinstance(kind, str) or kind not in models:
        known = ", ".join(f'"{name}"' for name in sorted(models))
        what = "needs a key kind" if kind is None else f"kind {kind!r} is not known"
        raise ConfigurationError(f"{source}: {what} (one of {known})")
    try:
        return validated(models[kind], document, source)
    except RecursionError:
        raise ConfigurationError(f"{source}: nested too deep") from None


def nested(build: Callable[[Mapping[str, Any], str], BaseModel]) -> BeforeValidator:
    """Return a validator for a field that holds a part, or the table that describes one.

    Args:
        build: (table, what messages call it) -> the part.
    """

    def validator(value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        try:
            return build(value, str(value.get("kind", "table")))
        except ConfigurationError as error:
            # Only a ValueError is told with the place in the file.
            raise ValueError(str(error)) from None

    return BeforeValidator(validator)
