"""Phase shifts and matrix elements of bulk metals and cuprite by FEFF8L: the files of nescio/xas/scattering/data.

    pip install "nescio[feff]"
    python benchmarks/xas_potentials.py --output src/nescio/xas/scattering/data

Potentials are self-consistent within 4.5 angstrom of the absorber in a sphere of 8 angstrom; for the K edge of copper
and cuprite with a core hole, for the L3 edge of platinum without. Takes some minutes.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from nescio.studies.demos.absorption import cuprite
from nescio.xas import (
    feff_input,
    find_feff8l,
    read_feff_phases,
    run_feff,
    save_scattering,
    scattering_from_feff,
)

RADIUS = 8.0
BULK = {"Cu_K": ("Cu", "K", "full"), "Pt_L3": ("Pt", "L3", "none"), "Cu2O_K": ("Cu2O", "K", "full")}
LATTICE = {"Cu": 3.615, "Pt": 3.924}


def fcc(constant: float) -> np.ndarray:
    """Return a sphere of the face-centred cubic lattice about an atom, that atom first."""
    reach = int(2 * RADIUS / constant) + 2
    cells = np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    places = cells[cells.sum(axis=1) % 2 == 0] * constant / 2.0
    distance = np.linalg.norm(places, axis=1)
    order = np.argsort(distance, kind="stable")
    return places[order][distance[order] <= RADIUS]


def main() -> None:
    """Compute and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, required=True, help="folder for the files")
    parser.add_argument("--programs", type=Path, help="folder that holds feff8l_rdinp and the others")
    given = parser.parse_args()
    feff = find_feff8l(given.programs)
    for name, (formula, edge, hole) in BULK.items():
        if formula in LATTICE:
            places = fcc(LATTICE[formula])
            elements = [formula] * len(places)
        else:
            elements, places = cuprite(RADIUS)
        text = feff_input(elements, places, edge=edge, core_hole=hole, title=f"bulk {formula}")
        with tempfile.TemporaryDirectory() as folder:
            phases = read_feff_phases(run_feff(text, feff, folder, seconds=1800.0))
        given.output.mkdir(parents=True, exist_ok=True)
        save_scattering(scattering_from_feff(phases), given.output / f"{name}.npz")
        print(f"{name}: {phases.edge_energy:.2f} eV, {len(places)} atoms")


if __name__ == "__main__":
    main()
