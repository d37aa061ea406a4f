"""Libraries of site spectra: the absorption of atoms in known surroundings. Measured spectra are means over sites."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike, NDArray

from nescio.display import Summarised
from nescio.errors import ConfigurationError, FileError, NescioError
from nescio.files import (
    bundled_file,
    bundled_names,
    file_content,
    npz_arrays,
    read_source,
    save_fields,
    unpacked,
    write_atomically,
)
from nescio.progress import track
from nescio.xas.atoms import Cluster, Surroundings, shells_of, unique_surroundings
from nescio.xas.scattering import Scattering, SiteModel, environment, site_absorption, site_model

__all__ = [
    "SiteLibrary",
    "bundled_library",
    "compute_library",
    "joined",
    "library_of",
    "load_library",
    "save_library",
]

Floats = NDArray[np.float64]

_PACKAGE = "nescio.xas.prior"
# Numbers of atoms are padded to a multiple of this, so that few shapes are compiled.
_STEP = 16
_LARGEST = 2**28


@dataclass(frozen=True, eq=False, repr=False)
class SiteLibrary(Summarised):
    """Spectra of s sites at m energies."""

    element: str
    edge: str
    energy: Floats
    """In eV from the Fermi level, shape (m,)."""
    mu: NDArray[np.float32]
    """Shape (s, m), 1 far above the edge."""
    neighbours: NDArray[np.str_]
    """Elements of the neighbours, shape (e,)."""
    coordination: Floats
    """Neighbours in each shell, shape (s, e shells): all shells of the first element, then of the next."""
    distance: Floats
    """Mean distance of the nearest shell in angstrom, shape (s,); NaN without neighbours."""
    clusters: NDArray[np.str_]
    """Names of the c clusters of the sites, shape (c,)."""
    counts: NDArray[np.intp]
    """Number of atoms of each cluster at each site, shape (s, c)."""
    foil: NDArray[np.float32]
    """Spectrum of the bulk metal, shape (m,)."""
    state: NDArray[np.intp]
    """State of strain and motion of each site, shape (s,): 0, or the index of the joined library."""

    def __len__(self) -> int:
        return len(self.mu)

    @property
    def shells(self) -> int:
        """Number of shells."""
        return int(self.coordination.shape[1] // len(self.neighbours))


def compute_library(
    clusters: Sequence[Cluster],
    scattering: Scattering,
    energy: ArrayLike,
    bulk: Cluster,
    *,
    radius: float,
    limits: ArrayLike,
    sigma2: float = 0.0,
    kept: Path | None = None,
    progress: bool | None = None,
) -> SiteLibrary:
    """Compute the spectra of all unique sites by full multiple scattering.

    Args:
        clusters: Clusters of the scattering elements; the sites are all atoms of the absorbing element.
        scattering: Scattering of the absorber's edge; the potentials after the first are those of the other atoms.
        energy: In eV from the Fermi level, shape (m,).
        bulk: A piece of the bulk metal; its absorbing atom closest to the centre gives the spectrum of the foil.
        radius: Radius of the surroundings, in angstrom.
        limits: Outer limit of each shell of neighbours, in angstrom.
        sigma2: Mean square relative displacement of all neighbours, in angstrom^2.
        kept: A file (.npz) for finished spectra, with which an interrupted call continues; it is removed at the end. A
            file of other inputs is ignored and overwritten.
        progress: Show a progress bar; by default if standard error is a terminal.

    Raises:
        ConfigurationError: A cluster holds an element without a potential, or no absorber, or the computed energies of
            the scattering end too early.
        NescioError: A spectrum cannot be computed.
    """
    element, *others = scattering.elements
    # One potential for each element; the absorber's element has none if no neighbour is of its kind.
    kinds = {symbol: number for number, symbol in reversed(list(enumerate(others, 1)))}
    for cluster in (*clusters, bulk):
        if not set(cluster.elements) <= set(kinds):
            raise ConfigurationError(
                f"{cluster.name}: holds {', '.join(sorted(set(cluster.elements)))}; the scattering is of {element}"
                + (f" among {', '.join(kinds)}" if set(kinds) != {element} else "")
            )
        if element not in cluster.elements:
            raise ConfigurationError(f"{cluster.name}: holds no absorber, {element}")
    wanted = np.asarray(energy, np.float64)
    model = site_model(scattering.on_contour(float(wanted.max())), wanted)
    sites = [
        one
        for one in unique_surroundings(clusters, radius)
        if clusters[one.cluster].elements[one.site] == element
    ]
    away = np.linalg.norm(bulk.positions - bulk.positions.mean(axis=0), axis=1)
    middle = int(np.argmin(np.where(np.array(bulk.elements) == element, away, np.inf)))
    places = [(clusters[one.cluster], one.site) for one in sites] + [(bulk, middle)]
    spectra = np.full((len(places), len(wanted)), np.nan, np.float32)
    identity = _identity(model, places, radius, sigma2)
    done = 0 if kept is None else _resumed(kept, identity, spectra)
    with track("site spectra", len(places) - done, enabled=progress) as advance:
        for row in range(done, len(places)):
            cluster, site = places[row]
            near = int((np.linalg.norm(cluster.positions - cluster.positions[site], axis=1) <= radius).sum())
            filled, index = environment(cluster.positions, site, radius, atoms=-(-near // _STEP) * _STEP)
            potentials = np.array([kinds[cluster.elements[i]] if i >= 0 else -1 for i in index])
            potentials[0] = 0
            spectra[row] = site_absorption(model, jnp.asarray(filled), potentials, sigma2=sigma2)
            if not np.isfinite(spectra[row]).all():
                raise NescioError(
                    f"{cluster.name}, site {site}: multiple scattering did not converge; are atoms too close?"
                )
            if kept is not None:
                _keep(kept, identity, spectra[: row + 1])
            advance(1.0, cluster.name)
    if kept is not None:
        kept.unlink(missing_ok=True)
    neighbours = [symbol for symbol in kinds if any(symbol in cluster.elements for cluster in clusters)]
    counted = [_counted(cluster, limits, neighbours) for cluster in clusters]
    return SiteLibrary(
        element=element,
        edge=scattering.edge,
        energy=wanted,
        mu=spectra[:-1],
        neighbours=np.array(neighbours),
        coordination=np.stack([counted[one.cluster][0][one.site] for one in sites]),
        distance=np.array([counted[one.cluster][1][one.site] for one in sites]),
        clusters=np.array([cluster.name for cluster in clusters]),
        counts=_counts(sites, len(clusters)),
        foil=spectra[-1],
        state=np.zeros(len(sites), np.intp),
    )


def _counted(cluster: Cluster, limits: ArrayLike, neighbours: Sequence[str]) -> tuple[Floats, Floats]:
    """Return the neighbours of each atom, (atoms, e shells), and the mean distance of the nearest shell, (atoms,)."""
    shells = shells_of(cluster, limits)
    there = [shells.elements.index(symbol) if symbol in shells.elements else -1 for symbol in neighbours]
    numbers = np.stack(
        [shells.numbers[:, i] if i >= 0 else np.zeros_like(shells.numbers[:, 0]) for i in there], axis=1
    )
    first = shells.numbers[:, :, 0]
    with np.errstate(invalid="ignore"):
        distance = np.where(first > 0, shells.distances[:, :, 0], 0.0)
        mean = (first * distance).sum(axis=1) / np.where(first.sum(axis=1) > 0, first.sum(axis=1), np.nan)
    return numbers.reshape(len(cluster), -1).astype(np.float64), np.asarray(mean, np.float64)


def _counts(sites: Sequence[Surroundings], clusters: int) -> NDArray[np.intp]:
    table = np.zeros((len(sites), clusters), np.intp)
    for row, one in enumerate(sites):
        for cluster, _ in one.members:
            table[row, cluster] += 1
    return table


def _identity(model: SiteModel, places: Sequence[tuple[Cluster, int]], radius: float, sigma2: float) -> str:
    """Return the SHA-256 of all inputs of the spectra."""
    digest = hashlib.sha256(repr((radius, sigma2, model.channels)).encode())
    for leaf in jax.tree.leaves(model):
        digest.update(np.asarray(leaf).tobytes())
    for cluster, site in places:
        digest.update(repr((site, cluster.elements)).encode() + cluster.positions.tobytes())
    return digest.hexdigest()


def _resumed(kept: Path, identity: str, spectra: NDArray[np.float32]) -> int:
    """Fill in spectra that were computed before, and return their number."""
    if not kept.is_file():
        return 0
    try:
        stored = npz_arrays(read_source(kept, _LARGEST), kinds="fU")
        earlier, whose = stored["spectra"], str(stored["identity"])
    except (FileError, KeyError):
        return 0
    if whose != identity or earlier.shape != (len(earlier), spectra.shape[1]) or len(earlier) > len(spectra):
        return 0
    spectra[: len(earlier)] = earlier
    return len(earlier)


def _keep(file: Path, identity: str, spectra: NDArray[np.float32]) -> None:
    content = io.BytesIO()
    np.savez(content, identity=np.array(identity), spectra=spectra)
    write_atomically(file, content.getvalue())


def bundled_library(element: str, edge: str) -> SiteLibrary:
    """Return a bundled library: Cu at the K edge, or Pt at the L3 edge.

    It has 145 sites of 36 particles with 4 to 309 atoms, strained by -2, 0 and 2 %, and unstrained in three states of
    motion. It was computed by full multiple scattering with :func:`nescio.xas.bulk_scattering`; the benchmark
    ``xas_library.py`` computes it again.

    Raises:
        ConfigurationError: There is none for this element and edge.
    """
    name = f"{element}_{edge}.npz"
    if name not in bundled_names(_PACKAGE):
        raise ConfigurationError(
            f"no library of {element} at the {edge} edge is bundled (bundled: Cu K, Pt L3)"
        )
    with bundled_file(_PACKAGE, name) as path:
        return load_library(path)


def joined(libraries: Sequence[SiteLibrary]) -> SiteLibrary:
    """Join libraries of the same particles in different states of strain or motion.

    The foil is that of the first library; `SiteLibrary.state` is the index of the library.

    Raises:
        ConfigurationError: The libraries have different particles, energies or edges, or there are none.
    """
    if not libraries:
        raise ConfigurationError("no libraries to join: needs one or more")
    first = libraries[0]
    for other in libraries[1:]:
        if (
            (other.element, other.edge) != (first.element, first.edge)
            or not np.array_equal(other.energy, first.energy)
            or not np.array_equal(other.clusters, first.clusters)
            or not np.array_equal(other.neighbours, first.neighbours)
        ):
            raise ConfigurationError("libraries of different edges, energies or particles cannot be joined")
    return replace(
        first,
        mu=np.concatenate([one.mu for one in libraries]),
        coordination=np.concatenate([one.coordination for one in libraries]),
        distance=np.concatenate([one.distance for one in libraries]),
        counts=np.concatenate([one.counts for one in libraries]),
        state=np.repeat(np.arange(len(libraries)), [len(one) for one in libraries]),
    )


def save_library(library: SiteLibrary, path: str | Path) -> None:
    """Write a library to a file, .npz.

    Raises:
        FileError: The file cannot be written.
    """
    save_fields(library, path)


def load_library(path: str | Path) -> SiteLibrary:
    """Read a file of :func:`save_library`.

    Raises:
        FileError: The file cannot be read, or holds no library.
    """
    return library_of(file_content(Path(path), _LARGEST), Path(path))


def library_of(content: bytes, source: Path) -> SiteLibrary:
    """Return the library in the content of a file.

    Raises:
        FileError: The content is no library.
    """
    arrays = unpacked(SiteLibrary, content, source, "library of sites")
    count, energies = len(np.atleast_1d(arrays["distance"])), len(np.atleast_1d(arrays["energy"]))
    elements, clusters = (len(np.atleast_1d(arrays[name])) for name in ("neighbours", "clusters"))
    shells = arrays["coordination"].shape[-1] if arrays["coordination"].ndim else 0
    shapes = {
        "energy": (energies,),
        "mu": (count, energies),
        "foil": (energies,),
        "neighbours": (elements,),
        "coordination": (count, shells),
        "distance": (count,),
        "clusters": (clusters,),
        "counts": (count, clusters),
        "state": (count,),
    }
    for name, shape in shapes.items():
        kinds = "U" if name in ("neighbours", "clusters") else "iuf"
        if arrays[name].shape != shape or arrays[name].dtype.kind not in kinds:
            raise FileError(f"{source}: holds no library of sites ({name} is damaged)")
        if name in ("energy", "mu", "foil", "coordination") and not np.isfinite(arrays[name]).all():
            raise FileError(f"{source}: holds no library of sites ({name} is not finite everywhere)")
    if energies < 2 or (np.diff(arrays["energy"]) <= 0.0).any():
        raise FileError(f"{source}: holds no library of sites (its energies are not ascending)")
    if not elements or not shells or shells % elements:
        raise FileError(f"{source}: holds no library of sites (coordination numbers do not fit the elements)")
    element, edge = str(arrays.pop("element")), str(arrays.pop("edge"))
    return SiteLibrary(element=element, edge=edge, **arrays)
