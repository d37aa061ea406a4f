"""Formats that HyperSpy's readers know (RosettaSciIO), and HyperSpy's own ``.zspy``."""

from nescio.microscopy.read.hyperspy.rosettasciio import HYPERSPY_SUFFIXES, hyperspy_fields
from nescio.microscopy.read.hyperspy.zspy import zspy_fields

__all__ = ["HYPERSPY_SUFFIXES", "hyperspy_fields", "zspy_fields"]
