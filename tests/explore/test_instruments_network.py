"""A network instrument returns the same data and errors as the instrument, and reports a lost connection in time."""

import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from nescio.configuration import validated
from nescio.errors import (
    ConfigurationError,
    ConnectionLostError,
    FileError,
    InstrumentError,
    MissingExtraError,
    RefusedPositionError,
)
from nescio.explore.instruments import (
    FaultPolicy,
    Instrument,
    NetworkInstrument,
    NetworkSettings,
    measure_with_retries,
    serve,
    wire,
)

zmq = pytest.importorskip("zmq")
msgpack = pytest.importorskip("msgpack")

TOKEN = "a token of the test's"  # noqa: S105
PLACE = np.array([1.5, 2.5])


class Microscope:
    name = "microscope"

    def __init__(self):
        self.aborted = threading.Event()
        self.started = threading.Event()
        self.measuring = False
        self.slow = False
        self.raises = None
        self.positions = []

    def survey(self):
        image = np.arange(12, dtype=np.uint16).reshape(1, 3, 4)
        return xr.Dataset(
            {"image": (("channel", "y", "x"), image)},
            {
                "channel": ["HAADF"],
                "y": ("y", [0.0, 0.5, 1.0], {"units": "nm"}),
                "x": ("x", np.arange(4.0), {"units": "nm"}),
            },
            {"voltage_kv": 200},
        )

    def measure(self, position):
        self.positions.append(position)
        if self.raises is not None:
            raise self.raises
        self.measuring = True
        self.started.set()
        try:
            if self.slow and self.aborted.wait(5.0):
                raise InstrumentError("aborted by hand")
        finally:
            self.measuring = False
        return self.spectrum(position)

    def spectrum(self, position):
        loop = np.outer(np.exp(1j * np.arange(5)), position).astype(np.complex64)
        return xr.DataArray(
            loop,
            {
                "bias": (("step", "sweep"), np.arange(10.0).reshape(5, 2), {"units": "V"}),
                "sweep": [1, 2],
                "dwell": 0.5,
            },
            ("step", "sweep"),
            "response",
            {"units": "m", "position": [float(value) for value in position]},
        )

    def busy(self):
        return self.measuring

    def abort(self):
        self.aborted.set()


@pytest.fixture
def microscope():
    return Microscope()


@pytest.fixture
def server(microscope):
    with serve(microscope, token=TOKEN) as served:
        yield served


@pytest.fixture
def client(server):
    return NetworkInstrument(server.address, TOKEN, timeout_seconds=3.0)


def test_a_client_gets_what_the_instrument_gives(client, microscope):
    assert isinstance(client, Instrument)
    assert client.name == "microscope"
    xr.testing.assert_identical(client.survey(), microscope.survey())
    spectrum = client.measure(PLACE)
    xr.testing.assert_identical(spectrum, microscope.spectrum(PLACE))
    assert spectrum.dtype == np.complex64
    spectrum.values[0] = 0.0
    np.testing.assert_array_equal(microscope.positions[0], PLACE)
    assert client.busy() is False


@pytest.mark.parametrize(
    ("raised", "kind", "message"),
    [
        (RefusedPositionError("outside the stage"), RefusedPositionError, "outside the stage"),
        (ConnectionLostError("the column is off"), ConnectionLostError, "the column is off"),
        (InstrumentError("beam\nblanked"), InstrumentError, "beam blanked"),
        (ZeroDivisionError("no counts"), InstrumentError, "ZeroDivisionError: no counts"),
        (SystemExit("bye"), InstrumentError, "SystemExit: bye"),
    ],
)
def test_an_error_keeps_its_meaning_and_the_server_its_life(client, microscope, raised, kind, message):
    microscope.raises = raised
    with pytest.raises(kind) as caught:
        client.measure(PLACE)
    assert type(caught.value) is kind
    assert str(caught.value) == message
    microscope.raises = None
    assert client.measure(PLACE).shape == (5, 2)


