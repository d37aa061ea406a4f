"""Every fault of an instrument leads to a result, and two measurements never run at the same time."""

import signal
import threading
import time

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from nescio.configuration import validated
from nescio.errors import (
    ConfigurationError,
    ConnectionLostError,
    InstrumentError,
    RefusedPositionError,
)
from nescio.explore.instruments import FaultPolicy, Instrument, measure_with_retries

PLACE = np.array([3.0, 4.0])
GOOD = xr.DataArray(np.arange(4.0), dims="energy")
QUICK = FaultPolicy(timeout_seconds=5.0, abort_seconds=1.0)


class Scripted:
    """An instrument that does one thing after the other: returns it, raises it, or calls it."""

    name = "scripted"

    def __init__(self, *script):
        self.script = list(script)
        self.positions = []
        self.aborted = threading.Event()
        self.aborts = self.running = self.most = self.reconnections = 0
        self.calls = []

    def survey(self):
        return xr.Dataset()

    def measure(self, position):
        self.positions.append(position.copy())
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            step = self.script.pop(0)
            if callable(step) and not isinstance(step, type):
                step = step()
            if isinstance(step, BaseException) or (
                isinstance(step, type) and issubclass(step, BaseException)
            ):
                raise step
            return step
        finally:
            self.running -= 1

    def busy(self):
        return self.running > 0

    def abort(self):
        self.aborts += 1
        self.aborted.set()


class Reconnecting(Scripted):
    def reconnect(self):
        self.reconnections += 1
        step = self.calls.pop(0) if self.calls else None
        if step is not None:
            raise step


def measure(instrument, policy=QUICK, **options):
    waits = []
    attempt = measure_with_retries(instrument, PLACE, policy, sleep=waits.append, **options)
    return attempt, waits


def test_a_good_spectrum_is_measured_once():
    instrument = Scripted(GOOD)
    assert isinstance(instrument, Instrument)
    attempt, waits = measure(instrument)
    xr.testing.assert_identical(attempt.spectrum, GOOD)
    assert (attempt.attempts, attempt.problem, attempt.faults, waits) == (1, "", (), [])
    assert not attempt.must_pause


@pytest.mark.parametrize("timeout", [5.0, None])
def test_whatever_a_driver_raises_is_told_and_tried_again(timeout):
    told = []
    instrument = Scripted(
        ZeroDivisionError("no counts\nat all"), InstrumentError("beam off"), OSError(), GOOD
    )
    policy = FaultPolicy(timeout_seconds=timeout, retries=3)
    attempt, waits = measure(instrument, policy, tell=told.append)
    assert attempt.spectrum is not None
    assert attempt.faults == ("ZeroDivisionError: no counts at all", "beam off", "OSError")
    assert tuple(told) == attempt.faults
    assert attempt.problem == ""
    assert waits == [1.0, 2.0, 4.0]
    assert [list(place) for place in instrument.positions] == [[3.0, 4.0]] * 4


def test_a_driver_cannot_end_the_experiment():
    attempt, _ = measure(Scripted(SystemExit("vendor library gave up"), GOOD))
    assert attempt.spectrum is not None
    assert attempt.faults == ("SystemExit: vendor library gave up",)


def test_after_the_last_retry_the_value_is_missing_or_the_experiment_pauses():
    failing = [InstrumentError("beam off")] * 3
    attempt, waits = measure(Scripted(*failing))
    assert attempt.spectrum is None
    assert (attempt.attempts, attempt.problem, len(waits)) == (3, "beam off", 2)
    assert not attempt.must_pause
    attempt, _ = measure(Scripted(*failing), QUICK.model_copy(update={"failed": "pause"}))
    assert attempt.must_pause


