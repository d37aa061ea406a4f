"""Full multiple scattering beside FEFF 10 and beside measured foils, and how long it takes.

    python benchmarks/multiple_scattering.py --data ../shared/data --json fms.json --figure fms.png

Keys: ``fms_correlation`` (of the scattering part more than 5 eV above the edge with FEFF 10's; medians over sites that
are drawn), ``fms_rms_cu`` and ``fms_rms_pt`` (root mean square difference from foils at room temperature, -10 to 100 eV
from their edges, after a shift of the energy and a factor for the edge step), ``fms_site_seconds`` (one copper site
of 80 atoms at 80 energies).
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from nescio.compute import enable_compilation_cache
from nescio.xas import bulk_scattering, environment, make_cluster, site_absorption, site_model

EV_PER_SQUARED_WAVENUMBER = 3.8099821
EDGES = {
    "cu": ("Cu", "K", 3.615, 0.0085, "cu_metal_rt.xdi", 8979.0),
    "pt": ("Pt", "L3", 3.924, 0.0047, "pt_metal_rt.xdi", 11564.0),
}
ATOMS = 80


def correlations(data: Path, name: str, sites: int) -> tuple[list[float], dict[str, np.ndarray]]:
    """Return correlations with FEFF 10's scattering part for sites that are drawn, and the spectra of the last."""
    element, edge = EDGES[name][:2]
    with np.load(data / "xas" / "sites" / f"{element}_{edge}.npz", allow_pickle=False) as stored:
        k, theirs, atomic = stored["k"], stored["mu"], stored["mu0"]
        places = stored["positions_angstrom"]
        radius = json.loads(str(stored["meta"]))["fms_radius"]
    energy = np.sign(k) * k**2 * EV_PER_SQUARED_WAVENUMBER
    model = site_model(bulk_scattering(element, edge).on_contour(float(energy.max())), energy)
    above = energy > 5.0
    found = []
    for row in np.random.default_rng(0).permutation(len(theirs))[:sites]:
        place = places[row][np.isfinite(places[row][:, 0])]
        absorber = int(np.argmin(np.linalg.norm(place, axis=1)))
        filled, index = environment(place, absorber, radius * 1.05, atoms=ATOMS)
        ours = np.asarray(site_absorption(model, jnp.asarray(filled), kinds(index))) - np.asarray(
            model.atomic
        )
        other = (theirs[row] - atomic[row]) / np.interp(50.0, energy, atomic[row])
        found.append(float(np.corrcoef(ours[above], other[above])[0, 1]))
    return found, {"energy": energy, "ours": ours, "theirs": other}


def kinds(index: np.ndarray) -> np.ndarray:
    """Return potentials: the absorber's, the others', none."""
    potentials = np.where(index < 0, -1, 1)
    potentials[0] = 0
    return potentials


