"""From absorption near the edge to coordination numbers: what they are, how sure that is, and whether theory holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter1d

from nescio.errors import MeasurementError
from nescio.learn import (
    Familiarity,
    Regression,
    RegressionSettings,
    fit_familiarity,
    fit_regression,
)
from nescio.xas.library import SiteLibrary
from nescio.xas.mixtures import FWHM, Mixtures, MixtureSettings
from nescio.xas.spectrum import Normalised

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["CoordinationModel", "foil_shift", "half_step", "learn_coordination"]

Floats = NDArray[np.float64]
Alignment = Literal["foil", "edge"]

# What the answer is asked how much it depends on: eV, full width at half maximum in eV, share of the edge step.
_SHIFT, _BROADENING, _STEP = 0.5, 1.0, 0.01
_FURTHEST_SHIFT = 15.0
_SAME_EDGE, _NEAR = 30.0, 20.0
_KNOWN, _HELD_OUT, _CALIBRATION = 8000, 4000, 4000
# Random keys, a stream for each purpose.
_KNOWN_KEY, _HELD_OUT_KEY, _CALIBRATION_KEY = 1, 2, 3


@dataclass(frozen=True, eq=False)
class CoordinationModel:
    """What was learned of a library of sites; made by :func:`learn_coordination`."""

    element: str
    edge: str
    settings: MixtureSettings
    regression: Regression
    familiarity: Familiarity | None
    """Of spectra; none where nobody asked for it."""
    energy: Floats
    """Of the computed foil, in eV from the Fermi level."""
    foil: NDArray[np.float32]
    """Absorption of the computed foil."""

    @property
    def names(self) -> tuple[str, ...]:
        """What is told: C1, C2, ... and R, the distance of the nearest neighbours in angstrom."""
        shells = len(self.regression.factor) - 1
        return (*(f"C{number}" for number in range(1, shells + 1)), "R")

    def origins(self, spectra: Sequence[Normalised], foil: Normalised, align: Alignment = "foil") -> Floats:
        """Return where the computed Fermi level is on each spectrum's energy axis, in eV, shape (n,).

        Args:
            spectra: Measured.
            foil: Measured; it says how its axis and the computed one belong together.
            align: Whether they are on one energy axis with the foil ("foil"), or on another, so that each is put where
                its absorption reaches a half as the foil's does ("edge"), which takes a shift of the edge for an error.

        Raises:
            MeasurementError: A spectrum is of another edge.
        """
        told = {one.spectrum.element for one in (foil, *spectra)} - {"", self.element}
        if told:
            raise MeasurementError(f"spectra of {', '.join(sorted(told))}; this model knows {self.element}")
        shift = foil_shift(foil, self.energy, self.foil)
        for one in spectra:
            if abs(one.e0 - foil.e0) > _SAME_EDGE:
                raise MeasurementError(
                    f"{one.spectrum.name}: its edge is at {one.e0:.1f} eV, that of the foil at {foil.e0:.1f} eV; "
                    f"needs the {self.edge} edge of {self.element}"
                )
        if align == "foil":
            return np.full(len(spectra), foil.e0 + shift)
        half = half_step(foil)
        return np.array([foil.e0 + shift + half_step(one) - half for one in spectra])

    def inputs(self, spectra: Sequence[Normalised], foil: Normalised, align: Alignment = "foil") -> Floats:
        """Return spectra as the networks want them, shape (n, points).

        Args:
            spectra: Measured.
            foil: Measured.
            align: See :meth:`origins`.

        Raises:
            MeasurementError: A spectrum is of another edge, or does not reach as far as is looked at.
        """
        origins = self.origins(spectra, foil, align)
        table = np.stack(
            [one.at(origin + self.settings.energy) for one, origin in zip(spectra, origins, strict=True)]
        )
        if self.settings.input == "absorption":
            return table
        own = foil.e0 + foil_shift(foil, self.energy, self.foil)
        return np.asarray(table - foil.at(own + self.settings.energy))

    def read(
        self,
        spectra: Sequence[Normalised],
        foil: Normalised,
        *,
        alpha: float = 0.01,
        align: Alignment = "foil",
    ) -> xr.Dataset:
        """Say of every spectrum what surrounds the absorbers, and how far that can be trusted.

        The error has three parts: what spectra like this leave open (aleatoric), what the networks do not know of them
        (epistemic), and by how much the answer changes with an energy shift of 0.5 eV, a broadening of 1 eV and an edge
        step that is off by 1 % (systematic). The interval is calibrated on the first two.

        Args:
            spectra: Measured.
            foil: Measured.
            align: See :meth:`origins`.
            alpha: Share of spectra as in training that may be called novel.

        Returns:
            ``value``, ``aleatoric``, ``epistemic``, ``systematic``, ``low``, ``high`` of shape (measurement, output);
            ``p_value`` (NaN where nobody learned it), ``novel`` and ``warning`` of shape (measurement,).

        Raises:
            MeasurementError: A spectrum is of another edge, or does not reach as far as is looked at.
        """
        import xarray as xr

        if not spectra:
            raise MeasurementError("no spectra to read")
        table = self.inputs(spectra, foil, align)
        told = self.regression.expect(table)
        p_values = (
            np.full(len(table), np.nan) if self.familiarity is None else self.familiarity.p_values(table)
        )
        systematic = self._systematic(spectra, self.origins(spectra, foil, align), table, told.mean)
        both = ("measurement", "output")
        found = xr.Dataset(
            {
                "value": (both, told.mean),
                "aleatoric": (both, told.aleatoric),
                "epistemic": (both, told.epistemic),
                "systematic": (both, systematic),
                "low": (both, told.low),
                "high": (both, told.high),
                "p_value": ("measurement", p_values),
                "novel": ("measurement", p_values <= alpha),
            },
            {"measurement": [one.spectrum.name for one in spectra], "output": list(self.names)},
            {"level": self.regression.level, "alpha": alpha, "element": self.element, "edge": self.edge},
        )
        warnings = [
            f"outside of the training spectra (p = {p:.2g}): the numbers may not hold" if p <= alpha else ""
            for p in p_values
        ]
        return found.assign(warning=("measurement", warnings))

    def _systematic(
        self, spectra: Sequence[Normalised], origins: Floats, table: Floats, mean: Floats
    ) -> Floats:
        """Return by how much the answers change with what nobody knows exactly, the parts added in squares."""
        own = self.settings.energy

        def moved_by(shift: float) -> Floats:
            return np.stack(
                [one.at(origin + own + shift) for one, origin in zip(spectra, origins, strict=True)]
            )

        absorption = moved_by(0.0)
        changes = [moved_by(sign * _SHIFT) - absorption for sign in (-1.0, 1.0)]
        blurred = gaussian_filter1d(
            absorption, _BROADENING / FWHM / self.settings.step, axis=1, mode="nearest"
        )
        changes += [blurred - absorption, _STEP * absorption, -_STEP * absorption]
        moved = [self.regression.moments(table + change)[0] - mean for change in changes]
        shift = np.maximum(np.abs(moved[0]), np.abs(moved[1]))
        step = np.maximum(np.abs(moved[3]), np.abs(moved[4]))
        return np.asarray(np.sqrt(shift**2 + moved[2] ** 2 + step**2))


def half_step(spectrum: Normalised) -> float:
    """Return where a spectrum first reaches half of its edge step, in eV."""
    near = np.arange(spectrum.e0 - _NEAR, spectrum.e0 + _NEAR, 0.05)
    return float(near[np.argmax(spectrum.at(near) >= 0.5)])


def foil_shift(foil: Normalised, energy: ArrayLike, computed: ArrayLike) -> float:
    """Return where the computed Fermi level is on the measured energy axis, in eV from the foil's e0.

    The shift at which the measured foil and the computed one differ least, in the mean square.

    Args:
        foil: Measured.
        energy: Of the computed one, in eV from the Fermi level.
        computed: Its absorption.

    Raises:
        MeasurementError: The foil does not reach far enough.
    """
    own = np.asarray(energy, np.float64)
    grid = np.arange(-8.0, 60.0, 0.5)
    target = np.interp(grid, own, np.asarray(computed, np.float64))
    shifts = np.arange(-_FURTHEST_SHIFT, _FURTHEST_SHIFT, 0.05)
    table = foil.at(foil.e0 + np.add.outer(shifts, grid))
    return float(shifts[np.argmin(np.mean((table - target) ** 2, axis=1))])


def learn_coordination(
    library: SiteLibrary,
    mixtures: MixtureSettings | None = None,
    regression: RegressionSettings | None = None,
    *,
    chosen: ArrayLike | None = None,
    calibration: tuple[Floats, Floats] | None = None,
    level: float = 0.9,
    familiar_steps: int = 3000,
    seed: int = 0,
    progress: bool | None = None,
) -> CoordinationModel:
    """Learn what surrounds an absorber from the spectra of a library.

    Args:
        library: Of sites.
        mixtures: How samples are drawn from them.
        regression: Architecture and training of the networks.
        chosen: Sites to learn from; by default all.
        calibration: Spectra and numbers for the intervals; by default fresh draws from the same sites, which says
            nothing of sites unlike them.
        level: Of the intervals.
        familiar_steps: Of learning which spectra are like those of training; with 0 that is left out.
        seed: Of bootstraps and draws.
        progress: Show progress bars; by default where standard error is a terminal.

    Raises:
        ConfigurationError: The library does not reach as far as is looked at, or no sites are left.
        NescioError: The training diverged, or was interrupted.
    """
    looked = mixtures or MixtureSettings()
    settings = regression or RegressionSettings()
    draws = Mixtures(library, looked, chosen=chosen, members=settings.members, seed=seed)
    whole = Mixtures(library, looked, chosen=chosen)
    root = jax.random.key(seed)

    def drawn(stream: int, n: int) -> tuple[Floats, Floats]:
        signals, numbers = jax.jit(lambda key: whole(key, n, jnp.asarray(0)))(
            jax.random.fold_in(root, stream)
        )
        return np.asarray(signals, np.float64), np.asarray(numbers, np.float64)

    trained = fit_regression(draws, settings, progress=progress)
    trained = trained.calibrated(*(calibration or drawn(_CALIBRATION_KEY, _CALIBRATION)), level=level)
    familiarity = None
    if familiar_steps:
        known, held_out = drawn(_KNOWN_KEY, _KNOWN)[0], drawn(_HELD_OUT_KEY, _HELD_OUT)[0]
        familiarity = fit_familiarity(known, held_out, steps=familiar_steps, seed=seed, progress=progress)
    return CoordinationModel(
        library.element, library.edge, looked, trained, familiarity, library.energy, library.foil
    )
