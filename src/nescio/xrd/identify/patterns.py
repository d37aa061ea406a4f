"""Identify the phases of measured patterns."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import gemmi
import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import xarray as xr
from numpy.typing import NDArray

from nescio.errors import ConfigurationError, MeasurementError
from nescio.progress import track
from nescio.xrd.crystal import Structure
from nescio.xrd.identify.answer import Answer, answered
from nescio.xrd.identify.candidates import Candidates
from nescio.xrd.identify.fitting import Fitter
from nescio.xrd.identify.measured import measured_pattern
from nescio.xrd.identify.search import search
from nescio.xrd.identify.settings import IdentifySettings
from nescio.xrd.preparation import same_line, two_theta_from_q
from nescio.xrd.prior import Prior
from nescio.xrd.radiation import Radiation
from nescio.xrd.reflections import compute_reflections

__all__ = ["Identifier", "identify_patterns", "phase_table"]

Floats = NDArray[np.float64]

# Candidates are prepared for ranges rounded to this, in degree, so that similar files share them.
_RANGE_STEP = 5.0


@dataclass(frozen=True, eq=False)
class _Known:
    """Candidates prepared for a beam and a range."""

    candidates: Candidates
    structures: tuple[Structure, ...]
    radiation: Radiation


class Identifier:
    """Identifies phases of a prior; candidates and compiled programs are kept between patterns."""

    def __init__(
        self,
        prior: Prior,
        settings: IdentifySettings | None = None,
        *,
        elements: Collection[str] | None = None,
    ) -> None:
        """Prepare to identify.

        Args:
            prior: Candidate phases, radiation and geometry; its distributions are not used.
            settings: How to search.
            elements: Symbols of the elements that may be there; phases with others are left out.

        Raises:
            ConfigurationError: A symbol is unknown, or no phase of the prior consists of these elements.
        """
        self.prior = prior
        self.settings = settings or IdentifySettings()
        wanted = None if elements is None else {_symbol(element) for element in elements}
        self._chosen = [
            index
            for index, structure in enumerate(prior.structures)
            if wanted is None or {site.element for site in structure.sites} <= wanted
        ]
        if not self._chosen:
            raise ConfigurationError(
                f"no phase of the prior consists of {', '.join(sorted(wanted or ()))} alone; give more elements"
            )
        self._known: dict[tuple[float, int, int], _Known] = {}

    def __call__(self, measured: xr.Dataset, row: int = 0) -> Answer:
        """Identify the phases of one pattern.

        Args:
            measured: Measured patterns (:mod:`nescio.signals`), raw.
            row: Which of them.

        Returns:
            The answer; unreadable, with the reason, if the pattern cannot be used.
        """
        name = str(measured["measurement"].values[row])
        try:
            radiation = self._radiation(measured, name)
            two_theta, counts, sigma = _points(measured, row, radiation.wavelength)
            pattern = measured_pattern(name, two_theta, counts, self.settings, sigma)
        except MeasurementError as error:
            return Answer(name, "unreadable", str(error))
        known = self._prepared(
            radiation, float(pattern.two_theta[0]), float(pattern.two_theta[pattern.points - 1])
        )
        if known is None:
            return Answer(name, "unreadable", "no candidate has a reflection in the measured range")
        fitter = Fitter(
            known.candidates,
            pattern,
            self.settings,
            known.radiation,
            polarisation=self.prior.settings.radiation.polarisation_factor,
            radius_mm=self.prior.settings.instrument.radius_mm,
        )
        return answered(fitter, search(fitter), known.structures, self.settings.novel_share)

    def _radiation(self, measured: xr.Dataset, name: str) -> Radiation:
        """The prior's beam if the pattern was measured with its line, otherwise that of the file."""
        own = self.prior.settings.radiation.radiation
        given = measured.attrs.get("wavelength_angstrom")
        if given is None:
            if "two_theta" in measured.coords:
                raise MeasurementError(
                    f"{name}: two-theta without a wavelength; state the wavelength (--wavelength CuKa, or in angstrom)"
                )
            return own
        return own if same_line(float(given), own.wavelength) else Radiation(((float(given), 1.0),))

    def _prepared(self, radiation: Radiation, start: float, stop: float) -> _Known | None:
        first, last = int(start // _RANGE_STEP), int(-(-stop // _RANGE_STEP))
        key = (radiation.wavelength, first, last)
        if key not in self._known:
            low, high = max(first * _RANGE_STEP, 0.1), min(last * _RANGE_STEP, 179.0)
            farthest = np.sin(np.radians(min(high + 3.0, 179.0) / 2.0))
            strained = 1.0 + self.settings.priors.largest_strain
            d_min = min(line for line, _ in radiation.lines) / (2.0 * farthest) / strained
            labels, reflections, structures = [], [], []
            for index in self._chosen:
                structure = self.prior.structures[index]
                found = compute_reflections(
                    structure, radiation.wavelength, d_min, anomalous=self.prior.settings.radiation.anomalous
                )
                if found.d.size and found.d.max() >= radiation.wavelength / (2.0 * farthest):
                    labels.append(self.prior.labels[index])
                    reflections.append(found)
                    structures.append(structure)
            if not labels:
                return None
            candidates = Candidates.of(
                labels, reflections, (low, high), radiation, self.prior.settings.radiation.polarisation_factor
            )
            self._known[key] = _Known(candidates, tuple(structures), radiation)
        return self._known[key]


def _symbol(text: str) -> str:
    found = gemmi.Element(text.capitalize())
    if found.atomic_number == 0 or found.name != text.capitalize():
        raise ConfigurationError(f"elements: {text[:20]!r} is not the symbol of an element, such as Bi")
    return str(found.name)


def identify_patterns(
    measured: xr.Dataset,
    prior: Prior,
    settings: IdentifySettings | None = None,
    *,
    elements: Collection[str] | None = None,
    progress: bool | None = None,
) -> tuple[Answer, ...]:
    """Identify the phases of measured patterns by fitting the prior's phases to the raw counts.

    Args:
        measured: Measured patterns, as readers return them: raw, with their background.
        prior: Candidate phases, radiation and geometry.
        settings: How to search.
        elements: Symbols of the elements that may be there; by default all phases are candidates.
        progress: As in :func:`nescio.progress.track`.

    Returns:
        One answer for each pattern. A pattern that cannot be used is unreadable, with the reason.

    Raises:
        ConfigurationError: A symbol is unknown, or no phase consists of these elements.
    """
    identifier = Identifier(prior, settings, elements=elements)
    count = measured.sizes["measurement"]
    answers = []
    with track("identify", count, enabled=progress) as advance:
        for row in range(count):
            answers.append(identifier(measured, row))
            advance(1, "")
    return tuple(answers)


def phase_table(answers: Sequence[Answer]) -> pd.DataFrame:
    """Return one row for each phase of each pattern; a pattern without phases has one row."""
    rows = []
    for answer in answers:
        common = {
            "name": answer.name,
            "verdict": answer.verdict,
            "probability": answer.probability if answer.phases else float("nan"),
            "r_weighted": answer.r_weighted,
            "r_expected": answer.r_expected,
            "unexplained": answer.unexplained[0].share if answer.unexplained else 0.0,
            "problem": answer.problem,
        }
        if not answer.phases:
            rows.append(common)
        for phase in answer.phases:
            cell = dict(zip(("a", "b", "c", "alpha", "beta", "gamma"), phase.cell, strict=True))
            errors = dict(zip(("a_error", "b_error", "c_error"), phase.cell_error[:3], strict=True))
            rows.append(
                {
                    **common,
                    "phase": phase.label,
                    "weight_fraction": phase.weight_fraction,
                    "weight_error": phase.weight_error,
                    **cell,
                    **errors,
                    "size_nm": phase.size_nm,
                    "microstrain": phase.microstrain,
                    "march": phase.march,
                }
            )
    columns = ["name", "verdict", "phase", "weight_fraction", "weight_error", "probability"]
    table = pd.DataFrame(rows)
    return table.reindex(columns=[*columns, *[name for name in table.columns if name not in columns]])


def _points(measured: xr.Dataset, row: int, wavelength: float) -> tuple[Floats, Floats, Floats | None]:
    """Return two-theta, intensity and its standard deviation of one pattern."""
    axis = "two_theta" if "two_theta" in measured.coords else "q"
    one = measured.isel(measurement=row)
    points = np.asarray(one[axis].values, np.float64)
    two_theta = points if axis == "two_theta" else two_theta_from_q(points, wavelength)
    sigma = np.asarray(one["uncertainty"].values, np.float64) if "uncertainty" in one else None
    return two_theta, np.asarray(one["intensity"].values, np.float64), sigma
