"""Search: which set of phases explains a pattern, best first."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from nescio.xrd.corrections import lorentz_polarisation
from nescio.xrd.identify.fitting import POINTS_AS_ONE, Fitter, SetFit, Start
from nescio.xrd.identify.model import PHASE_VALUES, SHARED_VALUES

__all__ = ["Outcome", "search"]

Floats = NDArray[np.float64]

_SHARED, _OWN = len(SHARED_VALUES), len(PHASE_VALUES)
# Before patterns are compared they are blurred by this, in degree at least, so that a strained cell still matches.
_BLUR = 0.15
_STRAINS = (-0.012, -0.006, 0.0, 0.006, 0.012)
_LOG_MARCH = PHASE_VALUES.index("log_march")
_FIRST_STEPS, _LAST_STEPS = 8, 40
# Sets whose log evidence is lower by more than this are no alternatives worth refining.
_NEAR = 40.0
# A further phase that lowers the misfit to this share or less is kept for the time being.
_WORTH = 0.94


@dataclass(frozen=True)
class Outcome:
    """What a search found."""

    best: SetFit | None
    """The best set; None if nothing fits."""
    tried: tuple[SetFit, ...]
    """All sets that were fitted to the end, the best first."""
    temper: float
    """By how much the variance of residuals exceeds the weights', neighbours counted as one."""


def search(fitter: Fitter) -> Outcome:
    """Search the phases of a pattern among the fitter's candidates."""
    settings = fitter.settings
    proposals = Proposals(fitter)
    empty = _background_alone(fitter)
    empty_cost = 0.5 * float(np.sum(fitter.pattern.weights * (fitter.pattern.counts - empty) ** 2))
    each = settings.least_gain
    tried: dict[tuple[int, ...], SetFit] = {}
    beam: list[SetFit] = []
    best: SetFit | None = None
    for size in range(1, settings.max_phases + 1):
        starts = _not_tried(tried, _extended(fitter, beam, empty, proposals, size))
        if not starts:
            break
        rough = fitter.fit(starts, iterations=_FIRST_STEPS)
        # Which of them go on is judged by all that were fitted so far.
        temper = _temper(fitter, [*tried.values(), *rough])
        beam = _best(rough, temper, settings.beam)
        beam = fitter.fit([one.start for one in beam], iterations=_LAST_STEPS)
        tried |= {tuple(sorted(one.phases)): one for one in beam}
        (found,) = _best(beam, temper, 1)
        before = empty_cost if best is None else best.cost
        floor = -before / temper if best is None else best.score(temper, each)
        # While the fit is poor, its temper hides what a further phase explains; the last word is that of `_reduced`.
        if found.score(temper, each) < floor and found.cost > _WORTH * before:
            break
        best = found
    if best is None:
        return Outcome(None, (), _temper(fitter, list(tried.values())))
    best = _reduced(fitter, best, tried)
    best = _swapped(fitter, best, tried, proposals)
    best = _textured(fitter, best)
    tried[tuple(sorted(best.phases))] = best
    temper = _temper(fitter, list(tried.values()))
    # A set with a phase of which there is nothing is the set without it.
    whole = [one for one in tried.values() if np.all(one.coefficients[: len(one.phases)] > 0.0)]
    order = sorted(whole, key=lambda one: -one.score(temper, each))
    return Outcome(order[0] if order else None, tuple(order), temper)


class Proposals:
    """Compares what a fit leaves over with the candidates, blurred and square-rooted so that many weak peaks count."""

    def __init__(self, fitter: Fitter) -> None:
        """Compute the candidates' patterns at several strains."""
        self.count = len(fitter.candidates.labels)
        self.pattern = fitter.pattern
        step = float(np.median(np.diff(fitter.pattern.two_theta)))
        self.sigma = max(_BLUR, 0.6 * fitter.pattern.fwhm) / step
        x = fitter.pattern.two_theta
        rows = [_sticks(fitter, phase, strain, x) for phase in range(self.count) for strain in _STRAINS]
        blurred = np.sqrt(np.maximum(gaussian_filter1d(np.asarray(rows), self.sigma, axis=1), 0.0))
        blurred[:, fitter.pattern.points :] = 0.0
        norms = np.linalg.norm(blurred, axis=1, keepdims=True)
        self.references = (blurred / np.maximum(norms, 1e-12)).astype(np.float32)

    def ranked(self, remainder: Floats) -> list[int]:
        """Return the candidates, the most alike to a remainder (points,) first."""
        blurred = np.sqrt(np.maximum(gaussian_filter1d(remainder, self.sigma), 0.0)).astype(np.float32)
        blurred[self.pattern.points :] = 0.0
        scores = (self.references @ blurred).reshape(self.count, -1).max(axis=1)
        return [int(phase) for phase in np.argsort(-scores)]


def _sticks(fitter: Fitter, phase: int, strain: float, x: Floats) -> Floats:
    """Return the lines of a candidate on the points, shape (points,)."""
    reflections = fitter.candidates.reflections[phase]
    crystal = fitter.candidates.crystals[phase]
    wavelength = fitter.radiation.mean_wavelength
    sine = wavelength / (2.0 * reflections.d * (1.0 + strain))
    theta = np.arcsin(np.minimum(sine, 0.9999))
    factor = np.asarray(lorentz_polarisation(theta, fitter.polarisation))
    height = np.asarray(crystal.strength)[: len(theta)] * factor * (sine < 0.9995)
    index = np.searchsorted(x, np.degrees(2.0 * theta))
    inside = (index > 0) & (index < x.size)
    sticks = np.zeros(x.size)
    np.add.at(sticks, index[inside], height[inside])
    return sticks


