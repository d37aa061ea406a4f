"""Bluesky devices as an instrument, and an exploration as a Bluesky plan or optimizer."""

import signal
import sys
import threading
import time
from importlib.metadata import EntryPoint

import numpy as np
import pytest
import xarray as xr

from nescio.configuration import validated
from nescio.errors import (
    ConfigurationError,
    ExplorationError,
    InstrumentError,
    MissingExtraError,
    RefusedPositionError,
)
from nescio.explore import Next
from nescio.explore.candidates import Candidates
from nescio.explore.instruments import (
    AdaptiveAgent,
    AskTell,
    BlueskyInstrument,
    BlueskySettings,
    FaultPolicy,
    Instrument,
    RunOutcomes,
    SpectrumField,
    explore_plan,
    measure_with_retries,
)
from nescio.explore.instruments import bluesky as module

bluesky = pytest.importorskip("bluesky")

ENERGY = xr.DataArray(np.linspace(0.0, 1.0, 4), dims="energy", attrs={"units": "eV"})
SPECTRUM = SpectrumField("counts", ("energy",), {"energy": ENERGY}, {"counts": "1"})
GRID = np.stack(np.meshgrid(np.arange(3.0), np.arange(4.0), indexing="ij"), axis=-1).reshape(-1, 2)


class Status:
    """Done at once, or when it is told to."""

    def __init__(self, error=None, done=True):
        self.error, self.done, self.callbacks = error, done, []

    @property
    def success(self):
        return self.done and self.error is None

    def exception(self, timeout=0.0):
        return self.error

    def add_callback(self, callback):
        if self.done:
            callback(self)
        else:
            self.callbacks.append(callback)


class Device:
    parent = None

    def read_configuration(self):
        return {}

    def describe_configuration(self):
        return {}


class Motor(Device):
    def __init__(self, name, limit=100.0):
        self.name, self.limit, self.value, self.errors = name, limit, 0.0, []
        self.hangs, self.moving = False, threading.Event()
        self.stopped = threading.Event()

    def check_value(self, value):
        if abs(value) > self.limit:
            raise ValueError(f"limits are -{self.limit:g} and {self.limit:g}")

    def set(self, value):
        self.value = value
        self.moving.set()
        return Status(self.errors.pop() if self.errors else None, done=not self.hangs)

    def stop(self, *, success=False):
        self.stopped.set()

    def read(self):
        return {self.name: {"value": self.value, "timestamp": time.time()}}

    def describe(self):
        return {self.name: {"source": "test", "dtype": "number", "shape": []}}


class Detector(Device):
    name = "detector"

    def __init__(self, y, x):
        self.y, self.x, self.staged, self.errors = y, x, 0, []

    def stage(self):
        self.staged += 1
        return [self]

    def unstage(self):
        self.staged -= 1
        return [self]

    def trigger(self):
        assert self.staged == 1
        return Status(self.errors.pop() if self.errors else None)

    def read(self):
        counts = value_at((self.y.value, self.x.value)) * np.ones(4)
        return {"counts": {"value": counts, "timestamp": time.time()}}

    def describe(self):
        return {"counts": {"source": "test", "dtype": "array", "shape": [4]}}


def value_at(position):
    return 10.0 * position[0] + position[1]


class Fake:
    """An exploration that measures one candidate after the other."""

    def __init__(self, last=12):
        self.todo = list(range(last))
        self.found, self.problems = {}, {}

    candidates = Candidates(GRID, np.zeros((12, 0), np.float32))

    def ask(self, n=1):
        if not self.todo:
            return Next(finished="all was measured")
        chosen, self.todo = self.todo[:n], self.todo[n:]
        return Next(tuple(chosen))

    def tell(self, candidate, spectrum, problem=""):
        if spectrum is None:
            self.problems[candidate] = problem
        else:
            self.found[candidate] = float(spectrum.mean())

    def best(self, n):
        return sorted(self.found.items(), key=lambda item: -item[1])[:n]


@pytest.fixture(scope="module")
def engine():
    run = bluesky.RunEngine({}, context_managers=[])
    yield run
    # Its thread would outlive the tests.
    run.loop.call_soon_threadsafe(run.loop.stop)
    while run.loop.is_running():
        time.sleep(0.005)
    run.loop.close()


@pytest.fixture
def documents(engine):
    seen = []
    token = engine.subscribe(lambda name, document: seen.append((name, document)))
    yield seen
    engine.unsubscribe(token)


