"""Worker process that reads one file with RosettaSciIO and can open no other files than installed programs."""

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
# Libraries read the amount of memory and the number of cores from _SYSTEM.
_PICKLING = ("dask._expr", "rsciio.utils._distributed")
_SYSTEM = ("/proc/meminfo", "/proc/cpuinfo", "/proc/stat")
_INSTALLED_AS = {"skimage": "scikit-image", "yaml": "pyyaml", "PIL": "pillow"}
# Audit events that no reader needs; "open" is checked separately.
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
    """Restrict this process to files in a folder and files of installed programs."""
    roots = {
        folder.resolve(),
        *(Path(path).resolve() for path in (*sys.path, sys.prefix, sys.base_prefix) if path),
    }

    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _REFUSED and not _is_own_pickle(event, arguments):
            raise PermissionError(f"{event} is not allowed")
        if event == "open" and isinstance(arguments[0], str | bytes):
            if arguments[0] in _SYSTEM:
                return
            path = Path(arguments[0].decode() if isinstance(arguments[0], bytes) else arguments[0]).resolve()
            if not any(path.is_relative_to(root) for root in roots):
                raise PermissionError(f"{path} is outside the file")

    sys.addaudithook(refuse)


def _is_own_pickle(event: str, arguments: tuple[Any, ...]) -> bool:
    """Return whether a class is looked up by Dask, for objects that it pickled itself to name tasks."""
    return event == "pickle.find_class" and arguments[0] in _PICKLING and "." not in str(arguments[1])


def _read(request: dict[str, Any], _: bytes) -> tuple[dict[str, Any], bytes]:
    folder = Path(request["folder"])
    problem = ""
    try:
        modules = [(name, import_module(api)) for name, api in request["readers"]]
        # Import it now: later it could not read its files and unpickle its own classes.
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
        except Exception as error:  # readers raise many types of errors on damaged files
            problem = problem or f"{name}: {one_line(error)}"
    return {"problem": problem}, b""


def _lacking(error: ImportError) -> dict[str, Any]:
    """Return an answer with the missing package of a reader, or the reason of a failed import."""
    if not (isinstance(error, ModuleNotFoundError) and error.name):
        return {"lacks": one_line(error)}
    lacking = error.name.partition(".")[0]
    lacking = _INSTALLED_AS.get(lacking, lacking)
    return {"lacks": f"the package {lacking} is not installed; pip install {lacking}"}


def described_signals(signals: list[dict[str, Any]], folder: Path, most: int) -> list[dict[str, Any]]:
    """Write the numbers of signals to files in the folder, and return descriptions of the signals."""
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
                raise ValueError("its signals need more memory than the budget for a file of this size")
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
