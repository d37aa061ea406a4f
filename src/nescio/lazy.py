"""Lazy imports: a package offers names and loads their modules on first use."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

__all__ = ["attach"]


def attach(
    package: str, modules: Mapping[str, Sequence[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the functions a package needs to load its names on first use (PEP 562).

    The package repeats the imports in an ``if TYPE_CHECKING:`` block, for type checkers and for the contracts on
    imports::

        if TYPE_CHECKING:
            from house.kitchen.stove import cook

        __all__ = ["cook"]
        __getattr__, __dir__ = attach(__name__, {"stove": ["cook"]})

    Args:
        package: ``__name__`` of the package.
        modules: Names to import from each module or subpackage.

    Returns:
        The package's ``__getattr__`` and ``__dir__``.
    """
    homes = {name: module for module, names in modules.items() for name in names}

    def load(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{homes[name]}"), name)

    def listed() -> list[str]:
        return sorted({*vars(sys.modules[package]), *homes})

    return load, listed