@pytest.fixture
def devices():
    y, x = Motor("y"), Motor("x")
    return y, x, Detector(y, x)


@pytest.fixture
def instrument(engine, devices):
    y, x, detector = devices
    return BlueskyInstrument([y, x], [detector], SPECTRUM, xr.Dataset, engine=engine)


def test_devices_are_an_instrument_that_measures_where_it_is_told(instrument, documents):
    assert isinstance(instrument, Instrument)
    spectrum = instrument.measure(np.array([3.0, 4.0]))
    np.testing.assert_array_equal(spectrum.values, value_at((3.0, 4.0)))
    assert spectrum["energy"].attrs["units"] == "eV"
    assert not instrument.busy()
    names = [name for name, _ in documents]
    assert names == ["start", "descriptor", "event", "stop"]
    assert spectrum.attrs["bluesky_run"] == documents[0][1]["uid"]
    assert documents[2][1]["data"]["y"] == 3.0
    assert documents[0][1]["position"] == [3.0, 4.0]


def test_a_position_beyond_a_motor_is_refused_before_anything_moves(instrument, devices):
    for position in ([0.0, 101.0], [0.0], [np.nan, 0.0]):
        with pytest.raises(RefusedPositionError):
            instrument.measure(np.array(position))
    assert not devices[0].moving.is_set()
    assert not instrument.busy()


def test_a_device_that_fails_is_named_by_its_own_words_and_measures_again(instrument, devices):
    devices[1].errors.append(OSError("motor stalled"))
    with pytest.raises(InstrumentError, match="OSError: motor stalled"):
        instrument.measure(np.array([1.0, 2.0]))
    devices[2].errors.append(RuntimeError("no trigger"))
    attempt = measure_with_retries(instrument, np.array([1.0, 2.0]), FaultPolicy(), sleep=lambda _: None)
    assert attempt.faults == ("bluesky: RuntimeError: no trigger",)
    assert float(attempt.spectrum.mean()) == 12.0
    assert devices[2].staged == 0


def test_a_move_that_hangs_is_aborted_and_the_motor_stopped(instrument, devices, capsys):
    devices[0].hangs = True
    policy = FaultPolicy(timeout_seconds=0.1, abort_seconds=5.0, retries=0)
    attempt = measure_with_retries(instrument, np.array([1.0, 2.0]), policy, sleep=lambda _: None)
    assert attempt.problem == "no spectrum within 0.1 s"
    assert not attempt.must_pause
    assert devices[0].stopped.is_set()
    assert not instrument.busy()
    devices[0].hangs = False
    assert instrument.measure(np.array([1.0, 2.0])).size == 4


def test_a_plan_of_somebody_else_is_neither_joined_nor_aborted(instrument, engine, devices):
    from bluesky import plan_stubs

    devices[0].hangs = True
    ended = []

    def others():
        try:
            engine(plan_stubs.mv(devices[0], 5.0))
        except bluesky.RunEngineInterrupted:
            ended.append("aborted")

    thread = threading.Thread(target=others)
    thread.start()
    assert devices[0].moving.wait(3.0)
    assert instrument.busy()
    with pytest.raises(InstrumentError, match="running"):
        instrument.measure(np.array([1.0, 2.0]))
    instrument.abort()
    assert not ended
    engine.abort()
    thread.join(3.0)
    assert ended == ["aborted"]


def test_an_interrupt_from_the_keyboard_stops_the_motors_and_passes(devices, capsys):
    y, x, detector = devices
    y.hangs = True
    own = BlueskyInstrument([y, x], [detector], SPECTRUM, xr.Dataset)
    moved = y.set

    def interrupted(value):
        status = moved(value)
        signal.raise_signal(signal.SIGINT)
        return status

    y.set = interrupted
    with pytest.raises(KeyboardInterrupt):
        own.measure(np.array([1.0, 2.0]))
    assert y.stopped.is_set()
    assert str(own.engine.state) == "idle"
    y.set, y.hangs = moved, False
    assert own.measure(np.array([1.0, 2.0])).size == 4
    own.close()


