"""Site spectra of copper and platinum nanoparticles by multiple scattering: the libraries that come with the package.

    pip install "nescio[ase]"
    python benchmarks/xas_library.py --output src/nescio/xas/prior/data

Some thousand sites, half a second to three seconds each. Interrupted, the same command goes on.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from nescio.xas import (
    FCC_SHELLS,
    Cluster,
    bulk_scattering,
    compute_library,
    joined,
    load_library,
    make_cluster,
    save_library,
)

METALS = {"Cu_K": ("Cu", "K", 3.615), "Pt_L3": ("Pt", "L3", 3.924)}
RADIUS = 2.17
"""In distances of nearest neighbours: four shells and a little."""
STATES = ((0.0, 0.004), (0.0, 0.0), (0.0, 0.009), (-0.02, 0.004), (0.02, 0.004))
"""Strain, and mean square relative displacement in square angstrom; the first is the foil's."""
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
    *[("sphere", {"radius": r}) for r in (1.23, 1.59)],
    *[("sphere", {"radius": r, "centre": "octahedral"}) for r in (0.9, 1.25)],
    *[("sphere", {"radius": r, "centre": "tetrahedral"}) for r in (0.44, 0.85, 1.31)],
    *[("hcp", {"radius": r / np.sqrt(2.0)}) for r in (1.01, 1.74, 2.01)],
    *[("hemisphere", {"radius": r, "face": f}) for r in (1.45, 1.75) for f in ("100", "111")],
]


def clusters(element: str, lattice: float) -> list[Cluster]:
    """Return the particles whose sites are computed; radii above are in lattice constants."""
    return [
        make_cluster(
            shape,
            element,
            lattice,
            **{key: value * lattice if key == "radius" else value for key, value in size.items()},
        )
        for shape, size in SHAPES
    ]


def main() -> None:
    """Compute and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, required=True, help="folder for the libraries")
    folder = parser.parse_args().output
    for name, (element, edge, lattice) in METALS.items():
        neighbour = lattice / np.sqrt(2.0)
        parts = []
        for number, (strain, sigma2) in enumerate(STATES):
            kept = folder / f"{name}.{number}.part"
            if not kept.is_file():
                library = compute_library(
                    [one.strained(strain) for one in clusters(element, lattice)],
                    bulk_scattering(element, edge),
                    ENERGY,
                    make_cluster("sphere", element, lattice, radius=11.0).strained(strain),
                    radius=RADIUS * neighbour * (1.0 + strain),
                    limits=np.array(FCC_SHELLS) * neighbour * (1.0 + strain),
                    sigma2=sigma2,
                    kept=kept.with_suffix(".partial.npz"),
                )
                save_library(library, kept)
            parts.append(load_library(kept))
        save_library(joined(parts), folder / f"{name}.npz")
        for number in range(len(STATES)):
            (folder / f"{name}.{number}.part").unlink()
        print(f"{name}: {len(parts[0])} sites of {len(SHAPES)} particles in {len(STATES)} states")


if __name__ == "__main__":
    main()
