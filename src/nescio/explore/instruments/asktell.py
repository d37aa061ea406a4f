"""The ask-tell protocol: an exploration driven by another program's loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from nescio.explore.candidates import Candidates

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["AskTell", "Asked"]


class Asked(Protocol):
    """The next step; :class:`nescio.explore.Next` implements it."""

    @property
    def candidates(self) -> tuple[int, ...]:
        """Candidates to measure, without repeats; empty while the exploration waits or when it is finished."""

    @property
    def waiting(self) -> str:
        """Why the exploration waits; empty if it does not."""

    @property
    def finished(self) -> str:
        """Why the exploration is finished; empty if it is not."""


@runtime_checkable
class AskTell(Protocol):
    """An exploration that another program drives."""

    @property
    def candidates(self) -> Candidates:
        """All candidates, with their positions."""

    def ask(self, n: int = 1) -> Asked:
        """Return up to `n` candidates to measure next; candidates without a result yet are returned again.

        With 0 no candidate is chosen; the answer only says whether the exploration waits or is finished.
        """

    def tell(self, candidate: int, spectrum: xr.DataArray | None, problem: str = "") -> object:
        """Store the spectrum of a candidate; without a spectrum, `problem` gives the reason."""

    def best(self, n: int) -> list[tuple[int, float]]:
        """Return up to `n` measured candidates with their values, best first."""
