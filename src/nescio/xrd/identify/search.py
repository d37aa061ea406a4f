"""Search: which set of phases explains a pattern, best first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from nescio.xrd.identify.fitting import Fitter, SetFit
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
# Neighbouring points share the errors of a model: so many of them count as one.
_POINTS_AS_ONE = 4.0


@dataclass(frozen=True)
class Outcome:
    """What a search found."""

    best: SetFit | None
    """The best set; None if nothing fits."""
    tried: tuple[SetFit, ...]
    """All sets that were fitted to the end, the best first."""
    temper: float
    """By how much the variance of residuals exceeds the weights', neighbours counted as one."""
    empty_cost: float
    """Half the sum of squared residuals with the background alone."""


def search(fitter: Fitter, allowed: Sequence[int] | None = None, proposals: Proposals | None = None) -> Outcome:
    """Search the phases of a pattern.

    Args:
        fitter: For the pattern.
        allowed: Indices of the candidates that may be in it; by default all.
        proposals: Compares remainders with candidates; by default made here.
    """
    settings = fitter.settings
    allowed = list(range(len(fitter.candidates.labels))) if allowed is None else list(allowed)
    proposals = proposals or Proposals(fitter, allowed)
    empty = _background_alone(fitter)
    empty_cost = 0.5 * float(np.sum(fitter.pattern.weights * (fitter.pattern.counts - empty) ** 2))
    tried: dict[tuple[int, ...], SetFit] = {}
    beam: list[SetFit] = []
    best: SetFit | None = None
    for size in range(1, settings.max_phases + 1):
        sets, starts, axes = _extended(fitter, beam, empty, proposals, size)
        sets, starts, axes = _without(tried, sets, starts, axes)
        if not sets:
            break
        rough = fitter.fit(sets, starts=starts, axes=axes, iterations=_FIRST_STEPS)
        # Which of them go on is judged by all that were fitted so far.
        temper = _temper(fitter, [*tried.values(), *rough])
        order = np.argsort([-one.log_evidence(temper) for one in rough])[: settings.beam]
        beam = fitter.fit(
            [rough[i].phases for i in order], starts=[rough[i].values for i in order],
            axes=[rough[i].axes for i in order], iterations=_LAST_STEPS,
        )  # fmt: skip
        tried |= {tuple(sorted(one.phases)): one for one in beam}
        found = max(beam, key=lambda one: one.log_evidence(temper))
        floor = -empty_cost / temper if best is None else best.log_evidence(temper)
        if found.log_evidence(temper) - floor < settings.least_gain:
            break
        best = found
    if best is None:
        return Outcome(None, tuple(tried.values()), _temper(fitter, list(tried.values())), empty_cost)
    best = _reduced(fitter, best, tried)
    best = _swapped(fitter, best, tried, proposals)
    best = _finished(fitter, best, tried)
    temper = _temper(fitter, list(tried.values()))
    order = sorted(tried.values(), key=lambda one: -one.log_evidence(temper))
    return Outcome(best, tuple(order), temper, empty_cost)


class Proposals:
    """Compares what a fit leaves over with the candidates, blurred and square-rooted so that many weak peaks count."""

    def __init__(self, fitter: Fitter, allowed: Sequence[int]) -> None:
        """Compute the candidates' patterns at several strains."""
        self.allowed = np.asarray(allowed)
        self.pattern = fitter.pattern
        step = float(np.median(np.diff(fitter.pattern.two_theta)))
        self.sigma = max(_BLUR, 0.6 * fitter.pattern.fwhm) / step
        rows = []
        x = fitter.pattern.two_theta
        for phase in allowed:
            for strain in _STRAINS:
                rows.append(_sticks(fitter, phase, strain, x))
        blurred = np.sqrt(np.maximum(gaussian_filter1d(np.asarray(rows), self.sigma, axis=1), 0.0))
        blurred[:, fitter.pattern.points :] = 0.0
        norms = np.linalg.norm(blurred, axis=1, keepdims=True)
        self.references = (blurred / np.maximum(norms, 1e-12)).astype(np.float32)

    def ranked(self, remainder: Floats) -> list[int]:
        """Return the allowed phases, the most alike to a remainder (points,) first."""
        blurred = np.sqrt(np.maximum(gaussian_filter1d(remainder, self.sigma), 0.0)).astype(np.float32)
        blurred[self.pattern.points :] = 0.0
        scores = (self.references @ blurred).reshape(len(self.allowed), -1).max(axis=1)
        return [int(self.allowed[i]) for i in np.argsort(-scores)]


