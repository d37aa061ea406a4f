"""Self-assembled islands of nanoparticles: positions, sizes and image."""

from __future__ import annotations

from functools import partial
from math import gamma
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from numpy.typing import NDArray

__all__ = ["Particles", "assemble", "fill", "island", "projection", "roughen", "spread_apart", "thickness"]

Floats = NDArray[np.float64]


class Particles(NamedTuple):
    """Superellipsoids |x/a|^n + |y/a|^n + |z/c|^n = 1 in one plane: spheroids for n = 2, rounded cubes for n = 6."""

    positions: Floats
    """Shape (particles, 2), y and x in nm."""
    widths: Floats
    """Shape (particles,), 2a in nm."""
    angles: Floats
    """Shape (particles,), angle from the image's x axis towards y, in radian."""
    aspect: float = 1.0
    """Height over width."""
    exponent: float = 6.0

    @property
    def volumes(self) -> Floats:
        """Volumes in nm^3, shape (particles,)."""
        n = self.exponent
        return self.widths**3 * self.aspect * gamma(1.0 + 1.0 / n) ** 3 / gamma(1.0 + 3.0 / n)

    @property
    def radii(self) -> Floats:
        """Radii in nm of spheres of equal volume, shape (particles,)."""
        return np.cbrt(0.75 / np.pi * self.volumes)


def thickness(places: ArrayLike, particles: Particles) -> Array:
    """Return the path length in each particle of a beam along z, in nm.

    Args:
        places: Positions of the beam, shape (..., 2), y and x in nm.
        particles: The particles.

    Returns:
        Path lengths, shape (..., particles).
    """
    dy, dx = jnp.moveaxis(jnp.asarray(places)[..., None, :] - jnp.asarray(particles.positions), -1, 0)
    cosine, sine = jnp.cos(jnp.asarray(particles.angles)), jnp.sin(jnp.asarray(particles.angles))
    width = jnp.asarray(particles.widths)
    across = 2.0 * jnp.abs(cosine * dx + sine * dy) / width
    along = 2.0 * jnp.abs(cosine * dy - sine * dx) / width
    n = particles.exponent
    # Clip distances, since powers of large ones overflow.
    left = jnp.maximum(1.0 - jnp.minimum(across, 2.0) ** n - jnp.minimum(along, 2.0) ** n, 0.0)
    return width * particles.aspect * jnp.power(left, 1.0 / n)


@partial(jax.jit, static_argnums=0)
def projection(shape: tuple[int, int], particles: Particles) -> Array:
    """Return the total thickness of all particles in each pixel of 1 nm, shape (height, width), in nm."""
    y, x = jnp.meshgrid(*(jnp.arange(length, dtype=jnp.float32) for length in shape), indexing="ij")
    rows = jnp.stack([y, x], axis=-1)
    total: Array = jax.lax.map(lambda row: thickness(row, particles).sum(axis=-1), rows, batch_size=8)
    return total


def island(rows: int, columns: int, pitch: float, centre: tuple[float, float], angle: float = 0.0) -> Floats:
    """Return the sites of a rectangular piece of a square lattice.

    Args:
        rows: Number of sites along y.
        columns: Number of sites along x.
        pitch: Distance of neighbours in nm.
        centre: Centre (y, x) in nm.
        angle: Angle from x towards y, in radian.

    Returns:
        Sites, shape (rows * columns, 2), y and x in nm, row by row.
    """
    j, i = np.meshgrid(
        np.arange(rows) - 0.5 * (rows - 1), np.arange(columns) - 0.5 * (columns - 1), indexing="ij"
    )
    cosine, sine = np.cos(angle), np.sin(angle)
    sites = np.stack([cosine * j + sine * i, cosine * i - sine * j], axis=-1)
    placed: Floats = pitch * sites.reshape(-1, 2) + np.asarray(centre)
    return placed


