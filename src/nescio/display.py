"""How objects and progress show themselves in a notebook, as HTML."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import fields
from html import escape
from importlib import import_module
from typing import Any

from nescio.errors import printable

__all__ = ["NotebookOutput", "Summarised", "in_notebook", "key_figures"]

_LONGEST = 200


def key_figures(title: str, figures: Mapping[str, object]) -> str:
    """Return a heading and a table of key figures; every text is escaped.

    Args:
        title: What the object is.
        figures: Values by name; long ones are cut.
    """
    rows = "".join(
        f"<tr><th style='text-align:left'>{_text(name)}</th><td style='text-align:left'>{_text(value)}</td></tr>"
        for name, value in figures.items()
    )
    return f"<table><caption style='text-align:left'><b>{_text(title)}</b></caption>{rows}</table>"


def _text(value: object) -> str:
    text = printable(str(value))
    return escape(text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ...")


class Summarised:
    """A dataclass (with ``repr=False``) that shows its arrays by shape and range, not number by number."""

    def __repr__(self) -> str:
        """Return the class with its fields."""
        shown = (f"{name}={value}" for name, value in self._summary(repr).items())
        return f"{type(self).__name__}({', '.join(shown)})"

    def _repr_html_(self) -> str:
        return key_figures(type(self).__name__, self._summary(str))

    def _summary(self, show: Callable[[object], str]) -> dict[str, str]:
        return {
            field.name: _of_array(value) or show(value)
            for field in fields(self)  # type: ignore[arg-type]
            if not _is_empty(value := getattr(self, field.name))
        }


def _is_empty(value: object) -> bool:
    return value is None or (isinstance(value, str | tuple) and not value)


def _of_array(value: object) -> str | None:
    """Return the shape and the range of an array, or None for anything else."""
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if not isinstance(shape, tuple) or dtype is None:
        return None
    size = " x ".join(map(str, shape)) or "1"
    if dtype.kind not in "iuf" or 0 in shape:
        return f"<{size} {dtype}>"
    array: Any = value
    return f"<{size}: {float(array.min()):.6g} to {float(array.max()):.6g}>"


def in_notebook() -> bool:
    """Return whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return hasattr(shell, "kernel")


class NotebookOutput:
    """One output of a notebook's cell that is replaced again and again; needs no widgets."""

    def __init__(self) -> None:
        """Show nothing yet."""
        self._handle: Any = None

    def show(self, html: str) -> None:
        """Replace what is shown."""
        notebook: Any = import_module("IPython.display")
        content = notebook.HTML(html)
        if self._handle is None:
            self._handle = notebook.display(content, display_id=True)
        else:
            self._handle.update(content)