@given(
    retries=st.integers(0, 12),
    backoff=st.floats(0.0, 100.0),
    longest=st.floats(0.0, 100.0),
)
def test_waits_double_up_to_the_longest(retries, backoff, longest):
    policy = FaultPolicy(
        timeout_seconds=None, retries=retries, backoff_seconds=backoff, longest_backoff_seconds=longest
    )
    attempt, waits = measure(Scripted(*[ValueError] * (retries + 1)), policy)
    assert attempt.attempts == retries + 1
    assert waits == [min(backoff * 2**n, longest) for n in range(retries)]


@pytest.mark.parametrize(
    ("spectrum", "problem"),
    [
        (xr.DataArray(np.full(4, np.nan)), "only 0 of 4 points of the spectrum are finite"),
        (xr.DataArray([1.0, np.inf, np.nan, np.nan]), "only 1 of 4 points of the spectrum are finite"),
        (xr.DataArray(np.empty((0, 3))), r"the spectrum is empty (shape (0, 3))"),
        (xr.DataArray(["a"]), "the spectrum contains <U1; needs numbers"),
        (np.arange(4.0), "the instrument returned ndarray instead of a DataArray"),
        (None, "the instrument returned NoneType instead of a DataArray"),
    ],
)
def test_an_empty_spectrum_is_measured_again_and_then_missing(spectrum, problem):
    attempt, _ = measure(Scripted(spectrum, GOOD))
    assert attempt.faults == (problem,)
    assert attempt.spectrum is not None
    attempt, _ = measure(Scripted(*[spectrum] * 3))
    assert attempt.spectrum is None
    assert attempt.problem == problem


def test_a_few_bad_points_are_no_fault():
    attempt, _ = measure(Scripted(xr.DataArray([1.0, 2.0, np.nan, 4.0])))
    assert attempt.faults == ()


def test_a_refused_position_is_not_tried_again():
    instrument = Scripted(RefusedPositionError("outside the stage"))
    attempt, _ = measure(instrument)
    assert not attempt.must_pause
    assert (attempt.attempts, attempt.problem) == (1, "outside the stage")
    attempt, _ = measure(
        Scripted(RefusedPositionError("outside the stage")), QUICK.model_copy(update={"refused": "pause"})
    )
    assert attempt.must_pause


def test_a_lost_connection_is_found_again():
    lost = ConnectionLostError("cable")
    instrument = Reconnecting(lost, GOOD)
    instrument.calls = [lost, lost, None]
    attempt, waits = measure(instrument)
    assert attempt.spectrum is not None
    assert instrument.reconnections == 3
    assert attempt.faults == ("cable",) * 3
    assert waits == [1.0, 2.0, 4.0]


def test_a_connection_that_stays_lost_pauses_and_loses_no_candidate():
    policy = QUICK.model_copy(update={"reconnections": 2})
    instrument = Reconnecting(ConnectionLostError("cable"))
    instrument.calls = [ConnectionLostError("cable"), OSError("no route")]
    attempt, _ = measure(instrument, policy)
    assert attempt.must_pause
    assert attempt.problem == "OSError: no route"
    # A server that dies of every measurement ends the same way.
    attempt, _ = measure(Scripted(*[ConnectionLostError("cable")] * 9), policy)
    assert attempt.must_pause
    assert attempt.attempts == 3


def test_a_measurement_that_hangs_is_aborted_before_the_next():
    policy = FaultPolicy(timeout_seconds=0.03, abort_seconds=1.0)
    instrument = Scripted(lambda: instrument.aborted.wait(5.0) and GOOD, GOOD)
    attempt, _ = measure(instrument, policy)
    assert attempt.spectrum is not None
    assert attempt.faults == ("no spectrum within 0.03 s",)
    assert (instrument.aborts, instrument.most) == (1, 1)


