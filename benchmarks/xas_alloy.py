"""Neighbours of two elements told apart: copper in particles of copper and platinum, from the copper K edge.

    pip install "nescio[ase,feff]"
    python benchmarks/xas_alloy.py --folder alloy [--json FILE]

Computes potentials by FEFF8L (a minute or two), spectra of some hundred sites (ten minutes; interrupted, the same
command goes on), learns from the sites of half of the particles, calibrates with a quarter, and tells the numbers of
the last quarter, whichever quarter that is.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from nescio.compute import enable_compilation_cache
from nescio.learn import NumberSettings
from nescio.studies.xanes import held_out_particles
from nescio.xas import (
    FCC_SHELLS,
    Cluster,
    MixtureSettings,
    compute_library,
    feff_input,
    find_feff8l,
    load_library,
    load_scattering,
    make_cluster,
    mixed,
    read_feff_phases,
    run_feff,
    save_library,
    save_scattering,
    scattering_from_feff,
)

LATTICE = 3.77
"""Of equal parts of the two metals, in angstrom, by Vegard's rule."""
STEPS = 3000
"""Of learning."""
SHAPES = [
    ("cuboctahedron", {"shells": 1}),
    ("octahedron", {"length": 3}),
    ("octahedron", {"length": 4, "cut": 1}),
    ("cuboctahedron", {"shells": 2}),
]
MIXINGS = [("random", 0.25), ("random", 0.5), ("random", 0.75), ("core-shell", 0.4), ("janus", 0.5)]
ENERGY = np.concatenate(
    [np.arange(-15.0, 30.0, 0.5), np.arange(30.0, 60.0, 1.0), np.arange(60.0, 121.0, 2.0)]
)


def main() -> None:
    """Compute, learn and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, required=True, help="for what is computed")
    parser.add_argument("--programs", type=Path, help="folder that holds feff8l_rdinp and the others")
    parser.add_argument("--json", type=Path, help="write the numbers here")
    given = parser.parse_args()
    enable_compilation_cache()
    given.folder.mkdir(parents=True, exist_ok=True)
    potentials, sites = given.folder / "CuPt_K.npz", given.folder / "CuPt_K_sites.npz"
    bulk = mixed(make_cluster("sphere", "Cu", LATTICE, radius=8.0), "Pt", 0.5, seed=1)
    if not potentials.is_file():
        middle = int(np.argmin(np.linalg.norm(bulk.positions, axis=1)))
        elements = ["Cu" if i == middle else symbol for i, symbol in enumerate(bulk.elements)]
        text = feff_input(elements, bulk.positions, edge="K", absorber=middle, title="CuPt")
        found = run_feff(text, find_feff8l(given.programs), given.folder / "feff", seconds=1800.0)
        save_scattering(scattering_from_feff(read_feff_phases(found)), potentials)
    if not sites.is_file():
        particles: list[Cluster] = [
            mixed(make_cluster(shape, "Cu", LATTICE, **size), "Pt", share, mixing, seed=number)
            for shape, size in SHAPES
            for number, (mixing, share) in enumerate(MIXINGS)
        ]
        neighbour = LATTICE / np.sqrt(2.0)
        library = compute_library(
            particles,
            load_scattering(potentials),
            ENERGY,
            make_cluster("sphere", "Cu", 3.615, radius=8.0),
            radius=2.17 * neighbour,
            limits=np.array(FCC_SHELLS[:2]) * neighbour,
            sigma2=0.004,
            kept=given.folder / "sites.partial.npz",
        )
        save_library(library, sites)
    library = load_library(sites)
    settings = NumberSettings.model_validate({"networks": {"steps": STEPS}})
    told, _ = held_out_particles(library, MixtureSettings(), settings, folds=4, times=20)
    names = [f"C{shell}({symbol})" for symbol in library.neighbours for shell in (1, 2)]
    means = np.array([library.counts.T @ library.coordination / library.counts.sum(axis=0)[:, None]])[0]
    found = {"sites": len(library), "names": names, "spread": means.std(axis=0).tolist(), **told}
    print(f"{len(library)} sites of {len(library.clusters)} particles")
    for name, spread, off, held in zip(
        names, found["spread"], told["mae"], told["coverage90_each"], strict=True
    ):
        print(
            f"{name}: off by {off:.2f} (among particles it differs by {spread:.2f}), interval holds {held:.0%}"
        )
    if given.json is not None:
        given.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
