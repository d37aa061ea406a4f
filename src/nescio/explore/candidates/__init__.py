"""Candidates for the next measurement, and regions of them."""

from nescio.explore.candidates.candidates import CandidateMaker, Candidates
from nescio.explore.candidates.features import FeatureSettings
from nescio.explore.candidates.regions import (
    REGIONS,
    AnyRegion,
    Circle,
    Listed,
    Polygon,
    Rectangle,
    Region,
    build_region,
    inside_any,
    outside,
)

__all__ = [
    "REGIONS",
    "AnyRegion",
    "CandidateMaker",
    "Candidates",
    "Circle",
    "FeatureSettings",
    "Listed",
    "Polygon",
    "Rectangle",
    "Region",
    "build_region",
    "inside_any",
    "outside",
]
