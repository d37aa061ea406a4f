"""Diffraction as a technique of Nescio (entry point ``nescio.techniques``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from pathlib import Path
from typing import Any

import xarray as xr

from nescio.errors import ConfigurationError
from nescio.techniques import Prior as AnyPrior
from nescio.xrd.preparation import prepare
from nescio.xrd.prior import Prior
from nescio.xrd.read import FILE_PATTERNS, read_patterns

__all__ = ["XRD"]


def _known(options: dict[str, Any], function: Callable[..., Any]) -> dict[str, Any]:
    """Return options after checking that a function accepts all of them.

    Raises:
        ConfigurationError: An option is unknown, for example one of another technique.
    """
    taken = signature(function).parameters
    if unknown := [name for name in options if name not in taken]:
        raise ConfigurationError(f"{', '.join(unknown)}: no such option for diffraction patterns")
    return options


class XRD:
    """Reads diffraction patterns and builds diffraction priors (:class:`nescio.techniques.Technique`)."""

    name = "xrd"

    def load_prior(self, path: Path) -> Prior:
        """Read a prior from its TOML file."""
        return Prior.from_file(path)

    def prior_from_document(self, document: Mapping[str, Any]) -> Prior:
        """Build a prior from the result of :meth:`nescio.xrd.Prior.to_document`."""
        return Prior.from_document(document)

    def read(self, path: Path, **options: Any) -> xr.Dataset:
        """Read one file; options as in :func:`nescio.xrd.read_patterns`."""
        return read_patterns(path, **_known(options, read_patterns))

    def prepare(self, measured: xr.Dataset, prior: AnyPrior, **options: Any) -> xr.Dataset:
        """Prepare patterns on the prior's grid; options as in :func:`nescio.xrd.prepare`."""
        if not isinstance(prior, Prior):
            raise ConfigurationError(f"a prior of technique 'xrd' is needed, not of {prior.technique!r}")
        known = _known(options, prepare)
        return prepare(measured, axis=prior.axis, wavelength=prior.wavelength, **known)

    def prior_patterns(self) -> Sequence[str]:
        """Glob patterns of crystal structures (:class:`nescio.techniques.MakesPriors`)."""
        return ("*.cif",)

    def prior_from_files(self, paths: Sequence[Path]) -> Prior:
        """Make a prior from CIF files, each a phase with the default distributions."""
        return Prior.from_cifs(paths)

    def file_patterns(self) -> Sequence[str]:
        """Return the glob patterns of readable files."""
        return FILE_PATTERNS
