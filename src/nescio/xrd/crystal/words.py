"""Words that notes and errors about crystals share."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["listed"]

_FEW = 4


def listed(labels: Sequence[str]) -> str:
    """Return labels as text, the first few of many."""
    shown = ", ".join(labels[:_FEW])
    return shown if len(labels) <= _FEW else f"{shown} and {len(labels) - _FEW} more"
