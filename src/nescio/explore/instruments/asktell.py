"""An exploration as somebody else's loop sees it: asked where to measure, told what was found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from nescio.explore.candidates import Candidates

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["AskTell", "Asked"]


class Asked(Protocol):
    """What to do now; :class:`nescio.explore.Next` is one."""

    @property
    def candidates(self) -> tuple[int, ...]:
        """To be measured, none twice; none while the exploration waits, or when it is finished."""

    @property
    def waiting(self) -> str:
        """Why nothing is to be measured at present."""

    @property
    def finished(self) -> str:
        """Why nothing more is to be measured."""


@runtime_checkable
class AskTell(Protocol):
    """An exploration that does not drive the instrument itself."""

    @property
    def candidates(self) -> Candidates:
        """All candidates, with their positions."""

    def ask(self, n: int = 1) -> Asked:
        """Return what to measure now, at most `n` candidates; those that were not told yet are returned again.

        With 0 nothing is chosen: the answer says whether the exploration waits or is finished.
        """

    def tell(self, candidate: int, spectrum: xr.DataArray | None, problem: str = "") -> object:
        """Take the spectrum of a candidate; without one, `problem` says why."""

    def best(self, n: int) -> list[tuple[int, float]]:
        """Return the best measured candidates so far with their values, best first."""
