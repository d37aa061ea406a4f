"""Site spectra of copper nanoparticles by multiple scattering: the library that comes with the package.

    pip install "nescio[ase]"
    python benchmarks/xas_library.py --output src/nescio/xas/data/Cu_K_sites.npz

Some two hundred sites, two to six seconds each. Interrupted, the same command goes on.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from nescio.xas import FCC_SHELLS, Cluster, bulk_scattering, make_cluster
from nescio.xas.library import compute_library, save_library

LATTICE = 3.615
NEIGHBOUR = LATTICE / np.sqrt(2.0)
RADIUS = 2.17 * NEIGHBOUR
"""Four shells of neighbours and a little."""
ENERGY = np.concatenate(
    [np.arange(-15.0, 30.0, 0.5), np.arange(30.0, 60.0, 1.0), np.arange(60.0, 121.0, 2.0)]
)
SHAPES: list[tuple[str, dict[str, object]]] = [
    *[("cuboctahedron", {"shells": n}) for n in (1, 2, 3, 4)],
    *[("octahedron", {"length": n}) for n in (2, 3, 4, 5, 6)],
    *[("octahedron", {"length": n, "cut": 1}) for n in (4, 5, 6)],
    *[("octahedron", {"length": n, "cut": 2}) for n in (6, 7)],
    *[("icosahedron", {"shells": n}) for n in (1, 2, 3)],
    *[
        ("decahedron", {"p": p, "q": q, "r": r})
        for p, q, r in ((2, 1, 0), (2, 3, 0), (3, 1, 0), (2, 2, 1), (2, 3, 1))
    ],
    *[("sphere", {"radius": r * LATTICE}) for r in (1.23, 1.59)],
    *[("sphere", {"radius": r * LATTICE, "centre": "octahedral"}) for r in (0.9, 1.25)],
    *[("sphere", {"radius": r * LATTICE, "centre": "tetrahedral"}) for r in (0.44, 0.85, 1.31)],
    *[("hcp", {"radius": r * NEIGHBOUR}) for r in (1.01, 1.74, 2.01)],
    *[("hemisphere", {"radius": r * LATTICE, "face": f}) for r in (1.45, 1.75) for f in ("100", "111")],
]


def clusters() -> list[Cluster]:
    """Return the particles whose sites are computed."""
    return [make_cluster(shape, "Cu", LATTICE, **size) for shape, size in SHAPES]


def main() -> None:
    """Compute and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, required=True, help="write the library here")
    target = parser.parse_args().output
    library = compute_library(
        clusters(),
        bulk_scattering("Cu", "K"),
        ENERGY,
        make_cluster("sphere", "Cu", LATTICE, radius=10.0),
        radius=RADIUS,
        limits=np.array(FCC_SHELLS) * NEIGHBOUR,
        kept=target.with_suffix(".partial.npy"),
    )
    save_library(library, target)
    print(f"{len(library)} sites of {len(SHAPES)} particles")


if __name__ == "__main__":
    main()
