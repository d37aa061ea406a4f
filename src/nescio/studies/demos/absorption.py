"""X-ray absorption: coordination numbers from simulated XANES of a copper particle that grows, then oxidises."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from nescio.files import write_atomically
from nescio.learn import NumberAgent, NumberSettings, train_into
from nescio.progress import track
from nescio.signals import NOVEL
from nescio.studies.measured import DEMO_FILES, PLATINUM_FOIL, PLATINUM_PARTICLES, check_measured
from nescio.version import __version__
from nescio.xas import (
    CoordinationPrior,
    NormalisationSettings,
    SiteLibrary,
    broadened,
    bulk_scattering,
    bundled_library,
    environment,
    one_spectrum,
    prepare_spectra,
    read_athena,
    site_absorption,
    site_model,
)

__all__ = ["AbsorptionOutcome", "cuprite", "demonstrate_absorption", "simulated_series"]

Floats = NDArray[np.float64]

ALPHA = 0.01
_PARTICLES = (
    "octahedron length 2",
    "cuboctahedron shells 1",
    "octahedron length 4 cut 1",
    "cuboctahedron shells 2",
    "octahedron length 6 cut 1",
    "cuboctahedron shells 3",
    "cuboctahedron shells 4",
)
"""Shapes of the growing particle, in order."""
_GROWING, _OXIDISING = 28, 20
_FERMI = 8979.0
_STEP, _BACKGROUND = 0.7, 0.35
# Monochromator, in eV: full width at half maximum, and standard deviation of the drift between scans.
_RESOLUTION, _DRIFT = 0.7, 0.05
_SEED = 7
# Cuprite: lattice constant and radius of the cluster in angstrom, mean square relative displacement in square
# angstrom, and shift of its edge above that of the metal in eV.
_CUPRITE, _RADIUS, _SIGMA2, _CHEMICAL_SHIFT = 4.2696, 5.5, 0.006, 0.75
_ENERGY = np.concatenate(
    [np.arange(-170.0, -20.0, 5.0), np.arange(-20.0, 100.0, 0.4), np.arange(100.0, 620.0, 3.0)]
)


@dataclass(frozen=True)
class AbsorptionOutcome:
    """Results of the demonstration, compared with the true values of the simulation."""

    growing: int
    """Number of spectra of the pure metal."""
    off: float
    """Mean absolute error of their C1."""
    inside: float
    """Share of their true C1 inside the interval."""
    flagged: int
    """Number of them that were called novel."""
    first: float
    """Share of oxide from which all spectra are called novel; NaN if never."""
    report: Path
    particles: Path | None
    """Report on measured platinum particles; None without measured data."""

    def summary(self) -> str:
        """Return the results as a few sentences."""
        oxide = (
            "the oxide is never called novel"
            if np.isnan(self.first)
            else f"from {self.first:.0%} of oxide, every spectrum is called novel"
        )
        return (
            f"a growing copper particle, {self.growing} spectra: the mean error of C1 is {self.off:.2f}, "
            f"{self.inside:.0%} of the true values are inside the interval, {self.flagged} spectra are called novel. "
            f"Then the particle oxidises: {oxide}."
        )


def demonstrate_absorption(
    folder: Path,
    *,
    settings: NumberSettings | None = None,
    data: Path | None = None,
    progress: bool | None = None,
) -> AbsorptionOutcome:
    """Train an agent on the bundled copper library, assess a simulated series, and write a report.

    Args:
        folder: Output folder for ``agent``, ``spectra`` (files of the series and a foil), findings, ``report.html`` and
            ``series.png``. An interrupted training is resumed.
        settings: Settings of training; by default the defaults.
        data: Folder of measured data (see :mod:`nescio.studies.measured`); if given, measured platinum particles are
            also assessed, with results in ``platinum``.
        progress: Show progress bars; by default where standard error is a terminal.

    Raises:
        InterruptedTrainingError: Ctrl-C was pressed during training.
        FileError: The folder cannot be written to, or a measured file is missing or damaged.
    """
    from nescio.view import figure_png, numbers_of_measurements, numbers_report, write_findings

    if data is not None:
        check_measured(data, DEMO_FILES, "demo xas")
    chosen = settings or NumberSettings()
    # Spectra are computed up to 120 eV; above, simulated spectra are smooth, and the post-edge line is fitted there.
    prior = CoordinationPrior(
        bundled_library("Cu", "K"), normalisation=NormalisationSettings(post=(125.0, 600.0))
    )
    agent = _learned(prior, chosen, folder / "agent", progress)
    with track("simulating a series", 3, enabled=progress) as tell:
        truth = simulated_series(prior.library)
        tell(1)
        spectra = [_written(folder / "spectra", row, truth) for row in range(truth.sizes["measurement"])]
        foil = _written(folder / "spectra", -1, truth)
        tell(1)
        prepared = prepare_spectra(
            [one_spectrum(file) for file in spectra], prior, foil=one_spectrum(foil)
        ).assign_coords(measurement=[file.stem for file in spectra], time=truth["time"])
        findings = agent.assess(prepared, alpha=ALPHA, progress=False)
        metal = truth["truth"].where(truth["oxide"] == 0.0)
        findings = findings.assign(
            truth=(metal.dims, metal.values), oxide=("measurement", truth["oxide"].values)
        )
        write_findings(findings, folder)
        tell(1)
    reference = agent.reference()
    series = figure_png(numbers_of_measurements(findings, "time", reference))
    write_atomically(folder / "series.png", series)
    report = numbers_report(
        findings,
        reference,
        path=folder / "report.html",
        provenance={
            "data": "a simulated series (nescio demo xas), no measurements",
            "agent": agent.identity,
            "library": "copper K edge, 145 sites of 36 particles, computed by full multiple scattering",
            "oxide": "cuprite, computed by full multiple scattering; not in the training",
            "equivalent command": (
                f"nescio assess {folder / 'agent'} {folder / 'spectra'} --foil {foil} -o findings --report"
            ),
            "version": f"nescio {__version__}",
            "training settings": chosen.model_dump_json(indent=1),
        },
        title="A copper particle grows, then oxidises",
        along="time",
        saliency=agent.saliency(),
        structures=agent.structures(findings),
        progress=progress,
    )
    particles = None if data is None else _platinum(folder / "platinum", data, chosen, progress)
    return _compared(findings, report, particles)


def simulated_series(library: SiteLibrary) -> xr.Dataset:
    """Return the true spectra of the series, without measurement errors.

    During growth, spectra are weighted means of two successive particles; then an increasing share of the atoms is in
    cuprite, whose edge is 0.75 eV above that of the metal (measured value).

    Args:
        library: The copper library.

    Returns:
        ``mu`` (measurement, energy), ``foil`` (energy,); ``truth`` (measurement, quantity) of the metal; ``oxide`` and
        ``time`` (measurement,); attribute ``level``, the absorption without scattering.
    """
    names = [str(name) for name in library.clusters]
    there = (library.state == 0) & np.isfinite(library.distance)
    counts = np.stack([np.where(there, library.counts[:, names.index(one)], 0) for one in _PARTICLES])
    place = np.linspace(0.0, len(_PARTICLES) - 1.0, _GROWING)
    weights = np.maximum(1.0 - np.abs(place[:, None] - np.arange(len(_PARTICLES))), 0.0) @ counts
    weights = np.concatenate([weights, np.repeat(weights[-1:], _OXIDISING, axis=0)])
    share = weights / weights.sum(axis=1, keepdims=True)
    metal = share @ library.mu
    numbers = share @ library.coordination
    neighbours = share * library.coordination[:, 0]
    distance = neighbours @ np.where(there, library.distance, 0.0) / neighbours.sum(axis=1)
    oxide = np.concatenate([np.zeros(_GROWING), np.linspace(0.0, 1.0, _OXIDISING + 1)[1:]])
    mu = (1.0 - oxide)[:, None] * metal + oxide[:, None] * _cuprite_spectrum(library.energy)
    time = np.arange(len(mu)) * 2.0
    return xr.Dataset(
        {
            "mu": (("measurement", "energy"), mu),
            "foil": ("energy", np.asarray(library.foil, np.float64)),
            "truth": (("measurement", "quantity"), np.column_stack([numbers, distance])),
            "oxide": ("measurement", oxide),
        },
        {
            "energy": library.energy,
            "time": ("measurement", time, {"long_name": "time", "units": "min"}),
        },
        {"level": float(library.mu[:, library.energy > 90.0].mean())},
    )


def cuprite(radius: float) -> tuple[list[str], Floats]:
    """Return the elements and positions in angstrom, shape (n, 3), of cuprite around a copper atom, which is first.

    Args:
        radius: Radius of the cluster in angstrom.
    """
    reach = int(radius / _CUPRITE) + 2
    steps = np.arange(-reach, reach + 1)
    cells = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 1, 3)
    # Copper on a face-centred lattice, oxygen on a body-centred one, with a copper atom at the origin.
    inside = np.array([(0, 0, 0), (2, 2, 0), (2, 0, 2), (0, 2, 2), (-1, -1, -1), (1, 1, 1)]) / 4.0
    place = (cells + inside).reshape(-1, 3) * _CUPRITE
    symbols = np.array((["Cu"] * 4 + ["O"] * 2) * len(cells))
    distance = np.linalg.norm(place, axis=1)
    order = np.argsort(distance, kind="stable")
    order = order[distance[order] <= radius]
    return symbols[order].tolist(), place[order]


def _cuprite_spectrum(energy: Floats) -> Floats:
    """Return the absorption of bulk cuprite at energies relative to the Fermi level of metallic copper."""
    scattering = bulk_scattering("Cu2O", "K")
    own = np.arange(-30.0, 112.0, 0.5)
    model = site_model(scattering.on_contour(float(own[-1])), own)
    elements, place = cuprite(_RADIUS)
    filled, index = environment(place, 0, _RADIUS)
    kinds = [0, *(scattering.elements.index(elements[i], 1) for i in index[1:])]
    spectrum = site_absorption(model, jnp.asarray(filled), np.array(kinds), sigma2=_SIGMA2)
    return np.asarray(np.interp(energy, own + _CHEMICAL_SHIFT, np.asarray(spectrum, np.float64)))


def _written(folder: Path, row: int, truth: xr.Dataset) -> Path:
    """Write a simulated measurement, with measurement errors, to a file; row -1 is the foil."""
    rng = np.random.default_rng((_SEED, row + 1))
    clean = truth["foil"].values if row < 0 else truth["mu"].values[row]
    own = truth["energy"].values
    fine = np.arange(own[0], own[-1], 0.1)
    broad = broadened(np.interp(fine, own, clean), _RESOLUTION, 0.1)
    # Above the computed range, use the absorption without scattering.
    shifted = np.interp(
        _ENERGY + rng.normal(0.0, _DRIFT), fine, broad, left=float(broad[0]), right=truth.attrs["level"]
    )
    step = _STEP * rng.uniform(0.8, 1.2)
    background = _BACKGROUND * (1.0 - 4e-4 * _ENERGY) + rng.normal(0.0, 0.02)
    mu = background + step * shifted * (1.0 - 2e-4 * np.maximum(_ENERGY, 0.0))
    mu = mu + rng.normal(0.0, 0.001, mu.shape)
    name = "foil" if row < 0 else f"minute-{float(truth['time'][row]):03.0f}"
    header = "# XDI/1.0 nescio\n# Column.1: energy eV\n# Column.2: mutrans\n# Element.symbol: Cu\n# Element.edge: K\n"
    lines = "\n".join(f"{energy:.2f} {value:.6f}" for energy, value in zip(_FERMI + _ENERGY, mu, strict=True))
    content = f"{header}# Sample.name: {name}, simulated\n# ---\n# energy mutrans\n{lines}\n"
    return write_atomically(folder / f"{name}.xdi", content)


def _compared(findings: xr.Dataset, report: Path, particles: Path | None) -> AbsorptionOutcome:
    metal = findings["oxide"].values == 0.0
    true = findings["truth"].values[:, 0]
    value, low, high = (findings[name].sel(quantity="C1").values for name in ("value", "low", "high"))
    novel = findings["verdict"].values == NOVEL
    known = findings["oxide"].values[~novel]
    later = findings["oxide"].values[findings["oxide"].values > (known.max() if known.size else -1.0)]
    return AbsorptionOutcome(
        growing=int(metal.sum()),
        off=float(np.abs(value - true)[metal].mean()),
        inside=float(((true >= low) & (true <= high))[metal].mean()),
        flagged=int(novel[metal].sum()),
        first=float(later.min()) if later.size else float("nan"),
        report=report,
        particles=particles,
    )


def _learned(
    prior: CoordinationPrior, settings: NumberSettings, folder: Path, progress: bool | None
) -> NumberAgent:
    return train_into(
        folder,
        lambda checkpoint, resume: NumberAgent.train(
            prior, settings, checkpoint=checkpoint, resume=resume, progress=progress
        ),
    )


def _platinum(folder: Path, data: Path, settings: NumberSettings, progress: bool | None) -> Path:
    """Assess measured platinum particles on carbon, and write a report."""
    from nescio.view import figure_png, numbers_of_measurements, numbers_report, write_findings

    # Particles and foil were measured at different beamlines.
    prior = CoordinationPrior(bundled_library("Pt", "L3"), normalisation=NormalisationSettings(align="edge"))
    agent = _learned(prior, settings, folder / "agent", progress)
    spectra, _ = read_athena(data / PLATINUM_PARTICLES)
    foil = one_spectrum(data / PLATINUM_FOIL)
    prepared = prepare_spectra(spectra, prior, foil=foil)
    findings = agent.assess(prepared, alpha=ALPHA, progress=False)
    write_findings(findings, folder)
    write_atomically(folder / "series.png", figure_png(numbers_of_measurements(findings)))
    return numbers_report(
        findings,
        agent.reference(),
        path=folder / "report.html",
        provenance={
            "data": "measured platinum particles on carbon, and a foil (nescio demo xas)",
            "agent": agent.identity,
            "version": f"nescio {__version__}",
            "training settings": settings.model_dump_json(indent=1),
        },
        title="Platinum particles on carbon",
        saliency=agent.saliency(),
        structures=agent.structures(findings),
        progress=progress,
    )
