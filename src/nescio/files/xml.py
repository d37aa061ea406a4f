"""XML without its dangerous features: document types, entities, unlimited size and depth."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from nescio.errors import FileError
from nescio.files.messages import one_line
from nescio.files.source import Source
from nescio.files.text import decoded_text

__all__ = ["xml_root"]

_MOST_ELEMENTS = 1_000_000
_DEEPEST = 100
_BYTES_PER_ELEMENT = 150  # measured, with an attribute


def xml_root(source: Source) -> ET.Element:
    """Return the root of an XML document; namespaces are removed from the tags.

    Raises:
        FileError: The document is not well-formed, declares a document type or entities, has more than a million
            elements, or is nested more than 100 levels deep.
    """
    text = decoded_text(source)
    # The declaration may name another encoding than the one that was found.
    if (
        text.count("</") + text.count("/>") > 2 * _MOST_ELEMENTS
    ):  # fails fast, before millions of elements are parsed
        raise _too_many(source)
    parser = ET.XMLParser(target=_Builder(source), encoding="utf-8")  # noqa: S314 - see _Builder
    try:
        parser.feed(text.encode("utf-8", "replace"))
        root: ET.Element = parser.close()
    except (ET.ParseError, ValueError) as error:
        raise FileError(f"{source.name}: is not well-formed XML ({one_line(error)})") from error
    return root


def _too_many(source: Source) -> FileError:
    return FileError(f"{source.name}: holds more than {_MOST_ELEMENTS:,} elements")


class _Builder(ET.TreeBuilder):
    def __init__(self, source: Source) -> None:
        super().__init__()
        self._source = source
        self._depth = self._count = 0

    def start(self, tag: str, attrs: dict[str, str]) -> ET.Element:
        self._depth += 1
        self._count += 1
        if self._depth > _DEEPEST:
            raise FileError(f"{self._source.name}: is nested more than {_DEEPEST} deep")
        if self._count > _MOST_ELEMENTS:
            raise _too_many(self._source)
        self._source.spend(_BYTES_PER_ELEMENT, "its elements")
        return super().start(tag.rpartition("}")[2], attrs)

    def end(self, tag: str) -> ET.Element:
        self._depth -= 1
        return super().end(tag.rpartition("}")[2])

    def doctype(self, *_: str | None) -> None:
        raise FileError(f"{self._source.name}: declares a document type or entities, which are refused")
