"""What is said of a pattern: its phases with fractions and cells, alternatives, and what is left over."""

from __future__ import annotations

from dataclasses import dataclass, replace

import gemmi
import numpy as np
from numpy.typing import NDArray

from nescio.xrd.crystal import Structure, cell_mass
from nescio.xrd.identify.candidates import Candidates
from nescio.xrd.identify.fitting import Fitter, SetFit
from nescio.xrd.identify.measured import MeasuredPattern
from nescio.xrd.identify.model import PHASE_VALUES, SHARED_VALUES
from nescio.xrd.identify.remainder import Line, unexplained_lines
from nescio.xrd.identify.search import Outcome

__all__ = ["Answer", "PhaseAnswer", "SetAnswer", "answered"]

Floats = NDArray[np.float64]

_SHARED, _OWN = len(SHARED_VALUES), len(PHASE_VALUES)
_SIZE, _STRAIN, _MARCH, _B = (
    PHASE_VALUES.index(n) for n in ("log_size", "log_microstrain", "log_march", "b_iso")
)
# Alternatives less probable than this are not listed.
_LEAST = 0.01


@dataclass(frozen=True)
class PhaseAnswer:
    """One phase of the best set."""

    label: str
    """Name of the phase."""
    weight_fraction: float
    """Share of the mass of all phases of the set."""
    weight_error: float
    """Its standard error; systematic errors such as microabsorption are not in it."""
    cell: tuple[float, ...]
    """a, b, c in angstrom and alpha, beta, gamma in degree."""
    cell_error: tuple[float, ...]
    """Standard errors, in the same units."""
    size_nm: float
    """Crystallite size in nm; where the instrument's width is unknown, only its order of magnitude."""
    microstrain: float
    """Dimensionless; the same holds."""
    march: float
    """March's r; 1 is no texture."""
    axis: tuple[int, int, int]
    """Plane whose normal is the texture axis."""
    b_iso: float
    """Added to the displacement parameters of the sites, in angstrom^2."""


@dataclass(frozen=True)
class SetAnswer:
    """A set of phases that may explain the pattern."""

    labels: tuple[str, ...]
    """Names of the phases."""
    probability: float
    """Among all sets that were fitted."""


@dataclass(frozen=True, eq=False)
class Answer:
    """All that is said of a pattern."""

    name: str
    verdict: str
    """known (one phase), mixture, novel (lines are left over) or unreadable."""
    problem: str
    """Why it is unreadable."""
    phases: tuple[PhaseAnswer, ...] = ()
    """By falling weight fraction."""
    alternatives: tuple[SetAnswer, ...] = ()
    """Sets with their probabilities, the most probable first: the best set is one of them."""
    unexplained: tuple[Line, ...] = ()
    r_weighted: float = float("nan")
    """R-factor with counting weights: root of the sum of w (y - fit)^2 over that of w y^2."""
    r_expected: float = float("nan")
    """The R-factor of a model that leaves only counting noise."""
    chi_squared: float = float("nan")
    """Square of the ratio of both."""
    zero_shift: float = float("nan")
    """In degree."""
    displacement_mm: float = float("nan")
    """Of the sample behind the goniometer's axis, in mm."""
    pattern: MeasuredPattern | None = None
    fit: Floats | None = None
    """Shape (points,), in the unit of the pattern."""
    background: Floats | None = None
    """Shape (points,), in the unit of the pattern."""
    components: Floats | None = None
    """Shape (phases, points), in the order of the phases."""

    @property
    def probability(self) -> float:
        """Probability of the best set."""
        best = tuple(sorted(phase.label for phase in self.phases))
        return sum(one.probability for one in self.alternatives if tuple(sorted(one.labels)) == best)

    def without_curves(self) -> Answer:
        """Return the answer without pattern, fit and components, which take most of its memory."""
        return replace(self, pattern=None, fit=None, background=None, components=None)

    def summary(self) -> str:
        """Return one line: verdict, phases with weight fractions, and how sure the set is."""
        if self.problem:
            return f"{self.name}: unreadable ({self.problem})"
        parts = " + ".join(
            f"{one.label} {100 * one.weight_fraction:.1f}({100 * one.weight_error:.1f}) %"
            for one in self.phases
        )
        said = f"{self.name}: {self.verdict}"
        if parts:
            said += (
                f"; {parts}; probability of the set {self.probability:.2f}, R {100 * self.r_weighted:.1f} %"
            )
        if self.unexplained:
            line = self.unexplained[0]
            said += (
                f"; {len(self.unexplained)} unexplained lines, the highest at {line.two_theta:.2f} degree "
                f"({100 * line.share:.0f} % of the highest peak)"
            )
        return said