def test_a_long_measurement_outlasts_the_timeout_and_can_be_aborted(server, microscope):
    client = NetworkInstrument(server.address, TOKEN, timeout_seconds=0.5)
    microscope.slow = True
    failure = []

    def measure():
        try:
            client.measure(PLACE)
        except InstrumentError as error:
            failure.append(error)

    thread = threading.Thread(target=measure)
    thread.start()
    assert microscope.started.wait(3.0)
    thread.join(0.7)
    assert thread.is_alive()
    other = NetworkInstrument(server.address, TOKEN, timeout_seconds=3.0)
    assert other.busy()
    with pytest.raises(InstrumentError, match="microscope is busy with another request"):
        other.measure(PLACE)
    other.abort()
    thread.join(3.0)
    assert [str(error) for error in failure] == ["aborted by hand"]
    assert not other.busy()
    assert len(microscope.positions) == 1


def test_a_server_that_is_gone_is_told_in_time_and_found_again(microscope):
    with serve(microscope, token=TOKEN) as server:
        address = server.address
        client = NetworkInstrument(address, TOKEN, timeout_seconds=0.5)
    start = time.monotonic()
    with pytest.raises(ConnectionLostError, match=f"microscope at {address} is lost"):
        client.measure(PLACE)
    assert time.monotonic() - start < 2.0

    again = []
    policy = FaultPolicy(timeout_seconds=10.0, reconnections=3)
    attempt = measure_with_retries(
        client,
        PLACE,
        policy,
        sleep=lambda _: again or again.append(serve(microscope, address, token=TOKEN)),
    )
    again[0].stop()
    assert attempt.spectrum is not None
    assert len(attempt.faults) == 1


def test_a_server_started_again_during_a_measurement_does_not_leave_it_waiting(microscope):
    microscope.slow = True
    microscope.abort = lambda: None
    with serve(microscope, token=TOKEN) as first:
        address = first.address
        client = NetworkInstrument(address, TOKEN, timeout_seconds=3.0)
        failure = []

        def measure():
            try:
                client.measure(PLACE)
            except ConnectionLostError as error:
                failure.append(error)

        thread = threading.Thread(target=measure)
        thread.start()
        assert microscope.started.wait(3.0)
    with serve(Microscope(), address, token=TOKEN):
        thread.join(5.0)
    microscope.aborted.set()
    assert "no longer running" in str(failure[0])


def test_stopping_a_server_stops_what_it_measures(microscope):
    microscope.slow = True
    with serve(microscope, token=TOKEN) as server:
        client = NetworkInstrument(server.address, TOKEN, timeout_seconds=0.5)
        policy = FaultPolicy(backoff_seconds=0.0, reconnections=0)
        thread = threading.Thread(target=measure_with_retries, args=(client, PLACE, policy))
        thread.start()
        assert microscope.started.wait(3.0)
    assert microscope.aborted.is_set()
    thread.join(3.0)


def test_nobody_at_the_address_is_told_at_once_when_the_experiment_starts():
    settings = NetworkSettings(address="tcp://127.0.0.1:1", token=TOKEN, timeout_seconds=0.1)
    with pytest.raises(ConnectionLostError, match=r"no answer within 0\.1 s"):
        settings.build()


def test_without_the_token_nothing_is_measured(server, microscope):
    with pytest.raises(InstrumentError, match="the token is wrong"):
        NetworkInstrument(server.address, TOKEN + "!", timeout_seconds=3.0)
    assert microscope.positions == []


def test_a_token_comes_from_a_file_and_stays_out_of_the_record(server, tmp_path):
    (tmp_path / "token").write_text(TOKEN + "\n")
    settings = NetworkSettings(address=server.address, token_file=Path("token"), timeout_seconds=3.0)
    assert settings.build(tmp_path).name == "microscope"
    assert TOKEN not in NetworkSettings(address=server.address, token=TOKEN).model_dump_json()
    with pytest.raises(FileError, match="token: no such file"):
        settings.build(tmp_path / "elsewhere")
    (tmp_path / "token").write_text(" \n")
    with pytest.raises(FileError, match="is empty"):
        settings.build(tmp_path)


