"""What a sweep of FEFF costs beside FEFF: scripts stand for it, of one second each, and of none.

python benchmarks/xas_sweep.py
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from nescio.xas import FeffProgram, make_cluster, sweep_feff, sweep_inputs

WORKERS, RUNS = 2, 24


def seconds(script: str) -> float:
    """Return how long a sweep takes whose runs are this script."""
    inputs = sweep_inputs(
        [make_cluster("sphere", "Pt", 3.924, radius=4.0)], edge="L3", absorber="Pt", strains=(0.0, 0.01)
    )
    with tempfile.TemporaryDirectory() as folder:
        step = Path(folder) / "step"
        step.write_text(f"#!/bin/sh\n{script}\ntouch phase.pad\n", encoding="utf-8")
        step.chmod(0o755)
        program = FeffProgram("stand-in", (step,), "phase.pad")
        some = dict(list(inputs.items())[:RUNS])
        began = time.perf_counter()
        sweep = sweep_feff(some, program, Path(folder) / "results", workers=WORKERS, progress=False)
        took = time.perf_counter() - began
    if len(sweep.results) != RUNS:
        raise RuntimeError(f"{len(sweep.results)} of {RUNS} runs succeeded: {sweep.failures}")
    return took


def main() -> None:
    """Time and print."""
    slow, empty = seconds("sleep 1"), seconds(":")
    print(f"{RUNS} runs of 1 s on {WORKERS} workers: {slow:.2f} s, efficiency {RUNS / WORKERS / slow:.2f}")
    print(f"{RUNS} empty runs: {1000 * empty * WORKERS / RUNS:.0f} ms a run and worker")


if __name__ == "__main__":
    main()
