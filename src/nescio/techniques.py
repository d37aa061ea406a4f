"""What a measuring technique must provide, and how an installed one is found.

The hall (:mod:`nescio.learn`, :mod:`nescio.view`) speaks to techniques only through these protocols, so that
a further technique is one new package that registers a :class:`Technique` under the entry point group
``nescio.techniques``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

from nescio.errors import ConfigurationError

if TYPE_CHECKING:
    import jax
    import numpy as np
    import xarray as xr
    from numpy.typing import NDArray

__all__ = [
    "AnyPrior",
    "Batch",
    "NumberPrior",
    "NumberSampler",
    "Prior",
    "Quantity",
    "Structure",
    "Technique",
    "available_techniques",
    "find_technique",
    "sample",
]


class Batch(NamedTuple):
    """Labelled draws from a prior."""

    signals: jax.Array
    """Shape (n, points), each scaled to the range 0 to 1."""
    labels: jax.Array
    """Shape (n,), integer index into the prior's ``labels``."""
    conditions: jax.Array
    """Shape (n, conditions), what is known beside the signal (composition); may have no columns."""


@runtime_checkable
class Prior(Protocol):
    """A physical forward model with distributions over its nuisance parameters."""

    @property
    def technique(self) -> str:
        """Name under which the technique is registered."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes, in the order of `Batch.labels`."""

    @property
    def axis(self) -> xr.DataArray:
        """The grid of a signal, shape (points,), one-dimensional with name, `units` and `long_name`."""

    @property
    def condition_names(self) -> tuple[str, ...]:
        """What the columns of `Batch.conditions` are (element symbols); may be empty."""

    def sample_ideal(self, key: jax.Array, n: int) -> Batch:
        """Draw `n` labelled signals before anything was measured, without noise or background, scaled to 0-1.

        Classes come in equal shares. Pure; compiles under `jax.jit` (`n` static).
        """

    def disturb(self, key: jax.Array, signals: jax.Array) -> jax.Array:
        """Add to ideal signals (n, points) what measuring adds to each, and scale them to 0-1 again.

        Apart from `sample_ideal` so that mixtures and the like are measured once and not twice. Pure, as well.
        """

    def to_document(self) -> dict[str, Any]:
        """Return all that is needed to build the same prior again, as JSON-compatible values."""


class Quantity(NamedTuple):
    """A number that is to be told of every measurement."""

    name: str
    units: str
    """1 for what has none."""
    long_name: str


class Structure(NamedTuple):
    """Atoms that may be what was measured."""

    name: str
    positions: NDArray[np.float64]
    """In angstrom, shape (atoms, 3)."""


NumberSampler: TypeAlias = "Callable[[jax.Array, int, jax.Array], tuple[jax.Array, jax.Array]]"
"""(key, n, member) -> signals (n, points) as they are measured and their numbers (n, quantities); pure. The members of
an ensemble may have draws of their own, as from a bootstrap of what is drawn from."""


@runtime_checkable
class NumberPrior(Protocol):
    """A physical forward model whose samples are told apart by numbers rather than by class."""

    @property
    def technique(self) -> str:
        """Name under which the technique is registered."""

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """What the columns of the numbers are."""

    @property
    def axis(self) -> xr.DataArray:
        """The grid of a signal, shape (points,), one-dimensional with name, `units` and `long_name`."""

    def sampler(self, members: int = 0, seed: int = 0) -> NumberSampler:
        """Return what draws signals with their numbers: from all that is known, or for each member from a bootstrap."""

    def structures(self, low: NDArray[np.float64], high: NDArray[np.float64]) -> tuple[Structure, ...]:
        """Return all structures known to the prior whose numbers lie in intervals, shape (quantities,) each.

        Empty where no structures are known, or none fits.
        """

    def to_document(self) -> dict[str, Any]:
        """Return all that is needed to build the same prior again, as JSON-compatible values."""


AnyPrior: TypeAlias = Prior | NumberPrior


class Technique(Protocol):
    """The one protocol through which the hall reads, prepares and explains measurements."""

    @property
    def name(self) -> str:
        """Short name, as in configuration files."""

    def load_prior(self, path: Path) -> AnyPrior:
        """Read a prior from its TOML file."""

    def prior_from_document(self, document: Mapping[str, Any]) -> AnyPrior:
        """Build a prior from what `Prior.to_document` returned."""

    def read(self, path: Path, **options: Any) -> xr.Dataset:
        """Read one file of measurements into the form that `nescio.signals` describes."""

    def prepare(self, measured: xr.Dataset, prior: AnyPrior, **options: Any) -> xr.Dataset:
        """Bring measurements onto the prior's grid and scale (`nescio.signals`: prepared)."""

    def file_patterns(self) -> Sequence[str]:
        """Glob patterns of the files that `read` understands, such as ``*.xy``."""


def sample(prior: Prior, key: jax.Array, n: int) -> tuple[Batch, jax.Array]:
    """Draw `n` labelled signals as they are measured, and what they were before, shape (n, points); pure."""
    import jax

    ideal_key, disturb_key = jax.random.split(key)
    ideal = prior.sample_ideal(ideal_key, n)
    return ideal._replace(signals=prior.disturb(disturb_key, ideal.signals)), ideal.signals


def available_techniques() -> tuple[str, ...]:
    """Return the names of all installed techniques, sorted."""
    return tuple(sorted(point.name for point in entry_points(group="nescio.techniques")))


def find_technique(name: str) -> Technique:
    """Return the technique registered under `name`.

    Raises:
        ConfigurationError: No installed package registers that name.
    """
    for point in entry_points(group="nescio.techniques"):
        if point.name == name:
            technique: Technique = point.load()()
            return technique
    known = ", ".join(available_techniques()) or "none"
    raise ConfigurationError(f"technique {name!r} is not installed (installed: {known})")