@pytest.mark.parametrize("address", ["tcp://*:0", "tcp://0.0.0.0:0", "tcp://192.168.1.7:0", "tcp://[::]:0"])
def test_other_computers_are_let_in_on_request_only(address):
    with pytest.raises(ConfigurationError, match="can be reached from other computers"):
        serve(Microscope(), address)


def test_a_server_that_may_be_reached_is_one_that_was_asked_for():
    with serve(Microscope(), "tcp://0.0.0.0:0", allow_remote=True) as server:
        assert len(server.token) >= 32
        port = server.address.rpartition(":")[2]
        assert NetworkInstrument(f"tcp://127.0.0.1:{port}", server.token, timeout_seconds=3.0).name
        with pytest.raises(InstrumentError, match="cannot listen on"):
            serve(Microscope(), f"tcp://127.0.0.1:{port}")


@pytest.mark.parametrize(
    "address", ["ipc:///socket", "tcp://127.0.0.1", "tcp://127.0.0.1:99999", "localhost:80"]
)
def test_what_is_no_address_is_refused(address):
    with pytest.raises(ConfigurationError, match="is not a valid address; use the form"):
        serve(Microscope(), address)
    with pytest.raises(ConfigurationError, match="is not a valid address; use the form"):
        validated(NetworkSettings, {"address": address, "token": TOKEN}, "test")


def test_a_short_token_is_refused():
    with pytest.raises(ConfigurationError, match="the token has 6 characters"):
        serve(Microscope(), token=TOKEN[:6])
    with pytest.raises(ConfigurationError, match="either token or token_file"):
        validated(NetworkSettings, {"address": "tcp://127.0.0.1:5570"}, "test")


@pytest.mark.parametrize("library", ["zmq", "msgpack"])
def test_a_library_that_is_not_installed_is_named(monkeypatch, library):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtraError, match=r"pip install nescio\[network\]"):
        NetworkInstrument("tcp://127.0.0.1:1", TOKEN)


def ask(server, data):
    """Return what a server answers to bytes; none where it says nothing."""
    with zmq.Context.instance().socket(zmq.DEALER) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        socket.connect(server.address)
        socket.send(data)
        return wire.unpack(socket.recv()) if socket.poll(100) else None


def request(**changes):
    return wire.pack({"v": 1, "id": 7, "client": "c", "token": TOKEN, "method": "ping", **changes})


def test_a_server_survives_what_it_does_not_understand(server, client):
    assert ask(server, request())["value"] == {"running": ""}
    assert ask(server, request(v=2))["error"] == "version"
    assert ask(server, request(method="eval"))["error"] == "method"
    assert ask(server, request(method="measure", position="here"))["error"] == "instrument"
    text = wire.encode_array(["one", "two"])
    assert ask(server, request(method="measure", position=text))["error"] == "refused"
    assert ask(server, request(token=5)) is None
    assert ask(server, b"\xc1 no msgpack") is None
    assert ask(server, b"x" * (wire.LARGEST_REQUEST + 1)) is None
    assert client.measure(PLACE).shape == (5, 2)


@given(
    st.sampled_from(["?", "i1", "u2", "<i4", ">i4", "i8", "f2", ">f4", "f8", "c8", "c16"]),
    st.lists(st.integers(0, 3), max_size=4),
    st.booleans(),
)
def test_an_array_arrives_as_it_was_sent(code, shape, transposed):
    size = int(np.prod(shape))
    values = np.arange(size).reshape(shape).astype(code)
    values = values.T if transposed else values
    message = wire.unpack(wire.pack({"a": wire.encode_array(values)}))
    arrived = wire.decode_array(message["a"])
    assert arrived.dtype == values.dtype.newbyteorder("=")
    np.testing.assert_array_equal(arrived, values)


