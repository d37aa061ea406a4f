"""Dense and convolutional networks, on the absorption and on the difference to the foil: particles that were held out.

    python benchmarks/xas_networks.py [--element Pt] [--network convolutional] [--input difference] [--json FILE]

Each of the four learns six times, from the sites of particles that share none with those it is asked about: some three
minutes for a dense one, a quarter of an hour for a convolutional one.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from nescio.compute import enable_compilation_cache
from nescio.learn import NumberSettings
from nescio.xas import MixtureSettings, bundled_library
from nescio.xas.reproduction import held_out_particles

EDGES = {"Cu": "K", "Pt": "L3"}
NETWORKS = ("dense", "convolutional")
INPUTS = ("difference", "absorption")


def main() -> None:
    """Learn and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--element", choices=sorted(EDGES), default="Pt")
    parser.add_argument("--network", choices=NETWORKS, help="by default both")
    parser.add_argument("--input", choices=INPUTS, help="by default both")
    parser.add_argument("--json", type=Path, help="write the numbers here")
    given = parser.parse_args()
    enable_compilation_cache()
    library = bundled_library(given.element, EDGES[given.element])
    found = {}
    print(
        f"{'network':15} {'input':12} {'C1':>6} {'C2':>6} {'C3':>6} {'C4':>6} {'in 90 %':>8} {'seconds':>8}"
    )
    for kind in [given.network] if given.network else NETWORKS:
        for what in [given.input] if given.input else INPUTS:
            settings = NumberSettings.model_validate({"networks": {"kind": kind}})
            began = time.perf_counter()
            told, _ = held_out_particles(library, MixtureSettings(input=what), settings)
            seconds = time.perf_counter() - began
            found[f"{kind} {what}"] = {**told, "seconds": seconds}
            errors = " ".join(f"{one:6.3f}" for one in told["mae"])
            print(f"{kind:15} {what:12} {errors} {told['coverage90']:8.3f} {seconds:8.0f}", flush=True)
    if given.json is not None:
        given.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
