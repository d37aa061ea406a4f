"""Settings of an identification."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from nescio.configuration import Real, Settings, Whole

__all__ = ["FitPriors", "IdentifySettings"]

_Positive = Annotated[Real, Field(gt=0.0)]


class FitPriors(Settings):
    """Gaussian priors of what is fitted: means and standard deviations; widths and sizes by their logarithm."""

    zero_shift: _Positive = 0.03
    """Standard deviation of the zero, in degree."""
    displacement_mm: _Positive = 0.1
    """Standard deviation of the sample's displacement, in mm."""
    instrument_fwhm: _Positive = 0.35
    """Standard deviation of the logarithm of the instrument's width, which is taken as 0.6 of that of narrow peaks."""
    strain: _Positive = 0.003
    """Standard deviation of the relative change of a cell length."""
    largest_strain: _Positive = 0.02
    """Bound of the relative change of a cell length."""
    angle: _Positive = 0.2
    """Standard deviation of the change of a cell angle in degree."""
    size_nm: tuple[_Positive, _Positive] = (80.0, 0.8)
    """Crystallite size, and standard deviation of its logarithm."""
    microstrain: tuple[_Positive, _Positive] = (3e-4, 1.0)
    """Microstrain, dimensionless, and standard deviation of its logarithm."""
    march: _Positive = 0.25
    """Standard deviation of the logarithm of March's r."""
    b_iso: _Positive = 0.5
    """Standard deviation of the displacement parameter added to that of the sites, in angstrom^2."""


class IdentifySettings(Settings):
    """How phases are searched."""

    max_phases: Annotated[Whole, Field(ge=1, le=8)] = 4
    """Largest number of phases in a pattern."""
    beam: Annotated[Whole, Field(ge=1, le=8)] = 2
    """Number of sets of phases that are kept at each size."""
    proposals: Annotated[Whole, Field(ge=1, le=64)] = 5
    """Number of phases that are tried beside each set."""
    background_terms: Annotated[Whole, Field(ge=3, le=30)] = 14
    """Chebyshev polynomials and one inverse square of two-theta."""
    model_error: Annotated[Real, Field(ge=0.0, lt=1.0)] = 0.02
    """Error of a peak's intensity at every point, as a share: peak shapes are never exact."""
    floor_error: Annotated[Real, Field(ge=0.0, lt=1.0)] = 0.003
    """Error at every point, as a share of the highest peak."""
    least_gain: _Positive = 10.0
    """A phase is kept if it raises the tempered log evidence by this much, the logarithm of its prior odds."""
    novel_share: Annotated[Real, Field(gt=0.0, le=1.0)] = 0.05
    """An unexplained line higher than this share of the highest peak makes a pattern novel."""
    priors: FitPriors = FitPriors()
