"""Configuration files: TOML is read into validated, frozen models."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AllowInfNan, BaseModel, ConfigDict, Strict, ValidationError

from nescio.errors import ConfigurationError, FileError
from nescio.files import display_name, file_content, refuse_deep

__all__ = ["Real", "Settings", "Whole", "read_toml", "validated"]

_LARGEST_FILE = 2_000_000
_MARKS = re.compile(r"[,={}\[\]\n]")
_MOST_PARTS = 100
_Model = TypeVar("_Model", bound=BaseModel)

# Strict: true or "1" instead of a number is an error.
Real = Annotated[float, Strict(), AllowInfNan(False)]
"""A finite number."""
Whole = Annotated[int, Strict()]
"""A whole number."""


class Settings(BaseModel):
    """Base of all settings: frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        FileError: The file is missing, is not text, or is larger than 2 MB.
        ConfigurationError: The file is not valid TOML; the message names the line.
    """
    content = file_content(path, _LARGEST_FILE)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FileError(f"{display_name(path)}: not a text file in UTF-8") from None
    # The parser's time grows with the square of the number of parts of a name.
    if max(part.count(".") for part in _MARKS.split(text)) > _MOST_PARTS:
        raise ConfigurationError(f"{display_name(path)}: a name of more than {_MOST_PARTS} parts (a.b.c)")
    try:
        document = tomllib.loads(text)
    # The parser also raises ValueError: for an integer of thousands of digits, or an impossible date.
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{display_name(path)}: not valid TOML: {error}") from None
    refuse_deep(document, display_name(path), ConfigurationError)
    return document


def validated(model: type[_Model], document: Mapping[str, Any], source: str) -> _Model:
    """Build a settings model from a document.

    Args:
        model: The pydantic model.
        document: The parsed document.
        source: Source of the document, for the message.

    Raises:
        ConfigurationError: The document is not valid; the message names the source, the first wrong key and valid
            values.
    """
    try:
        return model.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        parts = (str(part) for part in first["loc"])
        key = ".".join(part if part.isprintable() else repr(part) for part in parts) or "(top level)"
        if first["type"] == "extra_forbidden":
            message = f"unknown key {key!r}; known here: {_siblings(model, first['loc'])}"
        else:
            message = f"{key}: {first['msg'].removeprefix('Value error, ')}"
            if first["type"] not in ("missing", "value_error"):
                message += f", not {_shown(first['input'])}"
        more = error.error_count() - 1
        suffix = f" (and {more} more)" if more else ""
        raise ConfigurationError(f"{source}: {message}{suffix}") from None


def _shown(value: object) -> str:
    """Return a value in at most 60 characters."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):
        # Python refuses to write out integers of more than some thousand digits.
        return "a value too long to show"
    return text if len(text) < 60 else text[:57] + "..."


def _siblings(model: type[BaseModel], location: tuple[int | str, ...]) -> str:
    """Return the known keys of the table that contains `location`."""
    here: Any = model
    for part in location[:-1]:
        if isinstance(part, int):
            continue
        field = here.model_fields.get(part) if hasattr(here, "model_fields") else None
        if field is None:
            break
        here = _model_within(field.annotation)
    fields = getattr(here, "model_fields", {})
    return ", ".join(sorted(field.alias or name for name, field in fields.items())) or "none"


def _model_within(annotation: Any) -> Any:
    """Return the first settings model inside a type such as ``tuple[Model, ...]`` or ``Model | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _model_within(argument)
        if found is not None:
            return found
    return None