def test_a_reading_without_the_spectrum_is_told():
    with pytest.raises(InstrumentError, match=r"the readings have no field 'counts' \(known: y\)"):
        SPECTRUM({"y": 1.0})
    with pytest.raises(InstrumentError, match="shape \\(2, 2\\); expected dimensions energy"):
        SPECTRUM({"counts": np.zeros((2, 2))})
    with pytest.raises(InstrumentError, match="coordinates of counts do not fit"):
        SPECTRUM({"counts": np.zeros(3)})
    read = SpectrumField("counts", ("energy",), {"energy": "channel"}, {"energy": "keV"})
    spectrum = read({"counts": np.zeros(2), "channel": [5.0, 6.0]})
    assert spectrum["energy"].values.tolist() == [5.0, 6.0]
    assert spectrum["energy"].attrs == {"units": "keV"}


def test_an_exploration_runs_as_a_plan_in_one_run(engine, devices, documents):
    y, x, detector = devices
    experiment = Fake()
    assert isinstance(experiment, AskTell)
    engine(explore_plan(experiment, [y, x], [detector], 5, spectrum=SPECTRUM))
    assert experiment.found == {index: value_at(GRID[index]) for index in range(5)}
    names = [name for name, _ in documents]
    assert names == ["start", "descriptor", *["event"] * 5, "stop"]
    assert [document["data"]["x"] for name, document in documents if name == "event"] == [0, 1, 2, 3, 0]


def test_a_plan_ends_when_the_exploration_is_finished(engine, devices):
    y, x, detector = devices
    experiment = Fake(last=3)
    engine(explore_plan(experiment, [y, x], [detector], 50, spectrum=SPECTRUM))
    assert len(experiment.found) == 3


def test_a_plan_survives_a_failure_but_not_one_after_the_other(engine, devices, documents):
    y, x, detector = devices
    experiment = Fake()
    detector.errors.append(OSError("no trigger"))
    engine(explore_plan(experiment, [y, x], [detector], 3, spectrum=SPECTRUM))
    assert experiment.problems == {0: "OSError: no trigger"}
    assert sorted(experiment.found) == [1, 2]
    assert documents[-1][1]["exit_status"] == "success"

    experiment = Fake()
    detector.errors.extend([OSError("no trigger")] * 2)
    with pytest.raises(bluesky.FailedStatus):
        engine(explore_plan(experiment, [y, x], [detector], 3, spectrum=SPECTRUM, failures=2))
    assert sorted(experiment.problems) == [0, 1]
    assert documents[-1][1]["exit_status"] == "fail"
    assert detector.staged == 0


def test_a_plan_that_is_aborted_blames_no_candidate(engine, devices, capsys):
    y, x, detector = devices
    experiment = Fake()
    y.hangs = True
    aborter = threading.Thread(target=lambda: y.moving.wait(3.0) and engine.abort())
    aborter.start()
    with pytest.raises(bluesky.RunEngineInterrupted):
        engine(explore_plan(experiment, [y, x], [detector], 3, spectrum=SPECTRUM))
    aborter.join(3.0)
    assert experiment.problems == experiment.found == {}
    assert detector.staged == 0


def test_an_exploration_is_an_optimizer_of_bluesky_adaptive():
    protocols = pytest.importorskip("bluesky_adaptive.protocols")
    agent = AdaptiveAgent(Fake(), ["y", "x"], SPECTRUM)
    for name in (
        "Optimizer",
        "CanRegisterSuggestions",
        "TrialFaultAware",
        "SupportsStoppingCriteria",
        "Checkpointable",
    ):
        assert isinstance(agent, getattr(protocols, name))


@pytest.mark.parametrize("points", [1, 3])
def test_the_plan_of_bluesky_adaptive_drives_an_exploration(engine, devices, points):
    plans = pytest.importorskip("bluesky_adaptive.plans")
    protocols = pytest.importorskip("bluesky_adaptive.protocols")
    y, x, detector = devices
    experiment = Fake()
    outcomes = RunOutcomes()
    token = engine.subscribe(outcomes.receive)
    agent = AdaptiveAgent(experiment, ["y", "x"], SPECTRUM)
    problem = protocols.OptimizationProblem(agent, [y, x], [detector], outcomes)
    engine(plans.optimize(problem, iterations=2, n_points=points, checkpoint_interval=1))
    assert experiment.found == {index: value_at(GRID[index]) for index in range(2 * points)}
    best = 2 * points - 1
    parameters = {"y": GRID[best][0], "x": GRID[best][1]}
    assert agent.get_best_points() == [(best, parameters, {"value": value_at(GRID[best])})]
    # It stops by itself, long before the hundredth.
    engine(plans.optimize(problem, iterations=100, n_points=points))
    assert len(experiment.found) == 12
    assert agent.should_stop() == (True, "all was measured")
    with pytest.raises(ExplorationError, match="all was measured"):
        agent.suggest(1)
    engine.unsubscribe(token)


