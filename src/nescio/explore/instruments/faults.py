"""Retries and time-outs for instruments that fail, hang, refuse a position or lose the connection."""

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
    """Time-outs, number of retries, and the response to repeated failures."""

    timeout_seconds: Annotated[
        _Limit | None, BeforeValidator(lambda value: None if value == "never" else value)
    ] = 600.0
    """Maximum time of a measurement. None ("never" in a file) means no time-out; the calling thread then waits."""
    abort_seconds: _Seconds = 10.0
    """Time for an aborted measurement to end; otherwise the experiment pauses."""
    retries: _Times = 2
    """Number of retries of a measurement that failed, timed out or was empty."""
    backoff_seconds: _Seconds = 1.0
    """Wait before the first retry; it doubles with each retry."""
    longest_backoff_seconds: _Seconds = 60.0
    reconnections: _Times = 5
    """Number of reconnection attempts before the experiment pauses."""
    refused: Literal["forbid", "pause"] = "forbid"
    """Response to a refused position: never measure it again and continue, or pause."""
    failed: Literal["missing", "pause"] = "missing"
    """Response to the last failure at a position: record a missing value and continue, or pause."""
    finite_share: Annotated[float, Strict(), AllowInfNan(False), Field(ge=0.0, le=1.0)] = 0.5
    """A spectrum with a smaller fraction of finite values counts as empty."""


@runtime_checkable
class Reconnectable(Protocol):
    """An instrument that can reconnect; others are simply asked to measure again."""

    def reconnect(self) -> None:
        """Connect again, or raise :class:`nescio.errors.ConnectionLostError`."""


@dataclass(frozen=True, eq=False)
class Attempt:
    """The result at one position."""

    spectrum: xr.DataArray | None
    attempts: int
    """Number of times that the measurement was started."""
    seconds: float
    """Total time, including waits."""
    faults: tuple[str, ...] = ()
    """All faults in order, even if the last attempt succeeded."""
    problem: str = ""
    """Why there is no spectrum; empty if there is one."""
    must_pause: bool = False
    """Whether the experiment must pause until a person resumes it."""


class _HungError(Exception):
    """A measurement did not end and could not be aborted."""


# Hung measurements by the identity of their instrument, which they keep alive: after resuming, a second measurement
# must not start while the first is still running.
_hung: dict[int, Task] = {}


def measure_with_retries(
    instrument: Instrument,
    position: NDArray[np.float64],
    policy: FaultPolicy,
    *,
    sleep: Callable[[float], object] = time.sleep,
    tell: Callable[[str], object] | None = None,
) -> Attempt:
    """Measure at one position, with retries after faults.

    With a time-out, each measurement runs in its own thread. If a driver must always be called from the same thread,
    set ``timeout_seconds`` to None and give the driver its own time-out. Two measurements never run at the same time: a
    measurement that timed out is aborted, and if it does not end, the experiment must pause.

    Args:
        instrument: The instrument; any exception that it raises is a fault. Only `KeyboardInterrupt` is passed on,
            after the measurement was aborted.
        position: Shape (coordinates,).
        policy: The fault policy.
        sleep: Function that waits for a number of seconds between two attempts.
        tell: Called with each fault at once.
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
            note(_message(error))
            return end(must_pause=policy.refused == "pause")
        except ConnectionLostError as error:
            note(_message(error))
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
                    note(_message(lost))
        except Exception as error:
            note(_message(error))
            if failures == policy.retries:
                return end(must_pause=policy.failed == "pause")
            sleep(_backoff(policy, failures))
            failures += 1


def _backoff(policy: FaultPolicy, earlier: int) -> float:
    # Bound the exponent: the wait no longer grows after it has reached the longest.
    return min(policy.backoff_seconds * 2.0 ** min(earlier, 60), policy.longest_backoff_seconds)


def _message(error: BaseException) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, NescioError) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _checked(spectrum: Any, policy: FaultPolicy) -> xr.DataArray:
    import xarray as xr

    if not isinstance(spectrum, xr.DataArray):
        raise InstrumentError(f"the instrument returned {type(spectrum).__name__} instead of a DataArray")
    if spectrum.dtype.kind not in "iufcb":
        raise InstrumentError(f"the spectrum contains {spectrum.dtype}; needs numbers")
    if spectrum.size == 0:
        raise InstrumentError(f"the spectrum is empty (shape {spectrum.shape})")
    finite = int(np.isfinite(spectrum.values).sum())
    if finite == 0 or finite < policy.finite_share * spectrum.size:
        raise InstrumentError(f"only {finite} of {spectrum.size} points of the spectrum are finite")
    return spectrum


def _measured(instrument: Instrument, position: NDArray[np.float64], policy: FaultPolicy) -> Any:
    """Measure once.

    Raises:
        _HungError: The measurement did not end in time and could not be aborted.
    """
    # Pass a copy: a driver that changes it in place must not move the candidate.
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
                f"{limit}, and the measurement did not end within {policy.abort_seconds:g} s after the abort"
            )
        # A result that arrived during the abort may be only half of a spectrum.
        raise InstrumentError(limit)
    if not failure:
        return answer[0]
    if isinstance(failure[0], (Exception, KeyboardInterrupt)):
        raise failure[0]
    # A driver that ends its own thread (SystemExit, a cancelled task) must not end the experiment.
    raise InstrumentError(_message(failure[0]))


def _settle(instrument: Instrument, policy: FaultPolicy, *, first: bool) -> None:
    """Make sure that no measurement is still running."""
    if (task := _hung.get(id(instrument))) is not None and not _stopped(instrument, task, policy):
        raise _HungError("an earlier measurement was aborted but is still running")
    if first or not _busy(instrument, policy):
        return
    Task(instrument.abort).start()
    end = time.monotonic() + policy.abort_seconds
    while _busy(instrument, policy):
        if time.monotonic() > end:
            raise _HungError(f"the instrument is still busy {policy.abort_seconds:g} s after the abort")
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
            # If `busy` fails, try to measure; the measurement reports the fault.
            answer.append(False)

    if policy.timeout_seconds is None:
        ask()
    else:
        Task(ask).start().ended(max(policy.abort_seconds, 1.0))
    if lost:
        raise lost[0]
    if not answer:
        raise _HungError("the instrument does not report whether it is busy")
    return answer[0]


def _stopped(instrument: Instrument, task: Task, policy: FaultPolicy) -> bool:
    """Abort a measurement and return whether it ended."""
    _hung[id(instrument)] = task
    if not task.ended():
        Task(instrument.abort).start()
    if task.ended(policy.abort_seconds):
        del _hung[id(instrument)]
        return True
    return False
