"""Bytes of a text file, in whatever encoding it was saved."""

from __future__ import annotations

from pathlib import Path

from nescio.errors import FileError

__all__ = ["decoded"]

_SAMPLE = 4096
# Every second byte of plain text in UTF-16 is zero; this share of them tells it without a byte order mark.
_ZEROS = 0.8


def decoded(path: Path, content: bytes) -> str:
    """Return the text of a file in UTF-8, UTF-16, or else Latin-1, without byte order mark.

    Args:
        path: The file, for messages.
        content: Its bytes.

    Raises:
        FileError: It is not text.
    """
    encoding = _utf16(content)
    if encoding is not None:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError as error:
            raise FileError(
                f"{path}: begins like UTF-16 text but is damaged at byte {error.start}"
            ) from error
    else:
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = content.decode("latin-1")
    if "\x00" in text:
        raise FileError(f"{path}: is not text (a zero byte at character {text.index(chr(0)) + 1})")
    return text


def _utf16(content: bytes) -> str | None:
    """Return the name of the UTF-16 encoding that a text is in, or None."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    sample = content[: _SAMPLE - _SAMPLE % 2]
    half = len(sample) // 2
    if half < 4 or len(content) % 2:
        return None
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    if odd > _ZEROS * half and even == 0:
        return "utf-16-le"
    if even > _ZEROS * half and odd == 0:
        return "utf-16-be"
    return None
