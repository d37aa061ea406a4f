"""Weighed mixtures identified among candidates: sets, weight fractions and time.

    python benchmarks/identify.py --data FOLDER --json identify.json

FOLDER holds the folder ``xrd/a-lab`` of weighed oxide mixtures, whose file names state the weight fractions. The
candidates are those of docs/real-data/oxides.toml. TiO2 is right as anatase, as rutile or as both. Printed are, for
each scan, the phases found, the largest error of a weight fraction and the seconds taken; the first scans include the
time to compile.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np

from nescio.compute import enable_compilation_cache
from nescio.xrd import Identifier, IdentifySettings, Prior, read_patterns

OXIDES = Path(__file__).parents[1] / "docs" / "real-data" / "oxides.toml"
SAME = {"anatase": "TiO2", "rutile": "TiO2"}


def stated(name: str) -> dict[str, float]:
    """Return the weight fractions that a file name states."""
    parts = (part.rsplit("_", 1) for part in name.split("--")[0].split("-"))
    return {phase: float(weight.replace("p", ".")) for phase, weight in parts}


def main() -> None:
    """Identify and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, default=os.environ.get("NESCIO_DATA"), help="folder of measured data"
    )
    parser.add_argument("--scans", default="*.xrdml", help="which files")
    parser.add_argument("--json", type=Path, help="write the figures there")
    given = parser.parse_args()
    if given.data is None:
        parser.error("give --data FOLDER or set NESCIO_DATA")
    enable_compilation_cache()
    identifier = Identifier(Prior.from_file(OXIDES), IdentifySettings())
    rows, errors = [], []
    for path in sorted((given.data / "xrd" / "a-lab").glob(given.scans)):
        start = time.perf_counter()
        answer = identifier(read_patterns(path))
        seconds = time.perf_counter() - start
        found: dict[str, float] = {}
        for one in answer.phases:
            label = SAME.get(one.label, one.label)
            found[label] = found.get(label, 0.0) + one.weight_fraction
        wanted = stated(path.name)
        off = [abs(found.get(label, 0.0) - share) for label, share in wanted.items()]
        named, right = set(wanted) <= set(found), set(wanted) == set(found)
        errors += off if named else []
        rows.append(
            {"scan": path.stem, "named": named, "right": right, "error": max(off), "seconds": seconds}
        )
        shown = ", ".join(f"{label} {share:.3f}" for label, share in found.items())
        print(
            f"{'right' if right else 'named' if named else 'wrong'}  {path.stem}: {answer.verdict}; {shown}; "
            f"largest error {max(off):.3f}; probability {answer.probability:.2f}; {seconds:.1f} s",
            flush=True,
        )
    figures = {}
    for minutes in ("8min", "2min"):
        some = [row for row in rows if str(row["scan"]).endswith(minutes)]
        figures[f"{minutes}_named"] = sum(bool(row["named"]) for row in some)
        figures[f"{minutes}_exact"] = sum(bool(row["right"]) for row in some)
        figures[f"{minutes}_scans"] = len(some)
    if errors:
        figures |= {"fraction_mae": float(np.mean(errors)), "fraction_max": float(np.max(errors))}
    figures["seconds_median"] = float(np.median([float(row["seconds"]) for row in rows]))
    print(json.dumps(figures, indent=1))
    if given.json:
        given.json.write_text(json.dumps({**figures, "scans": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
