"""Prepare measured spectra: normalise them, and interpolate them on the energy axis of theory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nescio.errors import ConfigurationError, MeasurementError
from nescio.xas.prior import CoordinationPrior, NormalisationSettings
from nescio.xas.spectra import (
    HALF,
    Normalised,
    Spectrum,
    broadened,
    checked,
    deglitched,
    edge_energy,
    edge_position,
    normalised,
)

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["foil_shift", "half_step", "prepare_normalised", "prepare_spectra"]

Floats = NDArray[np.float64]

# Disturbances for the systematic error: energy shift in eV, broadening (FWHM) in eV, relative error of the edge step.
_SHIFT, _BROADENING, _STEP = 0.5, 1.0, 0.01
_DISTURBANCES = (
    f"energy: -{_SHIFT:g} eV",
    f"energy: +{_SHIFT:g} eV",
    f"resolution: {_BROADENING:g} eV broader",
    f"edge step: +{_STEP:.0%}",
    f"edge step: -{_STEP:.0%}",
)
# Numbers kept for each spectrum.
_NUMBERS = (
    ("e0", "energy of the edge", "eV"),
    ("edge_step", "edge step, in units of the measured absorption", "1"),
    ("fermi_level", "computed Fermi level on the measured axis", "eV"),
    ("glitches", "points removed as glitches", "1"),
    ("pre_low", "start of the pre-edge range, from the edge", "eV"),
    ("pre_high", "end of the pre-edge range, from the edge", "eV"),
    ("post_low", "start of the post-edge range, from the edge", "eV"),
    ("post_high", "end of the post-edge range, from the edge", "eV"),
    ("degree", "degree of the post-edge polynomial", "1"),
)
_FURTHEST_SHIFT = 15.0
_SAME_EDGE, _NEAR = 30.0, 30.0
# Largest error of a beamline's energy: in eV, plus a share of the energy.
_CALIBRATED, _CALIBRATED_SHARE = 50.0, 0.003


class _Anchor(NamedTuple):
    """Position of the computed energies on the measured axis; without a foil, on their own axis."""

    origin: float
    """Energy of the Fermi level."""
    half: float
    """Energy at which the foil reaches half of its edge step."""


def prepare_spectra(
    spectra: Sequence[Spectrum],
    prior: CoordinationPrior,
    *,
    foil: Spectrum | None = None,
    choices: NormalisationSettings | None = None,
) -> xr.Dataset:
    """Normalise spectra and interpolate them on a prior's axis; see :func:`prepare_normalised`.

    Args:
        spectra: Measured spectra. A spectrum that cannot be used gets a ``problem``; the others are prepared.
        prior: The prior whose axis is used.
        foil: The bulk metal, measured with the spectra.
        choices: Settings of the normalisation; by default the prior's.

    Raises:
        ConfigurationError: The prior needs a foil and there is none, the foil cannot be used, or `e0` is far from the
            prior's edge.
    """
    chosen = choices or prior.normalisation
    if chosen.e0 is not None:
        try:
            _check_edge(chosen.e0, prior, "e0")
        except MeasurementError as error:
            raise ConfigurationError(str(error)) from None
    try:
        shown = None if foil is None else _normalised(foil, prior, chosen, None)
    except MeasurementError as error:
        raise ConfigurationError(f"the foil cannot be used: {error}") from None
    usable: list[Normalised | str] = []
    for one in spectra:
        try:
            usable.append(_normalised(one, prior, chosen, None if shown is None else shown.e0))
        except MeasurementError as error:
            usable.append(str(error))
    return prepare_normalised(usable, prior, shown, align=chosen.align, names=[one.name for one in spectra])


def _normalised(
    spectrum: Spectrum, prior: CoordinationPrior, chosen: NormalisationSettings, foil: float | None
) -> Normalised:
    if spectrum.element not in ("", prior.element):
        raise MeasurementError(
            f"{spectrum.name}: is a spectrum of {spectrum.element}; this agent knows {prior.element}"
        )
    if spectrum.edge not in ("", prior.edge):
        raise MeasurementError(
            f"{spectrum.name}: is a spectrum of the {spectrum.edge} edge; this agent knows {prior.element} {prior.edge}"
        )
    spectrum, glitches = deglitched(checked(spectrum))
    found = edge_position(spectrum)
    if foil is not None and abs(found - foil) > _SAME_EDGE:
        raise MeasurementError(
            f"{spectrum.name}: its edge is at {found:.1f} eV, that of the foil at {foil:.1f} eV; "
            f"needs the {prior.edge} edge of {prior.element}"
        )
    _check_edge(found, prior, f"{spectrum.name}: its edge")
    # A spectrum on its own energy axis keeps the edge that was found.
    at = chosen.e0 or (found if foil is None or chosen.align == "edge" else foil)
    return replace(
        normalised(spectrum, e0=at, pre=chosen.pre, post=chosen.post, degree=chosen.degree),
        glitches=tuple(glitches.tolist()),
    )


def _check_edge(energy: float, prior: CoordinationPrior, what: str) -> None:
    wanted = edge_energy(prior.element, prior.edge)
    if abs(energy - wanted) > _CALIBRATED + _CALIBRATED_SHARE * wanted:
        raise MeasurementError(
            f"{what} is at {energy:.1f} eV; the {prior.edge} edge of {prior.element} is at {wanted:.0f} eV"
        )


def prepare_normalised(
    spectra: Sequence[Normalised | str],
    prior: CoordinationPrior,
    foil: Normalised | None = None,
    *,
    align: Literal["foil", "edge"] | None = None,
    names: Sequence[str] = (),
) -> xr.Dataset:
    """Interpolate normalised spectra on a prior's axis; return a prepared dataset (:mod:`nescio.signals`).

    The foil determines the Fermi level on the measured axis: the shift at which measured and computed foil agree best.
    Without a foil, each spectrum is shifted until its edge matches that of the computed foil at a medium resolution.

    Args:
        spectra: Normalised spectra, or the reason why one cannot be used.
        prior: The prior whose axis is used.
        foil: The measured foil.
        align: "foil", if spectra and foil share an energy axis, or "edge" (:class:`NormalisationSettings`); by default
            the prior's setting.
        names: Names of the spectra; by default their own.

    Returns:
        ``intensity``, the input of the networks; ``absorption``, normalised, at the same energies; ``disturbed``, the
        intensity with an energy shift of 0.5 eV either way, a broadening of 1 eV, and an edge step changed by 1 %;
        ``e0``, ``edge_step`` and ``fermi_level`` in eV on each spectrum's own axis; the number of ``glitches`` removed;
        ranges and ``degree`` of the two fits; ``problem``. The attribute ``notes`` says if the spectra are aligned
        differently from the training spectra.

    Raises:
        ConfigurationError: The prior needs a foil and there is none, or the foil cannot be used.
    """
    import xarray as xr

    difference = prior.mixtures.input == "difference"
    align = align or prior.normalisation.align
    if foil is None and (difference or align == "foil"):
        if difference:
            raise ConfigurationError(
                f"no foil: this agent needs the difference to a foil; give --foil FILE, the {prior.edge} edge of "
                f"metallic {prior.element} measured with the spectra"
            )
        align = "edge"
    grid = prior.mixtures.energy
    shown = np.zeros_like(grid)
    try:
        anchor = _anchored(prior, foil)
        if difference and foil is not None:
            shown = foil.at(anchor.origin + grid)
    except MeasurementError as error:
        raise ConfigurationError(f"the foil cannot be used: {error}") from None
    n, points = len(spectra), len(grid)
    absorption = np.full((n, points), np.nan)
    disturbed = np.full((n, len(_DISTURBANCES), points), np.nan)
    numbers = np.full((n, len(_NUMBERS)), np.nan)
    problems = []
    for row, one in enumerate(spectra):
        if isinstance(one, str):
            problems.append(one)
            continue
        try:
            origin = anchor.origin if align == "foil" else anchor.origin + half_step(one) - anchor.half
            absorption[row] = one.at(origin + grid)
            disturbed[row] = _disturbed(one, origin + grid, absorption[row])
        except MeasurementError as error:
            problems.append(str(error))
            continue
        numbers[row] = one.e0, one.step, origin, len(one.glitches), *one.pre, *one.post, one.degree
        problems.append("")
    both = ("measurement", "energy")
    return xr.Dataset(
        {
            "intensity": (
                both,
                absorption - shown,
                {
                    "long_name": "difference to the foil" if difference else "normalised absorption",
                    "units": "1",
                },
            ),
            "absorption": (both, absorption, {"long_name": "normalised absorption", "units": "1"}),
            "covered": (both, np.isfinite(absorption)),
            "disturbed": (("measurement", "disturbance", "energy"), disturbed - shown),
            "problem": ("measurement", np.array(problems, dtype=object).astype(str)),
            **{
                name: ("measurement", numbers[:, i], {"long_name": words, "units": units})
                for i, (name, words, units) in enumerate(_NUMBERS)
            },
        },
        {
            "measurement": list(names) or [_name(row, one) for row, one in enumerate(spectra, 1)],
            "energy": prior.axis,
            "disturbance": list(_DISTURBANCES),
        },
        {
            "align": align,
            **({} if align == prior.normalisation.align else {"notes": _otherwise(align, foil)}),
            "foil": "none" if foil is None else foil.spectrum.name,
            "input": prior.mixtures.input,
            "element": prior.element,
            "edge": prior.edge,
        },
    )


def _otherwise(align: str, foil: Normalised | None) -> str:
    """Return a note on spectra that are aligned differently from the training spectra."""
    how = "aligned by its edge" if align == "edge" else "not aligned by its edge"
    training = "the training spectra were not" if align == "edge" else "the training spectra were"
    cure = f'learn with normalisation.align = "{align}"'
    start = "each spectrum is"
    if foil is None:
        start, cure = "without a foil each spectrum is", f"give --foil FILE, or {cure}"
    return f"{start} {how}, but {training}; the numbers are less accurate than their intervals say; {cure}"


def _name(number: int, spectrum: Normalised | str) -> str:
    return f"spectrum {number}" if isinstance(spectrum, str) else spectrum.spectrum.name


def _anchored(prior: CoordinationPrior, foil: Normalised | None) -> _Anchor:
    library = prior.library
    if foil is None:
        # The energy of half the edge step depends on the resolution, which is unknown: use the mean of the training
        # spectra.
        shown = np.asarray(library.foil, np.float64)
        if (width := float(np.mean(prior.mixtures.broadening))) > 0.0:
            step = float(library.energy[1] - library.energy[0])
            shown = broadened(shown, width, step)
        first = int(np.argmax(shown >= HALF))
        part = (HALF - shown[first - 1]) / (shown[first] - shown[first - 1])
        own = library.energy[first - 1] + part * (library.energy[first] - library.energy[first - 1])
        return _Anchor(0.0, float(own))
    shift = foil_shift(foil, library.energy, library.foil)
    return _Anchor(foil.e0 + shift, half_step(foil))


def _disturbed(spectrum: Normalised, energy: Floats, absorption: Floats) -> Floats:
    """Return the absorption with each disturbance at energies of the spectrum's axis, shape (disturbances, points)."""
    blurred = broadened(absorption, _BROADENING, float(energy[1] - energy[0]))
    return np.stack(
        [
            spectrum.at(energy - _SHIFT),
            spectrum.at(energy + _SHIFT),
            blurred,
            (1.0 + _STEP) * absorption,
            (1.0 - _STEP) * absorption,
        ]
    )


