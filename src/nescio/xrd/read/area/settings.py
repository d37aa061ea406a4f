"""What a user says about images of an area detector."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nescio.errors import ConfigurationError

__all__ = ["AreaSettings"]

_MOST_SECTORS = 360


@dataclass(frozen=True)
class AreaSettings:
    """Geometry and corrections of an area detector."""

    poni: Path | None = None
    """PONI file with the geometry; without it images are not integrated."""
    mask: Path | None = None
    """Image or NumPy array of the detector's size: pixels that are not 0 are ignored."""
    flat_field: Path | None = None
    """Image or NumPy array of the detector's size that intensities are divided by."""
    sectors: int = 1
    """Equal ranges of the azimuth, each integrated into a measurement of its own."""

    @classmethod
    def of(
        cls,
        poni: str | Path | None = None,
        mask: str | Path | None = None,
        flat_field: str | Path | None = None,
        sectors: int | None = None,
    ) -> AreaSettings:
        """Return checked settings.

        Raises:
            ConfigurationError: There is a mask, flat field or number of sectors without a PONI file, or the number of
                sectors is not within 1 to 360.
        """
        if poni is None:
            for name, value in (("mask", mask), ("flat_field", flat_field), ("sectors", sectors)):
                if value is not None:
                    raise ConfigurationError(
                        f"{name} is for images of an area detector; it needs poni as well"
                    )
            return cls()
        number = 1 if sectors is None else sectors
        if not 1 <= number <= _MOST_SECTORS or number != int(number):
            raise ConfigurationError(
                f"sectors is {number!r}; it must be a whole number from 1 to {_MOST_SECTORS}"
            )
        return cls(
            Path(poni), Path(mask) if mask else None, Path(flat_field) if flat_field else None, int(number)
        )