def test_a_measurement_that_cannot_be_aborted_pauses_and_is_never_joined_by_another():
    release = threading.Event()
    policy = FaultPolicy(timeout_seconds=0.02, abort_seconds=0.03)
    instrument = Scripted(lambda: release.wait(5.0) and GOOD, GOOD)
    attempt, _ = measure(instrument, policy)
    assert attempt.must_pause
    assert "did not end within 0.03 s after the abort" in attempt.problem
    again, _ = measure(instrument, policy)
    assert again.must_pause
    assert (again.attempts, again.problem) == (
        0,
        "an earlier measurement was aborted but is still running",
    )
    release.set()
    resumed, _ = measure(instrument, policy)
    assert resumed.spectrum is not None
    assert instrument.most == 1


def test_an_abort_that_hangs_or_fails_does_not_hang_the_experiment():
    release = threading.Event()
    instrument = Scripted(lambda: release.wait(5.0))
    instrument.abort = lambda: release.wait(5.0)
    start = time.monotonic()
    attempt, _ = measure(instrument, FaultPolicy(timeout_seconds=0.02, abort_seconds=0.02))
    assert attempt.must_pause
    assert time.monotonic() - start < 2.0
    release.set()


def test_an_instrument_that_is_still_busy_is_not_asked_again():
    class Busy(Scripted):
        def busy(self):
            return not self.aborted.is_set()

    instrument = Busy(InstrumentError("lost the trigger"), GOOD)
    attempt, _ = measure(instrument)
    assert attempt.spectrum is not None
    assert instrument.aborts == 1

    class Stuck(Scripted):
        def busy(self):
            return True

    stuck = Stuck(InstrumentError("lost the trigger"), GOOD)
    attempt, _ = measure(stuck, FaultPolicy(abort_seconds=0.02))
    assert attempt.must_pause
    assert len(stuck.positions) == 1


@pytest.mark.parametrize("timeout", [5.0, None])
def test_the_keyboard_interrupts(timeout):
    with pytest.raises(KeyboardInterrupt):
        measure(Scripted(KeyboardInterrupt()), FaultPolicy(timeout_seconds=timeout))


@pytest.mark.parametrize("stubborn", [False, True])
def test_the_keyboard_stops_what_is_being_measured(stubborn):
    release = threading.Event()

    def interrupted():
        signal.raise_signal(signal.SIGINT)
        return (release if stubborn else instrument.aborted).wait(5.0) and GOOD

    instrument = Scripted(interrupted, GOOD)
    policy = FaultPolicy(abort_seconds=0.03 if stubborn else 1.0)
    with pytest.raises(KeyboardInterrupt):
        measure(instrument, policy)
    assert instrument.aborts == 1
    assert instrument.running == stubborn
    # Were it taken for ended, a second measurement would now be started beside it.
    attempt, _ = measure(instrument, policy)
    assert attempt.must_pause == stubborn
    assert instrument.most == 1
    release.set()


def test_a_driver_that_changes_its_argument_moves_no_candidate():
    class Scaling(Scripted):
        def measure(self, position):
            position *= 1e-9
            return super().measure(position)

    place = PLACE.copy()
    measure_with_retries(Scaling(InstrumentError("x"), GOOD), place, QUICK, sleep=lambda _: None)
    np.testing.assert_array_equal(place, PLACE)


def test_a_file_can_say_that_a_measurement_may_take_any_time():
    policy = validated(FaultPolicy, {"timeout_seconds": "never"}, "test")
    assert policy.timeout_seconds is None
    assert FaultPolicy.model_validate_json(policy.model_dump_json()) == policy


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"timeout_seconds": 0.0}, "greater than 0"),
        ({"timeout_seconds": True}, "not True"),
        ({"timeout_seconds": "soon"}, "not 'soon'"),
        ({"retries": -1}, "greater than or equal to 0"),
        ({"backoff_seconds": float("nan")}, "finite"),
        ({"refused": "ignore"}, "'forbid' or 'pause'"),
    ],
)
def test_an_impossible_policy_is_refused(change, message):
    with pytest.raises(ConfigurationError, match=message):
        validated(FaultPolicy, change, "test")