def test_a_failed_acquisition_is_told_to_the_exploration(engine, devices):
    plans = pytest.importorskip("bluesky_adaptive.plans")
    protocols = pytest.importorskip("bluesky_adaptive.protocols")
    y, x, detector = devices
    experiment = Fake()
    detector.errors.append(OSError("no trigger"))
    problem = protocols.OptimizationProblem(
        AdaptiveAgent(experiment, ["y", "x"], SPECTRUM), [y, x], [detector], RunOutcomes()
    )
    with pytest.raises(bluesky.FailedStatus):
        engine(plans.optimize(problem, iterations=3))
    assert experiment.problems == {0: "the acquisition failed"}


def test_a_place_picked_by_hand_is_the_nearest_candidate():
    experiment = Fake()
    agent = AdaptiveAgent(experiment, ["y", "x"], SPECTRUM)
    (suggestion,) = agent.register_suggestions([{"x": 2.2, "y": 0.9}])
    assert suggestion == {"_id": 6, "y": 1.0, "x": 2.0}
    agent.ingest([{"_id": 6, "counts": np.full(4, 7.0)}])
    assert experiment.found == {6: 7.0}
    with pytest.raises(ExplorationError, match="a position has no 'y'"):
        agent.register_suggestions([{"x": 2.2}])
    with pytest.raises(ExplorationError, match="the same nearest candidate"):
        agent.register_suggestions([{"x": 2.2, "y": 0.9}, {"x": 2.1, "y": 0.9}])


def test_results_are_matched_by_their_name_and_bad_ones_are_missing_values():
    experiment = Fake()
    agent = AdaptiveAgent(experiment, ["y", "x"], SPECTRUM)
    agent.suggest(3)
    whole = xr.DataArray(np.full(4, 5.0), dims="energy")
    agent.ingest([{"_id": 2, "counts": np.ones(4)}, {"_id": 0, "spectrum": whole}, {"_id": 1, "score": 3.0}])
    assert experiment.found == {2: 1.0, 0: 5.0}
    assert experiment.problems == {1: "the readings have no field 'counts' (known: score)"}
    with pytest.raises(ExplorationError, match="'baseline': it was not suggested"):
        agent.ingest([{"_id": "baseline", "counts": np.ones(4)}])
    agent.register_failures([{"_id": 2}])
    assert 2 not in experiment.problems


def test_a_run_that_was_not_seen_is_told():
    with pytest.raises(InstrumentError, match="subscribe `receive`"):
        RunOutcomes()("some-uid", [{"_id": 0}])


def test_bluesky_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "bluesky", None)
    with pytest.raises(MissingExtraError, match=r"pip install nescio\[bluesky\]"):
        BlueskyInstrument([], [], SPECTRUM, xr.Dataset)


class Registered:
    """What an installed package would register."""

    name = "here"

    def survey(self):
        return xr.Dataset()

    def measure(self, position):
        return xr.DataArray(position)

    def busy(self):
        return False

    def abort(self):
        pass


def make(fails=False):
    if fails:
        raise OSError("no IOC")
    return Registered()


def test_a_configuration_names_what_is_installed_and_nothing_else(monkeypatch):
    points = [
        EntryPoint("beamline", f"{__name__}:make", "nescio.bluesky"),
        EntryPoint("odd", "builtins:dict", "nescio.bluesky"),
    ]
    monkeypatch.setattr(EntryPoint, "load", lambda point: make if point.name == "beamline" else dict)
    monkeypatch.setattr(module, "entry_points", lambda group: points if group == "nescio.bluesky" else [])

    def build(**document):
        return validated(BlueskySettings, document, "test").build()

    assert build(factory="beamline").name == "here"
    with pytest.raises(
        ConfigurationError, match=r"'os:system' is not registered .* \(known: beamline, odd\)"
    ):
        build(factory="os:system", arguments={"command": "true"})
    with pytest.raises(ConfigurationError, match="failed: OSError: no IOC"):
        build(factory="beamline", arguments={"fails": True})
    with pytest.raises(ConfigurationError, match="failed: TypeError"):
        build(factory="beamline", arguments={"speed": 1})
    with pytest.raises(ConfigurationError, match="returned dict instead of an instrument"):
        build(factory="odd")