def answered(
    fitter: Fitter, outcome: Outcome, structures: tuple[Structure, ...], novel_share: float
) -> Answer:
    """Return what a search says of a pattern.

    Args:
        fitter: For the pattern.
        outcome: Of the search.
        structures: Of the candidates.
        novel_share: A line left over makes a pattern novel if it is higher than this share of the highest peak.
    """
    pattern, best = fitter.pattern, outcome.best
    lines = unexplained_lines(fitter, best, outcome.temper)
    if best is None:
        verdict = "novel" if lines else "unreadable"
        return Answer(
            pattern.name,
            verdict,
            "" if lines else "no peaks above the background",
            unexplained=lines,
            pattern=pattern,
        )
    within = pattern.measured
    y, fitted, w = pattern.counts[within], best.signal[within], pattern.counting[within]
    total = float(np.sum(w * y**2))
    r_weighted = float(np.sqrt(np.sum(w * (y - fitted) ** 2) / total))
    r_expected = float(np.sqrt(max(pattern.points - int(best.used.sum()), 1) / total))
    phases = _phases(fitter.candidates, best, structures, outcome.temper)
    order = sorted(range(len(phases)), key=lambda place: -phases[place].weight_fraction)
    novel = bool(lines) and lines[0].share > novel_share
    verdict = "novel" if novel else "known" if len(best.phases) == 1 else "mixture"
    return Answer(
        pattern.name,
        verdict,
        "",
        phases=tuple(phases[place] for place in order),
        alternatives=_alternatives(fitter.candidates, outcome, fitter.settings.least_gain),
        unexplained=lines,
        r_weighted=r_weighted,
        r_expected=r_expected,
        chi_squared=(r_weighted / r_expected) ** 2,
        zero_shift=float(best.values[0]),
        displacement_mm=float(best.values[1]),
        pattern=pattern,
        fit=best.signal,
        background=fitter.background_of(best),
        components=fitter.components(best)[order],
    )


def _alternatives(candidates: Candidates, outcome: Outcome, each: float) -> tuple[SetAnswer, ...]:
    evidence = np.array([one.score(outcome.temper, each) for one in outcome.tried])
    weight = np.exp(evidence - evidence.max())
    weight /= weight.sum()
    order = np.argsort(-weight, kind="stable")
    return tuple(
        SetAnswer(tuple(candidates.labels[i] for i in outcome.tried[row].phases), float(weight[row]))
        for row in order
        if weight[row] > _LEAST
    )


def _cell_slopes(candidates: Candidates, phase: int) -> Floats:
    """Return the derivative of a, b, c, alpha, beta, gamma by a cell's six changes, shape (6, 6); it is constant."""
    crystal = candidates.crystals[phase]
    slopes = np.zeros((6, 6))
    slopes[:3, :3] = np.asarray(crystal.length_ties) * np.asarray(crystal.cell)[:3, None]
    slopes[3:, 3:] = np.asarray(crystal.angle_ties)
    return slopes


def _phases(
    candidates: Candidates, best: SetFit, structures: tuple[Structure, ...], temper: float
) -> tuple[PhaseAnswer, ...]:
    count = len(best.phases)
    slopes = [_cell_slopes(candidates, phase) for phase in best.phases]
    cells = [
        np.asarray(candidates.crystals[phase].cell, np.float64) + slope @ best.of_phase(place)[:6]
        for place, (phase, slope) in enumerate(zip(best.phases, slopes, strict=True))
    ]
    # A coefficient over the candidate's scale is a share of the irradiated volume; times the density, of the mass.
    per_coefficient = np.array(
        [
            cell_mass(structures[phase]) / gemmi.UnitCell(*cell).volume / candidates.scales[phase]
            for phase, cell in zip(best.phases, cells, strict=True)
        ]
    )
    mass = best.coefficients[:count] * per_coefficient
    fractions = mass / max(mass.sum(), 1e-300)
    values = len(best.values)
    covariance = best.covariance[values : values + count, values : values + count] * temper
    by_coefficient = (
        (np.diag(np.ones(count)) - fractions[:, None]) * per_coefficient[None, :] / max(mass.sum(), 1e-300)
    )
    errors = np.sqrt(np.maximum(np.diag(by_coefficient @ covariance @ by_coefficient.T), 0.0))
    found = []
    for place, phase in enumerate(best.phases):
        own = best.of_phase(place)
        first = _SHARED + _OWN * place
        own_covariance = best.covariance[first : first + 6, first : first + 6] * temper
        cell_error = np.sqrt(np.diag(slopes[place] @ own_covariance @ slopes[place].T).clip(0.0))
        plane = candidates.axes[phase][best.axes[place]]
        found.append(
            PhaseAnswer(
                candidates.labels[phase],
                float(fractions[place]),
                float(errors[place]),
                tuple(map(float, cells[place])),
                tuple(map(float, cell_error)),
                float(np.exp(own[_SIZE])),
                float(np.exp(own[_STRAIN])),
                float(np.exp(own[_MARCH])),
                (int(plane[0]), int(plane[1]), int(plane[2])),
                float(own[_B]),
            )
        )
    return tuple(found)
