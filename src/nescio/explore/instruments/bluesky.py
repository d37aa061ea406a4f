"""Bluesky devices as an instrument, and an exploration as a Bluesky plan."""

from __future__ import annotations

import inspect
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from nescio.configuration import Settings
from nescio.errors import (
    ConfigurationError,
    InstrumentError,
    MissingExtraError,
    NescioError,
    RefusedPositionError,
)
from nescio.explore.instruments.asktell import AskTell
from nescio.explore.instruments.background import Task
from nescio.explore.instruments.protocol import Instrument
from nescio.explore.instruments.readings import ReadSpectrum

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["BlueskyInstrument", "BlueskySettings", "explore_plan"]

_GROUP = "nescio.bluesky"
_LONGEST_ABORT = 10.0
_POLL = 0.005


class BlueskySettings(Settings):
    """An instrument from an installed package's Bluesky devices (``[instrument]`` of kind "bluesky").

    A configuration cannot name a module to import, because it could then run any code. Instead, the package registers a
    function in the entry point group ``nescio.bluesky``, and the configuration gives its name.
    """

    kind: Literal["bluesky"] = "bluesky"
    factory: Annotated[str, Field(min_length=1, max_length=200)]
    """Registered name of a function that returns an instrument."""
    arguments: dict[str, str | bool | int | float] = Field(default_factory=dict)
    """Keyword arguments of the function."""

    def build(self, folder: Path | None = None) -> Instrument:
        """Call the function.

        Raises:
            ConfigurationError: No installed package registers the name, or the function fails or does not return an
                instrument.
        """
        del folder
        points = {point.name: point for point in entry_points(group=_GROUP)}
        if self.factory not in points:
            known = ", ".join(sorted(points)) or "none"
            raise ConfigurationError(
                f"factory {self.factory!r} is not registered under {_GROUP} by an installed package (known: {known})"
            )
        try:
            instrument = points[self.factory].load()(**self.arguments)
        except NescioError:
            raise
        # The function belongs to another package and connects to devices; it may raise anything.
        except Exception as error:
            raise ConfigurationError(
                f"factory {self.factory!r} failed: {type(error).__name__}: {error}"
            ) from error
        if not isinstance(instrument, Instrument):
            raise ConfigurationError(
                f"factory {self.factory!r} returned {type(instrument).__name__} instead of an instrument"
            )
        return instrument


