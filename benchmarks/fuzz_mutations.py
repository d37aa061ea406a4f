"""Damage to files: blind, of text, within archives, and of HDF5 and SQLite that stay well-formed."""

from __future__ import annotations

import gzip
import io
import re
import sqlite3
import struct
import zipfile
import zlib
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from random import Random

import h5py
import numpy as np

__all__ = ["mutant"]

_EXTREMES = (
    0,
    1,
    2,
    7,
    127,
    128,
    255,
    256,
    32767,
    32768,
    65535,
    65536,
    10**6,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**63 - 1,
    2**64 - 1,
)
_NUMBERS = (
    *(
        "0",
        "-1",
        "1",
        "nan",
        "inf",
        "-inf",
        "1e308",
        "-1e308",
        "1e-320",
        "1e999",
        "99999999999999999999",
        "9" * 400,
    ),
    *("0x10", "1_000", "1,5", "1.2.3", "١", "", "-", "+", "e5", "1e", "--1", ".", "1 2"),
)
_TOKENS = (
    *(
        "\x00",
        "\ufeff",
        "\x1a",
        "\n\n\n",
        "\r",
        "\t",
        " ",
        ",",
        ";",
        "#",
        "'",
        '"',
        "\\",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
    ),
    *(
        "<",
        ">",
        "&amp;",
        "&x;",
        "<!DOCTYPE a>",
        "<![CDATA[",
        "]]>",
        "=",
        ":",
        "µ",
        "\u2028",
        "\ud7ff",
        "𝟙",
        "--",
        "E",
    ),
    *(
        "null",
        "true",
        "NaN",
        "../../etc/passwd",
        "/dev/zero",
        "%s",
        "{0}",
        "$",
        "`",
        "lambda",
        "energy",
        "2theta",
    ),
    *("data_", "loop_"),
)
_NUMBER = re.compile(rb"[-+]?\d+\.?\d*(?:[eE][-+]?\d+)?")