def _sticks(fitter: Fitter, phase: int, strain: float, x: Floats) -> Floats:
    """Return the lines of a candidate on the points, shape (points,)."""
    reflections = fitter.candidates.reflections[phase]
    crystal = fitter.candidates.crystals[phase]
    wavelength = fitter.radiation.mean_wavelength
    sine = wavelength / (2.0 * reflections.d * (1.0 + strain))
    theta = np.arcsin(np.minimum(sine, 0.9999))
    c = np.cos(2.0 * theta)
    a = fitter.polarisation
    factor = (1.0 + a * c * c) / ((1.0 + a) * np.sin(theta) ** 2 * np.cos(theta))
    height = np.asarray(crystal.strength, np.float64)[: len(theta)] * factor * (sine < 0.9995)
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


def _extended(
    fitter: Fitter, beam: Sequence[SetFit], empty: Floats, proposals: Proposals, size: int
) -> tuple[list[tuple[int, ...]], list[Floats | None], list[tuple[int, ...]]]:
    """Return the sets of one phase more than those of the beam that are worth a fit, and where to start."""
    pattern, settings = fitter.pattern, fitter.settings
    sets: list[tuple[int, ...]] = []
    starts: list[Floats | None] = []
    axes: list[tuple[int, ...]] = []
    if size == 1:
        under = np.minimum(pattern.background, empty)
        chosen = proposals.ranked(pattern.counts - under)[: settings.proposals * settings.beam]
        return [(phase,) for phase in chosen], [None] * len(chosen), [(0,)] * len(chosen)
    for one in beam:
        if len(one.phases) != size - 1:
            continue
        ranked = [phase for phase in proposals.ranked(pattern.counts - one.signal) if phase not in one.phases]
        for phase in ranked[: settings.proposals]:
            own = fitter.limits((phase,))[2][_SHARED:]
            sets.append((*one.phases, phase))
            starts.append(np.concatenate([one.values, own]))
            axes.append((*one.axes, 0))
    return sets, starts, axes


def _without(
    tried: dict[tuple[int, ...], SetFit],
    sets: list[tuple[int, ...]],
    starts: list[Floats | None],
    axes: list[tuple[int, ...]],
) -> tuple[list[tuple[int, ...]], list[Floats | None], list[tuple[int, ...]]]:
    """Leave out sets that were fitted before, and those that are there twice."""
    seen = set(tried)
    kept = []
    for place, one in enumerate(sets):
        key = tuple(sorted(one))
        if key not in seen:
            seen.add(key)
            kept.append(place)
    return [sets[i] for i in kept], [starts[i] for i in kept], [axes[i] for i in kept]


def _temper(fitter: Fitter, fits: Sequence[SetFit]) -> float:
    """Return by how much the variance of residuals exceeds the weights', where neighbours count as one."""
    if not fits:
        return _POINTS_AS_ONE
    points = max(fitter.pattern.points, 1)
    return max(2.0 * min(one.misfit for one in fits) / points, 1.0) * _POINTS_AS_ONE


