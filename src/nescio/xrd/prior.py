"""The diffraction prior: known phases, and distributions of all other parameters of a pattern."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import Array

from nescio.configuration import read_toml, validated
from nescio.display import key_figures
from nescio.errors import ConfigurationError, NescioError
from nescio.signals import CLASSES
from nescio.techniques import Batch, sample
from nescio.xrd.crystal import Structure, make_structure, read_structure, structure_from_document
from nescio.xrd.disturbances import (
    gaussian_noise,
    gaussian_peaks,
    normalise,
    poisson_noise,
    smooth_background,
)
from nescio.xrd.pattern import Crystal, Diffractometer, PatternParameters, powder_pattern
from nescio.xrd.peaks import nodes_for
from nescio.xrd.reflections import compute_reflections, round_up
from nescio.xrd.settings import PhaseSettings, PriorSettings
from nescio.xrd.widths import width_range

__all__ = ["Prior"]

# Reflections and their equivalents are padded to these sizes, so that similar phases share one compiled program.
_REFLECTION_SIZES = (8, 32, 128, 512, 2048, 8192, 65536)
_EQUIVALENT_SIZES = (4, 12, 24)
# Beyond the end of the range, in degree: reflections whose tails still extend into it.
_TAIL_DEGREE = 4.0
# Number of patterns computed together: their Fourier transforms fit into a processor's cache.
_SIDE_BY_SIDE = 16
_LONGEST_NAME = 80
_SUFFIX = re.compile(r"(?<=\.)[A-Za-z]+$")


@dataclass(frozen=True)
class _Group:
    """Phases of similar size, with their arrays stacked along a leading axis."""

    phases: tuple[int, ...]
    crystals: Crystal
    axes: Array
    """Shape (phases, choices, 3): candidate plane normals for the texture axis."""
    axis_counts: Array
    """Shape (phases,)."""


@dataclass(frozen=True, eq=False)
class Prior:
    """Distribution of diffraction patterns of known phases (:class:`nescio.techniques.ClassPrior`).

    Build a prior with :meth:`from_file` or :meth:`from_settings`, or from settings and structures.
    """

    settings: PriorSettings
    structures: tuple[Structure, ...]
    left_out: tuple[str, ...] = ()
    """Notes on files that matched a pattern and could not be used."""

    def __post_init__(self) -> None:
        # Computed here, so that an unusable phase raises an error now and not inside a compiled function.
        _ = self.instrument, self._groups

    @classmethod
    def from_file(cls, path: str | Path) -> Prior:
        """Read a prior from its TOML file; paths of CIFs are relative to it, and a ``[learn]`` table is ignored.

        Raises:
            NescioError: The file, a key in it, or a CIF is invalid.
        """
        path = Path(path)
        document = {key: value for key, value in read_toml(path).items() if key != "learn"}
        return cls.from_settings(validated(PriorSettings, document, str(path)), path.parent, source=str(path))

    @classmethod
    def from_settings(
        cls, settings: PriorSettings, folder: Path | None = None, *, source: str = "settings"
    ) -> Prior:
        """Build a prior from settings; paths of CIFs are relative to `folder`.

        A CIF that matches a pattern in `cifs` and cannot be used is skipped, with a note. An unusable CIF of a named
        phase is an error.
        """
        folder = folder or Path()
        settings, named = _with_cifs(settings, folder, source), len(settings.phases)
        found: list[tuple[PhaseSettings, Structure]] = []
        errors: list[NescioError] = []
        for number, phase in enumerate(settings.phases):
            try:
                found.append((phase, _load_structure(phase, folder, source)))
            except NescioError as error:
                if number < named:
                    raise
                errors.append(error)
        if not found:
            raise errors[0]
        phases, structures = zip(*found, strict=True)
        settings = settings.model_copy(update={"phases": phases})
        return cls(settings, structures, tuple(f"left out: {error}" for error in errors))

    @classmethod
    def from_cifs(cls, paths: Sequence[str | Path], **settings: Any) -> Prior:
        """Build a prior from CIFs, with phases named after their files; `settings` as in the TOML file."""
        phases = [{"name": Path(path).stem, "cif": str(path)} for path in paths]
        return cls.from_settings(validated(PriorSettings, {"phases": phases, **settings}, "settings"))

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Prior:
        """Build a prior from what :meth:`to_document` returned."""
        if set(document) - {"left_out"} != {"settings", "structures"}:
            raise ConfigurationError("prior document: must have exactly the keys settings and structures")
        settings = validated(PriorSettings, document["settings"], "prior document")
        entries = document["structures"]
        if not isinstance(entries, list | tuple):
            raise ConfigurationError("prior document: structures must be a list")
        structures = tuple(structure_from_document(entry) for entry in entries)
        if len(structures) != len(settings.phases):
            raise ConfigurationError(
                f"prior document: {len(settings.phases)} phases but {len(structures)} structures"
            )
        return cls(settings, structures, tuple(map(str, document.get("left_out", ()))))

    def to_document(self) -> dict[str, Any]:
        """Return settings and structures as JSON-compatible values."""
        document = {
            "settings": self.settings.model_dump(mode="json"),
            "structures": [structure.to_document() for structure in self.structures],
        }
        return {**document, "left_out": list(self.left_out)} if self.left_out else document

    @property
    def technique(self) -> str:
        """Name of the technique."""
        return "xrd"

    @property
    def kind(self) -> str:
        """Kind of the agents trained on this prior."""
        return CLASSES

    def _repr_html_(self) -> str:
        axis = self.axis
        return key_figures(
            "Prior of diffraction patterns",
            {
                "phases": ", ".join(self.labels),
                "axis": f"{axis.values[0]:g} to {axis.values[-1]:g} {axis.attrs['units']}, {axis.size} points",
                "wavelength": f"{self.wavelength:.5g} angstrom",
                "notes": len(self.notes) or "none",
            },
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on how the phases were read, one sentence each."""
        return (*(note for structure in self.structures for note in structure.notes), *self.left_out)

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the phases."""
        return tuple(phase.name for phase in self.settings.phases)

    @cached_property
    def condition_names(self) -> tuple[str, ...]:
        """Elements whose fractions the agent uses; empty if the phases have no compositions."""
        return tuple(sorted({e for phase in self.settings.phases for e in phase.composition or {}}))

    @property
    def wavelength(self) -> float:
        """Wavelength of the strongest line in angstrom."""
        return self.settings.radiation.radiation.wavelength

    @cached_property
    def axis(self) -> xr.DataArray:
        """The grid, shape (points,), in degree of two-theta or 1/angstrom."""
        axis = self.settings.axis
        values = np.linspace(axis.start, axis.stop, axis.points)
        attributes = (
            {"units": "degree", "long_name": "two-theta"}
            if axis.kind == "two_theta"
            else {"units": "1/angstrom", "long_name": "momentum transfer q"}
        )
        attributes["wavelength_angstrom"] = self.wavelength  # type: ignore[assignment]
        return xr.DataArray(
            values, dims=axis.kind, coords={axis.kind: values}, name=axis.kind, attrs=attributes
        )

    @cached_property
    def two_theta(self) -> np.ndarray:
        """The grid as diffraction angle in degree, shape (points,)."""
        values = np.asarray(self.axis.values)
        if self.settings.axis.kind == "two_theta":
            return values
        return np.degrees(2.0 * np.arcsin(values * self.wavelength / (4.0 * np.pi)))

    @cached_property
    def instrument(self) -> Diffractometer:
        """Diffractometer described by the settings."""
        s = self.settings
        widths = width_range(s, self.wavelength, self.two_theta)
        return Diffractometer(
            self.two_theta,
            s.radiation.radiation,
            polarisation=s.radiation.polarisation_factor,
            radius_mm=s.instrument.radius_mm,
            narrowest_fwhm=widths.narrowest,
            nodes=nodes_for(widths.ratio),
        )

    def sample(self, key: Array, n: int) -> Batch:
        """Draw `n` labelled patterns with background and noise: :meth:`sample_ideal`, then :meth:`disturb`.

        Args:
            key: Random key.
            n: Number of patterns; static under `jax.jit`.

        Returns:
            Signals of shape (n, points), scaled to 0-1; labels (n,); compositions (n, elements), possibly without
            columns. If `n` is not a multiple of the number of phases, random phases get one pattern less.
        """
        return sample(self, key, n)[0]

    def disturb(self, key: Array, signals: Array) -> Array:
        """Add background, impurities and noise to patterns (n, points) whose highest peaks are 1."""
        keys = jax.random.split(key, signals.shape[0])
        return jax.vmap(lambda key, pattern: normalise(self._disturb(key, pattern)))(keys, signals)

    def sample_ideal(self, key: Array, n: int) -> Batch:
        """Draw `n` labelled patterns with Bragg peaks only, in random order, with equal shares of the phases.

        Arguments and returns are those of :meth:`sample`.
        """
        draw, mix = jax.random.split(key)
        each = -(-n // len(self.structures))
        signals, labels, conditions = [], [], []
        for number, group in enumerate(self._groups):
            count = each * len(group.phases)
            which = jnp.repeat(jnp.arange(len(group.phases)), each, total_repeat_length=count)
            phase = jnp.asarray(group.phases)[which]
            pattern_key, composition_key = jax.random.split(jax.random.fold_in(draw, number))
            signals.append(self._draw_patterns(pattern_key, which, group))
            labels.append(phase)
            conditions.append(
                jax.vmap(self._draw_composition)(jax.random.split(composition_key, count), phase)
            )
        order = jax.random.permutation(mix, each * len(self.structures))
        if missing := order.size - n:
            # Of as many different phases one draw is left out: each occupies `each` rows in turn.
            short = jax.random.permutation(jax.random.fold_in(mix, 1), len(self.structures))[:missing]
            order = order[jnp.argsort(jnp.isin(order, each * short))][:n]
        return Batch(*(jnp.concatenate(parts)[order] for parts in (signals, labels, conditions)))

    def sample_phase(self, key: Array, phase: int | str, n: int) -> Array:
        """Draw `n` patterns of one phase, given by name or number, with Bragg peaks only; shape (n, points).

        Raises:
            ConfigurationError: The phase is unknown.
        """
        index = self.labels.index(phase) if phase in self.labels else phase
        if not isinstance(index, int) or not 0 <= index < len(self.labels):
            raise ConfigurationError(f"phase {phase!r} is unknown; known: {', '.join(self.labels)}")
        number = next(number for number, group in enumerate(self._groups) if index in group.phases)
        which = jnp.full(n, self._groups[number].phases.index(index))
        return self._patterns_of_group(key, which, number)

    @cached_property
    def _patterns_of_group(self) -> Callable[[Array, Array, int], Array]:
        """Draw patterns of a group, compiled once for all phases of it."""
        return jax.jit(
            lambda key, which, number: self._draw_patterns(key, which, self._groups[number]),
            static_argnums=2,
        )

    def _draw_patterns(self, key: Array, which: Array, group: _Group) -> Array:
        """Draw a pattern of each of the phases at positions `which` of a group, shape (n, points)."""
        count = which.shape[0]
        keys = jax.random.split(key, count)
        # A remainder would need a second program, which takes as long to compile as the first.
        rounds = max(-(-count // _SIDE_BY_SIDE), 1)
        side_by_side = max(-(-count // rounds), 1)
        if more := rounds * side_by_side - count:
            keys, which = (jnp.concatenate([one, one[:more]]) for one in (keys, which))
        patterns: Array = jax.lax.map(
            lambda one: self._draw(one[0], one[1], group), (keys, which), batch_size=side_by_side
        )
        return patterns[:count]

    def _draw(self, key: Array, which: Array, group: _Group) -> Array:
        """Draw one pattern of the phase at position `which` of a group."""
        crystal = jax.tree.map(lambda leaf: leaf[which], group.crystals)
        parameters = self._draw_parameters(key, group.axes[which], group.axis_counts[which])
        return normalise(powder_pattern(crystal, parameters, self.instrument))

    def _draw_parameters(self, key: Array, axes: Array, count: Array) -> PatternParameters:
        s = self.settings
        keys = iter(jax.random.split(key, 17))
        strain = s.lattice.strain.sample(next(keys))
        march = s.texture.march_coefficient.sample(next(keys))
        textured = jax.random.uniform(next(keys)) >= s.texture.random_share
        chosen = jax.random.randint(next(keys), (), 0, count)
        i = s.instrument
        return PatternParameters(
            length_change=strain + s.lattice.axis_strain.sample(next(keys), (3,)),
            angle_change=s.lattice.angle_change.sample(next(keys), (3,)),
            texture_axis=axes[chosen],
            march_coefficient=jnp.where(textured, march, 1.0),
            crystallite_size_nm=s.broadening.crystallite_size_nm.sample(next(keys)),
            microstrain=s.broadening.microstrain.sample(next(keys)),
            mixing=s.broadening.mixing.sample(next(keys)),
            caglioti=jnp.stack([d.sample(next(keys)) for d in (i.u, i.v, i.w)]),
            lorentzian_xy=jnp.stack([d.sample(next(keys)) for d in (i.x, i.y)]),
            zero_shift=i.zero_shift.sample(next(keys)),
            displacement_mm=i.displacement_mm.sample(next(keys)),
            b_iso=s.broadening.b_iso.sample(next(keys)),
        )

    def _disturb(self, key: Array, pattern: Array) -> Array:
        """Add background, impurities and noise to a pattern whose highest peak is 1."""
        background, impurity, noise = self.settings.background, self.settings.impurity, self.settings.noise
        keys = jax.random.split(key, 8)
        axis = jnp.asarray(self.axis.values, jnp.float32)
        if not (background.polynomial.is_zero and background.inverse.is_zero):
            coefficients = background.polynomial.sample(keys[0], (background.degree + 1,))
            pattern = pattern + smooth_background(axis, coefficients, background.inverse.sample(keys[1]))
        if background.humps:
            shape = (background.humps,)
            pattern = pattern + gaussian_peaks(
                axis,
                background.hump_height.sample(keys[2], shape),
                background.hump_centre.sample(keys[3], shape),
                background.hump_fwhm.sample(keys[4], shape),
            )
        if impurity.peaks:
            shape = (impurity.peaks,)
            height_key, centre_key, width_key = jax.random.split(jax.random.fold_in(key, 0), 3)
            pattern = pattern + gaussian_peaks(
                axis,
                impurity.height.sample(height_key, shape),
                jax.random.uniform(centre_key, shape, minval=axis[0], maxval=axis[-1]),
                impurity.fwhm.sample(width_key, shape),
            )
        if noise.counts is not None:
            pattern = poisson_noise(keys[5], pattern, noise.counts.sample(keys[6]))
        if not noise.gaussian.is_zero:
            noise_key, level_key = jax.random.split(keys[7])
            pattern = gaussian_noise(noise_key, pattern, noise.gaussian.sample(level_key))
        return pattern

    def _draw_composition(self, key: Array, phase: Array) -> Array:
        """Draw fractions of `condition_names` within the phase's ranges; they sum to 1 if the ranges allow it."""
        if not self.condition_names:
            return jnp.zeros((0,), jnp.float32)
        low, high = (jnp.asarray(bound, jnp.float32)[phase] for bound in self._composition_bounds)
        fractions = low + (high - low) * jax.random.uniform(key, low.shape)
        if len(self.condition_names) == 1:
            return fractions
        # All move by the same share of what is left to their upper or lower ends, so that none leaves its range.
        total, most, least = jnp.sum(fractions), jnp.sum(high), jnp.sum(low)
        up = jnp.where(most >= 1.0, (1.0 - total) / jnp.maximum(most - total, 1e-6), 0.0)
        down = (total - 1.0) / jnp.maximum(total - least, 1e-6)
        return jnp.where(
            total < 1.0,
            fractions + jnp.clip(up, 0.0, 1.0) * (high - fractions),
            fractions - jnp.clip(down, 0.0, 1.0) * (fractions - low),
        )

    @cached_property
    def _composition_bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest fractions, each of shape (phases, elements)."""
        bounds = np.zeros((2, len(self.structures), len(self.condition_names)))
        for i, phase in enumerate(self.settings.phases):
            for j, element in enumerate(self.condition_names):
                bounds[:, i, j] = (phase.composition or {}).get(element, (0.0, 0.0))
        return bounds[0], bounds[1]

    @cached_property
    def _groups(self) -> tuple[_Group, ...]:
        """Reflections of the phases, stacked by size."""
        two_theta, wavelength = self.two_theta, self.wavelength
        longest = max(line[0] for line in self.settings.radiation.radiation.lines)
        shortest = min(line[0] for line in self.settings.radiation.radiation.lines)
        strain = self.settings.lattice.strain.high + self.settings.lattice.axis_strain.high
        farthest = np.radians(min(two_theta[-1] + _TAIL_DEGREE, 179.0) / 2.0)
        d_min = shortest / (2.0 * np.sin(farthest)) / (1.0 + max(strain, 0.0))
        d_first = longest / (2.0 * np.sin(np.radians(two_theta[0] / 2.0)))
        d_last = wavelength / (2.0 * np.sin(np.radians(two_theta[-1] / 2.0)))
        tables = []
        for phase, structure in zip(self.settings.phases, self.structures, strict=True):
            try:
                reflections = compute_reflections(
                    structure, wavelength, d_min, anomalous=self.settings.radiation.anomalous
                )
            except NescioError as error:
                raise type(error)(f"phase {phase.name!r}: {error}") from None
            seen = (reflections.d <= d_first) & (reflections.d >= d_last)
            if not seen.any():
                raise ConfigurationError(
                    f"phase {phase.name!r} has no reflection between {two_theta[0]:g} and {two_theta[-1]:g} degree"
                    f" at {wavelength:g} angstrom; widen the axis or remove the phase"
                )
            tables.append((reflections, reflections.miller[seen]))

        sizes: dict[tuple[int, int], list[int]] = {}
        for i, (reflections, _) in enumerate(tables):
            rows, columns = reflections.equivalents.shape[:2]
            size = (round_up(rows, _REFLECTION_SIZES), round_up(columns, _EQUIVALENT_SIZES))
            sizes.setdefault(size, []).append(i)
        groups = []
        for members in sizes.values():
            rows = max(tables[i][0].equivalents.shape[0] for i in members)
            columns = max(tables[i][0].equivalents.shape[1] for i in members)
            crystals = [
                Crystal.from_reflections(tables[i][0], count=rows, equivalents=columns) for i in members
            ]
            choices = [self._texture_axes(tables[i][1]) for i in members]
            axes = np.zeros((len(members), max(map(len, choices)), 3), np.float32)
            for row, choice in zip(axes, choices, strict=True):
                row[: len(choice)] = choice
            groups.append(
                _Group(
                    phases=tuple(members),
                    crystals=jax.tree.map(lambda *leaves: jnp.stack(leaves), *crystals),
                    axes=jnp.asarray(axes),
                    axis_counts=jnp.asarray([len(choice) for choice in choices]),
                )
            )
        return tuple(groups)

    def _texture_axes(self, seen: np.ndarray) -> np.ndarray:
        """Return the candidate plane normals for a phase's texture axis, shape (choices, 3)."""
        axes = self.settings.texture.axes
        return seen if axes == "reflections" else np.asarray(axes, float)