@pytest.mark.parametrize(
    "change",
    [
        {"dtype": "|O"},
        {"dtype": "<M8[s]"},
        {"dtype": ">f8"},
        {"dtype": 8},
        {"shape": [3]},
        {"shape": [-2]},
        {"shape": [True, 2]},
        {"shape": [2.0]},
        {"shape": [2] + [1] * 40},
        {"shape": [0, 2**70], "data": b""},
        {"shape": [2**62, 4], "data": b""},
        {"data": b"\0" * 15},
        {"data": "text"},
        {"text": ["one"]},
        {"text": [1, 2]},
    ],
)
def test_an_array_that_is_not_what_it_says_is_refused(change):
    whole = {"dtype": "<f8", "shape": [2], "data": b"\0" * 16}
    assert wire.decode_array(whole).tolist() == [0.0, 0.0]
    with pytest.raises(InstrumentError):
        wire.decode_array({**whole, **change})


@given(st.binary(max_size=200))
def test_bytes_are_a_message_or_refused(data):
    try:
        message = wire.unpack(data)
    except InstrumentError:
        return
    assert isinstance(message, dict)
    with pytest.raises(InstrumentError):
        wire.decode_spectrum(message)
    with pytest.raises(InstrumentError):
        wire.decode_dataset(message)


def test_what_cannot_be_sent_is_told():
    bad = xr.DataArray(np.zeros(2), attrs={"driver": object()})
    with pytest.raises(InstrumentError, match="an attribute of spectrum is of type object"):
        wire.encode_spectrum(bad)
    with pytest.raises(InstrumentError, match="contains datetime64"):
        wire.encode_array(np.array(["2026-01-01"], "datetime64[s]"))
    with pytest.raises(InstrumentError, match="returned ndarray"):
        wire.encode_spectrum(np.zeros(2))
    with pytest.raises(InstrumentError, match="the limit is 100"):
        wire.pack({"a": b"0" * 100}, 100)


def test_attributes_of_numpy_arrive_as_numbers():
    spectrum = xr.DataArray(
        np.zeros(2), attrs={"gain": np.float32(2.0), "place": (1, 2), "fit": {"order": np.array([3])}}
    )
    arrived = wire.decode_spectrum(wire.unpack(wire.pack(wire.encode_spectrum(spectrum))))
    assert arrived.attrs == {"gain": 2.0, "place": [1, 2], "fit": {"order": [3]}}


def test_a_message_that_comes_again_is_answered_with_what_was_measured(server, microscope):
    message = request(method="measure", id=9, position=wire.encode_array(PLACE))
    first, again = ask(server, message), ask(server, message)
    assert first == again
    assert len(microscope.positions) == 1
    assert ask(server, request(method="measure", id=10, position=wire.encode_array(PLACE)))["id"] == 10
    assert len(microscope.positions) == 2


def test_a_message_of_a_server_that_is_gone_is_not_measured(server, microscope):
    message = request(method="measure", position=wire.encode_array(PLACE), session="an earlier one")
    assert ask(server, message)["error"] == "lost"
    assert microscope.positions == []


def test_an_answer_that_was_lost_is_sent_again_and_not_measured_again(client, microscope, monkeypatch):
    receive, lost = NetworkInstrument._receive, []

    def lossy(self, socket, end):
        answer = receive(self, socket, end)
        if answer is not None and "running" not in answer["value"] and not lost:
            lost.append(answer)
            return None
        return answer

    monkeypatch.setattr(NetworkInstrument, "_receive", lossy)
    xr.testing.assert_identical(client.measure(PLACE), microscope.spectrum(PLACE))
    assert len(lost) == len(microscope.positions) == 1


