"""Parts found by name: techniques, agents, and kinds of parts of a configuration (scalarizers, policies, ...)."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from importlib.metadata import entry_points
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator

from nescio.configuration import validated
from nescio.errors import ConfigurationError, NescioError

__all__ = ["Kinds", "installed_names", "installed_part"]

_Part = TypeVar("_Part", bound=BaseModel)

# A message names every level; with more levels than this it would be cut before its reason.
_DEEPEST = 20
_depth: ContextVar[int] = ContextVar("_depth", default=0)


def installed_names(group: str) -> tuple[str, ...]:
    """Return the names that installed packages register under an entry point group, sorted."""
    return tuple(sorted({point.name for point in entry_points(group=group)}))


def installed_part(group: str, name: str) -> Any | None:
    """Return what an installed package registers under a name; None if none does.

    Args:
        group: Entry point group, such as ``nescio.techniques``.
        name: The name.

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
        installed = installed_names(self._group) if self._group else ()
        return tuple(sorted({*self._classes, *installed}))

    def find(self, kind: str, source: str) -> type[_Part]:
        """Return the class of a kind.

        Args:
            kind: Its name.
            source: Where it was read, for the message.

        Raises:
            ConfigurationError: There is no such kind, or what is registered is not such a part.
        """
        model: Any = self._classes.get(kind)
        if model is None and self._group:
            model = installed_part(self._group, kind)
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
        if _depth.get() >= _DEEPEST:
            raise ConfigurationError(
                f"{source}: a {self._part} is nested too deep (more than {_DEEPEST} levels)"
            )
        level = _depth.set(_depth.get() + 1)
        try:
            return validated(self.find(kind, source), document, source)
        finally:
            _depth.reset(level)

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
