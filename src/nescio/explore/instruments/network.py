"""A client for an instrument served by another process or computer (:func:`nescio.explore.instruments.serve`)."""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    AllowInfNan,
    Field,
    SecretStr,
    Strict,
    field_validator,
    model_validator,
)

from nescio.configuration import Settings
from nescio.errors import (
    ConfigurationError,
    ConnectionLostError,
    InstrumentError,
    RefusedPositionError,
    printable,
)
from nescio.explore.instruments import wire
from nescio.explore.instruments.server import host_of, import_zmq
from nescio.files import text_content

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["NetworkInstrument", "NetworkSettings"]

_ERRORS: dict[str, type[InstrumentError]] = {"refused": RefusedPositionError, "lost": ConnectionLostError}
_TRIES = 3
_LONGEST_BEAT = 1.0
_LARGEST_TOKEN_FILE = 4096
_LONGEST_TEXT = 500


class NetworkSettings(Settings):
    """An instrument served at an address (``[instrument]`` table of kind "network")."""

    kind: Literal["network"] = "network"
    address: str = "tcp://127.0.0.1:5570"
    token: SecretStr | None = None
    """The server's token. It is not written to the record, so an experiment cannot be resumed with it; use `token_file`
    instead."""
    token_file: Path | None = None
    """File that contains only the token."""
    timeout_seconds: Annotated[float, Strict(), AllowInfNan(False), Field(gt=0.0, le=3600.0)] = 10.0
    """Time without an answer after which the server counts as lost; it also answers while it measures."""

    @field_validator("address")
    @classmethod
    def _check_address(cls, address: str) -> str:
        try:
            host_of(address)
        except ConfigurationError as error:
            raise ValueError(str(error)) from None
        return address

    @model_validator(mode="after")
    def _check_token(self) -> Self:
        if (self.token is None) == (self.token_file is None):
            raise ValueError("needs either token or token_file")
        return self

    def build(self, folder: Path | None = None) -> NetworkInstrument:
        """Connect to the server; the path of the token's file is relative to `folder`.

        Raises:
            FileError: The token's file cannot be read.
            ConnectionLostError: The server does not answer.
            InstrumentError: The server refuses the token, or uses another version of the protocol.
            MissingExtraError: pyzmq or msgpack is not installed.
        """
        if self.token is not None:
            token = self.token.get_secret_value()
        else:
            token = _read_token((folder or Path()) / (self.token_file or Path()))
        return NetworkInstrument(self.address, token, timeout_seconds=self.timeout_seconds)


