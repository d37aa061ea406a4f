"""X-ray absorption as one of the techniques that the hall speaks to (entry point ``nescio.techniques``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import xarray as xr

from nescio.configuration import validated
from nescio.errors import ConfigurationError, FileError, MeasurementError
from nescio.techniques import Prior
from nescio.xas.prepare import prepare_spectra
from nescio.xas.prior import CoordinationPrior, NormalisationSettings
from nescio.xas.read import FILE_PATTERNS, one_spectrum, read_spectra, spectra_dataset, spectra_of

__all__ = ["XAS"]


class XAS:
    """Read absorption spectra and build priors for them (:class:`nescio.techniques.Technique`)."""

    name = "xas"

    def load_prior(self, path: Path) -> CoordinationPrior:
        """Read a prior from its TOML file."""
        return CoordinationPrior.from_file(path)

    def prior_from_document(self, document: Mapping[str, Any]) -> CoordinationPrior:
        """Build a prior from the result of :meth:`nescio.xas.CoordinationPrior.to_document`."""
        return CoordinationPrior.from_document(document)

    def read(self, path: Path, **options: Any) -> xr.Dataset:
        """Read one file into a dataset as of :func:`nescio.xas.spectra_dataset`; unusable spectra are left out.

        Args:
            path: The file.
            options: ``columns``, which columns of a text file to use; see :func:`nescio.xas.read_columns`.

        Raises:
            ConfigurationError: An option is unknown or has a wrong form.
            FileError: The file cannot be read.
            MeasurementError: None of its spectra can be used.
        """
        if unknown := set(options) - {"columns"}:
            raise ConfigurationError(f"{', '.join(sorted(unknown))}: no such option for absorption spectra")
        found, left_out = read_spectra(path, columns=options.get("columns"))
        if not found:
            raise MeasurementError(f"{path}: no spectrum can be used; the first: {left_out[0]}")
        if len(found) == 1:
            # Scans of one sample share its name; the file names differ.
            found = [replace(found[0], name=path.stem)]
        return spectra_dataset(found, str(path)).assign_attrs(left_out="; ".join(left_out))

    def prepare(self, measured: xr.Dataset, prior: Prior, **options: Any) -> xr.Dataset:
        """Normalise spectra and interpolate them on the prior's axis.

        Args:
            measured: From :meth:`read`.
            prior: A prior of this technique.
            options: ``foil``, a path (FILE, or FILE#NAME for one spectrum of several); and keys of
                :class:`nescio.xas.NormalisationSettings`, which override those of the prior.

        Raises:
            ConfigurationError: An option is unknown or impossible, or the foil cannot be used.
        """
        if not isinstance(prior, CoordinationPrior):
            raise ConfigurationError(f"a prior of technique 'xas' is needed, not of {prior.technique!r}")
        given = dict(options)
        path = given.pop("foil", None)
        choices = validated(
            NormalisationSettings, prior.normalisation.model_dump() | given, "options of absorption spectra"
        )
        try:
            foil = None if path is None else one_spectrum(path)
        except (FileError, MeasurementError) as error:
            raise ConfigurationError(f"the foil cannot be used: {error}") from None
        return prepare_spectra(spectra_of(measured), prior, foil=foil, choices=choices)

    def file_patterns(self) -> Sequence[str]:
        """Glob patterns of the files that can be read."""
        return FILE_PATTERNS
