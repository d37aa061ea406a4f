"""Formats of the makers of diffractometers and of programs for powder diffraction."""

from nescio.xrd.read.vendors.kinds import VENDOR_SUFFIXES, vendor_reader
from nescio.xrd.read.vendors.xrdml import read_xrdml

__all__ = ["VENDOR_SUFFIXES", "read_xrdml", "vendor_reader"]
