"""A program of its own that reads one file by RosettaSciIO, and opens no file but that and the programs' own."""

from __future__ import annotations

import sys
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from nescio.files import one_line, serve_apart

__all__ = ["described_signals", "guard_files"]

_LONGEST_TEXT = 1000
# What libraries ask of the machine: how much memory and how many cores it has.
_PICKLING = ("dask._expr", "rsciio.utils._distributed")
_SYSTEM = ("/proc/meminfo", "/proc/cpuinfo", "/proc/stat")
_INSTALLED_AS = {"skimage": "scikit-image", "yaml": "pyyaml", "PIL": "pillow"}
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


def guard_files(folder: Path) -> None:
    """Let this process open, from now on, files in a folder and those of installed programs only."""
    roots = {
        folder.resolve(),
        *(Path(path).resolve() for path in (*sys.path, sys.prefix, sys.base_prefix) if path),
    }

    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _REFUSED and not _is_own_pickle(event, arguments):
            raise PermissionError(f"{event} is not for a file to ask")
        if event == "open" and isinstance(arguments[0], str | bytes):
            if arguments[0] in _SYSTEM:
                return
            path = Path(arguments[0].decode() if isinstance(arguments[0], bytes) else arguments[0]).resolve()
            if not any(path.is_relative_to(root) for root in roots):
                raise PermissionError(f"{path} lies outside of the file")

    sys.addaudithook(refuse)


def _is_own_pickle(event: str, arguments: tuple[Any, ...]) -> bool:
    """Say whether a class is looked up as Dask does it for what it has itself pickled, to name its tasks."""
    return event == "pickle.find_class" and arguments[0] in _PICKLING and "." not in str(arguments[1])


def _read(request: dict[str, Any], _: bytes) -> tuple[dict[str, Any], bytes]:
    folder = Path(request["folder"])
    problem = ""
    try:
        modules = [(name, import_module(api)) for name, api in request["readers"]]
        # Loaded later, it would read files and unpickle its own classes.
        import_module("dask.array")
    except ImportError as error:
        return _lacking(error), b""
    guard_files(folder)
    for name, module in modules:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                signals = module.file_reader(str(folder / request["name"]), lazy=False)
                return {"signals": described_signals(signals, folder, int(request["most"]))}, b""
        except ImportError as error:
            return _lacking(error), b""
        except Exception as error:  # the readers fail on damaged or foreign files in every possible way
            problem = problem or f"{name}: {one_line(error)}"
    return {"problem": problem}, b""


def _lacking(error: ImportError) -> dict[str, Any]:
    """Return the answer that names the package that a reader needs, or why it cannot be loaded."""
    if not (isinstance(error, ModuleNotFoundError) and error.name):
        return {"lacks": one_line(error)}
    lacking = error.name.partition(".")[0]
    lacking = _INSTALLED_AS.get(lacking, lacking)
    return {"lacks": f"the package {lacking} is not installed; pip install {lacking}"}


def described_signals(signals: list[dict[str, Any]], folder: Path, most: int) -> list[dict[str, Any]]:
    """Write the numbers of signals into files of the folder, and return what they are."""
    described = []
    for number, signal in enumerate(signals):
        values = np.asarray(signal["data"])
        colours = values.dtype.names in (("R", "G", "B"), ("R", "G", "B", "A")) and values.ndim == 2
        if colours:
            values = np.stack([values[colour] for colour in values.dtype.names or ()], axis=-1)
        numeric = values.dtype.kind in "iufcb"
        file = f"nescio signal {number}"
        if numeric:
            most -= values.nbytes
            if most < 0:
                raise ValueError("its signals take more memory than a file of this size may")
            values.tofile(folder / file)
        metadata = signal.get("metadata") or {}
        described.append(
            {
                "title": _text(metadata.get("General", {}).get("title")),
                "quantity": _text(metadata.get("Signal", {}).get("quantity")),
                "record_by": _text(metadata.get("Signal", {}).get("record_by")),
                "shape": values.shape,
                "dtype": values.dtype.str if numeric else None,
                "parts": values.dtype.names or (),
                "colours": colours,
                "file": file,
                "axes": [_axis(axis) for axis in signal["axes"]],
            }
        )
    return described


def _axis(axis: dict[str, Any]) -> dict[str, Any]:
    values = axis.get("axis")
    return {
        "name": _text(axis.get("name")),
        "units": _text(axis.get("units")),
        "navigate": None if axis.get("navigate") is None else bool(axis["navigate"]),
        "size": int(axis.get("size", 1)),
        "offset": float(axis.get("offset", 0.0)),
        "scale": float(axis.get("scale", 1.0)),
        "values": None if values is None else np.asarray(values, np.float64).tolist(),
    }


def _text(value: object) -> str:
    return str(value or "")[:_LONGEST_TEXT]


if __name__ == "__main__":
    serve_apart(_read)
