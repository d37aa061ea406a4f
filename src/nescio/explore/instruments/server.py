"""Serve an instrument to another process or computer, from the Python of the instrument's own library."""

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
    """Serve an instrument until the server is stopped; :meth:`Server.wait` blocks until then.

    Args:
        instrument: The instrument. One thread calls its `survey` and `measure`, one at a time; another thread calls its
            `busy` and `abort`.
        address: ``tcp://HOST:PORT``; port 0 selects a free port.
        token: Password for clients, at least 16 characters; default: a random one (`Server.token`).
        allow_remote: Listen on an address that other computers can reach. The token and all data are then sent
            unencrypted, so use this only on the instrument's own network. Otherwise listen on this computer only and
            connect through an SSH tunnel.

    Raises:
        ConfigurationError: The address is invalid, or can be reached from other computers without `allow_remote`; or
            the token is too short.
        InstrumentError: The address is in use.
        MissingExtraError: pyzmq or msgpack is not installed.
    """
    return Server(instrument, address, token or secrets.token_urlsafe(24), allow_remote=allow_remote)


class Server:
    """A running server, created by :func:`serve`; as a context manager it stops at the end."""

    def __init__(self, instrument: Instrument, address: str, token: str, *, allow_remote: bool) -> None:
        """Start to listen; see :func:`serve`."""
        zmq = import_zmq()
        _check_address(address, allow_remote)
        if len(token) < SHORTEST_TOKEN:
            raise ConfigurationError(
                f"the token has {len(token)} characters; it needs at least {SHORTEST_TOKEN}"
            )
        self.token = token
        """Password for clients."""
        self.session = secrets.token_hex(8)
        """Random identifier of this server."""
        self._instrument = instrument
        self._context = zmq.Context()
        self._router = self._context.socket(zmq.ROUTER)
        self._router.setsockopt(zmq.LINGER, 0)
        self._router.setsockopt(zmq.IPV6, int(":" in host_of(address)))
        # Larger messages are discarded unread.
        self._router.setsockopt(zmq.MAXMSGSIZE, wire.LARGEST_REQUEST)
        try:
            self._router.bind(address)
        except zmq.ZMQError as error:
            self._router.close()
            self._context.term()
            raise InstrumentError(f"cannot listen on {address} ({error})") from None
        self.address: str = self._router.getsockopt_string(zmq.LAST_ENDPOINT)
        """Address for clients."""
        self._running = b""
        self._asker = b""
        """The connection that waits for the running request: the latest that sent it."""
        self._done, self._last = b"", b""
        """The previous request and its answer."""
        self._answers: queue.SimpleQueue[tuple[bytes | None, bytes]] = queue.SimpleQueue()
        """Answers with their connections; None for the connection of the running request."""
        self._slow, self._fast = _Worker("nescio-measure"), _Worker("nescio-control")
        self._stopping, self._stopped = threading.Event(), threading.Event()
        # Other threads must not use the router; a byte through this pair tells its thread that an answer is ready.
        self._wakeup, self._waker = socket.socketpair()
        self._waker.setblocking(False)
        threading.Thread(target=self._listen, name="nescio-server", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def wait(self) -> None:
        """Wait until the server is stopped; Ctrl-C stops it."""
        try:
            # Wait in short intervals: on some systems Ctrl-C cannot interrupt a long wait.
            while not self._stopped.wait(0.25):
                pass
        except KeyboardInterrupt:
            self.stop()

    def stop(self) -> None:
        """Abort the running measurement and stop the server."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        if self._running:
            self._fast.put(self._instrument.abort)
        self._slow.end()
        self._fast.end(_LONGEST_STOP)
        self._wake()
        # An event, because a `join` interrupted by Ctrl-C treats the thread as ended from then on.
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
            # Messages that do not follow the protocol get no answer.
            return
        identity, token = request.get("id"), request.get("token")
        if not isinstance(identity, int) or not isinstance(token, str):
            return
        try:
            if not hmac.compare_digest(token.encode(), self.token.encode()):
                raise _ProtocolError("token", "the token is wrong")
            if request.get("v") != wire.VERSION:
                raise _ProtocolError("version", f"the server uses version {wire.VERSION} of the protocol")
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
                raise ConnectionLostError(f"{instrument.name}: the server was restarted meanwhile")
            # The same message from another connection: the first answer may be lost.
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
                    raise RefusedPositionError(
                        f"the position has type {position.dtype} and shape {position.shape}; needs a list of numbers"
                    )
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
        """Do the work in a worker's thread, and queue the answer for the router's thread."""
        try:
            data = self._packed(identity, value=work())
        # A driver may raise anything; the server must survive it.
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
            # Full: the thread is awake already. Closed: the server has stopped.
            return


class _Worker:
    """A thread that runs jobs one after another."""

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
                # Only an abort during `stop` can fail here; no client is left to receive the error.
                continue


class _ProtocolError(Exception):
    """A request that this server does not support."""

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
            f"{address} can be reached from other computers; use tcp://127.0.0.1:PORT, or set allow_remote=True"
        )


def host_of(address: str) -> str:
    """Return the host of an address.

    Raises:
        ConfigurationError: The address is invalid.
    """
    match = _ADDRESS.fullmatch(address)
    if match is None or int(match["port"]) > 65535:
        raise ConfigurationError(f"{address!r} is not a valid address; use the form tcp://127.0.0.1:5570")
    return match["host"].strip("[]")


def is_loopback(host: str) -> bool:
    """Return whether a host can only be reached from this computer; False for names other than localhost."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def import_zmq() -> Any:
    """Return pyzmq.

    Raises:
        MissingExtraError: pyzmq is not installed.
    """
    try:
        return import_module("zmq")
    except ImportError:
        raise MissingExtraError("network instruments need pyzmq: pip install nescio[network]") from None
