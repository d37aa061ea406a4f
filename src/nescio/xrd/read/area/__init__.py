"""Images of area detectors, integrated by pyFAI (extra ``area``)."""

from nescio.xrd.read.area.integration import read_area
from nescio.xrd.read.area.kinds import ImageKind, image_kind
from nescio.xrd.read.area.settings import AreaSettings

__all__ = ["AreaSettings", "ImageKind", "image_kind", "read_area"]
