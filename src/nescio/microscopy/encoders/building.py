"""Encoders by kind, as a configuration names them."""

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
    """Return the encoder that a table of a configuration describes; an empty one describes wavelets.

    Args:
        document: With a key ``kind``, unless it is empty.
        source: Where it was read, for messages.

    Raises:
        ConfigurationError: There is no such kind, or a field is unknown or impossible.
    """
    encoder: Encoder = ENCODERS.build(document or {"kind": "wavelets"}, source)  # type: ignore[assignment]
    return encoder


def encoder_names(encoders: Sequence[Encoder]) -> tuple[str, ...]:
    """Return a name for each: its kind, and a number from the second of that kind on."""
    names: list[str] = []
    for place, encoder in enumerate(encoders):
        earlier = sum(other.kind == encoder.kind for other in encoders[:place])
        names.append(f"{encoder.kind} {earlier + 1}" if earlier else encoder.kind)
    return tuple(names)
