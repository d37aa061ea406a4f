"""Draw full multiple scattering beside FEFF 10 and measured foils, for docs/explanation/multiple-scattering.md.

    python benchmarks/multiple_scattering.py --data FOLDER --figure multiple-scattering.png

FOLDER and the numbers are those of `nescio reproduce xanes --data FOLDER`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from nescio.compute import enable_compilation_cache
from nescio.studies.xanes import METALS, compared_with_feff, compared_with_foil
from nescio.view import figure_png, new_figure


def main() -> None:
    """Compute and draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="foils and sites of copper and platinum")
    parser.add_argument("--figure", type=Path, required=True, help="draw it here")
    given = parser.parse_args()
    enable_compilation_cache()
    figure = new_figure(5.2)
    panels = figure.subplots(2, 2)
    for column, (name, metal) in enumerate(METALS.items()):
        foil, site = compared_with_foil(given.data, name), compared_with_feff(given.data, name)
        print(f"{name}: rms {foil.number:.4f} from the foil, correlation {site.number:.4f} with FEFF 10")
        for axes, compared, other in zip(panels[:, column], (foil, site), ("foil", "FEFF 10"), strict=True):
            axes.plot(compared.energy, compared.theirs, color="#222222", lw=1.6, label=other)
            axes.plot(compared.energy, compared.ours, color="#D55E00", lw=1.2, ls="--", label="nescio")
            axes.legend(loc="best")
        above, below = panels[:, column]
        above.set(title=f"{metal.element} {metal.edge}", ylabel="normalised absorption")
        below.set(xlabel="energy from the Fermi level (eV)", ylabel="scattering part", xlim=above.get_xlim())
    given.figure.write_bytes(figure_png(figure))


if __name__ == "__main__":
    main()