def _background_alone(fitter: Fitter) -> Floats:
    pattern = fitter.pattern
    root = np.sqrt(pattern.weights)
    solution = np.linalg.lstsq(fitter.background * root[:, None], pattern.counts * root, rcond=None)[0]
    return np.asarray(fitter.background @ solution)


def _best(fits: Sequence[SetFit], temper: float, count: int) -> list[SetFit]:
    return sorted(fits, key=lambda one: -one.log_evidence(temper))[:count]


def _extended(
    fitter: Fitter, beam: Sequence[SetFit], empty: Floats, proposals: Proposals, size: int
) -> list[Start]:
    """Return the sets of one phase more than those of the beam that are worth a fit."""
    pattern, settings = fitter.pattern, fitter.settings
    if size == 1:
        under = np.minimum(pattern.background, empty)
        chosen = proposals.ranked(pattern.counts - under)[: settings.proposals * settings.beam]
        return [Start((phase,), (0,)) for phase in chosen]
    starts = []
    for one in beam:
        ranked = [p for p in proposals.ranked(pattern.counts - one.signal) if p not in one.phases]
        for phase in ranked[: settings.proposals]:
            own = fitter.limits((phase,))[2][_SHARED:]
            starts.append(Start((*one.phases, phase), (*one.axes, 0), np.concatenate([one.values, own])))
    return starts


def _not_tried(tried: Container[tuple[int, ...]], starts: Sequence[Start]) -> list[Start]:
    """Leave out sets that were fitted before, and those that are there twice."""
    kept: dict[tuple[int, ...], Start] = {}
    for one in starts:
        key = tuple(sorted(one.phases))
        if key not in tried:
            kept.setdefault(key, one)
    return list(kept.values())


def _temper(fitter: Fitter, fits: Sequence[SetFit]) -> float:
    """Return by how much the variance of residuals exceeds the weights', where neighbours count as one."""
    if not fits:
        return POINTS_AS_ONE
    points = max(fitter.pattern.points, 1)
    return max(2.0 * min(one.misfit for one in fits) / points, 1.0) * POINTS_AS_ONE


def _textured(fitter: Fitter, one: SetFit) -> SetFit:
    """Try other texture axes, one phase after the other, and return the best fit."""
    for place, phase in enumerate(one.phases):
        values = one.values.copy()
        values[_SHARED + _OWN * place + _LOG_MARCH] = 0.0
        starts = [
            Start(one.phases, (*one.axes[:place], axis, *one.axes[place + 1 :]), values)
            for axis in range(len(fitter.candidates.axes[phase]))
            if axis != one.axes[place]
        ]
        one = min([one, *fitter.fit(starts, iterations=_FIRST_STEPS)], key=lambda fit: fit.cost)
    return one


def _reduced(fitter: Fitter, best: SetFit, tried: dict[tuple[int, ...], SetFit]) -> SetFit:
    """Drop phases that do not earn their place, one after the other."""
    each = fitter.settings.least_gain
    while len(best.phases) > 1:
        starts = []
        for place in range(len(best.phases)):
            keep = [i for i in range(len(best.phases)) if i != place]
            values = np.concatenate([best.values[:_SHARED], *(best.of_phase(i) for i in keep)])
            phases, axes = (tuple(part[i] for i in keep) for part in (best.phases, best.axes))
            starts.append(Start(phases, axes, values))
        fits = fitter.fit(starts, iterations=_LAST_STEPS)
        for one in fits:
            key = tuple(sorted(one.phases))
            if key not in tried or one.cost < tried[key].cost:
                tried[key] = one
        temper = _temper(fitter, list(tried.values()))
        (smaller,) = _best(fits, temper, 1)
        if best.score(temper, each) >= smaller.score(temper, each):
            break
        best = smaller
    return best


def _swapped(
    fitter: Fitter, best: SetFit, tried: dict[tuple[int, ...], SetFit], proposals: Proposals
) -> SetFit:
    """Replace each phase by those most like what it explains: polymorphs, isotypes; return the best set."""
    pattern, settings = fitter.pattern, fitter.settings
    starts = []
    for place, own in enumerate(fitter.components(best)):
        ranked = [p for p in proposals.ranked(pattern.counts - best.signal + own) if p not in best.phases]
        for phase in ranked[: settings.proposals]:
            values = best.values.copy()
            first = _SHARED + _OWN * place
            # Sizes and strains of the grains stay, the cell is another.
            values[first : first + 6] = 0.0
            values[first + _LOG_MARCH] = 0.0
            phases = (*best.phases[:place], phase, *best.phases[place + 1 :])
            starts.append(Start(phases, (*best.axes[:place], 0, *best.axes[place + 1 :]), values))
    starts = _not_tried(tried, starts)
    if not starts:
        return best
    rough = fitter.fit(starts, iterations=_FIRST_STEPS)
    temper = _temper(fitter, [*tried.values(), *rough])
    near = [one for one in rough if best.log_evidence(temper) - one.log_evidence(temper) < _NEAR]
    refined = fitter.fit([one.start for one in _best(near, temper, settings.beam)], iterations=_LAST_STEPS)
    tried |= {tuple(sorted(one.phases)): one for one in refined}
    return _best([best, *refined], temper, 1)[0]