def assemble(
    random: np.random.Generator, size: float, pitch: float, islands: int, strays: int
) -> tuple[Floats, Floats]:
    """Return the sites of islands and of single particles between them.

    Islands are rectangles; every second one lacks a quarter, to have convex and concave corners. They keep a distance
    from each other and from the edges of the image. If there is no more room, there are fewer islands.

    Args:
        random: Random generator.
        size: Size of the image in nm.
        pitch: Distance of neighbours in nm.
        islands: Number of islands.
        strays: Number of single particles.

    Returns:
        Sites, shape (n, 2), y and x in nm; and the angle of the lattice at each site in radian, shape (n,).
    """
    sites, angles = np.zeros((0, 2)), np.zeros(0)
    # Largest island for which all islands and the space between them fit into the image.
    widest = max(int(1.35 * size / (pitch * np.sqrt(max(islands, 1)))) - 2, 2)
    for index in range(islands):
        for attempt in range(_ATTEMPTS):
            # Try smaller islands after each failed attempt.
            most = max(round(widest * (1.0 - 0.7 * attempt / _ATTEMPTS)), 2)
            rows, columns = random.integers(max(2, round(0.65 * most)), most + 1, size=2)
            angle = random.uniform(-0.35, 0.35)
            centre = random.uniform(0.0, size, size=2)
            found = island(rows, columns, pitch, (centre[0], centre[1]), angle)
            if index % 2:
                j, i = np.divmod(np.arange(rows * columns), columns)
                found = found[(j < rows // 2) | (i < columns // 2)]
            if _has_room(found, sites, size, pitch, 2.5 * pitch):
                sites = np.concatenate([sites, found])
                angles = np.concatenate([angles, np.full(len(found), angle)])
                break
    for _ in range(strays):
        for _ in range(_ATTEMPTS):
            found = random.uniform(0.0, size, size=(1, 2))
            if _has_room(found, sites, size, pitch, 1.6 * pitch):
                sites = np.concatenate([sites, found])
                angles = np.append(angles, random.uniform(-0.25 * np.pi, 0.25 * np.pi))
                break
    return sites, angles


_ATTEMPTS = 300


def _has_room(found: Floats, sites: Floats, size: float, margin: float, distance: float) -> bool:
    if found.min() < margin or found.max() > size - 1.0 - margin:
        return False
    squares = ((found[:, None] - sites) ** 2).sum(axis=-1)
    return bool((squares >= distance**2).all())


def roughen(
    random: np.random.Generator,
    sites: Floats,
    width: float,
    spread: float,
    shift: float,
    vacancies: float,
    gap: float,
) -> tuple[NDArray[np.intp], Floats, Floats]:
    """Add vacancies and variations of position and width to perfect islands.

    Args:
        random: Random generator.
        sites: Sites in nm, shape (n, 2).
        width: Mean width of particles in nm.
        spread: Relative standard deviation of the width.
        shift: Standard deviation of the displacement along y and x, in nm.
        vacancies: Share of empty sites.
        gap: Smallest gap between particles in nm.

    Returns:
        Indices of occupied sites (m,), and positions (m, 2) and widths (m,) of their particles.
    """
    taken = np.flatnonzero(random.uniform(size=len(sites)) >= vacancies)
    widths = width * (1.0 + spread * np.clip(random.standard_normal(len(taken)), -2.5, 2.5))
    positions = sites[taken] + shift * np.clip(random.standard_normal((len(taken), 2)), -2.5, 2.5)
    return taken, spread_apart(positions, widths, gap), widths


def spread_apart(positions: Floats, widths: Floats, gap: float) -> Floats:
    """Return positions moved apart until all particles have a minimum gap, as ligands do."""
    least = 0.5 * (widths[:, None] + widths) + gap
    moved = positions.copy()
    for _ in range(_ROUNDS):
        delta = moved[:, None] - moved
        distance = np.sqrt((delta**2).sum(axis=-1))
        np.fill_diagonal(distance, np.inf)
        lacking = np.maximum(least - distance, 0.0)
        if lacking.max(initial=0.0) < 1e-3:
            break
        moved += 0.5 * ((lacking / distance)[..., None] * delta).sum(axis=1)
    return moved


_ROUNDS = 200


def fill(particles: Particles, multiple: int) -> Particles:
    """Pad particles to a multiple of a number with distant ones of zero size, to limit the number of array shapes."""
    missing = -len(particles.widths) % multiple
    away = -1e4 * (1.0 + np.arange(missing))[:, None] * np.ones(2)
    return particles._replace(
        positions=np.concatenate([particles.positions, away]),
        widths=np.append(particles.widths, np.zeros(missing)),
        angles=np.append(particles.angles, np.zeros(missing)),
    )
