"""Dense and convolutional networks, on the absorption and on the difference to the foil: particles that were held out.

    python benchmarks/xas_networks.py [--element Pt] [--network convolutional] [--input difference] [--align edge]
                                      [--steps 3000] [--low 9] [--json FILE]

Each of the four learns six times, from the sites of particles that share none with those it is asked about: some three
minutes in 3000 steps for a dense one, a quarter of an hour for a convolutional one.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from nescio.compute import enable_compilation_cache
from nescio.learn import NumberSettings
from nescio.studies.xanes import held_out_particles
from nescio.xas import MixtureSettings, bundled_library

EDGES = {"Cu": "K", "Pt": "L3"}
NETWORKS = ("dense", "convolutional")
INPUTS = ("difference", "absorption")
ALIGNMENTS = ("foil", "edge")


def main() -> None:
    """Learn and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--element", choices=sorted(EDGES), default="Pt")
    parser.add_argument("--network", choices=NETWORKS, help="by default both")
    parser.add_argument("--input", choices=INPUTS, help="by default both")
    parser.add_argument("--align", choices=ALIGNMENTS, default="foil", help="how spectra lie in energy")
    parser.add_argument("--steps", type=int, default=NumberSettings().networks.steps, help="of learning")
    parser.add_argument(
        "--low", type=float, default=MixtureSettings().low, help="first energy looked at, in eV"
    )
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
            settings = NumberSettings.model_validate({"networks": {"kind": kind, "steps": given.steps}})
            mixtures = MixtureSettings(input=what, low=given.low)
            began = time.perf_counter()
            told, _ = held_out_particles(library, mixtures, settings, align=given.align)
            seconds = time.perf_counter() - began
            found[f"{kind} {what}"] = {**told, "seconds": seconds}
            errors = " ".join(f"{one:6.3f}" for one in told["mae"])
            print(f"{kind:15} {what:12} {errors} {told['coverage90']:8.3f} {seconds:8.0f}", flush=True)
    if given.json is not None:
        given.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