def half_step(spectrum: Normalised) -> float:
    """Return the energy in eV at which a spectrum first reaches half of its edge step.

    Raises:
        MeasurementError: It does not within 30 eV of e0.
    """
    near = np.arange(spectrum.e0 - _NEAR, spectrum.e0 + _NEAR, 0.05)
    reached = spectrum.at(near) >= HALF
    if reached[0] or not reached.any():
        raise MeasurementError(
            f"{spectrum.spectrum.name}: does not reach half of its edge step within {_NEAR:g} eV of "
            f"{spectrum.e0:.1f} eV"
        )
    return float(near[np.argmax(reached)])


def foil_shift(foil: Normalised, energy: ArrayLike, computed: ArrayLike) -> float:
    """Return the position of the computed Fermi level on the measured energy axis, in eV from the foil's e0.

    At this shift, the mean square difference between measured and computed foil is smallest.

    Args:
        foil: The measured foil.
        energy: Energies of the computed foil, in eV from the Fermi level, shape (n,).
        computed: Absorption of the computed foil, shape (n,).

    Raises:
        MeasurementError: The measured range of the foil is too short.
    """
    own = np.asarray(energy, np.float64)
    grid = np.arange(-8.0, 60.0, 0.5)
    target = np.interp(grid, own, np.asarray(computed, np.float64))
    shifts = np.arange(-_FURTHEST_SHIFT, _FURTHEST_SHIFT, 0.05)
    table = foil.at(foil.e0 + np.add.outer(shifts, grid))
    return float(shifts[np.argmin(np.mean((table - target) ** 2, axis=1))])
