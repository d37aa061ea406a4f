"""Accuracy of coordination numbers for held-out particles, and for measured foils and particles."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from nescio.errors import ConfigurationError, FileError
from nescio.files import write_atomically
from nescio.learn import NumberAgent, NumberSettings
from nescio.progress import track
from nescio.signals import NOVEL
from nescio.studies.measured import (
    COPPER_FOIL,
    COPPER_TEMPERATURES,
    PLATINUM_FOIL,
    PLATINUM_PARTICLES,
    XANES_FILES,
    check_measured,
)
from nescio.studies.xanes.multiple_scattering import METALS, scattering_numbers
from nescio.xas import (
    FILE_PATTERNS,
    CoordinationPrior,
    Mixtures,
    MixtureSettings,
    NormalisationSettings,
    Normalised,
    SiteLibrary,
    bundled_library,
    normalised,
    one_spectrum,
    prepare_normalised,
    read_athena,
)

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "XANES_TARGETS",
    "beyond_white_line",
    "draw_held_out",
    "draw_measured",
    "first_shell",
    "held_out_particles",
    "measured_copper",
    "measured_platinum",
    "reproduce_xanes",
    "spectra_per_second",
    "spread_over_temperatures",
]

Floats = NDArray[np.float64]

XANES_TARGETS = {
    "mae": "0.25, 0.25, 0.7, 0.6 or less",
    "coverage90": "0.87 to 0.93",
    "fms_correlation": "0.97 or more",
    "fms_rms_cu": "0.065 or less",
    "fms_rms_pt": "0.07 or less",
    "fms_site_seconds": "3 or less",
    "spectra_per_second": "5000 or more",
    "cu_foil_c1": "12, within 1",
    "pt_foil_c1": "12, within 1, or novel",
    "pt_particles_c1": "8.4 (EXAFS), within 1, or novel",
    "pt_particles_spread": "below 0.7",
}
"""The target of each number."""
FOLDS = 6
_DRAWN = 8
_TIMES = 6
_EVALUATION, _CALIBRATION = 11, 12


def held_out_particles(
    library: SiteLibrary,
    mixtures: MixtureSettings,
    settings: NumberSettings,
    *,
    align: Literal["foil", "edge"] = "foil",
    folds: int = FOLDS,
    times: int = _TIMES,
    progress: bool | None = None,
) -> tuple[dict[str, Any], xr.Dataset]:
    """Estimate coordination numbers of particles whose sites are not in the training set.

    The particles are divided into folds. For each fold, networks are trained on the sites that occur neither in this
    fold nor in the next; the particles of the next fold calibrate the intervals.

    Args:
        library: The library of sites.
        mixtures: Settings of simulated measurements of particles.
        settings: Settings of the networks.
        align: Alignment of spectra, see :class:`nescio.xas.NormalisationSettings`.
        folds: Number of folds.
        times: Number of simulated measurements of each particle in each state, with different errors.
        progress: Show a progress bar; by default where standard error is a terminal.

    Returns:
        Scores: ``mae`` (mean absolute error of each coordination number), ``coverage90`` (over all numbers) and
        ``coverage90_each``. Estimates: ``truth``, ``value``, ``low`` and ``high`` (measurement, quantity).
    """
    import xarray as xr

    there = np.isfinite(library.distance)
    fold = np.arange(len(library.clusters)) % folds
    everything = Mixtures(library, mixtures, chosen=np.flatnonzero(there), align=align)
    parts: list[list[Floats]] = []
    with track("held-out particles", folds, enabled=progress) as advance:
        for number in range(folds):
            asked, calibrating = fold == number, fold == (number + 1) % folds
            shared = library.counts[:, asked | calibrating].sum(axis=1) > 0
            prior = CoordinationPrior(
                library,
                mixtures,
                NormalisationSettings(align=align),
                chosen=tuple(np.flatnonzero(there & ~shared).tolist()),
            )
            agent = NumberAgent.train(
                prior,
                settings.model_copy(
                    update={
                        "familiarity": None,
                        "networks": settings.networks.model_copy(update={"seed": number}),
                    }
                ),
                calibration=_particles(everything, library, calibrating, _CALIBRATION, times),
                progress=False,
            )
            signals, numbers = _particles(everything, library, asked, _EVALUATION, times)
            expected = agent.regression.expect(signals)
            parts.append([numbers, expected.mean, expected.low, expected.high])
            advance(1.0)
    truth, value, low, high = (np.concatenate(part) for part in zip(*parts, strict=True))
    shells = library.coordination.shape[1]
    quantities = CoordinationPrior(library, mixtures).quantities
    both = ("measurement", "quantity")
    estimates = xr.Dataset(
        {"truth": (both, truth), "value": (both, value), "low": (both, low), "high": (both, high)},
        {
            "quantity": [one.name for one in quantities],
            "quantity_units": ("quantity", [one.units for one in quantities]),
        },
    )
    within = ((truth >= low) & (truth <= high))[:, :shells]
    scores = {
        "mae": np.abs(value - truth)[:, :shells].mean(axis=0).tolist(),
        "coverage90": float(within.mean()),
        "coverage90_each": within.mean(axis=0).tolist(),
    }
    return scores, estimates


def _particles(
    draws: Mixtures, library: SiteLibrary, chosen: NDArray[np.bool_], stream: int, times: int
) -> tuple[Floats, Floats]:
    """Return spectra and numbers of whole particles, simulated `times` times in each state of strain and motion."""
    there = np.isfinite(library.distance)
    counts = []
    for state in np.unique(library.state):
        table = np.where((library.state == state)[:, None], library.counts, 0)[there][:, chosen].T
        counts.append(table[table.sum(axis=1) > 0])
    rows = np.repeat(np.concatenate(counts), times, axis=0)
    signals, numbers = draws.of_particles(jax.random.key(stream), rows)
    return np.asarray(signals, np.float64), np.asarray(numbers, np.float64)


def measured_copper(agent: NumberAgent, data: Path) -> dict[str, Any]:
    """Return C1 of copper foils at several temperatures, by file; see :func:`first_shell`.

    Args:
        agent: Agent for copper, trained on spectra aligned by their edge, since the foils are from several beamlines.
        data: Folder of measured data, see :mod:`nescio.studies.measured`.
    """
    foil = normalised(one_spectrum(data / COPPER_FOIL), e0=METALS["cu"].e0)
    folder = data / COPPER_TEMPERATURES
    files = sorted({file for pattern in FILE_PATTERNS for file in folder.glob(pattern)})
    if not files:
        raise FileError(f"{folder}: no file in this folder matches {', '.join(FILE_PATTERNS)}")
    return first_shell(
        _assessed(agent, [normalised(one_spectrum(file), e0=METALS["cu"].e0) for file in files], foil)
    )


def measured_platinum(agent: NumberAgent, data: Path) -> tuple[xr.Dataset, xr.Dataset]:
    """Return findings of a platinum foil, and of platinum particles on carbon.

    Args:
        agent: Agent for platinum, trained on spectra aligned by their edge, since foil and particles are from different
            beamlines.
        data: Folder of measured data, see :mod:`nescio.studies.measured`.
    """
    foil = normalised(one_spectrum(data / PLATINUM_FOIL), e0=METALS["pt"].e0)
    particles, _ = read_athena(data / PLATINUM_PARTICLES)
    return (
        _assessed(agent, [foil], foil),
        _assessed(agent, [normalised(one, e0=METALS["pt"].e0) for one in particles], foil),
    )


def _assessed(agent: NumberAgent, spectra: Sequence[Normalised], foil: Normalised) -> xr.Dataset:
    if not isinstance(agent.prior, CoordinationPrior):
        raise ConfigurationError(f"needs an agent of technique 'xas', not {agent.prior.technique!r}")
    return agent.assess(prepare_normalised(spectra, agent.prior, foil))


def first_shell(findings: xr.Dataset) -> dict[str, Any]:
    """Return C1 of each measurement by name, with interval, systematic error, p-value and whether it is novel."""
    found = findings.sel(quantity="C1")
    return {
        str(name): {
            "c1": float(found["value"][row]),
            "low": float(found["low"][row]),
            "high": float(found["high"][row]),
            "systematic": float(found["systematic"][row]),
            "p_value": float(found["p_value"][row]),
            "novel": str(found["verdict"].values[row]) == NOVEL,
        }
        for row, name in enumerate(found["measurement"].values)
    }


def beyond_white_line(library: SiteLibrary) -> float:
    """Return the energy of the foil's first minimum after its first maximum, in eV from the Fermi level.

    The white line ends there. Its height depends on the empty states of the absorber, and so on adsorbates; the theory
    underestimates it.
    """
    slope = np.diff(library.foil)
    turns = np.flatnonzero(slope[:-1] * slope[1:] < 0.0) + 1
    top = turns[slope[turns] < 0.0][0]
    return float(library.energy[turns[turns > top][0]])


def spread_over_temperatures(estimates: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Return the range of C1 among measurements of each sample, which are named ``SAMPLE TEMPERATURE``."""
    found: dict[str, list[float]] = {}
    for name, one in estimates.items():
        found.setdefault(name.rpartition(" ")[0], []).append(one["c1"])
    return {sample: max(values) - min(values) for sample, values in found.items()}


