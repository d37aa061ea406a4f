"""Worker process that decodes the arrays of a Zarr store written by HyperSpy."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from nescio.files import one_line, serve_apart
from nescio.microscopy.read.hyperspy.rosettasciio_worker import described_signals, guard_files


def _read(request: dict[str, Any], _: bytes) -> tuple[dict[str, Any], bytes]:
    import zarr

    folder = Path(request["folder"])
    guard_files(folder)
    try:
        root = zarr.open_group(str(folder / "store"), mode="r")
        experiments: Any = root["Experiments"]
        groups = [group for _, group in experiments.groups()]
        most = int(request["most"])
        signals = [_signal(group, most) for group in groups if "data" in group]
        return {"signals": described_signals(signals, folder, most)}, b""
    except Exception as error:  # Zarr raises many types of errors on damaged files
        return {"problem": one_line(error)}, b""


def _signal(group: Any, most: int) -> dict[str, Any]:
    data = group["data"]
    if math.prod(data.shape) * data.dtype.itemsize > most:
        raise ValueError("its signals need more memory than the budget for a file of this size")
    axes = [_axis(group[f"axis-{number}"]) for number in range(data.ndim)]
    metadata = {
        part: dict(group[f"metadata/{part}"].attrs) if f"metadata/{part}" in group else {}
        for part in ("General", "Signal")
    }
    return {"data": np.asarray(data[...]), "axes": axes, "metadata": metadata}


def _axis(group: Any) -> dict[str, Any]:
    axis = dict(group.attrs)
    if "axis" in group:
        axis["axis"] = np.asarray(group["axis"][...])
    return axis


if __name__ == "__main__":
    serve_apart(_read)