def mutant(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    """Return a damaged file.

    Args:
        content: An honest one.
        others: More, to take parts of.
        random: Draws.
    """
    structured = _structured(content)
    for _ in range(random.choice((1, 1, 1, 2, 3, 6))):
        if structured is not None and random.random() < 0.7:
            content = structured(content, others, random)
            structured = _structured(content)
        else:
            content = random.choice(_BLIND)(content, others, random)
            structured = None
    return content


_Mutation = Callable[[bytes, Sequence[bytes], Random], bytes]


def _structured(content: bytes) -> _Mutation | None:
    if content.startswith(b"\x89HDF"):
        return _hdf5
    if content.startswith(b"PK\x03\x04"):
        return _zip
    if content.startswith(b"\x1f\x8b"):
        return _gzip
    if content.startswith(b"SQLite format 3"):
        return _sqlite
    if b"\x00" not in content[:200] or content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return _text
    return None


def _span(content: bytes, random: Random, longest: int = 64) -> tuple[int, int]:
    start = random.randrange(len(content) + 1)
    return start, min(len(content), start + random.randrange(1, longest))


def _flip(content: bytes, _: Sequence[bytes], random: Random) -> bytes:
    found = bytearray(content or b"\0")
    for _ in range(random.choice((1, 1, 2, 5, 20))):
        found[random.randrange(len(found))] ^= 1 << random.randrange(8)
    return bytes(found)


def _replace(content: bytes, _: Sequence[bytes], random: Random) -> bytes:
    start, stop = _span(content, random, 9)
    return content[:start] + random.randbytes(stop - start) + content[stop:]


def _truncate(content: bytes, _: Sequence[bytes], random: Random) -> bytes:
    return content[: random.randrange(len(content) + 1)]


def _delete(content: bytes, _: Sequence[bytes], random: Random) -> bytes:
    start, stop = _span(content, random, 200)
    return content[:start] + content[stop:]


def _duplicate(content: bytes, _: Sequence[bytes], random: Random) -> bytes:
    start, stop = _span(content, random, 2000)
    return content[:stop] + content[start:stop] * random.choice((1, 1, 3, 50)) + content[stop:]


def _insert(content: bytes, _: Sequence[bytes], random: Random) -> bytes:
    start = random.randrange(len(content) + 1)
    return (
        content[:start]
        + random.choice((bytes(8), b"\xff" * 8, random.randbytes(random.randrange(1, 30))))
        + content[start:]
    )


def _splice(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    other = random.choice(others)
    return content[: random.randrange(len(content) + 1)] + other[random.randrange(len(other) + 1) :]


def _length(content: bytes, _: Sequence[bytes], random: Random) -> bytes:
    """Overwrite what may be a length by an extreme."""
    size = random.choice((1, 2, 4, 8))
    if len(content) < size:
        return content
    start = random.randrange(len(content) - size + 1)
    value = (random.choice(_EXTREMES) + random.choice((-1, 0, 0, 1))) % 256**size
    return content[:start] + value.to_bytes(size, random.choice(("little", "big"))) + content[start + size :]


def _float(content: bytes, _: Sequence[bytes], random: Random) -> bytes:
    """Overwrite eight bytes by a strange number."""
    if len(content) < 8:
        return content
    start = random.randrange(len(content) - 7) // 8 * 8
    value = random.choice((np.nan, np.inf, -np.inf, 1e308, -1e308, 5e-324, 0.0, -0.0))
    return content[:start] + struct.pack(random.choice(("<d", ">d")), value) + content[start + 8 :]


_BLIND: tuple[_Mutation, ...] = (
    _flip, _flip, _replace, _truncate, _delete, _duplicate, _insert, _splice, _length, _length, _float,
)  # fmt: skip


def _text(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    kind = random.randrange(8)
    if kind == 0 and (found := list(_NUMBER.finditer(content))):
        one = random.choice(found)
        return content[: one.start()] + random.choice(_NUMBERS).encode() + content[one.end() :]
    if kind in (1, 2):
        at = random.randrange(len(content) + 1)
        token = random.choice(_TOKENS) * random.choice((1, 1, 1, 3, 200))
        return content[:at] + token.encode("utf-8", "surrogatepass") + content[at:]
    lines = content.split(b"\n")
    first, second = random.randrange(len(lines)), random.randrange(len(lines))
    if kind == 3:
        lines[first], lines[second] = lines[second], lines[first]
    elif kind == 4:
        lines[first : first + 1] = [lines[first]] * random.choice((0, 2, 3, 300))
    elif kind == 5:
        lines[first:first] = random.choice(others).split(b"\n")[: random.randrange(1, 30)]
    elif kind == 6:
        words = lines[first].split(random.choice((b" ", b",", b";", b"\t")))
        random.shuffle(words)
        lines[first] = random.choice((b" ", b",", b";", b"")).join(
            words[: random.randrange(1, len(words) + 2)]
        )
    else:
        text = b"\n".join(lines)
        with suppress(UnicodeError):
            return text.decode().encode(
                random.choice(("utf-16", "utf-16-le", "latin-1", "utf-8-sig", "utf-32", "cp037"))
            )
        return text
    return b"\n".join(lines)


def _gzip(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    try:
        inside = gzip.decompress(content)
    except (OSError, EOFError, ValueError, zlib.error):
        return _flip(content, others, random)
    return gzip.compress(_text(inside, [inside], random), 1)


def _zip(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    """Damage a member, its name, or which members there are; the archive stays well-formed."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    except Exception:
        return _flip(content, others, random)
    if not members:
        return content
    place = random.randrange(len(members))
    name, inside = members[place]
    kind = random.randrange(7)
    if kind < 4:
        # Mostly the header, which tells type and shape.
        head = min(len(inside), 130)
        members[place] = (name, random.choice(_BLIND)(inside[:head], [inside], random) + inside[head:])
    elif kind == 4:
        members[place] = (name, random.choice(_BLIND)(inside, [inside], random))
    elif kind == 5:
        members[place] = (
            random.choice(members)[0] if random.random() < 0.5 else random.choice(_TOKENS) + name,
            inside,
        )
    else:
        members[place : place + 1] = random.choice(
            ([], [(name, _array(random))], [(name, random.choice(members)[1])])
        )
    stream = io.BytesIO()
    method = random.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED, zipfile.ZIP_BZIP2))
    with suppress(UserWarning), zipfile.ZipFile(stream, "w", method) as made:
        for name, inside in members:
            made.writestr(name.encode("utf-8", "replace").decode().replace("\0", "a") or "a", inside)
    return stream.getvalue()


def _strange(random: Random) -> np.ndarray:
    """Return an array of a random type and shape."""
    shape = random.choice(
        ((), (0,), (1,), (2,), (40,), (3, 40), (12, 10), (0, 40), (1, 1, 1), (6, 5, 7), (2,) * 6)
    )
    dtype = random.choice(("f8", "f4", ">f8", "f2", "i8", "u1", "i2", ">u4", "?", "S5", "c16", "u8"))
    values = np.full(shape, random.choice((0, 1, 2, 97)), dtype)
    if values.dtype.kind == "f" and values.size and random.random() < 0.4:
        values.flat[random.randrange(values.size)] = random.choice(
            (np.nan, np.inf, -1.0, 1e300 if dtype != "f2" else 1.0)
        )
    return values


def _array(random: Random) -> bytes:
    stream = io.BytesIO()
    np.save(stream, _strange(random))
    return stream.getvalue()


def _hdf5(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    """Change links, attributes, types and shapes of a file that stays well-formed."""
    stream = io.BytesIO(content)
    try:
        with h5py.File(stream, "r+") as file:
            names = ["/"]
            file.visit(names.append)
            for _ in range(random.randrange(1, 4)):
                with suppress(Exception):  # what HDF5 does not do is no mutation
                    _change(file, names, random)
    except Exception:
        return _flip(content, others, random)
    return stream.getvalue()


def _change(file: h5py.File, names: list[str], random: Random) -> None:
    name = random.choice(names)
    node = file[name]
    group = node if isinstance(node, h5py.Group) else node.parent
    last = name.rsplit("/", 1)[-1]
    kind = random.randrange(14)
    if kind < 4:
        _change_attribute(file, node, random)
    elif kind < 7 and isinstance(node, h5py.Dataset):
        attributes = dict(node.attrs)
        del group[last]
        _dataset(group, last, random)
        with suppress(Exception):
            group[last].attrs.update(attributes)
    elif kind == 7 and name != "/":
        del file[name]
    elif kind == 8 and name != "/":
        group.move(
            last, random.choice(("x", "intensity", "energy", "data", "é", "a b", "two_theta", "signal"))
        )
    elif kind == 9:
        other = random.choice(names)
        link = random.choice((h5py.SoftLink(other), h5py.SoftLink("nowhere"), file[other]))
        if name != "/" and random.random() < 0.5:
            del group[last]
            group[last] = link
        else:
            group[f"link{random.randrange(9)}"] = link
    elif kind == 10:
        group[f"out{random.randrange(9)}"] = h5py.ExternalLink("/etc/passwd", "/")
    elif kind == 11:
        _dataset(
            file,
            group,
            random.choice(("energy", "mu", "i0", "comp", "elements", "wavelength", "image", "z")),
            random,
        )
    elif kind == 12 and isinstance(node, h5py.Dataset):
        node.make_scale(random.choice(("", "x", "y")))
        other = file[random.choice(names)]
        other.dims[random.randrange(max(len(other.shape), 1))].attach_scale(node)
    elif isinstance(node, h5py.Dataset) and node.chunks:
        node.id.write_direct_chunk((0,) * len(node.shape), random.randbytes(random.randrange(1, 90)))


def _change_attribute(file: h5py.File, node: h5py.HLObject, random: Random) -> None:
    known = list(node.attrs)
    name = random.choice(
        [*known, *known, "signal", "axes", "units", "default", "NX_class", "DIMENSION_LABELS", "element"]
    )
    value = random.choice(
        (
            "", "x", "I", "counts", "NXdata", "nm", "keV", "µ", "/", ".", "a" * 300, b"\xff\xfe", 5, -1.5, np.nan,
            True, ["two_theta"], ["x", "y", "z"], [], np.float32(3), file.ref, h5py.Empty("f8"), _strange(random),
        )
    )  # fmt: skip
    if random.random() < 0.15 and name in known:
        del node.attrs[name]
    else:
        node.attrs[name] = value


def _dataset(group: h5py.Group, name: str, random: Random) -> None:
    if name in group:
        del group[name]
    kind = random.randrange(9)
    if kind < 4:
        values = _strange(random)
        group.create_dataset(
            name,
            data=values,
            compression="gzip" if values.ndim and values.size and random.random() < 0.5 else None,
        )
    elif kind == 4:
        group[name] = random.choice(("text", ["a", "b"], "\u00b5", b"\xff\xfe", ["x" * 1000, ""]))
    elif kind == 5:
        group.create_dataset(
            name, random.choice(((10**9, 10**6), (10**4, 10**4), (10**8,))), "f8", chunks=True, fillvalue=1
        )
    elif kind == 6:
        made = group.create_dataset(name, (3,), h5py.vlen_dtype(random.choice(("f8", "u1"))))
        made[0] = [1.0, 2.0]
    elif kind == 7:
        record = random.choice(
            ([("r", "f4"), ("i", "f4")], [("energy", "f8"), ("name", "S5")], [("ref", h5py.ref_dtype)])
        )
        group.create_dataset(name, (4,), record)
    else:
        group[name] = h5py.Empty(random.choice(("f8", "S1")))


_VALUES = (
    *("NULL", "''", "'x'", "-1", "0", "9223372036854775807", "1e308", "zeroblob(40)"),
    *("'[1,'", "'{}'", "'[[]]'", "x'78da'"),
)


def _sqlite(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    """Alter rows and tables; the file stays well-formed."""
    try:
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
            connection.deserialize(content)
            triggers = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
            for (trigger,) in triggers:
                if random.random() < 0.9:
                    connection.execute(f'DROP TRIGGER "{trigger}"')
            connection.execute("PRAGMA ignore_check_constraints = ON")
            tables = [
                name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            ]
            for _ in range(random.randrange(1, 4)):
                table = random.choice(tables)
                columns = [row[1] for row in connection.execute(f'PRAGMA table_info("{table}")')]
                if not columns:  # the table was dropped
                    continue
                column = random.choice(columns)
                update = f'UPDATE "{table}" SET "{column}" = {random.choice(_VALUES)}'  # noqa: S608
                statements = (
                    f"{update} WHERE id = {random.randrange(1, 9)}",
                    update,
                    f'DELETE FROM "{table}" WHERE id > {random.randrange(4)}',  # noqa: S608
                    f'ALTER TABLE "{table}" RENAME COLUMN "{column}" TO "{random.choice(("a", "number"))}"',
                    f'DROP TABLE "{table}"',
                    "PRAGMA user_version = 1",
                    f'CREATE INDEX more{random.randrange(99)} ON "{table}" ("{column}")',
                )
                with suppress(sqlite3.Error):
                    connection.execute(random.choice(statements))
            return connection.serialize()
    except sqlite3.Error:
        return _flip(content, others, random)
