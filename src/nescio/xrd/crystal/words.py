"""Text shared by notes and errors on crystals."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["listed"]

_FEW = 4


def listed(labels: Sequence[str]) -> str:
    """Return labels as text; of many labels, the first few."""
    shown = ", ".join(labels[:_FEW])
    return shown if len(labels) <= _FEW else f"{shown} and {len(labels) - _FEW} more"