def _with_cifs(settings: PriorSettings, folder: Path, source: str) -> PriorSettings:
    """Return settings with a phase for each file that matches a pattern in `cifs`."""
    if not settings.cifs:
        return settings
    found = []
    for pattern in settings.cifs:
        try:
            # Globs are case-sensitive on some systems; structures/*.cif must also match NI.CIF.
            either = _SUFFIX.sub(
                lambda match: "".join(f"[{c.lower()}{c.upper()}]" for c in match[0]), pattern
            )
            matching = sorted(path for path in folder.glob(either) if path.is_file())
        except (ValueError, NotImplementedError, OSError) as error:
            raise ConfigurationError(
                f"{source}: cifs: {pattern!r} is not a valid file pattern ({error})"
            ) from None
        if not matching:
            raise ConfigurationError(f"{source}: cifs: no file in {folder} matches {pattern!r}")
        found += [
            {"name": path.stem[:_LONGEST_NAME], "cif": str(path.relative_to(folder))} for path in matching
        ]
    document = settings.model_dump(mode="json")
    return validated(PriorSettings, {**document, "cifs": [], "phases": document["phases"] + found}, source)


def _load_structure(phase: PhaseSettings, folder: Path, source: str) -> Structure:
    try:
        if phase.cif is not None:
            file, block = folder / phase.cif, None
            if "#" in phase.cif and not file.exists():
                name, _, block = phase.cif.rpartition("#")
                file = folder / name
            return read_structure(file, name=phase.name, block=block)
        # The settings guarantee that a phase without a CIF is written out in full.
        cell, group = cast("tuple[float, ...]", phase.cell), cast("str | int", phase.space_group)
        made = make_structure(phase.name, cell, group, [site.model_dump() for site in phase.sites])
        return replace(made, notes=tuple(f"{source}: {note}" for note in made.notes))
    except NescioError as error:
        about = "" if repr(phase.name) in str(error) else f"phase {phase.name!r}: "
        raise type(error)(f"{source}: {about}{error}") from None
