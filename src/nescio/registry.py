"""Parts of a configuration that come in several kinds: scalarizers, policies, regions, instruments, ..."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator

from nescio.configuration import validated
from nescio.errors import ConfigurationError

__all__ = ["Kinds"]

_Part = TypeVar("_Part", bound=BaseModel)


class Kinds(Generic[_Part]):
    """All kinds of one sort of part, by name; a table of a configuration names one with its key ``kind``.

    The kinds are classes that :meth:`add` registers, and those that installed packages register under an entry point
    group.
    """

    def __init__(self, part: str, base: type[_Part], *, group: str = "") -> None:
        """Begin without any registered class.

        Args:
            part: What a part is called in messages, such as "policy".
            base: The class from which all kinds derive.
            group: Entry point group through which other packages add kinds; empty for none.
        """
        self._part, self._base, self._group = part, base, group
        self._classes: dict[str, type[_Part]] = {}

    def add(self, model: type[_Part]) -> type[_Part]:
        """Register a class under the default of its field ``kind``; usable as a decorator."""
        self._classes[str(model.model_fields["kind"].default)] = model
        return model

    def names(self) -> tuple[str, ...]:
        """Return the names of all kinds, sorted."""
        installed = entry_points(group=self._group) if self._group else ()
        return tuple(sorted({*self._classes, *(point.name for point in installed)}))

    def find(self, kind: str, source: str) -> type[_Part]:
        """Return the class of a kind.

        Args:
            kind: Its name.
            source: Where it was read, for the message.

        Raises:
            ConfigurationError: There is no such kind, or what is registered is not such a part.
        """
        model: Any = self._classes.get(kind)
        if model is None:
            points = entry_points(group=self._group) if self._group else ()
            model = next((point.load() for point in points if point.name == kind), None)
        if model is None:
            known = ", ".join(f'"{name}"' for name in self.names()) or "none"
            raise ConfigurationError(f"{source}: kind {kind!r} is not known (known: {known})")
        if not (isinstance(model, type) and issubclass(model, self._base)):
            name = getattr(model, "__name__", type(model).__name__)
            raise ConfigurationError(f"{source}: {name} is registered as a {self._part} but is none")
        return model

    def build(self, document: Mapping[str, Any], source: str) -> _Part:
        """Return the part that a table describes: its ``kind`` names the class, the rest are its fields.

        Args:
            document: With a key ``kind``.
            source: Where it was read, for messages.

        Raises:
            ConfigurationError: There is no such kind, or a field is unknown or impossible.
        """
        kind = document.get("kind")
        if not isinstance(kind, str):
            known = ", ".join(f'"{name}"' for name in self.names())
            raise ConfigurationError(f"{source}: needs a key kind, one of {known}")
        try:
            return validated(self.find(kind, source), document, source)
        except RecursionError:
            raise ConfigurationError(f"{source}: a {self._part} is nested too deep") from None

    @property
    def table(self) -> BeforeValidator:
        """Validator of a field that holds such a part: it builds the part where a table stands."""

        def validator(value: Any) -> Any:
            if not isinstance(value, Mapping):
                return value
            try:
                return self.build(value, str(value.get("kind", "table")))
            except ConfigurationError as error:
                # Pydantic adds the place in the file to a ValueError only.
                raise ValueError(str(error)) from None

        return BeforeValidator(validator)
