"""Candidate phases as arrays of equal shapes; a coefficient is about the height of the strongest peak."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from nescio.xrd.pattern import Crystal, PatternParameters, bragg_peaks
from nescio.xrd.radiation import Radiation
from nescio.xrd.reflections import Reflections, round_up

__all__ = ["Candidates", "background_columns"]

Floats = NDArray[np.float64]

# Reflections weaker than this share of the strongest are left out.
_WEAK = 2e-4
# No more reflections than this, the strongest; they come first.
_MOST = 256
_ROWS = (16, 64, 256)
_COLUMNS = (4, 12, 24)
# Texture axes are chosen among this many planes of low indices.
_MOST_AXES = 6
# Width in degree of the peaks whose strongest has the height 1.
_REFERENCE_FWHM = 0.1
# A column of the background that differs from the others by less than this share says nothing new.
_DEPENDENT = 1e-5
# Reflections this far outside of the range, in degree, may move into it.
_MARGIN = 2.0


_peaks = jax.jit(
    lambda crystal, parameters, radiation, polarisation: bragg_peaks(
        crystal, parameters, radiation, polarisation, 1e6
    ),
    static_argnums=(2, 3),
)


@dataclass(frozen=True, eq=False)
class Candidates:
    """Phases among which a pattern's are searched.

    Build with :meth:`of`.
    """

    labels: tuple[str, ...]
    reflections: tuple[Reflections, ...]
    """Of each phase, those that are strong enough and in the range."""
    scales: Floats
    """Shape (phases,): the factor by which strengths were divided."""
    crystals: tuple[Crystal, ...]

    @classmethod
    def of(
        cls,
        labels: Sequence[str],
        reflections: Sequence[Reflections],
        two_theta: tuple[float, float],
        radiation: Radiation,
        polarisation: float,
    ) -> Candidates:
        """Prepare candidates.

        Args:
            labels: Names of the phases.
            reflections: Reflections of each, to well beyond the range.
            two_theta: The range in degree.
            radiation: The beam.
            polarisation: See :func:`nescio.xrd.corrections.lorentz_polarisation`.
        """
        kept, scales, crystals = [], [], []
        parameters = PatternParameters(
            crystallite_size_nm=1e4, caglioti=np.array([0.0, 0.0, _REFERENCE_FWHM**2])
        )
        for one in reflections:
            # Padded, so that candidates share compiled programs.
            rows_padded = 2 ** int(np.ceil(np.log2(max(len(one.d), 1))))
            padded = Crystal.from_reflections(
                one, count=rows_padded, equivalents=round_up(one.equivalents.shape[1], _COLUMNS)
            )
            position, area, _, _ = (
                np.asarray(part)[: len(one.d)] for part in _peaks(padded, parameters, radiation, polarisation)
            )
            seen = (position > two_theta[0]) & (position < two_theta[1])
            strongest = max(float(np.max(area, where=seen, initial=0.0)), 1e-30)
            near = (position > two_theta[0] - _MARGIN) & (position < two_theta[1] + _MARGIN)
            wanted = np.where(near & (area > _WEAK * strongest), area, 0.0)
            rows = np.argsort(-wanted, kind="stable")[: max(min(int((wanted > 0.0).sum()), _MOST), 1)]
            few = replace(
                one,
                miller=one.miller[rows],
                d=one.d[rows],
                multiplicity=one.multiplicity[rows],
                f_squared=one.f_squared[rows],
                equivalents=one.equivalents[rows],
                equivalent_count=one.equivalent_count[rows],
            )
            made = Crystal.from_reflections(few)
            height = strongest / _REFERENCE_FWHM
            kept.append(few)
            scales.append(height)
            crystals.append(replace(made, strength=made.strength / height))
        return cls(tuple(labels), tuple(kept), np.asarray(scales), tuple(crystals))

    @cached_property
    def shape(self) -> tuple[int, int]:
        """The padded numbers of reflections and equivalents that hold all candidates: one for few compiled programs."""
        rows = max(one.equivalents.shape[0] for one in self.crystals)
        columns = max(one.equivalents.shape[1] for one in self.crystals)
        return round_up(rows, _ROWS), round_up(columns, _COLUMNS)

    @cached_property
    def _padded(self) -> Crystal:
        """All candidates, stacked along a leading axis; arrays of NumPy."""
        rows, columns = self.shape

        def padded(crystal: Crystal) -> Crystal:
            found, most = crystal.equivalents.shape[:2]
            more = ((0, rows - found), (0, columns - most))
            table = np.pad(np.asarray(crystal.equivalents), (*more, (0, 0)))
            table[found:, 0] = table[0, 0]
            host = jax.tree.map(np.asarray, crystal)
            weights, strength = np.pad(host.weights, more), np.pad(host.strength, more[0])
            made: Crystal = replace(host, equivalents=table, weights=weights, strength=strength)
            return made

        stacked: Crystal = jax.tree.map(lambda *leaves: np.stack(leaves), *map(padded, self.crystals))
        return stacked

    def stacked(self, sets: Sequence[Sequence[int]]) -> Crystal:
        """Return the phases of sets of equal size, stacked along two leading axes."""
        index = np.asarray(sets)
        taken: Crystal = jax.tree.map(lambda leaf: jnp.asarray(leaf[index]), self._padded)
        return taken

    @cached_property
    def axes(self) -> tuple[NDArray[np.float32], ...]:
        """For each phase, planes of low indices that may be its texture axis, shape (planes, 3)."""
        return tuple(_low_planes(one) for one in self.reflections)

    @cached_property
    def freedom(self) -> NDArray[np.bool_]:
        """Whether each of the six changes of the cell is free, shape (phases, 6)."""
        return np.array(
            [
                np.concatenate(
                    [
                        np.any(np.asarray(one.length_ties) != 0, axis=0),
                        np.any(np.asarray(one.angle_ties) != 0, axis=0),
                    ]
                )
                for one in self.crystals
            ]
        )


def _lowest(plane: NDArray[np.int64]) -> tuple[int, ...]:
    """Return indices without their common factor."""
    return tuple(int(index) for index in plane // max(np.gcd.reduce(np.abs(plane)), 1))


def _low_planes(reflections: Reflections) -> NDArray[np.float32]:
    """Planes with the largest spacings, one for each direction up to symmetry."""
    found: list[tuple[int, ...]] = []
    seen: set[tuple[int, ...]] = set()
    for row in np.argsort(-reflections.d, kind="stable"):
        forms = set(map(_lowest, reflections.equivalents[row, : reflections.equivalent_count[row]]))
        if forms & seen:
            continue
        seen |= forms
        found.append(_lowest(reflections.miller[row]))
        if len(found) == _MOST_AXES:
            break
    return np.asarray(found or [(0, 0, 1)], np.float32)


def background_columns(points: Floats, weights: Floats, terms: int) -> NDArray[np.float32]:
    """Return Chebyshev polynomials and the inverse square of the axis as columns that are orthogonal to one another.

    The columns as they stand depend on one another to single precision; orthogonal ones leave neither the fit nor its
    evidence to rounding.

    Args:
        points: Shape (points,), in degree.
        weights: Shape (points,): one over the variance of each point; zero for points that do not count, where columns
            are zero.
        terms: Number of columns.

    Returns:
        Shape (points, terms), of order one; columns that say nothing new are zero.
    """
    counted = weights > 0.0
    x, root = points[counted], np.sqrt(weights[counted])
    unit = 2.0 * (x - x[0]) / (x[-1] - x[0]) - 1.0
    raw = np.column_stack([np.polynomial.chebyshev.chebvander(unit, terms - 2), (x[0] / x) ** 2])
    directions, sizes, _ = np.linalg.svd(raw * root[:, None], full_matrices=False)
    directions = np.where(sizes > _DEPENDENT * sizes[0], directions, 0.0)
    columns = np.zeros((points.size, terms), np.float32)
    # Fewer points than terms give fewer directions.
    columns[np.ix_(counted, np.arange(sizes.size))] = directions * np.linalg.norm(root) / root[:, None]
    return columns
