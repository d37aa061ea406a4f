"""Named arrays with axes, as every file format gives them, and helpers that interpret their names and units."""

from nescio.microscopy.read.fields.arrays import MAX_BYTES, MAX_VALUES, Axis, Coordinate, Field
from nescio.microscopy.read.fields.choosing import chosen, unique_names
from nescio.microscopy.read.fields.colour import colour_field, grey_of, is_colour, luminance_of, pillow_reason
from nescio.microscopy.read.fields.lines import is_axis_name, with_lines
from nescio.microscopy.read.fields.roles import (
    Direction,
    Role,
    axis_role,
    direction_of,
    flagged_roles,
    is_unnamed,
)
from nescio.microscopy.read.fields.units import common_unit, converted, spelt_unit

__all__ = [
    "MAX_BYTES",
    "MAX_VALUES",
    "Axis",
    "Coordinate",
    "Direction",
    "Field",
    "Role",
    "axis_role",
    "chosen",
    "colour_field",
    "common_unit",
    "converted",
    "direction_of",
    "flagged_roles",
    "grey_of",
    "is_axis_name",
    "is_colour",
    "is_unnamed",
    "luminance_of",
    "pillow_reason",
    "spelt_unit",
    "unique_names",
    "with_lines",
]