class BlueskyInstrument:
    """Moves motors and reads detectors, in one run of a RunEngine per measurement."""

    def __init__(
        self,
        motors: Sequence[Any],
        detectors: Sequence[Any],
        spectrum: ReadSpectrum,
        survey: Callable[[], xr.Dataset],
        *,
        engine: Any = None,
        name: str = "bluesky",
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Create an instrument from devices.

        Args:
            motors: One per coordinate of a position, in order; `bluesky.protocols.Movable` with a name.
            detectors: The detectors to read; `bluesky.protocols.Readable`.
            spectrum: Function from the readings to a spectrum, such as
                :class:`nescio.explore.instruments.SpectrumField`.
            survey: Function that returns a survey, see :meth:`nescio.explore.instruments.Instrument.survey`.
            engine: A `bluesky.RunEngine` with its subscriptions; default: a new one. If Qt draws its plots, measure in
                the main thread (`FaultPolicy` with ``timeout_seconds`` None).
            name: Name in the record.
            metadata: Metadata of each run.

        Raises:
            MissingExtraError: Bluesky is not installed.
        """
        self._motors, self._detectors = tuple(motors), tuple(detectors)
        self._spectrum, self._survey = spectrum, survey
        self._name = name
        self._metadata = dict(metadata or {})
        self._measuring = threading.Lock()
        self._owned = engine is None
        if engine is None:
            engine = _bluesky().RunEngine({}, context_managers=[], during_task=_bluesky("utils").DuringTask())
        self.engine = engine
        """The RunEngine."""

    @property
    def name(self) -> str:
        """Name in the record."""
        return self._name

    def survey(self) -> xr.Dataset:
        """Return the survey."""
        return self._survey()

    def measure(self, position: NDArray[np.float64]) -> xr.DataArray:
        """Move, trigger and read; the spectrum's attribute ``bluesky_run`` is the uid of the run.

        Raises:
            RefusedPositionError: The number of coordinates differs from the number of motors, or a motor's limits are
                exceeded.
            InstrumentError: A device failed, or the RunEngine is busy or was aborted.
        """
        place = np.asarray(position, float)
        if place.shape != (len(self._motors),) or not np.isfinite(place).all():
            raise RefusedPositionError(
                f"{self.name}: {place} is not a valid position of {len(self._motors)} motors"
            )
        if not self._measuring.acquire(blocking=False):
            raise InstrumentError(f"{self.name} is busy")
        try:
            self._check_limits(place)
            return self._run(place)
        finally:
            self._measuring.release()

    def busy(self) -> bool:
        """Whether a measurement or another plan of the RunEngine is running."""
        return self._measuring.locked() or str(self.engine.state) != "idle"

    def abort(self) -> None:
        """Abort the run of the measurement; other plans are not aborted."""
        if not self._measuring.locked() or str(self.engine.state) == "idle":
            return
        try:
            self.engine.abort(reason="aborted by Nescio")
        except _bluesky("utils").TransitionError:
            # The run ended by itself meanwhile.
            return

    def close(self) -> None:
        """Stop the instrument's own RunEngine for good; a given RunEngine is not stopped."""
        if self._owned:
            loop = self.engine.loop
            loop.call_soon_threadsafe(loop.stop)
            while loop.is_running():
                time.sleep(_POLL)
            loop.close()

    def _check_limits(self, place: NDArray[np.float64]) -> None:
        for motor, value in zip(self._motors, place, strict=True):
            check = getattr(motor, "check_value", None)
            if check is None:
                continue
            try:
                answer = check(float(value))
                if inspect.isawaitable(answer):
                    _finish(answer, self.engine.loop)
            except Exception as error:
                # Ophyd's LimitError is a ValueError, ophyd-async's MotorLimitsException is not. Any other error is a
                # fault of the device; the position may be valid.
                if isinstance(error, ValueError) or "limit" in type(error).__name__.lower():
                    raise RefusedPositionError(
                        f"{self.name}: {motor.name} refuses {value:g}: {error}"
                    ) from error
                raise InstrumentError(f"{self.name}: {motor.name}: {_cause(error)}") from error

    def _run(self, place: NDArray[np.float64]) -> xr.DataArray:
        utils, engine = _bluesky("utils"), self.engine
        values: dict[str, Any] = {}
        managers = engine.context_managers
        if threading.current_thread() is not threading.main_thread():
            # Only the main thread can install a handler of Ctrl-C, and it has one while it waits for this thread.
            engine.context_managers = []
        try:
            runs = self._execute(self._plan(place, values))
        except utils.RunEngineInterrupted:
            if str(engine.state) == "paused":
                # A person requested a pause, by keyboard or console; pause the experiment instead of the run.
                engine.abort(reason="paused while Nescio measured")
                raise KeyboardInterrupt from None
            raise InstrumentError(f"{self.name}: the run was aborted") from None
        except InstrumentError:
            raise
        except Exception as error:
            raise InstrumentError(f"{self.name}: {_cause(error)}") from error
        finally:
            engine.context_managers = managers
        spectrum = self._spectrum(values)
        uids = runs if isinstance(runs, tuple) else runs.run_start_uids
        return spectrum.assign_attrs(bluesky_run=str(uids[0]) if uids else "")

    def _execute(self, plan: Generator[Any, Any, None]) -> Any:
        """Run a plan. On Ctrl-C, abort a plan of the instrument's own engine; a given engine handles it itself."""
        if not self._owned:
            return self.engine(plan)
        answer: list[Any] = []
        failure: list[BaseException] = []

        def work() -> None:
            try:
                answer.append(self.engine(plan))
            except BaseException as error:
                failure.append(error)

        # A RunEngine interrupted during its start leaves its plan running, so wait for it in another thread.
        task = Task(work)
        try:
            task.start()
            while not task.ended(_LONGEST_ABORT):
                pass
        except KeyboardInterrupt:
            end = time.monotonic() + _LONGEST_ABORT
            while not task.ended(_POLL) and time.monotonic() < end:
                self.abort()
            raise
        if failure:
            raise failure[0]
        return answer[0]

    def _plan(self, place: NDArray[np.float64], values: dict[str, Any]) -> Generator[Any, Any, None]:
        stubs, wrappers = _bluesky("plan_stubs"), _bluesky("preprocessors")
        metadata = {
            "plan_name": "nescio_measure",
            "motors": [motor.name for motor in self._motors],
            "detectors": [detector.name for detector in self._detectors],
            "position": [float(value) for value in place],
            **self._metadata,
        }

        def measure() -> Generator[Any, Any, None]:
            values.update((yield from _visit(self._motors, self._detectors, place)))
            # A pause requested meanwhile only takes effect at a checkpoint.
            yield from stubs.checkpoint()

        yield from wrappers.stage_wrapper(wrappers.run_wrapper(measure(), md=metadata), self._detectors)


def explore_plan(
    experiment: AskTell,
    motors: Sequence[Any],
    detectors: Sequence[Any],
    measurements: int,
    *,
    spectrum: ReadSpectrum,
    failures: int = 3,
    metadata: Mapping[str, Any] | None = None,
) -> Generator[Any, Any, tuple[int, ...]]:
    """Explore in your own RunEngine: ``RE(explore_plan(experiment, [y, x], [detector], 50, spectrum=...))``.

    All measurements are events of one run. The experiment chooses in the RunEngine's thread, between messages.

    Args:
        experiment: The experiment, which chooses candidates and stores results.
        motors: One per coordinate of a position, in order.
        detectors: Detectors to trigger and read.
        measurements: Maximum number of measurements; fewer if the experiment is finished earlier.
        spectrum: Function from the readings to a spectrum.
        failures: Number of consecutive failures that ends the run; each is stored as a missing value.
        metadata: Metadata of the run.

    Returns:
        The measured candidates.

    Raises:
        MissingExtraError: Bluesky is not installed.
    """
    stubs, wrappers, utils = _bluesky("plan_stubs"), _bluesky("preprocessors"), _bluesky("utils")
    document = {
        "plan_name": "explore_plan",
        "motors": [motor.name for motor in motors],
        "detectors": [detector.name for detector in detectors],
        "num_points": measurements,
        **(metadata or {}),
    }

    def explore() -> Generator[Any, Any, tuple[int, ...]]:
        measured: list[int] = []
        failed = 0
        for _ in range(measurements):
            yield from stubs.checkpoint()
            if not (chosen := experiment.ask(1).candidates):
                break
            try:
                values = yield from _visit(motors, detectors, experiment.candidates.position(chosen[0]))
                found = spectrum(values)
            except utils.RunEngineControlException:
                # A person aborts or stops the run. This is not a fault of the candidate; it will be returned again.
                raise
            except Exception as error:
                failed += 1
                experiment.tell(chosen[0], None, _cause(error))
                if failed >= failures:
                    raise
            else:
                failed = 0
                experiment.tell(chosen[0], found)
                measured.append(chosen[0])
        return tuple(measured)

    wrapped = wrappers.run_wrapper(explore(), md=document)
    measured: tuple[int, ...] = yield from wrappers.stage_wrapper(wrapped, [*detectors, *motors])
    return measured


def _visit(
    motors: Sequence[Any], detectors: Sequence[Any], position: NDArray[np.float64]
) -> Generator[Any, Any, dict[str, Any]]:
    """Move, trigger and read as one event, and return the values by field."""
    stubs = _bluesky("plan_stubs")
    moves = [item for motor, value in zip(motors, position, strict=True) for item in (motor, float(value))]
    yield from stubs.mv(*moves)
    readable = [motor for motor in motors if hasattr(motor, "read")]
    readings = yield from stubs.trigger_and_read([*detectors, *readable])
    return {name: reading["value"] for name, reading in (readings or {}).items()}


def _cause(error: BaseException) -> str:
    """Return the device's error if the RunEngine only reports a failed status."""
    cause = (
        error.__cause__ if type(error).__name__ == "FailedStatus" and error.__cause__ is not None else error
    )
    text = " ".join(str(cause).split())
    if isinstance(cause, NescioError) and text:
        return text
    return f"{type(cause).__name__}: {text}" if text else type(cause).__name__


def _finish(answer: Any, loop: Any) -> None:
    """Wait for the answer of an asynchronous device, in the RunEngine's loop."""
    import asyncio

    async def finish() -> None:
        await answer

    asyncio.run_coroutine_threadsafe(finish(), loop).result(_LONGEST_ABORT)


def _bluesky(module: str = "") -> Any:
    try:
        return import_module(f"bluesky.{module}" if module else "bluesky")
    except ImportError:
        raise MissingExtraError("Bluesky devices need an extra: pip install nescio[bluesky]") from None
