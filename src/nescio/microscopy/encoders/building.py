"""Construction of encoders from configurations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nescio.microscopy.encoders.base import Encoder, EncoderSettings
from nescio.microscopy.encoders.learned import LearnedSettings
from nescio.microscopy.encoders.linear import PrincipalSettings, RawSettings
from nescio.microscopy.encoders.wavelets import WaveletSettings
from nescio.registry import Kinds

__all__ = ["ENCODERS", "build_encoder", "encoder_names"]

ENCODERS: Kinds[EncoderSettings] = Kinds("encoder", EncoderSettings)
for _model in (WaveletSettings, LearnedSettings, PrincipalSettings, RawSettings):
    ENCODERS.add(_model)


def build_encoder(document: Mapping[str, Any], source: str = "encoder") -> Encoder:
    """Return the encoder of a configuration table; an empty table gives wavelets.

    Args:
        document: Table with a key ``kind``, or empty.
        source: Place of the table, for messages.

    Raises:
        ConfigurationError: The kind or a field is unknown, or a value is invalid.
    """
    encoder: Encoder = ENCODERS.build(document or {"kind": "wavelets"}, source)  # type: ignore[assignment]
    return encoder


def encoder_names(encoders: Sequence[Encoder]) -> tuple[str, ...]:
    """Return a name for each encoder: its kind, with a number from the second of the same kind."""
    names: list[str] = []
    for place, encoder in enumerate(encoders):
        earlier = sum(other.kind == encoder.kind for other in encoders[:place])
        names.append(f"{encoder.kind} {earlier + 1}" if earlier else encoder.kind)
    return tuple(names)
