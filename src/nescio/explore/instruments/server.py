"""Serve an instrument to another process or computer, from the Python that the instrument's own library runs in."""

from __future__ import annotations

import hmac
import ipaddress
import queue
import re
import secrets
import socket
import threading
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from nescio.errors import (
    ConfigurationError,
    ConnectionLostError,
    InstrumentError,
    MissingExtraError,
    RefusedPositionError,
)
from nescio.explore.instruments import wire
from nescio.explore.instruments.protocol import Instrument

__all__ = [
    "Server",
    "host_of",
    "import_zmq",
    "serve",
]

SHORTEST_TOKEN = 16
_LONGEST_STOP = 5.0
_ADDRESS = re.compile(r"tcp://(?P<host>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.*-]+):(?P<port>[0-9]{1,5})")


def serve(
    instrument: Instrument,
    address: str = "tcp://127.0.0.1:0",
    *,
    token: str | None = None,
    allow_remote: bool = False,
) -> Server:
    """Serve an instrument until the server is stopped; :meth:`Server.wait` waits for that.

    Args:
        instrument: Any. Its `survey` and `measure` are called in one thread, one after the other; its `busy` and
            `abort` in another.
        address: ``tcp://HOST:PORT``; port 0 takes a free one.
        token: What a client must know, 16 characters at least; by default one is drawn (`Server.token`).
        allow_remote: Listen on an address that other computers can reach. The token and all data then travel
            unencrypted: do so on an instrument's own network only; elsewhere, listen on this computer and reach it
            through an SSH tunnel.

    Raises:
        ConfigurationError: The address is not one to listen on, or can be reached by others without `allow_remote`; the
            token is too short.
        InstrumentError: The address is taken.
        MissingExtraError: pyzmq or msgpack is not installed.
    """
    return Server(instrument, address, token or secrets.token_urlsafe(24), allow_remote=allow_remote)


