"""Measured platinum particles, told from where on in energy: how much of the answer hangs on the white line.

    python benchmarks/xas_window.py --data FOLDER [--low -8 8 9 10 12 14] [--json FILE]

FOLDER holds measured data, as of `nescio reproduce xanes --data FOLDER`. Each energy trains an agent: some two minutes.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from nescio.compute import enable_compilation_cache
from nescio.learn import learn_numbers
from nescio.studies.xanes import beyond_white_line, first_shell, measured_platinum
from nescio.xas import CoordinationPrior, MixtureSettings, NormalisationSettings, bundled_library

LOW = (-8.0, 8.0, 9.0, 10.0, 12.0, 14.0)


def main() -> None:
    """Learn and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="platinum-foil.xdi, platinum-particles.prj")
    parser.add_argument("--low", type=float, nargs="+", default=LOW, help="in eV from the Fermi level")
    parser.add_argument("--json", type=Path, help="write the numbers here")
    given = parser.parse_args()
    enable_compilation_cache()
    library = bundled_library("Pt", "L3")
    print(f"the computed white line ends at {beyond_white_line(library):g} eV")
    found = {}
    for low in given.low:
        prior = CoordinationPrior(library, MixtureSettings(low=low), NormalisationSettings(align="edge"))
        _, particles = measured_platinum(learn_numbers(prior), given.data)
        found[f"{low:g}"] = first_shell(particles)
        print(f"from {low:g} eV on")
        for name, one in found[f"{low:g}"].items():
            print(
                f"  {name:12} C1 {one['c1']:5.1f} ({one['low']:4.1f} to {one['high']:4.1f})  p {one['p_value']:.4f}",
                flush=True,
            )
    if given.json is not None:
        given.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
