"""How objects and progress show themselves in a notebook, as HTML."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from html import escape
from importlib import import_module
from typing import Any

from nescio.errors import printable

__all__ = ["NotebookOutput", "in_notebook", "key_figures"]

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