class NetworkInstrument:
    """A client of a served instrument; its methods may be called from any thread.

    Each call opens and closes its own connection, so that remains of an old connection cannot disturb the next call
    ("lazy pirate", Hintjens, ZeroMQ, O'Reilly, 2013, chapter 4). Without an answer, the same message is sent again by a
    new connection. This does not repeat a measurement: the server recognises the message by its number and sends the
    stored result. During a measurement the client asks about once a second whether it is still running.
    """

    def __init__(self, address: str, token: str, *, timeout_seconds: float = 10.0) -> None:
        """Connect to the server.

        Raises:
            ConnectionLostError: The server does not answer.
            InstrumentError: The server refuses the token, or uses another version of the protocol.
            MissingExtraError: pyzmq or msgpack is not installed.
        """
        self._address = address
        self._token = token
        self._timeout = timeout_seconds
        self._client = secrets.token_hex(8)
        self._numbers = itertools.count(1)
        self._name = self._session = ""
        self._unanswered: dict[tuple[str, str, bytes], int] = {}
        self.reconnect()

    @property
    def name(self) -> str:
        """Name of the instrument on the server."""
        return self._name

    def reconnect(self) -> None:
        """Connect again.

        Raises:
            ConnectionLostError: The server does not answer.
        """
        answer = self._answer("hello")
        greeting = self._value(answer)
        if not isinstance(greeting, dict) or not isinstance(greeting.get("name"), str):
            raise InstrumentError(f"{self._address}: the server does not send the instrument's name")
        self._name = _bounded(greeting["name"])
        self._session = _bounded(answer.get("session"))

    def survey(self) -> xr.Dataset:
        """Return the instrument's survey.

        Raises:
            ConnectionLostError: The connection is lost.
            InstrumentError: The instrument raised this error.
        """
        return wire.decode_dataset(self._work("survey"))

    def measure(self, position: NDArray[np.float64]) -> xr.DataArray:
        """Measure a spectrum.

        Raises:
            ConnectionLostError: The connection is lost, or the server was restarted.
            InstrumentError: The instrument raised this error.
        """
        return wire.decode_spectrum(
            self._work("measure", position=wire.encode_array(np.asarray(position, float)))
        )

    def busy(self) -> bool:
        """Return whether a measurement is running.

        Raises:
            ConnectionLostError: The connection is lost.
        """
        return bool(self._ask("busy"))

    def abort(self) -> None:
        """Abort the measurement, also while another thread waits for it.

        Raises:
            ConnectionLostError: The connection is lost.
        """
        # An aborted request must not be answered again.
        self._unanswered = {}
        self._ask("abort")

    def _ask(self, method: str) -> Any:
        """Send a short request that can safely be repeated."""
        return self._value(self._answer(method))

    def _answer(self, method: str) -> dict[str, Any]:
        for _ in range(_TRIES):
            with self._connected() as socket:
                number = next(self._numbers)
                self._send(socket, method, number)
                end = time.monotonic() + self._timeout / _TRIES
                while (answer := self._receive(socket, end)) is not None:
                    if answer.get("id") == number:
                        return answer
        raise self._lost(f"no answer within {self._timeout:g} s")

    def _work(self, method: str, **arguments: Any) -> Any:
        """Send a long request, and check meanwhile that the server is working on it.

        A request without an answer is stored: the same call later sends the same message.
        """
        asked = (self._session, method, wire.pack(arguments, wire.LARGEST_REQUEST))
        number = self._unanswered.get(asked) or next(self._numbers)
        self._unanswered = {asked: number}
        deadline, lost = time.monotonic() + self._timeout, 0
        while lost < _TRIES:
            with self._connected() as socket:
                self._send(socket, method, number, session=self._session, **arguments)
                answer, heard, under_way = self._awaited(socket, method, number)
            if answer is not None:
                self._unanswered = {}
                return self._value(answer)
            lost += not under_way
            if heard:
                deadline = time.monotonic() + self._timeout
            elif time.monotonic() > deadline:
                raise self._lost(f"no reply within {self._timeout:g} s")
        raise self._gone(method)

    def _awaited(self, socket: Any, method: str, number: int) -> tuple[dict[str, Any] | None, bool, bool]:
        """Wait for an answer as long as the server reports that it is working on the request.

        Returns:
            The answer or None; whether anything was received; and whether the request may still be running.
        """
        key = f"{self._client}:{number}"
        last, heard = time.monotonic(), False
        while time.monotonic() - last < self._timeout / _TRIES:
            self._send(socket, "ping", next(self._numbers))
            end = time.monotonic() + min(_LONGEST_BEAT, self._timeout / 4)
            while (answer := self._receive(socket, end)) is not None:
                last, heard = time.monotonic(), True
                if answer.get("id") == number:
                    return answer, True, True
                if answer.get("session") != self._session:
                    raise self._gone(method)
                # Answers arrive in order. An answer to a later request means that the expected answer was sent to a
                # connection that no longer exists.
                alive = self._value(answer)
                if not isinstance(alive, dict) or alive.get("running") != key:
                    return None, True, False
        return None, heard, True

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        zmq = import_zmq()
        socket = zmq.Context.instance().socket(zmq.DEALER)
        try:
            socket.setsockopt(zmq.LINGER, 0)
            # Limit all waits, also the wait for a place in the queue.
            socket.setsockopt(zmq.SNDTIMEO, int(1000 * self._timeout) + 1)
            socket.setsockopt(zmq.RCVTIMEO, int(1000 * self._timeout) + 1)
            socket.setsockopt(zmq.IPV6, int(":" in host_of(self._address)))
            socket.setsockopt(zmq.MAXMSGSIZE, wire.LARGEST_MESSAGE)
            socket.connect(self._address)
            yield socket
        except zmq.ZMQError as error:
            raise self._lost(str(error)) from None
        finally:
            socket.close()

    def _send(self, socket: Any, method: str, number: int, **arguments: Any) -> None:
        request = {
            "v": wire.VERSION,
            "id": number,
            "client": self._client,
            "token": self._token,
            "method": method,
        }
        socket.send(wire.pack({**request, **arguments}, wire.LARGEST_REQUEST))

    def _receive(self, socket: Any, end: float) -> dict[str, Any] | None:
        """Return the next answer, or None after a time-out."""
        left = end - time.monotonic()
        if left <= 0.0 or not socket.poll(int(1000 * left) + 1):
            return None
        frames = socket.recv_multipart()
        answer = wire.unpack(b"".join(frames))
        if answer.get("v") != wire.VERSION:
            raise InstrumentError(
                f"{self._address}: the server uses version {_bounded(answer.get('v'))} of the protocol; "
                f"version {wire.VERSION} is needed"
            )
        return answer

    def _value(self, answer: dict[str, Any]) -> Any:
        if (kind := answer.get("error")) is None:
            return answer.get("value")
        message = _bounded(answer.get("message"))
        if kind in ("token", "version", "method"):
            raise InstrumentError(f"{self._address}: {message}")
        raise _ERRORS.get(str(kind), InstrumentError)(message)

    def _gone(self, method: str) -> ConnectionLostError:
        return self._lost(f"the requested {method} is no longer running")

    def _lost(self, why: str) -> ConnectionLostError:
        return ConnectionLostError(f"{self._name or 'instrument'} at {self._address} is lost: {why}")


def _bounded(value: object) -> str:
    """Return a server's value as text of limited length."""
    text = printable(str(value))
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]} ..."


def _read_token(path: Path) -> str:
    return text_content(path, _LARGEST_TOKEN_FILE).strip()