def _of_particles(findings: xr.Dataset) -> dict[str, Any]:
    estimates = first_shell(findings)
    return {"pt_particles_c1": estimates, "pt_particles_spread": spread_over_temperatures(estimates)}


def spectra_per_second(agent: NumberAgent, *, count: int = 20_000) -> float:
    """Return the number of spectra assessed per second, with intervals."""
    draws = agent.prior.sampler()
    signals = np.asarray(jax.jit(lambda key: draws(key, 2000, jnp.asarray(0))[0])(jax.random.key(0)))
    table = np.resize(signals, (count, signals.shape[1]))
    agent.regression.expect(table)
    began = time.perf_counter()
    agent.regression.expect(table)
    return count / (time.perf_counter() - began)


def reproduce_xanes(
    data: Path | None, *, folder: Path | None = None, progress: bool | None = None
) -> dict[str, Any]:
    """Return the numbers that ``nescio reproduce xanes`` prints.

    Args:
        data: Folder of measured data (see :mod:`nescio.studies.measured`); None skips all tests on measured data.
        folder: Output folder for figures (PNG).
        progress: Show progress bars; by default where standard error is a terminal.

    Raises:
        FileError: A measured file is missing or damaged.
    """
    if data is not None:
        check_measured(data, XANES_FILES, "reproduce xanes")
    copper, platinum = bundled_library("Cu", "K"), bundled_library("Pt", "L3")
    # Timed first, before other work loads the machine.
    found = scattering_numbers(data)
    for kind in ("difference", "absorption"):
        scores, estimates = held_out_particles(
            platinum, MixtureSettings(input=kind), NumberSettings(), progress=progress
        )
        found |= scores if kind == "difference" else {"absorption": scores}
        if folder is not None and kind == "difference":
            draw_held_out(estimates, folder)
    # The measured samples and the foils are from different beamlines.
    apart = NormalisationSettings(align="edge")
    agent = NumberAgent.train(CoordinationPrior(platinum, normalisation=apart), progress=progress)
    found["spectra_per_second"] = spectra_per_second(agent)
    if data is not None:
        found["cu_foil_c1"] = measured_copper(
            NumberAgent.train(CoordinationPrior(copper, normalisation=apart), progress=progress), data
        )
        _, particles = measured_platinum(agent, data)
        found |= _of_particles(particles)
        if folder is not None:
            draw_measured(agent, particles, folder)
        beyond = MixtureSettings(low=beyond_white_line(platinum))
        _, particles = measured_platinum(
            NumberAgent.train(CoordinationPrior(platinum, beyond, apart), progress=progress), data
        )
        found["beyond_white_line"] = _of_particles(particles)
        alone = NumberAgent.train(
            CoordinationPrior(platinum, MixtureSettings(input="absorption"), apart), progress=progress
        )
        foil, particles = measured_platinum(alone, data)
        found["pt_foil_c1"] = first_shell(foil)
        found["absorption"]["pt_particles_c1"] = first_shell(particles)
    return found


