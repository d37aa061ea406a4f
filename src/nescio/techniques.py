"""Protocols of measuring techniques, and functions to find installed techniques.

:mod:`nescio.learn` and :mod:`nescio.view` use techniques only through these protocols. A new technique is a package
that registers a :class:`Technique` under the entry point group ``nescio.techniques``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

from nescio.configuration import read_toml
from nescio.errors import ConfigurationError
from nescio.registry import installed_names, installed_part

if TYPE_CHECKING:
    import jax
    import numpy as np
    import xarray as xr
    from numpy.typing import NDArray

__all__ = [
    "Batch",
    "ClassPrior",
    "MakesPriors",
    "NumberPrior",
    "NumberSampler",
    "Prior",
    "Quantity",
    "Structure",
    "Technique",
    "available_techniques",
    "find_technique",
    "read_prior",
    "sample",
]

_GROUP = "nescio.techniques"


class Batch(NamedTuple):
    """Labelled draws from a prior."""

    signals: jax.Array
    """Shape (n, points), each scaled to the range 0 to 1."""
    labels: jax.Array
    """Shape (n,), integer index into the prior's ``labels``."""
    conditions: jax.Array
    """Shape (n, conditions), further known values (composition); may have no columns."""


@runtime_checkable
class Prior(Protocol):
    """A physical forward model with distributions of its nuisance parameters; base protocol of all priors.

    The kind of a prior determines its draws (:class:`ClassPrior`, :class:`NumberPrior`) and its agents: the class
    registered for the kind under the entry point group ``nescio.agents``.
    """

    @property
    def kind(self) -> str:
        """Kind of the agents' answers: ``classes``, ``numbers``, or a kind that a package registers."""

    @property
    def technique(self) -> str:
        """Name under which the technique is registered."""

    @property
    def axis(self) -> xr.DataArray:
        """The grid of a signal, shape (points,), one-dimensional with name, `units` and `long_name`."""

    def to_document(self) -> dict[str, Any]:
        """Return everything needed to rebuild the prior, as JSON-compatible values."""


@runtime_checkable
class ClassPrior(Prior, Protocol):
    """A prior whose signals belong to classes, such as candidate phases; its `kind` is ``classes``."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes, in the order of `Batch.labels`."""

    @property
    def condition_names(self) -> tuple[str, ...]:
        """Names of the columns of `Batch.conditions` (element symbols); may be empty."""

    def sample_ideal(self, key: jax.Array, n: int) -> Batch:
        """Draw `n` labelled ideal signals without noise or background, scaled to 0-1.

        Classes have equal shares. Pure; compiles under `jax.jit` (`n` static).
        """

    def disturb(self, key: jax.Array, signals: jax.Array) -> jax.Array:
        """Add background, noise and the like to ideal signals (n, points), and scale each to 0-1 again; pure.

        Separate from `sample_ideal`, so that a mixture of signals gets the noise of one measurement, not of two.
        """


class Quantity(NamedTuple):
    """A quantity to estimate from each measurement."""

    name: str
    units: str
    """1 for a number without units."""
    long_name: str


class Structure(NamedTuple):
    """Atoms of a known structure, such as a particle."""

    name: str
    positions: NDArray[np.float64]
    """In angstrom, shape (atoms, 3)."""


NumberSampler: TypeAlias = "Callable[[jax.Array, int, jax.Array], tuple[jax.Array, jax.Array]]"
"""(key, n, member) -> measured signals (n, points) and their quantities (n, quantities); pure and hashable.
Each member of an ensemble may draw from its own bootstrap."""


@runtime_checkable
class NumberPrior(Prior, Protocol):
    """A prior whose signals come with numbers, such as coordination numbers; its `kind` is ``numbers``."""

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """Quantities, in the order of the columns."""

    def sampler(self, members: int = 0, seed: int = 0) -> NumberSampler:
        """Return a function that draws signals with their quantities.

        Args:
            members: Number of members that each draw from their own bootstrap; 0 draws from all data.
            seed: Random seed of the bootstraps.
        """

    def structures(self, low: NDArray[np.float64], high: NDArray[np.float64]) -> tuple[Structure, ...]:
        """Return all known structures whose quantities lie within intervals.

        Args:
            low: Lower ends, shape (quantities,).
            high: Upper ends, shape (quantities,).

        Returns:
            The structures; empty if the prior has none or none fits.
        """


class Technique(Protocol):
    """Protocol of a technique: reads and prepares measurements, and makes priors."""

    @property
    def name(self) -> str:
        """Short name, as in configuration files."""

    def load_prior(self, path: Path) -> Prior:
        """Read a prior from its TOML file."""

    def prior_from_document(self, document: Mapping[str, Any]) -> Prior:
        """Rebuild a prior from the result of `Prior.to_document`."""

    def read(self, path: Path, **options: Any) -> xr.Dataset:
        """Read one file of measurements (`nescio.signals`: measured)."""

    def prepare(self, measured: xr.Dataset, prior: Prior, **options: Any) -> xr.Dataset:
        """Interpolate measurements on the prior's grid and scale them (`nescio.signals`: prepared)."""

    def file_patterns(self) -> Sequence[str]:
        """Glob patterns of readable files, such as ``*.xy``."""


@runtime_checkable
class MakesPriors(Protocol):
    """A technique that can make a prior with default distributions from files such as crystal structures."""

    def prior_patterns(self) -> Sequence[str]:
        """Glob patterns of those files, such as ``*.cif``."""

    def prior_from_files(self, paths: Sequence[Path]) -> Prior:
        """Make a prior from files.

        Raises:
            NescioError: A file is not valid.
        """


def read_prior(path: Path) -> tuple[Prior, dict[str, Any]]:
    """Read a prior's TOML file.

    Returns:
        The prior, and the table ``[learn]`` (empty if missing).

    Raises:
        NescioError: The file, a key, or a file named in it is not valid.
    """
    document = read_toml(path)
    technique = document.get("technique")
    if not isinstance(technique, str):
        known = ", ".join(f'"{name}"' for name in available_techniques())
        raise ConfigurationError(f"{path}: needs a key technique, one of {known}")
    table = document.get("learn", {})
    if not isinstance(table, dict):
        raise ConfigurationError(f"{path}: learn must be a table, [learn]")
    return find_technique(technique).load_prior(path), table


def sample(prior: ClassPrior, key: jax.Array, n: int) -> tuple[Batch, jax.Array]:
    """Draw `n` labelled measured signals, and return them with the ideal signals, shape (n, points); pure."""
    import jax

    ideal_key, disturb_key = jax.random.split(key)
    ideal = prior.sample_ideal(ideal_key, n)
    return ideal._replace(signals=prior.disturb(disturb_key, ideal.signals)), ideal.signals


def available_techniques() -> tuple[str, ...]:
    """Return the names of all installed techniques, sorted."""
    return installed_names(_GROUP)


def find_technique(name: str) -> Technique:
    """Return the technique registered under `name`.

    Raises:
        ConfigurationError: No installed package registers that name, or it cannot be imported.
    """
    found = installed_part(_GROUP, name)
    if found is None:
        known = ", ".join(available_techniques()) or "none"
        raise ConfigurationError(f"technique {name!r} is not installed (installed: {known})")
    technique: Technique = found()
    return technique
