"""Readers of measured diffraction patterns."""

from nescio.xrd.read.files import FILE_PATTERNS, read_many, read_patterns

__all__ = ["FILE_PATTERNS", "read_many", "read_patterns"]
