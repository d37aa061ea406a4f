"""Encoders by kind, as a configuration names them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nescio.explore import build_one_of
from nescio.microscopy.encoders.base import Encoder, EncoderSettings
from nescio.microscopy.encoders.learned import LearnedSettings
from nescio.microscopy.encoders.linear import PrincipalSettings, RawSettings
from nescio.microscopy.encoders.wavelets import WaveletSettings

__all__ = ["ENCODERS", "build_encoder", "encoder_names"]

ENCODERS: Mapping[str, type[EncoderSettings]] = {
    "wavelets": WaveletSettings,
    "vae": LearnedSettings,
    "pca": PrincipalSettings,
    "raw": RawSettings,
}


def build_encoder(document: Mapping[str, Any], source: str = "encoder") -> Encoder:
    """Return the encoder that a table of a configuration describes; an empty one describes wavelets.

    Args:
        document: With a key ``kind``, unless it is empty.
        source: Where it was read, for messages.

    Raises:
        ConfigurationError: There is no such kind, or a field is unknown or impossible.
    """
    encoder: Encoder = build_one_of(ENCODERS, document or {"kind": "wavelets"}, source)  # type: ignore[assignment]
    return encoder


def encoder_names(encoders: Sequence[Encoder]) -> tuple[str, ...]:
    """Return a name for each: its kind, and a number from the second of that kind on."""
    names: list[str] = []
    for place, encoder in enumerate(encoders):
        earlier = sum(other.kind == encoder.kind for other in encoders[:place])
        names.append(f"{encoder.kind} {earlier + 1}" if earlier else encoder.kind)
    return tuple(names)
