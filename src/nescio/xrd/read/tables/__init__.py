"""Columns of text."""

from nescio.xrd.read.tables.columns import Role, role_of
from nescio.xrd.read.tables.text import read_text

__all__ = ["Role", "read_text", "role_of"]