class Server:
    """An instrument that is being served; a context manager that stops it in the end. Made by :func:`serve`."""

    def __init__(self, instrument: Instrument, address: str, token: str, *, allow_remote: bool) -> None:
        """Listen; see :func:`serve`."""
        zmq = import_zmq()
        _check_address(address, allow_remote)
        if len(token) < SHORTEST_TOKEN:
            raise ConfigurationError(
                f"a token of {len(token)} characters, where {SHORTEST_TOKEN} are needed at least"
            )
        self.token = token
        """What clients must know."""
        self.session = secrets.token_hex(8)
        """Another one each time that an instrument is served."""
        self._instrument = instrument
        self._context = zmq.Context()
        self._router = self._context.socket(zmq.ROUTER)
        self._router.setsockopt(zmq.LINGER, 0)
        self._router.setsockopt(zmq.IPV6, int(":" in host_of(address)))
        # Larger messages are dropped before they are read.
        self._router.setsockopt(zmq.MAXMSGSIZE, wire.LARGEST_REQUEST)
        try:
            self._router.bind(address)
        except zmq.ZMQError as error:
            self._router.close()
            self._context.term()
            raise InstrumentError(f"{address}: cannot listen there ({error})") from None
        self.address: str = self._router.getsockopt_string(zmq.LAST_ENDPOINT)
        """Where clients find it."""
        self._running = b""
        self._asker = b""
        """The connection that waits for what is running: the latest that asked for it."""
        self._done, self._last = b"", b""
        """What was running before, and the answer to it."""
        self._answers: queue.SimpleQueue[tuple[bytes | None, bytes]] = queue.SimpleQueue()
        """Connections, none for that of what is running, and what they are answered."""
        self._slow, self._fast = _Worker("nescio-measure"), _Worker("nescio-control")
        self._stopping, self._stopped = threading.Event(), threading.Event()
        # Other threads may not touch the router; a byte through this pair tells its own that there is an answer.
        self._wakeup, self._waker = socket.socketpair()
        self._waker.setblocking(False)
        threading.Thread(target=self._listen, name="nescio-server", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def wait(self) -> None:
        """Wait until the server is stopped; from the keyboard, ``Ctrl-C`` stops it."""
        try:
            # In pieces, since a long wait cannot be interrupted from the keyboard on every system.
            while not self._stopped.wait(0.25):
                pass
        except KeyboardInterrupt:
            self.stop()

    def stop(self) -> None:
        """Abort what is being measured and serve no more."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        if self._running:
            self._fast.put(self._instrument.abort)
        self._slow.end()
        self._fast.end(_LONGEST_STOP)
        self._wake()
        # Not the thread itself: a `join` that was interrupted from the keyboard takes it for ended ever after.
        self._stopped.wait()
        self._router.close()
        self._context.term()
        self._wakeup.close()
        self._waker.close()

    def _listen(self) -> None:
        try:
            self._serve()
        finally:
            self._stopped.set()

    def _serve(self) -> None:
        zmq = import_zmq()
        poller = zmq.Poller()
        poller.register(self._router, zmq.POLLIN)
        poller.register(self._wakeup, zmq.POLLIN)
        while not self._stopping.is_set():
            ready = dict(poller.poll())
            if self._wakeup.fileno() in ready:
                self._wakeup.recv(4096)
            while not self._answers.empty():
                client, answer = self._answers.get()
                if client is None:
                    client, self._done, self._last, self._running = self._asker, self._running, answer, b""
                self._router.send_multipart([client, answer])
            if self._router in ready:
                frames = self._router.recv_multipart()
                if len(frames) == 2:
                    self._handle(frames[0], frames[1])

    def _handle(self, client: bytes, data: bytes) -> None:
        try:
            request = wire.unpack(data, wire.LARGEST_REQUEST)
        except InstrumentError:
            # Whoever does not speak the protocol gets no answer.
            return
        identity, token = request.get("id"), request.get("token")
        if not isinstance(identity, int) or not isinstance(token, str):
            return
        try:
            if not hmac.compare_digest(token.encode(), self.token.encode()):
                raise _ProtocolError("token", "the token is not the server's")
            if request.get("v") != wire.VERSION:
                raise _ProtocolError("version", f"the server speaks version {wire.VERSION} of the protocol")
            self._dispatch(client, identity, request)
        except Exception as error:
            self._router.send_multipart([client, self._packed(identity, **_failure(error))])

    def _dispatch(self, client: bytes, identity: int, request: dict[str, Any]) -> None:
        method = request.get("method")
        key = f"{request.get('client')}:{identity}".encode()
        instrument = self._instrument
        work: Callable[[], Any]
        if method == "ping":
            self._router.send_multipart(
                [client, self._packed(identity, value={"running": self._running.decode()})]
            )
        elif method == "hello":
            self._fast.put(lambda: self._answer(client, identity, lambda: {"name": str(instrument.name)}))
        elif method == "abort":
            self._fast.put(lambda: self._answer(client, identity, instrument.abort))
        elif method == "busy":
            running = bool(self._running)
            self._fast.put(lambda: self._answer(client, identity, lambda: running or bool(instrument.busy())))
        elif method in ("survey", "measure"):
            if request.get("session", self.session) != self.session:
                raise ConnectionLostError(f"{instrument.name}: the server was started again meanwhile")
            # The same message by another connection: the answer to the first was, or may be, lost.
            if key == self._running:
                self._asker = client
                return
            if key == self._done:
                self._router.send_multipart([client, self._last])
                return
            if self._running:
                raise InstrumentError(f"{instrument.name} is busy with another request")
            if method == "measure":
                position = wire.decode_array(request.get("position"))
                if position.dtype.kind not in "iuf" or position.ndim != 1:
                    raise RefusedPositionError(f"a position of type {position.dtype}, shape {position.shape}")
                work = partial(self._measure, position.astype(float))
            else:
                work = self._survey
            self._running, self._asker = key, client
            self._done, self._last = b"", b""
            self._slow.put(lambda: self._answer(None, identity, work))
        else:
            raise _ProtocolError("method", f"the server has no method {str(method)[:60]!r}")

    def _measure(self, position: NDArray[np.float64]) -> Any:
        return wire.encode_spectrum(self._instrument.measure(position))

    def _survey(self) -> Any:
        return wire.encode_dataset(self._instrument.survey())

    def _answer(self, client: bytes | None, identity: int, work: Callable[[], Any]) -> None:
        """Do what was asked, in a worker's thread, and leave the answer for the router's."""
        try:
            data = self._packed(identity, value=work())
        # A driver may raise anything; the server outlives it.
        except BaseException as error:
            data = self._packed(identity, **_failure(error))
        self._answers.put((client, data))
        self._wake()

    def _packed(self, identity: int, **content: Any) -> bytes:
        return wire.pack({"v": wire.VERSION, "id": identity, "session": self.session, **content})

    def _wake(self) -> None:
        try:
            self._waker.send(b"\0")
        except OSError:
            # Full: it is awake already. Closed: there is nobody to wake.
            return


class _Worker:
    """A thread that does one thing after the other."""

    def __init__(self, name: str) -> None:
        self._work: queue.SimpleQueue[Callable[[], Any] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, work: Callable[[], Any]) -> None:
        self._work.put(work)

    def end(self, wait: float = 0.0) -> None:
        self._work.put(None)
        self._thread.join(wait)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            try:
                work()
            except Exception:  # noqa: S112
                # Only an abort on stopping can fail here; then there is nobody left to tell.
                continue


class _ProtocolError(Exception):
    """A client that asks for what this server does not do."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def _failure(error: BaseException) -> dict[str, str]:
    message = " ".join(str(error).split())[:2000]
    if isinstance(error, _ProtocolError):
        return {"error": error.kind, "message": message}
    for kind, known in (
        ("refused", RefusedPositionError),
        ("lost", ConnectionLostError),
        ("instrument", InstrumentError),
    ):
        if isinstance(error, known):
            return {"error": kind, "message": message}
    return {"error": "instrument", "message": f"{type(error).__name__}: {message}"}


def _check_address(address: str, allow_remote: bool) -> None:
    host = host_of(address)
    if not allow_remote and not is_loopback(host):
        raise ConfigurationError(
            f"{address} can be reached from other computers; use tcp://127.0.0.1:PORT, or say allow_remote=True"
        )


def host_of(address: str) -> str:
    """Return the host of an address.

    Raises:
        ConfigurationError: It is not one.
    """
    match = _ADDRESS.fullmatch(address)
    if match is None or int(match["port"]) > 65535:
        raise ConfigurationError(f"{address!r} is no address such as tcp://127.0.0.1:5570")
    return match["host"].strip("[]")


def is_loopback(host: str) -> bool:
    """Whether a host can be reached from the same computer only; a name other than localhost counts as not."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def import_zmq() -> Any:
    """Return pyzmq.

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        return import_module("zmq")
    except ImportError:
        raise MissingExtraError("instruments on a network need pyzmq: pip install nescio[network]") from None
