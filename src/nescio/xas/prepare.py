"""Measured spectra brought onto the energy axis of theory, and what an error of measuring would make of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nescio.errors import ConfigurationError, MeasurementError
from nescio.xas.cleaning import deglitched
from nescio.xas.edges import edge_energy
from nescio.xas.prior import CoordinationPrior, NormalisationSettings
from nescio.xas.spectrum import HALF, Normalised, Spectrum, broadened, checked, edge_position, normalised

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["foil_shift", "half_step", "prepare_normalised", "prepare_spectra"]

Floats = NDArray[np.float64]

# What the answer is asked how much it depends on: eV, full width at half maximum in eV, share of the edge step.
_SHIFT, _BROADENING, _STEP = 0.5, 1.0, 0.01
_DISTURBANCES = (
    f"energy: -{_SHIFT:g} eV",
    f"energy: +{_SHIFT:g} eV",
    f"resolution: {_BROADENING:g} eV broader",
    f"edge step: +{_STEP:.0%}",
    f"edge step: -{_STEP:.0%}",
)
# What is told of each spectrum.
_TOLD = (
    ("e0", "energy of the edge", "eV"),
    ("edge_step", "step at the edge, in units of the measured absorption", "1"),
    ("fermi_level", "computed Fermi level on the measured axis", "eV"),
    ("glitches", "points that were left out", "1"),
    ("pre_low", "begin of the line before the edge, from it", "eV"),
    ("pre_high", "end of the line before the edge, from it", "eV"),
    ("post_low", "begin of the polynomial after the edge, from it", "eV"),
    ("post_high", "end of the polynomial after the edge, from it", "eV"),
    ("degree", "of the polynomial after the edge", "1"),
)
_FURTHEST_SHIFT = 15.0
_SAME_EDGE, _NEAR = 30.0, 30.0
# A beamline's energy may be off by so much, in eV, and by this share.
_CALIBRATED, _CALIBRATED_SHARE = 50.0, 0.003


class _Anchor(NamedTuple):
    """How the computed energies lie on the measured axis, or on their own where there is no foil."""

    origin: float
    """Of the Fermi level."""
    half: float
    """Where the foil reaches half of its step."""


def prepare_spectra(
    spectra: Sequence[Spectrum],
    prior: CoordinationPrior,
    *,
    foil: Spectrum | None = None,
    choices: NormalisationSettings | None = None,
) -> xr.Dataset:
    """Normalise spectra and bring them onto a prior's axis; see :func:`prepare_normalised`.

    Args:
        spectra: Measured; one that cannot be used is given its problem, and the rest goes on.
        prior: Whose axis they are brought onto.
        foil: Of the bulk metal, measured with them.
        choices: Of normalisation; by default the prior's.

    Raises:
        ConfigurationError: There is no foil, and the prior needs one, or it cannot be used; or an energy of the edge
            that is not its.
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
        raise MeasurementError(f"{spectrum.name}: is of {spectrum.element}; this agent knows {prior.element}")
    if spectrum.edge not in ("", prior.edge):
        raise MeasurementError(
            f"{spectrum.name}: is of the {spectrum.edge} edge; this agent knows {prior.element} {prior.edge}"
        )
    spectrum, glitches = deglitched(checked(spectrum))
    found = edge_position(spectrum)
    if foil is not None and abs(found - foil) > _SAME_EDGE:
        raise MeasurementError(
            f"{spectrum.name}: its edge is at {found:.1f} eV, that of the foil at {foil:.1f} eV; "
            f"needs the {prior.edge} edge of {prior.element}"
        )
    _check_edge(found, prior, f"{spectrum.name}: its edge")
    # On an energy axis of its own, a spectrum's edge is where it is found.
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
    """Bring normalised spectra onto a prior's axis, as the form that :mod:`nescio.signals` calls prepared.

    Where the computed Fermi level is on the measured axis, the foil says: computed and measured foil are to differ
    least. Without a foil, each spectrum is put where its edge is as the computed foil's is at a middling resolution.

    Args:
        spectra: Measured, or why one cannot be used.
        prior: Whose axis they are brought onto.
        foil: Measured.
        align: "foil", if they are on one energy axis with it, or "edge", see :class:`NormalisationSettings`; by default
            as the prior says.
        names: Of the spectra; by default their own.

    Returns:
        ``intensity``, which the networks see; ``absorption``, normalised, at the same energies; ``disturbed``, what the
        intensity would be with an energy shift of 0.5 eV either way, a broadening of 1 eV and an edge step off by
        1 %; ``e0``, ``edge_step`` and ``fermi_level`` in eV of each spectrum's own axis, how many ``glitches`` were
        left out, and ranges and ``degree`` of the two fits; ``problem``. An attribute ``notes`` says so where spectra
        are aligned otherwise than those that were learned from.

    Raises:
        ConfigurationError: There is no foil, and the prior needs one, or it cannot be used.
    """
    import xarray as xr

    difference = prior.mixtures.input == "difference"
    align = align or prior.normalisation.align
    if foil is None and (difference or align == "foil"):
        if difference:
            raise ConfigurationError(
                f"no foil: this agent looks at the difference to one; give --foil FILE, the {prior.edge} edge of "
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
    told = np.full((n, len(_TOLD)), np.nan)
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
        told[row] = one.e0, one.step, origin, len(one.glitches), *one.pre, *one.post, one.degree
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
                name: ("measurement", told[:, i], {"long_name": words, "units": units})
                for i, (name, words, units) in enumerate(_TOLD)
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
    """Say what it means that spectra are aligned otherwise than those that were learned from."""
    put = "each spectrum is put by its edge" if align == "edge" else "no spectrum is put by its edge"
    those = "those of training are not" if align == "edge" else "those of training are"
    cure = f'learn with normalisation.align = "{align}"'
    if foil is None:
        put, cure = f"without a foil {put}", f"give --foil FILE, or {cure}"
    return f"{put} and {those}, so that numbers are off by more than their intervals say; {cure}"


def _name(number: int, spectrum: Normalised | str) -> str:
    return f"spectrum {number}" if isinstance(spectrum, str) else spectrum.spectrum.name


def _anchored(prior: CoordinationPrior, foil: Normalised | None) -> _Anchor:
    library = prior.library
    if foil is None:
        # Where a spectrum is half way up depends on its resolution, which nobody told: it is taken to be in the middle
        # of those that are learned from.
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
    """Return the absorption at energies of the spectrum's own axis with each disturbance, (disturbances, points)."""
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
    """Return where a spectrum first reaches half of its edge step, in eV.

    Raises:
        MeasurementError: That is not within 30 eV of its e0.
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