def draw_held_out(estimates: xr.Dataset, folder: Path) -> None:
    """Draw estimated against true numbers of held-out particles, as held-out.png."""
    from nescio.view import figure_png, numbers_against_truth

    write_atomically(folder / "held-out.png", figure_png(numbers_against_truth(estimates)))


def draw_measured(agent: NumberAgent, findings: xr.Dataset, folder: Path) -> None:
    """Draw figures of measured spectra as PNG: platinum-numbers, -signals, -space, saliency and structures."""
    from nescio.view import (
        figure_png,
        numbers_of_measurements,
        saliency_curves,
        signals_among_known,
        structures_in_space,
        training_space,
    )

    known = agent.reference()
    fitting = [one for _, structures in agent.structures(findings, 6) for one in structures]
    places = np.unique(np.linspace(0, max(len(fitting) - 1, 0), _DRAWN).astype(int))
    for name, figure in {
        "platinum-numbers": numbers_of_measurements(findings, reference=known),
        "platinum-signals": signals_among_known(findings, known),
        "platinum-space": training_space(findings, known),
        "saliency": saliency_curves(agent.saliency()),
        "structures": structures_in_space([fitting[i] for i in places if i < len(fitting)]),
    }.items():
        write_atomically(folder / f"{name}.png", figure_png(figure))
