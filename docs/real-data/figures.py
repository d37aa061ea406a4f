"""Draw the figures of this chapter from findings of `nescio assess` and a run of `nescio explore`.

python docs/real-data/figures.py FINDINGS -o docs/real-data

FINDINGS contains the folders laboratory, CoFeZr_Sample4, CoVZr_Sample8 and CoVZr_Sample9 (one for each assessment) and
film (the run). Missing folders are skipped.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import xarray as xr

from nescio.explore import Experiment
from nescio.signals import KNOWN
from nescio.view import (
    best_and_typical_spectra,
    composition_map,
    measured_against_reconstructed,
    predicted_maps,
    wafer_map,
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("findings", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    given = parser.parse_args()

    def found(name: str) -> xr.Dataset:
        return xr.load_dataset(given.findings / name / "findings.nc")

    def keep(figure: object, name: str) -> None:
        path = given.output / f"{name}.png"
        figure.savefig(path, dpi=110)  # type: ignore[attr-defined]
        print(path)

    if (given.findings / "laboratory").is_dir():
        assessments(found, keep)
    if (given.findings / "film").is_dir():
        with Experiment.open(given.findings / "film", read_only=True) as experiment:
            film = experiment.to_dataset()
        keep(predicted_maps(film), "film-maps")
        keep(best_and_typical_spectra(film), "film-spectra")


def assessments(found: Callable[[str], xr.Dataset], keep: Callable[[object, str], None]) -> None:
    laboratory = found("laboratory")
    keep(
        measured_against_reconstructed(laboratory, list(range(laboratory.sizes["measurement"]))), "laboratory"
    )
    iron = found("CoFeZr_Sample4")
    for quantity in ("label", "p_value"):
        keep(wafer_map(iron, quantity), f"cofezr-{quantity.replace('_', '-')}")
    keep(composition_map(iron, "verdict"), "cofezr-composition")
    zirconium = iron["composition"].sel(element="Zr").values
    order = np.argsort(-zirconium)
    known = [int(i) for i in order if iron["verdict"].values[i] == KNOWN]
    # Named ones, then ever less zirconium: the corner, its edge, and glass.
    shown = [*known[:2], *(int(order[int(share * (len(order) - 1))]) for share in (0.1, 0.2, 0.5, 1.0))]
    keep(measured_against_reconstructed(iron, shown), "cofezr-patterns")
    for number in (8, 9):
        keep(wafer_map(found(f"CoVZr_Sample{number}"), "p_value"), f"covzr-{number}-p-value")


if __name__ == "__main__":
    main()
