"""An exploration as an optimizer for the plans of bluesky-adaptive (version 1.0)."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nescio.errors import ExplorationError, InstrumentError, NescioError
from nescio.explore.instruments.asktell import AskTell
from nescio.explore.instruments.readings import ReadSpectrum

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["AdaptiveAgent", "RunOutcomes"]

_ID = "_id"


class AdaptiveAgent:
    """Implements `bluesky_adaptive.protocols.Optimizer` and its optional companion protocols.

    Suggestions are ``{"_id": candidate, motor: coordinate, ...}``. Outcomes are ``{"_id": candidate, ...}`` with the
    input of `spectrum`, or with the key ``spectrum`` and a DataArray. They may arrive in any order.
    """

    def __init__(
        self,
        experiment: AskTell,
        motors: Sequence[str],
        spectrum: ReadSpectrum,
    ) -> None:
        """Wrap an experiment.

        Args:
            experiment: The experiment, which chooses candidates and stores results.
            motors: Names of the motors, one per coordinate of a position, in order.
            spectrum: Function from an outcome's other values, by field, to a spectrum.
        """
        self._experiment = experiment
        self._motors = tuple(motors)
        self._spectrum = spectrum
        self._asked: dict[Hashable, bool] = {}

    def suggest(self, num_points: int | None = None) -> list[dict[str, Any]]:
        """Return suggestions for the next measurements.

        Raises:
            ExplorationError: The experiment is finished or waits.
        """
        asked = self._experiment.ask(num_points or 1)
        if asked.finished:
            raise ExplorationError(f"no suggestion: the experiment is finished ({asked.finished})")
        if not asked.candidates:
            raise ExplorationError(f"no suggestion now: {asked.waiting or 'no candidate is left'}")
        return [self._suggestion(candidate) for candidate in asked.candidates]

    def ingest(self, points: Sequence[Mapping[str, Any]]) -> None:
        """Store outcomes.

        Raises:
            ExplorationError: A point has no ``_id``, or its ``_id`` was not suggested.
        """
        for point in points:
            candidate = point.get(_ID)
            if not isinstance(candidate, Hashable) or candidate not in self._asked:
                raise ExplorationError(f"result for {_ID} {candidate!r}: it was not suggested")
        for point in points:
            candidate = point[_ID]
            try:
                found, problem = self._found(point), ""
            except NescioError as error:
                found, problem = None, str(error)
            self._asked[candidate] = True
            self._experiment.tell(candidate, found, problem)

    def get_best_points(self) -> list[tuple[int, dict[str, Any], dict[str, float]]]:
        """Return the best measured candidate with its position and value; empty if there is none."""
        return [
            (candidate, self._coordinates(candidate), {"value": value})
            for candidate, value in self._experiment.best(1)
        ]

    def register_suggestions(self, suggestions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return the candidates nearest to positions picked by a person.

        Raises:
            ExplorationError: A coordinate is missing, or two positions have the same nearest candidate.
        """
        chosen = []
        for suggestion in suggestions:
            if missing := [name for name in self._motors if name not in suggestion]:
                raise ExplorationError(f"a position has no {missing[0]!r}: {dict(suggestion)}")
            chosen.append(
                self._experiment.candidates.nearest([float(suggestion[name]) for name in self._motors])
            )
        if len(set(chosen)) < len(chosen):
            raise ExplorationError("two of the positions have the same nearest candidate")
        return [self._suggestion(candidate) for candidate in chosen]

    def register_failures(self, suggestions: Sequence[Mapping[str, Any]]) -> None:
        """Store that suggestions could not be measured."""
        for suggestion in suggestions:
            candidate = suggestion.get(_ID)
            if isinstance(candidate, int) and self._asked.get(candidate) is False:
                self._asked[candidate] = True
                self._experiment.tell(candidate, None, "the acquisition failed")

    def should_stop(self) -> tuple[bool, str | None]:
        """Return whether the experiment is finished, and why."""
        reason = self._experiment.ask(0).finished
        return bool(reason), reason or None

    def checkpoint(self) -> None:
        """Do nothing: the record is complete after every result."""

    def _suggestion(self, candidate: int) -> dict[str, Any]:
        self._asked[candidate] = False
        return {_ID: candidate, **self._coordinates(candidate)}

    def _coordinates(self, candidate: int) -> dict[str, float]:
        position = self._experiment.candidates.position(candidate)
        return {name: float(value) for name, value in zip(self._motors, position, strict=True)}

    def _found(self, point: Mapping[str, Any]) -> xr.DataArray:
        import xarray as xr

        if isinstance(given := point.get("spectrum"), xr.DataArray):
            return given
        return self._spectrum({name: value for name, value in point.items() if name != _ID})


class RunOutcomes:
    """Evaluation function that passes a run's readings to the agent, without an archive.

    Call ``RE.subscribe(outcomes.receive)`` to receive the runs of `bluesky_adaptive.plans.default_acquire`, which state
    the order of the suggestions.
    """

    def __init__(self) -> None:
        """Start without any run."""
        self._orders: dict[str, list[Hashable]] = {}
        self._streams: dict[str, str] = {}
        self._events: dict[str, list[dict[str, Any]]] = {}

    def receive(self, name: str, document: Mapping[str, Any]) -> None:
        """Receive a document of a run."""
        if name == "start" and "blop_acquisition_order" in document:
            self._orders[document["uid"]] = list(document["blop_acquisition_order"])
            self._events[document["uid"]] = []
        elif name == "descriptor" and document["run_start"] in self._orders and document["name"] == "primary":
            self._streams[document["uid"]] = document["run_start"]
        elif name == "event" and document["descriptor"] in self._streams:
            self._events[self._streams[document["descriptor"]]].append(dict(document["data"]))
        elif name == "event_page" and document["descriptor"] in self._streams:
            columns = document["data"]
            rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
            self._events[self._streams[document["descriptor"]]].extend(rows)

    def __call__(self, uid: str, suggestions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return the readings for each suggestion, without the motors' positions.

        Raises:
            InstrumentError: The run was not received, or does not have one event per suggestion.
        """
        if uid not in self._orders:
            raise InstrumentError(f"run {uid} was not received; subscribe `receive` to the RunEngine")
        order, events = self._orders.pop(uid), self._events.pop(uid)
        self._streams = {descriptor: run for descriptor, run in self._streams.items() if run != uid}
        if len(order) != len(events):
            raise InstrumentError(f"run {uid} has {len(events)} events for {len(order)} suggestions")
        names = {name for suggestion in suggestions for name in suggestion}
        return [
            {_ID: identity, **{name: value for name, value in event.items() if name not in names}}
            for identity, event in zip(order, events, strict=True)
        ]