def foil(data: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return energies from the edge and normalised absorption of a measured foil."""
    *_, file, edge = EDGES[name]
    path = data / "xas" / "foils" / file
    columns = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("# Column."):
            number, _, told = line.removeprefix("# Column.").partition(":")
            columns[told.split()[0]] = int(number) - 1
    table = np.loadtxt(path)
    energy = table[:, columns["energy"]] - edge
    mu = np.log(table[:, columns["i0"]] / table[:, columns["itrans"]])
    before, after = (energy > -150.0) & (energy < -40.0), (energy > 100.0) & (energy < 800.0)
    mu = mu - np.polyval(np.polyfit(energy[before], mu[before], 1), energy)
    line = np.polyfit(energy[after], mu[after], 2)
    step = np.polyval(line, 0.0)
    flat = mu / step - np.where(energy > 0.0, np.polyval(line, energy) / step - 1.0, 0.0)
    return energy, flat


def against_foil(data: Path, name: str) -> tuple[float, dict[str, np.ndarray]]:
    """Return the root mean square difference from a foil, and both spectra."""
    element, edge, constant, sigma2 = EDGES[name][:4]
    computed = np.arange(-20.0, 115.0, 0.5)
    model = site_model(bulk_scattering(element, edge).on_contour(115.0), computed)
    bulk = make_cluster("sphere", element, constant, radius=9.0)
    middle = int(np.argmin(np.linalg.norm(bulk.positions, axis=1)))
    filled, index = environment(bulk.positions, middle, 1.6 * constant, atoms=ATOMS)
    ours = np.asarray(site_absorption(model, jnp.asarray(filled), kinds(index), sigma2=sigma2))
    energy, measured = foil(data, name)
    wanted = np.arange(-10.0, 100.1, 0.5)
    target = np.interp(wanted, computed, ours)
    best = (np.inf, target)
    for shift in np.arange(-8.0, 8.0, 0.1):
        moved = np.interp(wanted + shift, energy, measured)
        scaled = target * (target @ moved) / (target @ target)
        off = float(np.sqrt(np.mean((scaled - moved) ** 2)))
        if off < best[0]:
            best = (off, moved)
    scaled = target * (target @ best[1]) / (target @ target)
    return best[0], {"energy": wanted, "ours": scaled, "theirs": best[1]}


def seconds_of_a_site() -> float:
    """Return how long one site of 80 atoms takes at 80 energies, compiled before."""
    scattering = bulk_scattering("Cu", "K").on_contour(115.0, heights=20)
    model = site_model(scattering, np.arange(-5.0, 110.0, 1.0))
    few = model._replace(
        **{
            name: getattr(model, name)[..., :ATOMS]
            for name in ("wavenumber", "phase_shifts", "weights", "scale", "real", "imaginary")
        }
    )
    bulk = make_cluster("sphere", "Cu", 3.615, radius=9.0)
    order = np.argsort(np.linalg.norm(bulk.positions, axis=1))[:ATOMS]
    potentials = np.array([0] + [1] * (ATOMS - 1))
    took = []
    for _ in range(4):
        began = time.perf_counter()
        jax.block_until_ready(site_absorption(few, jnp.asarray(bulk.positions[order]), potentials))
        took.append(time.perf_counter() - began)
    return min(took[1:])


def main() -> None:
    """Compare, and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder that holds xas/sites and xas/foils")
    parser.add_argument("--sites", type=int, default=24, help="of each element")
    parser.add_argument("--json", type=Path, help="write the numbers here")
    parser.add_argument("--figure", type=Path, help="draw it here")
    given = parser.parse_args()
    enable_compilation_cache()
    found: dict[str, object] = {"fms_site_seconds": seconds_of_a_site()}
    drawn = {}
    both = {}
    for name in EDGES:
        values, site = correlations(given.data, name, given.sites)
        both[name] = float(np.median(values))
        found[f"fms_rms_{name}"], spectra = against_foil(given.data, name)
        drawn[name] = (spectra, site)
    found["fms_correlation"] = both
    print(json.dumps(found, indent=1))
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if given.figure:
        draw(drawn, given.figure)


def draw(drawn: dict, path: Path) -> None:
    """Draw foils above, scattering parts below."""
    from nescio.view.style import figure_png, new_figure

    figure = new_figure(5.2)
    panels = figure.subplots(2, 2)
    for column, name in enumerate(drawn):
        element, edge = EDGES[name][:2]
        above, below = panels[:, column]
        for axes, spectra, measured in ((above, drawn[name][0], "foil"), (below, drawn[name][1], "FEFF 10")):
            axes.plot(spectra["energy"], spectra["theirs"], color="#222222", lw=1.6, label=measured)
            axes.plot(spectra["energy"], spectra["ours"], color="#D55E00", lw=1.2, ls="--", label="nescio")
            axes.legend(loc="best")
        above.set(title=f"{element} {edge}", ylabel="normalised absorption")
        below.set(xlabel="energy from the Fermi level (eV)", ylabel="scattering part", xlim=above.get_xlim())
    path.write_bytes(figure_png(figure))


if __name__ == "__main__":
    main()