def test_what_was_measured_while_the_connection_was_lost_is_had_by_asking_again(
    server, microscope, monkeypatch
):
    client = NetworkInstrument(server.address, TOKEN, timeout_seconds=0.4)
    with monkeypatch.context() as cut:
        cut.setattr(NetworkInstrument, "_receive", lambda *_: None)
        with pytest.raises(ConnectionLostError, match="no reply within"):
            client.measure(PLACE)
    client.reconnect()
    assert client.measure(PLACE).shape == (5, 2)
    assert len(microscope.positions) == 1
    assert client.measure(PLACE).shape == (5, 2)
    assert len(microscope.positions) == 2


class Impostor:
    """A server that answers whatever it is told to, as often as it is told to."""

    def __init__(self, *answers, endless=False):
        self.socket = zmq.Context.instance().socket(zmq.ROUTER)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt(zmq.SNDTIMEO, 10)
        self.address = f"tcp://127.0.0.1:{self.socket.bind_to_random_port('tcp://127.0.0.1')}"
        self.answers, self.endless, self.over = answers, endless, threading.Event()
        self.thread = threading.Thread(target=self.serve)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
        self.socket.close()

    def serve(self):
        peer = None
        while not self.over.is_set():
            if self.socket.poll(1 if self.endless and peer else 20):
                peer, data = self.socket.recv_multipart()
                number = wire.unpack(data)["id"]
                for answer in self.answers:
                    self.socket.send_multipart(
                        [peer, wire.pack({"v": 1, "id": number, "session": "s", **answer})]
                    )
            elif self.endless and peer:
                self.socket.send_multipart([peer, wire.pack({"v": 1, "id": -1, "value": None})])


def test_a_server_that_never_stops_talking_is_given_up_in_time():
    start = time.monotonic()
    with Impostor(endless=True) as server, pytest.raises(ConnectionLostError, match="no answer within"):
        NetworkInstrument(server.address, TOKEN, timeout_seconds=0.6)
    assert time.monotonic() - start < 5.0


def test_a_server_that_is_never_at_it_is_given_up():
    with Impostor({"value": {"name": "a", "running": "something else"}, "id": 1}) as server:
        client = NetworkInstrument(server.address, TOKEN, timeout_seconds=3.0)
        with pytest.raises(ConnectionLostError, match="no longer running"):
            client.measure(PLACE)


def test_what_a_server_says_is_bounded_and_shows_as_one_line():
    with (
        Impostor({"error": "instrument", "message": "beam \x1b[2J" * 100_000}) as server,
        pytest.raises(InstrumentError) as caught,
    ):
        NetworkInstrument(server.address, TOKEN, timeout_seconds=3.0)
    assert len(str(caught.value)) < 600
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "data",
    [
        b"\x81\xa1a\xdd\x00\x1e\x84\x80" + b"\x90" * 2_000_000,
        b"\x81\xa1a\xdc\x07\xd0" + (b"\xdc\x07\xd0" + b"\x90" * 2000) * 2000,
        b"\x81\xa1a" + b"\x91" * 5000 + b"\x90",
        b"\x81\xa1a\xdd\xff\xff\xff\xff",
        b"\x81\xa1a\xc6\xff\xff\xff\xff",
    ],
    ids=["many items", "many items in many lists", "deep", "claims a long list", "claims many bytes"],
)
def test_a_message_that_would_take_much_memory_is_refused(data):
    with pytest.raises(InstrumentError, match="not a message of this protocol"):
        wire.unpack(data)


def test_texts_that_would_each_take_the_memory_of_the_longest_are_refused():
    with pytest.raises(InstrumentError, match="of which one has 100,000 characters"):
        wire.decode_array({"shape": [10_000], "text": [*["a"] * 9999, "b" * 100_000]})


def test_attributes_that_are_nested_deep_are_refused():
    attrs = value = {}
    for _ in range(100):
        value["a"] = value = {}
    document = {"dims": ["x"], "attrs": attrs, "array": wire.encode_array(np.zeros(2)), "coords": {}}
    with pytest.raises(InstrumentError, match="an attribute is of type dict"):
        wire.decode_spectrum(document)
