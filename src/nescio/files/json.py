"""JSON with limits on memory and on the depth of nesting."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from nescio.errors import FileError, NescioError
from nescio.files.source import Source
from nescio.files.text import decoded_text

__all__ = ["json_value", "refuse_deep"]

_BYTES_PER_ITEM = 80
_DEEPEST = 100


def json_value(source: Source) -> Any:
    """Parse a JSON document.

    Raises:
        FileError: The document is not JSON, has a number that is not finite, is nested more than 100 levels deep, or
            exceeds its memory budget.
    """
    text = decoded_text(source)
    # Each item follows one of these; a few bytes of text become an object in memory.
    items = sum(text.count(mark) for mark in ",:[{")
    source.spend(_BYTES_PER_ITEM * items, "its items")
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise FileError(f"{source.name}: not readable as JSON ({error})") from None
    refuse_deep(value, source.name)
    return value


def refuse_deep(value: Any, name: str, error: type[NescioError] = FileError) -> None:
    """Refuse lists and tables nested more than 100 levels deep; recursive functions would fail on them.

    Args:
        value: The parsed document.
        name: Name of its file, for the message.
        error: Class of the error to raise.
    """
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(_DEEPEST):
        inner: list[Any] = []
        for item in level:
            inner += item.values() if isinstance(item, dict) else item
        level = [item for item in inner if isinstance(item, dict | list)]
        if not level:
            return
    raise error(f"{name}: is nested more than {_DEEPEST} deep")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number in JSON")
