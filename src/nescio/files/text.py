"""Text of files in the encodings that instruments write, line by line."""

from __future__ import annotations

import codecs
import re
import sys
from collections.abc import Iterator

from nescio.errors import FileError
from nescio.files.source import Source

__all__ = ["decoded_text", "text_encoding", "text_lines"]

_MOST_TEXT = 2**27
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    # The mark of UTF-16 begins that of UTF-32.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE = 65_536
_END = b"\x00\x1a"
# Control characters that stand in no text; Ctrl-Z ended a file under DOS.
_CONTROL = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1a\x1b"))
_LINE_END = re.compile(r"\r\n?|\n")


def text_encoding(content: bytes) -> str | None:
    """Return the encoding of a text by the name that Python gives it; None where it is no text.

    Text is UTF-8, UTF-16 or UTF-32 with a byte order mark, UTF-16 without one where every second byte is zero, or else
    what has no control characters, as Latin-1.
    """
    decoded = _decoded(content)
    return decoded[0] if decoded else None


def decoded_text(source: Source) -> str:
    """Return the text of a file without byte order mark, and without the Ctrl-Z or zero bytes that may end it.

    Raises:
        FileError: It is no text, or of more than 134 MB.
    """
    if len(source.content) > _MOST_TEXT:
        raise FileError(f"{source.name}: text of more than {_MOST_TEXT // 10**6} MB is not read")
    decoded = _decoded(source.content)
    if decoded is None:
        raise FileError(
            f"{source.name}: is not text (it holds control characters, or its encoding is damaged)"
        )
    source.spend(sys.getsizeof(decoded[1]), "its text")
    return decoded[1]


def _decoded(content: bytes) -> tuple[str, str] | None:
    """Return encoding and text."""
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), None)
    body = content.rstrip(_END) if encoding is None else content
    sample = body[:_SAMPLE]
    if encoding is None and b"\x00" in sample:
        for zero, name in ((0, "utf-16-be"), (1, "utf-16-le")):
            if sample[zero::2].count(0) > 0.9 * (len(sample) // 2) and sample[1 - zero :: 2].count(0) == 0:
                # The last byte may be a zero that was taken for the end.
                encoding, body = name, content[: len(body) + len(body) % 2]
    if encoding is None and len(sample.translate(None, _CONTROL)) < 0.999 * len(sample):
        return None
    for name in [encoding] if encoding else ["utf-8", "latin-1"]:
        try:
            text = body.decode(name).lstrip("\ufeff").rstrip("\x00\x1a")
        except UnicodeDecodeError:
            continue
        return None if "\x00" in text else (name, text)
    return None


def text_lines(
    source: Source, text: str, *, most: int = 2_000_000, longest: int = 2_000_000
) -> Iterator[str]:
    """Yield the lines of a text without their ends (LF, CR LF or CR), one at a time.

    Args:
        source: Of the text, for messages.
        text: What to divide.
        most: Lines; more are refused.
        longest: Characters of a line, which hold 100,000 columns of numbers; a longer one is refused.

    Raises:
        FileError: There are more, or one is longer.
    """
    if text.count("\n") > most:  # without dividing millions of lines first
        raise _too_many(source, most)
    start = number = 0
    for end in _LINE_END.finditer(text):
        number += 1
        yield _line(source, text[start : end.start()], number, most, longest)
        start = end.end()
    if start < len(text):
        yield _line(source, text[start:], number + 1, most, longest)


def _line(source: Source, line: str, number: int, most: int, longest: int) -> str:
    if number > most:
        raise _too_many(source, most)
    if len(line) > longest:
        raise FileError(f"{source.name}: line {number} has more than {longest:,} characters")
    return line


def _too_many(source: Source, most: int) -> FileError:
    return FileError(f"{source.name}: more than {most:,} lines")
