"""Fit sets of phases to a pattern, several sets at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import equinox as eqx
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

__all__ = ["POINTS_AS_ONE", "Fitter", "SetFit", "Start"]

Floats = NDArray[np.float64]

_SHARED, _OWN = len(SHARED_VALUES), len(PHASE_VALUES)
POINTS_AS_ONE = 4.0
"""Neighbouring points share the errors of a model: so many of them count as one."""
# Peaks are drawn on a window of so many points: at four to eight points across a peak, sixteen to thirty-two widths to
# each side, where a Lorentzian has fallen to a thousandth.
_WINDOW = 256
# Sets fitted together: few compiled programs, and little work for nothing where there are fewer sets.
_SIDE_BY_SIDE = 4


_columns = eqx.filter_jit(lambda model, values: model.design(values))


@dataclass(frozen=True, eq=False)
class Start:
    """A set of phases to fit, and where to begin."""

    phases: tuple[int, ...]
    """Indices of the candidates."""
    axes: tuple[int, ...]
    """Which texture axis of each phase is used."""
    values: Floats | None = None
    """Shape (shared + own values of each phase,); None for the means of the priors."""


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
    """Shape (phases + background terms,), in the unit of the pattern: about the height of each phase's highest peak."""
    covariance: Floats
    """Of values and coefficients; this and what follows as in :class:`nescio.fit.Fit`."""
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
        return (
            -self.misfit / temper - penalty + 0.5 * prior - 0.5 * float(log_determinant if sign > 0 else 0.0)
        )

    def score(self, temper: float, each: float) -> float:
        """Return the log evidence less `each` for every phase: what sets of different sizes are compared by."""
        return self.log_evidence(temper) - each * len(self.phases)

    @property
    def start(self) -> Start:
        """Where a further fit of this set begins."""
        return Start(self.phases, self.axes, self.values)

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
        """Prepare to fit.

        Args:
            candidates: Prepared for this beam and range.
            pattern: The pattern.
            settings: Errors of the model, terms of the background, priors.
            radiation: The beam.
            polarisation: See :func:`nescio.xrd.corrections.lorentz_polarisation`.
            radius_mm: Goniometer radius in mm.
        """
        self.candidates = candidates
        self.pattern = pattern
        self.settings = settings
        self.radiation = radiation
        self.polarisation = polarisation
        self.radius_mm = radius_mm
        self.background = background_columns(pattern.two_theta, pattern.weights, settings.background_terms)
        self.window = min(_WINDOW, pattern.two_theta.size)

    @cached_property
    def instrument_fwhm(self) -> float:
        """Width of the instrument's profile where none is known: below that of the narrow peaks."""
        return float(np.clip(0.6 * self.pattern.fwhm, 0.005, 1.0))

    def limits(self, phases: Sequence[int]) -> tuple[Floats, Floats, Floats, Floats]:
        """Return lower and upper bounds, means and standard deviations of the values of a set."""
        p = self.settings.priors
        width = np.log(self.instrument_fwhm)
        spread = p.instrument_fwhm
        narrow = self.instrument_fwhm
        lower = [-10 * p.zero_shift, -5 * p.displacement_mm, width - 3 * spread, 0.0]
        upper = [10 * p.zero_shift, 5 * p.displacement_mm, width + 3 * spread, 3.0 * narrow]
        mean = [0.0, 0.0, width, 0.3 * narrow]
        sigma = [p.zero_shift, p.displacement_mm, spread, 0.5 * narrow]
        size, strain = np.log(p.size_nm[0]), np.log(p.microstrain[0])
        for phase in phases:
            free = self.candidates.freedom[phase]
            lower += (
                [-p.largest_strain] * 3
                + [-7 * p.angle] * 3
                + [np.log(3.0), np.log(1e-5), 0.0, np.log(0.3), -2.0]
            )
            upper += (
                [p.largest_strain] * 3
                + [7 * p.angle] * 3
                + [np.log(2000.0), np.log(0.02), 1.0, np.log(3.0), 4.0]
            )
            mean += [0.0] * 6 + [size, strain, 0.5, 0.0, 0.0]
            sigma += [*np.where(free[:3], p.strain, 0.0), *np.where(free[3:], p.angle, 0.0)]
            sigma += [p.size_nm[1], p.microstrain[1], 0.3, p.march, p.b_iso]
        return np.asarray(lower), np.asarray(upper), np.asarray(mean), np.asarray(sigma)

    def linear(self, count: int) -> Linear:
        """Return what is known of the coefficients of a set of so many phases."""
        highest = max(self.pattern.highest, 1e-9)
        terms = self.background.shape[1]
        level = max(float(np.max(self.pattern.counts)), 1e-9)
        return Linear(
            jnp.asarray([1.0 / highest**2] * count + [1e-4 / level**2] * terms, jnp.float32),
            jnp.asarray([True] * count + [False] * terms),
            jnp.asarray([True] * count + list(np.any(self.background != 0.0, axis=0))),
        )

    def fit(self, starts: Sequence[Start], *, iterations: int) -> list[SetFit]:
        """Fit sets of equal numbers of phases.

        Args:
            starts: The sets, and where to begin.
            iterations: Largest number of steps.
        """
        found: list[SetFit] = []
        while (first := len(found)) < len(starts):
            found += self._fit_together(starts[first : first + _SIDE_BY_SIDE], iterations)
        return found

    def _fit_together(self, starts: Sequence[Start], iterations: int) -> list[SetFit]:
        padded = [*starts, *[starts[0]] * (_SIDE_BY_SIDE - len(starts))]
        limits = [self.limits(one.phases) for one in padded]
        begin = [
            limit[2] if one.values is None else one.values for one, limit in zip(padded, limits, strict=True)
        ]
        model = self._model(padded)
        # Phases and axes differ between the sets; background and points are the same.
        over = eqx.tree_at(
            lambda one: (one.background, one.two_theta), jax.tree.map(lambda _: 0, model), (None, None)
        )
        fits = fit_many(
            model,
            jnp.asarray(np.asarray(begin, np.float32)),
            Limits(*(jnp.asarray(np.stack(part), jnp.float32) for part in zip(*limits, strict=True))),
            self.linear(len(starts[0].phases)),
            self._on_device[2],
            self._on_device[3],
            FitSettings(iterations=jnp.asarray(iterations)),
            (over, 0, 0, None, None, None),
        )
        fits = jax.device_get(fits)
        return [self._unpacked(fits, place, one) for place, one in enumerate(starts)]

    def _model(self, sets: Sequence[Start]) -> PatternModel:
        """Return the models of sets of equal size, stacked along a leading axis of phases and texture axes."""
        return PatternModel(
            self.candidates.stacked([one.phases for one in sets]),
            jnp.asarray([self._planes(one.phases, one.axes) for one in sets]),
            self._on_device[0],
            self._on_device[1],
            self.radiation,
            self.polarisation,
            self.radius_mm,
            self.window,
        )

    def _planes(self, phases: Sequence[int], axes: Sequence[int]) -> NDArray[np.float32]:
        """Return the texture axes of a set, shape (phases, 3)."""
        return np.stack([self.candidates.axes[phase][axis] for phase, axis in zip(phases, axes, strict=True)])

    def columns(self, fit: SetFit) -> Floats:
        """Return the patterns of the phases of a fit for coefficients of 1, shape (phases, points)."""
        several = self._model([fit.start])
        model = eqx.tree_at(
            lambda one: (one.crystals, one.axes),
            several,
            jax.tree.map(lambda leaf: leaf[0], (several.crystals, several.axes)),
        )
        columns = np.asarray(_columns(model, jnp.asarray(fit.values, jnp.float32)), np.float64)
        return columns[:, : len(fit.phases)].T

    def components(self, fit: SetFit) -> Floats:
        """Return what each phase of a fit adds to its signal, shape (phases, points)."""
        return self.columns(fit) * fit.coefficients[: len(fit.phases), None]

    def background_of(self, fit: SetFit) -> Floats:
        """Return the background of a fit, shape (points,)."""
        return np.asarray(self.background @ fit.coefficients[len(fit.phases) :])

    @cached_property
    def _on_device(self) -> tuple[jax.Array, ...]:
        pattern = self.pattern
        return tuple(
            jnp.asarray(part, jnp.float32)
            for part in (self.background, pattern.two_theta, pattern.counts, pattern.weights)
        )

    def _unpacked(self, fits: Fit, place: int, start: Start) -> SetFit:
        def one(name: str) -> Floats:
            return np.asarray(getattr(fits, name)[place], np.float64)

        return SetFit(
            start.phases,
            start.axes,
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