def _textured(fitter: Fitter, one: SetFit) -> SetFit:
    """Try other texture axes, one phase after the other, and return the best fit."""
    for place, phase in enumerate(one.phases):
        others = [axis for axis in range(len(fitter.candidates.axes[phase])) if axis != one.axes[place]]
        start = one.values.copy()
        start[_SHARED + _OWN * place + _LOG_MARCH] = 0.0
        axes = [(*one.axes[:place], axis, *one.axes[place + 1 :]) for axis in others]
        tried = fitter.fit([one.phases] * len(axes), starts=[start] * len(axes), axes=axes, iterations=_FIRST_STEPS)
        one = min([one, *tried], key=lambda fit: fit.cost)
    return one


def _swapped(
    fitter: Fitter, best: SetFit, tried: dict[tuple[int, ...], SetFit], proposals: Proposals
) -> SetFit:
    """Replace each phase by those most like what it explains: polymorphs, isotypes; return the best set."""
    pattern, settings = fitter.pattern, fitter.settings
    sets, starts, axes = [], [], []
    parts = fitter.components(best)
    for place in range(len(best.phases)):
        own = parts[place]
        ranked = [p for p in proposals.ranked(pattern.counts - best.signal + own) if p not in best.phases]
        for phase in ranked[: settings.proposals]:
            start = best.values.copy()
            first = _SHARED + _OWN * place
            mean = fitter.limits((phase,))[2][_SHARED:]
            # Sizes and strains of the grains stay, the cell is another.
            start[first : first + 6] = mean[:6]
            start[first + _LOG_MARCH] = 0.0
            sets.append((*best.phases[:place], phase, *best.phases[place + 1 :]))
            starts.append(start)
            axes.append((*best.axes[:place], 0, *best.axes[place + 1 :]))
    sets, starts, axes = _without(tried, sets, starts, axes)
    if not sets:
        return best
    rough = fitter.fit(sets, starts=starts, axes=axes, iterations=_FIRST_STEPS)
    temper = _temper(fitter, [*tried.values(), *rough])
    near = [one for one in rough if best.log_evidence(temper) - one.log_evidence(temper) < _NEAR]
    near = sorted(near, key=lambda one: -one.log_evidence(temper))[: settings.beam]
    refined = fitter.fit(
        [one.phases for one in near], starts=[one.values for one in near], axes=[one.axes for one in near],
        iterations=_LAST_STEPS,
    )  # fmt: skip
    tried |= {tuple(sorted(one.phases)): one for one in refined}
    return max([best, *refined], key=lambda one: one.log_evidence(temper))


def _finished(fitter: Fitter, best: SetFit, tried: dict[tuple[int, ...], SetFit]) -> SetFit:
    """Fit the best set once more, with the exact derivative and the best texture axes."""
    best = _textured(fitter, best)
    (exact,) = fitter.fit([best.phases], starts=[best.values], axes=[best.axes], iterations=_LAST_STEPS, exact=True)
    best = min([exact, best], key=lambda one: one.cost) if exact.cost < 0.999 * best.cost else exact
    tried[tuple(sorted(best.phases))] = best
    return best


def _reduced(fitter: Fitter, best: SetFit, tried: dict[tuple[int, ...], SetFit]) -> SetFit:
    """Drop phases that no longer earn their place, one after the other."""
    while len(best.phases) > 1:
        sets, starts, axes = [], [], []
        for place in range(len(best.phases)):
            keep = [i for i in range(len(best.phases)) if i != place]
            sets.append(tuple(best.phases[i] for i in keep))
            starts.append(np.concatenate([best.values[:_SHARED], *(best.of_phase(i) for i in keep)]))
            axes.append(tuple(best.axes[i] for i in keep))
        fits = fitter.fit(sets, starts=starts, axes=axes, iterations=_LAST_STEPS)
        for one in fits:
            key = tuple(sorted(one.phases))
            if key not in tried or one.cost < tried[key].cost:
                tried[key] = one
        temper = _temper(fitter, list(tried.values()))
        smaller = max(fits, key=lambda one: one.log_evidence(temper))
        if best.log_evidence(temper) - smaller.log_evidence(temper) >= fitter.settings.least_gain:
            break
        best = smaller
    return best


