"""File names that are not text."""

from __future__ import annotations

import re

__all__ = ["escaped"]

_SURROGATE = re.compile("[\ud800-\udfff]")


def escaped(text: str) -> str:
    r"""Return text with escapes for what UTF-8 cannot hold: Python gives odd bytes of a file name as surrogates.

    The name ``b"pr\xe4parat.xy"`` of a file becomes ``pr\xe4parat.xy``, with four characters for the odd byte.
    """
    return _SURROGATE.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"
