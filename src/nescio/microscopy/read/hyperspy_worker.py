"""A program of its own that reads one file by RosettaSciIO, and opens no file but that and the programs' own."""

from __future__ import annotations

import sys
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from nescio.files import one_line, serve_apart

_LONGEST_TEXT = 1000
# What no reader of data needs; "open" is looked at more closely.
_REFUSED = (
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "socket.connect",
    "pickle.find_class",
)


def _guard(folder: Path) -> None:
    """Let this process open, from now on, files in a folder and those of installed programs only."""
    roots = {
        folder.resolve(),
        *(Path(path).resolve() for path in (*sys.path, sys.prefix, sys.base_prefix) if path),
    }

    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _REFUSED:
            raise PermissionError(f"{event} is not for a file to ask")
        if event == "open" and isinstance(arguments[0], str | bytes):
            path = Path(arguments[0].decode() if isinstance(arguments[0], bytes) else arguments[0]).resolve()
            if not any(path.is_relative_to(root) for root in roots):
                raise PermissionError(f"{path} lies outside of the file")

    sys.addaudithook(refuse)


def _read(request: dict[str, Any], _: bytes) -> tuple[dict[str, Any], bytes]:
    folder = Path(request["folder"])
    problem = ""
    modules = [(name, import_module(api)) for name, api in request["readers"]]
    _guard(folder)
    for name, module in modules:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return _answer(
                    module.file_reader(str(folder / request["name"]), lazy=False), int(request["most"])
                )
        except Exception as error:  # the readers fail on damaged or foreign files in every possible way
            problem = problem or f"{name}: {one_line(error)}"
    return {"problem": problem}, b""


def _answer(signals: list[dict[str, Any]], most: int) -> tuple[dict[str, Any], bytes]:
    described, data = [], []
    for signal in signals:
        values = np.asarray(signal["data"])
        numeric = values.dtype.kind in "iufcb"
        if numeric:
            most -= values.nbytes
            if most < 0:
                raise ValueError("its signals take more memory than a file of this size may")
            data.append(np.ascontiguousarray(values).tobytes())
        metadata = signal.get("metadata") or {}
        described.append(
            {
                "title": _text(metadata.get("General", {}).get("title")),
                "quantity": _text(metadata.get("Signal", {}).get("quantity")),
                "shape": values.shape,
                "dtype": values.dtype.str if numeric else None,
                "axes": [_axis(axis) for axis in signal["axes"]],
            }
        )
    return {"signals": described}, b"".join(data)


def _axis(axis: dict[str, Any]) -> dict[str, Any]:
    values = axis.get("axis")
    return {
        "name": _text(axis.get("name")),
        "units": _text(axis.get("units")),
        "navigate": bool(axis.get("navigate")),
        "size": int(axis.get("size", 1)),
        "offset": float(axis.get("offset", 0.0)),
        "scale": float(axis.get("scale", 1.0)),
        "values": None if values is None else np.asarray(values, np.float64).tolist(),
    }


def _text(value: object) -> str:
    return str(value or "")[:_LONGEST_TEXT]


if __name__ == "__main__":
    serve_apart(_read)
