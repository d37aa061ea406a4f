"""Roles of axes: places on the sample, axes of a spectrum, or channels of an image."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from nescio.microscopy.read.fields.units import spelt_unit

__all__ = ["Direction", "Role", "axis_role", "direction_of", "flagged_roles", "is_unnamed"]

Role = Literal["space", "signal", "channel", ""]
"""Place on the sample, axis of a spectrum, channel of an image, or unknown."""
Direction = Literal["x", "y", "z", ""]
"""Along the rows of an image, along its columns, into the sample, or unknown."""

_KINDS: dict[str, Role] = {
    "spatial": "space",
    "spectral": "signal",
    "temporal": "signal",
    "reciprocal": "signal",
    "channel": "channel",
}
"""Types of dimensions in sidpy and NSID."""
_CF_AXES: dict[str, tuple[Role, Direction]] = {
    "x": ("space", "x"),
    "y": ("space", "y"),
    "z": ("space", "z"),
    "t": ("signal", ""),
}
"""Attribute ``axis`` of the CF conventions."""
_SPECTRAL = frozenset(
    [
        "energy",
        "energies",
        "wavelength",
        "wavelengths",
        "lambda",
        "wavenumber",
        "wavenumbers",
        "frequency",
        "frequencies",
        "raman",
        "loss",
        "bias",
        "voltage",
        "time",
        "temperature",
        "theta",
        "phi",
        "d",
        "dspacing",
        "q",
        "k",
        "qx",
        "qy",
        "qz",
        "kx",
        "ky",
        "kz",
        "gx",
        "gy",
        "reciprocal",
        "diffraction",
        "scattering",
        "spectral",
        "spectrum",
        "wave",
    ]
)
"""Words that identify the axis of a spectrum, even if its unit is a length."""
_CHANNELS = frozenset(("channel", "channels", "c"))
_DIRECTIONS: dict[str, Direction] = {
    **dict.fromkeys(("x", "xaxis", "kx", "qx", "gx", "dx", "column", "columns", "col", "cols", "width"), "x"),
    **dict.fromkeys(("y", "yaxis", "ky", "qy", "gy", "dy", "row", "rows", "height", "line", "lines"), "y"),
    **dict.fromkeys(("z", "zaxis", "depth"), "z"),
}
_PLACES = frozenset(
    ("candidate", "candidates", "place", "places", "position", "positions", "site", "spot", "spots")
)
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_MADE_UP = re.compile(r"(phony_)?dim_?\d+|axis[ _-]?\d+|<undefined>|\.|__unnamed__", re.I)


def is_unnamed(name: str) -> bool:
    """Return whether a name is empty or a program's placeholder ("dim_0")."""
    return not name.strip() or _MADE_UP.fullmatch(name.strip()) is not None


def direction_of(name: str, standard: str = "") -> Direction:
    """Return the direction of an axis from its name ("sample_x", "R_y", "column").

    Args:
        name: Name of the axis.
        standard: Attribute ``axis`` or ``standard_name`` of the CF conventions, which has priority.
    """
    if standard.strip().lower() in _CF_AXES:
        return _CF_AXES[standard.strip().lower()][1]
    found = [_DIRECTIONS[word] for text in (standard, name) for word in _words(text) if word in _DIRECTIONS]
    return found[0] if found else ""


def axis_role(name: str, unit: str, *, kind: str = "", standard: str = "", title: str = "") -> Role:
    """Return the role of an axis, from metadata, else from its name, else from its unit.

    Args:
        name: Name of the axis.
        unit: Unit as written in the file.
        kind: Type of dimension in sidpy and NSID.
        standard: Attribute ``axis`` or ``standard_name`` of the CF conventions.
        title: Attribute ``long_name``.
    """
    if stated := _KINDS.get(kind.strip().lower().rsplit(".", 1)[-1]):
        return stated
    if standard.strip().lower() in _CF_AXES:
        return _CF_AXES[standard.strip().lower()][0]
    spelt = spelt_unit(unit)
    is_length = bool(unit.strip()) and spelt in ("pm", "angstrom", "nm", "um", "mm", "cm", "m")
    for text in (standard, "" if is_unnamed(name) else name.rsplit("/", 1)[-1], title):
        words = _words(text)
        if _SPECTRAL & words:
            return "signal"
        if text.strip().lower() in _CHANNELS:
            return "channel"
        # A third direction is often an image number instead of a depth.
        if words & _PLACES or any(_DIRECTIONS.get(word, "z") != "z" for word in words):
            return "signal" if _is_reciprocal(unit) else "space"
    if is_length:
        return "space"
    if unit.strip() and spelt != "pixel":
        return "signal"
    return ""


def _is_reciprocal(unit: str) -> bool:
    text = unit.replace(" ", "")
    return text.startswith("1/") or text.endswith(("^-1", "-1", "**-1", "⁻¹")) or text in ("mrad", "rad")


def _words(text: str) -> frozenset[str]:
    return frozenset(word.lower() for word in _WORD.findall(text))


def flagged_roles(
    names: Sequence[str], roles: Sequence[Role], navigates: Sequence[bool]
) -> tuple[list[Role], bool, str]:
    """Return the roles of axes that the file also flags as navigation or signal.

    Names and units have priority over the flags, since programs flag the energy of a stack of images as navigation.
    Flags decide for axes without names.

    Args:
        names: Names of the axes.
        roles: Roles of the axes by name and unit.
        navigates: Whether each axis is flagged as navigation.

    Returns:
        The roles; whether the file flags the array as a stack of images; a note if flags and names contradict each
        other, else an empty text.
    """
    if len(set(navigates)) < 2:
        return list(roles), False, ""
    found = _agreed(names, roles, navigates)
    inside = [index for index, navigating in enumerate(navigates) if not navigating]
    stack = len(inside) == 2 and all(found[index] == "space" for index in inside)
    contradicted = "signal" in found and any(
        (role == "space") != navigating for role, navigating in zip(found, navigates, strict=True)
    )
    if not contradicted:
        return found, stack, ""
    shown = [name or f"dimension {index + 1}" for index, name in enumerate(names)]
    marked, places, signal = (
        ", ".join(name for name, one in zip(shown, each, strict=True) if one == wanted)
        for each, wanted in ((navigates, True), (found, "space"), (found, "signal"))
    )
    note = (
        f"flags {marked} as navigation; by name and unit, {places} are read as places, {signal} as the signal"
    )
    return found, stack, note


def _agreed(names: Sequence[str], roles: Sequence[Role], navigates: Sequence[bool]) -> list[Role]:
    by_marks: list[Role] = ["space" if navigating else "signal" for navigating in navigates]
    marks = {
        role: {mark for one, mark in zip(roles, navigates, strict=True) if one == role} for role in roles
    }
    if "space" not in marks:
        known = marks.get("signal", set()) | marks.get("channel", set())
        if known == {True} and marks.get("") == {False} and list(roles).count("") == 2:
            return [role or "space" for role in roles]
        return by_marks
    if "signal" in marks or "channel" in marks:
        other: Role = "space" if marks["space"] == marks.get("") != marks.get("signal") else "signal"
        return [role or other for role in roles]
    if marks["space"] == {False} and marks.get("", {True}) == {True}:
        return [role or "channel" for role in roles]
    inside = {direction_of(name) for name, navigating in zip(names, navigates, strict=True) if not navigating}
    outside = [direction_of(name) for name, navigating in zip(names, navigates, strict=True) if navigating]
    if inside == {"x", "y"} and len(names) == 3 and outside[0] not in inside:
        return ["channel" if navigating else "space" for navigating in navigates]
    return by_marks
