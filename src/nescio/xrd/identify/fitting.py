"""Fit sets of phases to a pattern, several sets at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from nescio.fit import Fit, FitSettings, Limits, Linear, fit_many
from nescio.xrd.identify.candidates import Candidates, background_columns
from nescio.xrd.identify.measured import MeasuredPattern
from nescio.xrd.identify.model import PHASE_VALUES, SHARED_VALUES, PatternModel
from nescio.xrd.identify.settings import IdentifySettings
from nescio.xrd.radiation import Radiation

__all__ = ["Fitter", "SetFit"]

Floats = NDArray[np.float64]

_SHARED, _OWN = len(SHARED_VALUES), len(PHASE_VALUES)
_LOG_SIZE = PHASE_VALUES.index("log_size")
# Peaks are drawn on a window of so many of their widths; a Lorentzian has fallen to a thousandth there.
_WINDOW_WIDTHS = 30.0
_WINDOWS = (64, 128, 256, 512, 1024)
_SIDE_BY_SIDE = (1, 2, 4, 8, 16)


@dataclass(frozen=True, eq=False)
class SetFit:
    """The fit of one set of phases."""

    phases: tuple[int, ...]
    """Indices of the candidates."""
    axes: tuple[int, ...]
    """Which texture axis of each phase was used."""
    values: Floats
    """Shape (shared + own values of each phase,)."""
    coefficients: Floats
    covariance: Floats
    signal: Floats
    """Shape (points,)."""
    cost: float
    misfit: float
    information: Floats
    prior_precision: Floats
    used: NDArray[np.bool_]
    stop: int

    def log_evidence(self, temper: float) -> float:
        """Return the log evidence where residuals count as if their variance were `temper` times as large."""
        information = self.information / temper + np.diag(self.prior_precision)
        kept = self.used & (np.diag(information) > 0.0)
        sign, log_determinant = np.linalg.slogdet(information[np.ix_(kept, kept)])
        has_prior = kept & (self.prior_precision > 0.0)
        prior = float(np.log(self.prior_precision[has_prior]).sum())
        penalty = self.cost - self.misfit
        return -self.misfit / temper - penalty + 0.5 * prior - 0.5 * float(log_determinant if sign > 0 else 0.0)

    def of_phase(self, place: int) -> Floats:
        """Return the own values of the phase at a place of the set."""
        return self.values[_SHARED + _OWN * place : _SHARED + _OWN * (place + 1)]


class Fitter:
    """Fits sets of candidates to one pattern."""

    def __init__(
        self,
        candidates: Candidates,
        pattern: MeasuredPattern,
        settings: IdentifySettings,
        radiation: Radiation,
        *,
        polarisation: float = 1.0,
        radius_mm: float = 200.0,
    ) -> None:
        """Prepare to fit; arguments as elsewhere in this package."""
        self.candidates = candidates
        self.pattern = pattern
        self.settings = settings
        self.radiation = radiation
        self.polarisation = polarisation
        self.radius_mm = radius_mm
        self.background = background_columns(pattern.two_theta, settings.background_terms)
        step = float(np.median(np.diff(pattern.two_theta)))
        wanted = _WINDOW_WIDTHS * max(pattern.fwhm, 2.0 * step) / step
        largest = max(one for one in _WINDOWS if one <= max(pattern.two_theta.size, _WINDOWS[0]))
        self.window = min(next((one for one in _WINDOWS if one >= wanted), _WINDOWS[-1]), largest)

    @cached_property
    def instrument_fwhm(self) -> float:
        """Width of the instrument's profile where none is known: below that of the narrow peaks."""
        return float(np.clip(0.6 * self.pattern.fwhm, 0.005, 1.0))

    def limits(self, phases: Sequence[int]) -> Limits:
        """Return bounds and priors of the values of a set."""
        p = self.settings.priors
        width = np.log(self.instrument_fwhm)
        spread = p.instrument_fwhm[1]
        narrow = self.instrument_fwhm
        lower = [-10 * p.zero_shift, -5 * p.displacement_mm, width - 3 * spread, 0.0]
        upper = [10 * p.zero_shift, 5 * p.displacement_mm, width + 3 * spread, 3.0 * narrow]
        mean = [0.0, 0.0, width, 0.3 * narrow]
        sigma = [p.zero_shift, p.displacement_mm, spread, 0.5 * narrow]
        size, strain = np.log(p.size_nm[0]), np.log(p.microstrain[0])
        for phase in phases:
            free = self.candidates.freedom[phase]
            lower += [-p.largest_strain] * 3 + [-7 * p.angle] * 3 + [np.log(3.0), np.log(1e-5), 0.0, np.log(0.3), -2.0]
            upper += [p.largest_strain] * 3 + [7 * p.angle] * 3 + [np.log(2000.0), np.log(0.02), 1.0, np.log(3.0), 4.0]
            mean += [0.0] * 6 + [size, strain, 0.5, 0.0, 0.0]
            sigma += [*np.where(free[:3], p.strain, 0.0), *np.where(free[3:], p.angle, 0.0)]
            sigma += [p.size_nm[1], p.microstrain[1], 0.3, p.march, p.b_iso]
        return Limits.of(lower, upper, mean, sigma)

    def linear(self, count: int) -> Linear:
        """Return what is known of the coefficients of a set of so many phases."""
        highest = max(self.pattern.highest, 1e-9)
        terms = self.background.shape[1]
        level = max(float(np.max(self.pattern.counts)), 1e-9)
        return Linear(
            jnp.asarray([1.0 / highest**2] * count + [1e-4 / level**2] * terms, jnp.float32),
            jnp.asarray([True] * count + [False] * terms),
            jnp.ones(count + terms, bool),
        )

    def fit(
        self,
        sets: Sequence[tuple[int, ...]],
        *,
        starts: Sequence[Floats | None] | None = None,
        axes: Sequence[tuple[int, ...]] | None = None,
        iterations: int = 30,
    ) -> list[SetFit]:
        """Fit sets of equal numbers of phases.

        Args:
            sets: Indices of candidates.
            starts: Values to start from; by default the means of the priors.
            axes: Index of the texture axis of each phase; by default the first.
            iterations: Largest number of steps.
        """
        if not sets:
            return []
        starts = starts or [None] * len(sets)
        axes = axes or [(0,) * len(one) for one in sets]
        shapes = [self.candidates.shape_of(one) for one in sets]
        done: dict[int, SetFit] = {}
        for shape in sorted(set(shapes)):
            chosen = [place for place, one in enumerate(shapes) if one == shape]
            for first in range(0, len(chosen), _SIDE_BY_SIDE[-1]):
                part = chosen[first : first + _SIDE_BY_SIDE[-1]]
                found = self._fit_alike(
                    [sets[i] for i in part], [starts[i] for i in part], [axes[i] for i in part], shape, iterations
                )
                done.update(zip(part, found, strict=True))
        return [done[place] for place in range(len(sets))]

    def _fit_alike(
        self,
        sets: Sequence[tuple[int, ...]],
        starts: Sequence[Floats | None],
        axes: Sequence[tuple[int, ...]],
        shape: tuple[int, int],
        iterations: int,
    ) -> list[SetFit]:
        count = next(size for size in _SIDE_BY_SIDE if size >= len(sets))
        rows = [*range(len(sets)), *[0] * (count - len(sets))]
        crystals = [self.candidates.stacked(sets[row], shape) for row in rows]
        directions = [[self.candidates.axes[phase][axis] for phase, axis in zip(sets[row], axes[row], strict=True)] for row in rows]
        limits = [self.limits(sets[row]) for row in rows]
        begin = [np.asarray(limit.mean) if starts[row] is None else starts[row] for row, limit in zip(rows, limits, strict=True)]
        model = PatternModel(
            jax.tree.map(lambda *leaves: jnp.stack(leaves), *crystals),
            jnp.asarray(np.asarray(directions, np.float32)),
            jnp.asarray(self.background),
            jnp.asarray(self.pattern.two_theta, jnp.float32),
            self.radiation,
            self.polarisation,
            self.radius_mm,
            self.window,
        )
        over = PatternModel(
            jax.tree.map(lambda _: 0, model.crystals), 0, None, None,
            self.radiation, self.polarisation, self.radius_mm, self.window,
        )  # fmt: skip
        stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *limits)
        fits = fit_many(
            model,
            jnp.asarray(np.asarray(begin, np.float32)),
            stacked,
            self.linear(len(sets[0])),
            jnp.asarray(self.pattern.counts, jnp.float32),
            jnp.asarray(self.pattern.weights, jnp.float32),
            FitSettings(iterations=iterations),
            (over, 0, 0, None, None, None),
        )
        return [self._unpacked(fits, place, sets[place], axes[place]) for place in range(len(sets))]

    def _unpacked(self, fits: Fit, place: int, phases: tuple[int, ...], axes: tuple[int, ...]) -> SetFit:
        def one(name: str) -> Floats:
            return np.asarray(getattr(fits, name)[place], np.float64)

        return SetFit(
            phases,
            axes,
            one("values"),
            one("coefficients"),
            one("covariance"),
            one("signal"),
            float(one("cost")),
            float(one("misfit")),
            one("information"),
            one("prior_precision"),
            np.asarray(fits.used[place]),
            int(one("stop")),
        )
