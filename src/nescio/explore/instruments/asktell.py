"""An exploration as somebody else's loop sees it: asked where to measure, told what was found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["AskTell"]


@runtime_checkable
class AskTell(Protocol):
    """An exploration that does not drive the instrument itself."""

    def ask(self, n: int = 1) -> list[int]:
        """Return the candidates to measure next, at most `n`, none of them twice; fewer where fewer are left."""

    def position(self, candidate: int) -> NDArray[np.float64]:
        """Return where a candidate is, shape (coordinates,)."""

    def tell(self, candidate: int, spectrum: xr.DataArray | None, problem: str = "") -> object:
        """Take the spectrum of a candidate; without one, `problem` says why."""

    @property
    def finished(self) -> str:
        """Why nothing more is to be measured; empty while something is."""

    def best(self, n: int) -> list[tuple[int, float]]:
        """Return the best measured candidates so far with their values, best first."""
