"""What is done when an instrument fails, hangs, refuses or is lost, so that an experiment survives the night."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import AllowInfNan, BeforeValidator, Field, Strict

from nescio.configuration import Settings
from nescio.errors import ConnectionLostError, InstrumentError, NescioError, RefusedPositionError
from nescio.explore.instruments.background import Task
from nescio.explore.instruments.protocol import Instrument

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Attempt", "FaultPolicy", "Reconnectable", "measure_with_retries"]

_Seconds = Annotated[float, Strict(), AllowInfNan(False), Field(ge=0.0, le=1e6)]
_Limit = Annotated[float, Strict(), AllowInfNan(False), Field(gt=0.0, le=1e6)]
_Times = Annotated[int, Strict(), Field(ge=0, le=1000)]

_POLL = 0.01


class FaultPolicy(Settings):
    """How often something is tried again, and what happens when it still fails."""

    timeout_seconds: Annotated[
        _Limit | None, BeforeValidator(lambda value: None if value == "never" else value)
    ] = 600.0
    """How long a measurement may take. With none ("never" in a file), it is waited for in the calling thread, however
    long it takes."""
    abort_seconds: _Seconds = 10.0
    """How long an aborted measurement may take to end; one that does not pauses the experiment."""
    retries: _Times = 2
    """How often a measurement that failed, timed out or was empty is tried again."""
    backoff_seconds: _Seconds = 1.0
    """Wait before the first retry; it doubles with each."""
    longest_backoff_seconds: _Seconds = 60.0
    reconnections: _Times = 5
    """How often a lost connection is tried again before the experiment pauses."""
    refused: Literal["forbid", "pause"] = "forbid"
    """What a refused position does: it is never asked for again and the experiment goes on, or it pauses."""
    failed: Literal["missing", "pause"] = "missing"
    """What the last failure at a position does: its value is missing and the experiment goes on, or it pauses."""
    finite_share: Annotated[float, Strict(), AllowInfNan(False), Field(ge=0.0, le=1.0)] = 0.5
    """A spectrum of which a smaller share is finite counts as empty."""


@runtime_checkable
class Reconnectable(Protocol):
    """An instrument that can be asked to find its connection again; others are simply asked to measure again."""

    def reconnect(self) -> None:
        """Connect again, or raise :class:`nescio.errors.ConnectionLostError`."""


@dataclass(frozen=True, eq=False)
class Attempt:
    """What came of one position."""

    spectrum: xr.DataArray | None
    attempts: int
    """How often the measurement was started."""
    seconds: float
    """All in all, waits included."""
    faults: tuple[str, ...] = ()
    """Everything that went wrong, in order, also where a spectrum came in the end."""
    problem: str = ""
    """Why there is no spectrum; empty where there is."""
    must_pause: bool = False
    """Nothing more should be measured before a person has looked."""


class _HungError(Exception):
    """A measurement neither ended nor could be aborted."""


# Measurements that did not come back, by the identity of their instrument, which they keep alive: on resuming, a second
# measurement must not be started beside the first.
_hung: dict[int, Task] = {}


def measure_with_retries(
    instrument: Instrument,
    position: NDArray[np.float64],
    policy: FaultPolicy,
    *,
    sleep: Callable[[float], object] = time.sleep,
    tell: Callable[[str], object] | None = None,
) -> Attempt:
    """Measure at one position, whatever the instrument does.

    With a time-out, every measurement runs in a thread of its own; a driver that must always be called from one
    thread needs ``timeout_seconds`` of none and a time-out of its own. There are never two measurements at once: one
    that timed out is aborted and waited for, and where it does not end the experiment must pause.

    Args:
        instrument: Any; exceptions of any type that it raises are faults. Only `KeyboardInterrupt` passes, once what
            is being measured was aborted.
        position: Shape (coordinates,).
        policy: What to do.
        sleep: Waits between two tries, in seconds.
        tell: Called with each fault when it happens.
    """
    start = time.monotonic()
    faults: list[str] = []
    attempts = failures = losses = 0

    def note(fault: str) -> None:
        faults.append(fault)
        if tell is not None:
            tell(fault)

    def end(spectrum: xr.DataArray | None = None, **outcome: Any) -> Attempt:
        problem = "" if spectrum is not None else faults[-1] if faults else ""
        return Attempt(spectrum, attempts, time.monotonic() - start, tuple(faults), problem, **outcome)

    while True:
        try:
            _settle(instrument, policy, first=not attempts)
            attempts += 1
            return end(_checked(_measured(instrument, position, policy), policy))
        except _HungError as error:
            note(str(error))
            return end(must_pause=True)
        except RefusedPositionError as error:
            note(_told(error))
            return end(must_pause=policy.refused == "pause")
        except ConnectionLostError as error:
            note(_told(error))
            while True:
                if losses == policy.reconnections:
                    return end(must_pause=True)
                sleep(_backoff(policy, losses))
                losses += 1
                try:
                    if isinstance(instrument, Reconnectable):
                        instrument.reconnect()
                    break
                except Exception as lost:
                    note(_told(lost))
        except Exception as error:
            note(_told(error))
            if failures == policy.retries:
                return end(must_pause=policy.failed == "pause")
            sleep(_backoff(policy, failures))
            failures += 1


def _backoff(policy: FaultPolicy, earlier: int) -> float:
    # The exponent is bounded: a wait grows no more once it has reached the longest.
    return min(policy.backoff_seconds * 2.0 ** min(earlier, 60), policy.longest_backoff_seconds)


def _told(error: BaseException) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, NescioError) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _checked(spectrum: Any, policy: FaultPolicy) -> xr.DataArray:
    import xarray as xr

    if not isinstance(spectrum, xr.DataArray):
        raise InstrumentError(
            f"the instrument returned {type(spectrum).__name__}, where a DataArray is needed"
        )
    if spectrum.dtype.kind not in "iufcb":
        raise InstrumentError(f"the spectrum holds {spectrum.dtype}, where numbers are needed")
    if spectrum.size == 0:
        raise InstrumentError(f"the spectrum is empty (shape {spectrum.shape})")
    finite = int(np.isfinite(spectrum.values).sum())
    if finite == 0 or finite < policy.finite_share * spectrum.size:
        raise InstrumentError(f"of {spectrum.size} points of the spectrum {finite} are finite")
    return spectrum


def _measured(instrument: Instrument, position: NDArray[np.float64], policy: FaultPolicy) -> Any:
    """Measure once.

    Raises:
        _HungError: It did not end in time, nor after having been aborted.
    """
    # The driver gets its own copy: one that scales it in place must not move the candidate.
    place = np.array(position, float)
    if policy.timeout_seconds is None:
        try:
            return instrument.measure(place)
        except KeyboardInterrupt:
            Task(instrument.abort).start().ended(policy.abort_seconds)
            raise
    answer: list[Any] = []
    failure: list[BaseException] = []

    def work() -> None:
        try:
            answer.append(instrument.measure(place))
        except BaseException as error:
            failure.append(error)

    task = Task(work)
    try:
        done = task.start().ended(policy.timeout_seconds)
    except KeyboardInterrupt:
        _stopped(instrument, task, policy)
        raise
    if not done:
        limit = f"no spectrum within {policy.timeout_seconds:g} s"
        if not _stopped(instrument, task, policy):
            raise _HungError(
                f"{limit}, and the measurement did not end within {policy.abort_seconds:g} s of aborting it"
            )
        # What came while it was being aborted may be half of a spectrum.
        raise InstrumentError(limit)
    if not failure:
        return answer[0]
    if isinstance(failure[0], (Exception, KeyboardInterrupt)):
        raise failure[0]
    # A driver that ends its own thread (SystemExit, a cancelled task) does not end the experiment.
    raise InstrumentError(_told(failure[0]))


def _settle(instrument: Instrument, policy: FaultPolicy, *, first: bool) -> None:
    """Make sure that nothing is being measured any more."""
    if (task := _hung.get(id(instrument))) is not None and not _stopped(instrument, task, policy):
        raise _HungError("an earlier measurement has still not ended, though it was aborted")
    if first or not _busy(instrument, policy):
        return
    Task(instrument.abort).start()
    end = time.monotonic() + policy.abort_seconds
    while _busy(instrument, policy):
        if time.monotonic() > end:
            raise _HungError(
                f"the instrument is still busy {policy.abort_seconds:g} s after having been aborted"
            )
        time.sleep(_POLL)


def _busy(instrument: Instrument, policy: FaultPolicy) -> bool:
    answer: list[bool] = []
    lost: list[ConnectionLostError] = []

    def ask() -> None:
        try:
            answer.append(bool(instrument.busy()))
        except ConnectionLostError as error:
            lost.append(error)
        except Exception:
            # A driver that cannot tell is asked to measure, and says then what is wrong.
            answer.append(False)

    if policy.timeout_seconds is None:
        ask()
    else:
        Task(ask).start().ended(max(policy.abort_seconds, 1.0))
    if lost:
        raise lost[0]
    if not answer:
        raise _HungError("the instrument does not say whether it is busy")
    return answer[0]


def _stopped(instrument: Instrument, task: Task, policy: FaultPolicy) -> bool:
    """Abort a measurement, and return whether it ended."""
    _hung[id(instrument)] = task
    if not task.ended():
        Task(instrument.abort).start()
    if task.ended(policy.abort_seconds):
        del _hung[id(instrument)]
        return True
    return False
