"""The twin of a piezoresponse force microscope on a ferroelectric film."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.ndimage import map_coordinates
from jax.typing import ArrayLike
from pydantic import Field, model_validator

from nescio.configuration import Real, Whole
from nescio.microscopy.twins.base import Floats, Twin, TwinSettings, grid_positions
from nescio.microscopy.twins.landau import Film, relax
from nescio.microscopy.twins.switching import (
    Surroundings,
    Tip,
    blurred,
    hysteresis_loop,
    surroundings,
    triangular_bias,
)

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr

__all__ = ["FerroelectricSettings", "FerroelectricTwin", "Sample", "grown_film"]


_RELAXATION_STEPS = 250
# Lengths of the disorder and of the domains from which a film starts, in pixels.
_POINT_DEFECTS, _SLOW_FIELD, _BARRIER, _IN_PLANE_NUCLEI, _OUT_OF_PLANE_NUCLEI = 3.0, 20.0, 3.0, 4.0, 9.0
_NUCLEUS_ABOVE = 1.4
"""In standard deviations of a random field: how rare nuclei of in-plane domains are."""
_FIELD_OF_DEFECTS, _FIELD_SLOW, _BARRIER_SPREAD = 0.04, 0.02, 0.03
_PROBE_BLUR = 1.5
"""Of the survey's probe, standard deviation in pixels."""
_HEIGHT = 1.5
"""By which a domain in the plane lies lower than one out of it, in nanometre."""
_ROUGHNESS, _ROUGHNESS_LENGTH = 0.15, 9.0
"""Of the film's surface, standard deviation in nanometre, and over how many pixels it is correlated."""

_MARGIN = 8.0
"""Of the grid, in pixels, so that a patch of 16 x 16 around each of its places lies within the image."""

_CHANNELS = {"amplitude": "pm", "phase": "degree", "topography": "nm"}


class FerroelectricSettings(TwinSettings):
    """A film and the microscope on it."""

    kind: Literal["ferroelectric-twin"] = "ferroelectric-twin"
    size: Annotated[Whole, Field(ge=32, le=1024)] = 256
    """Height and width of the image, in pixels."""
    grid: Annotated[Whole, Field(ge=2, le=256)] = 60
    """Rows and columns of places where a loop can be measured."""
    orientation: Annotated[Real, Field(ge=-180.0, le=180.0)] = 35.0
    """From the image's x axis to the crystal's a axis, in degree."""
    largest_bias: Annotated[Real, Field(gt=0.0, le=100.0)] = 10.0
    """Of the triangular waveform, in volt; a domain far from walls switches at 6.5 V right under the tip."""
    bias_steps: Annotated[Whole, Field(ge=8, le=1024, multiple_of=4)] = 64
    """Of one sweep."""
    sweeps: Annotated[Whole, Field(ge=1, le=10)] = 2
    image_noise: Annotated[Real, Field(ge=0.0, le=10.0)] = 0.05
    """Standard deviation of each quadrature of the survey's response, relative to that of a fully polarised domain."""
    spectrum_noise: Annotated[Real, Field(ge=0.0, le=1000.0)] = 1.2
    """Standard deviation of each point of a loop, in picometre; a fully polarised domain responds with 10."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.grid > self.size:
            raise ValueError(f"grid ({self.grid}) must not be finer than the image's pixels ({self.size})")
        return self

    def build(self, folder: Path | None = None) -> FerroelectricTwin:
        """Return the instrument; it needs nothing of the configuration's folder."""
        del folder
        return FerroelectricTwin(self)


class Sample(NamedTuple):
    """A film as it is, seen from above."""

    polarisation: Array
    """Shape (3, height, width): along the crystal's a and b axes, and out of the plane; near 1 in a domain."""
    field: Array
    """Shape (height, width), built-in field out of the plane."""
    barrier: Array
    """Shape (height, width), of switching, around 1."""


@partial(jax.jit, static_argnames="size")
def grown_film(key: Array, film: Film, size: int) -> Sample:
    """Draw a film: random nuclei of domains that relax in a random field.

    Args:
        key: Of the nuclei and the disorder.
        film: Its constants.
        size: Height and width in pixels.
    """
    white = jax.random.normal(key, (8, size, size))
    nuclei = _correlated(white[:2], _IN_PLANE_NUCLEI)
    strongest = jnp.abs(nuclei) >= jnp.abs(nuclei[::-1])
    in_plane = jnp.where((jnp.abs(nuclei) > _NUCLEUS_ABOVE) & strongest, jnp.sign(nuclei), 0.0)
    out_of_plane = jnp.tanh(2.0 * _correlated(white[2], _OUT_OF_PLANE_NUCLEI))
    out_of_plane = out_of_plane * (jnp.abs(in_plane).sum(axis=0) == 0.0)
    slow = _FIELD_SLOW * _correlated(white[3], _SLOW_FIELD)
    field = _FIELD_OF_DEFECTS * _correlated(white[4:7], _POINT_DEFECTS)
    field = field.at[2].add(slow)
    start = jnp.concatenate([in_plane, out_of_plane[None]])
    barrier = 1.0 + _BARRIER_SPREAD * _correlated(white[7], _BARRIER)
    polarisation: Array = relax(start, field, film, _RELAXATION_STEPS)
    return Sample(polarisation, slow, barrier)


class FerroelectricTwin(Twin):
    """A piezoresponse force microscope on a tetragonal film with c+, c- and in-plane domains.

    The survey is an image of the vertical response (amplitude and phase) and of the surface (topography); a spectrum is
    the piezoresponse during sweeps of the tip's bias. See the explanation of twins for what is modelled and what not.
    """

    settings: FerroelectricSettings

    def __init__(self, settings: FerroelectricSettings) -> None:
        """Grow the film that the settings' seed stands for.

        Raises:
            RefusedPositionError: A position that is to be refused is outside the image.
        """
        shape = (settings.size, settings.size)
        positions = grid_positions(shape, (settings.grid, settings.grid), min(_MARGIN, settings.size / 8))
        super().__init__(settings, "ferroelectric twin", shape, positions)
        self._film = Film(angle=jnp.deg2rad(settings.orientation))
        self._tip = Tip()
        self._sample: Sample = grown_film(self.sample_key(), self._film, settings.size)

    @property
    def sample(self) -> Sample:
        """The film as it is, which no real microscope would show."""
        return self._sample

    @property
    def surroundings(self) -> Surroundings:
        """What the tip has around it at every pixel, each of shape (height, width)."""
        sample = self._sample
        around: Surroundings = surroundings(
            sample.polarisation, sample.field, sample.barrier, self._tip.reach
        )
        return around

    def survey(self) -> xr.Dataset:
        """Return the image, channels amplitude (pm), phase (degree) and topography (nm), and the grid of loops."""
        import xarray as xr

        image = np.asarray(
            _image(self._sample, self._tip.sensitivity, self.settings.image_noise, self.image_key()), float
        )
        axis = np.arange(self.settings.size, dtype=float)
        return xr.Dataset(
            {
                "image": (("channel", "y", "x"), image),
                "position": (("candidate", "coordinate"), self.positions.copy()),
            },
            coords={
                "channel": list(_CHANNELS),
                "channel_units": ("channel", list(_CHANNELS.values())),
                "y": ("y", axis, {"units": "pixel"}),
                "x": ("x", axis, {"units": "pixel"}),
                "coordinate": ["y", "x"],
            },
        )

    def _clean(self, places: Floats) -> Floats:
        bias = jnp.asarray(self._bias, jnp.float32)
        coordinates = jnp.asarray(places, jnp.float32)
        return np.asarray(
            _loops(coordinates, bias, self.surroundings, self._tip, self.settings.sweeps), float
        )

    def _noisy(self, clean: Floats, key: jax.Array) -> Floats:
        noise = np.asarray(jax.random.normal(key, clean.shape), float)
        noisy: Floats = clean + self.settings.spectrum_noise * noise
        return noisy

    def _labelled(self, values: Floats, leading: tuple[str, ...] = ()) -> xr.DataArray:
        import xarray as xr

        return xr.DataArray(
            values,
            dims=(*leading, "sweep", "bias"),
            coords={"bias": ("bias", self._bias, {"units": "V", "long_name": "tip bias"})},
            name="piezoresponse",
            attrs={"units": "pm", "long_name": "piezoresponse"},
        )

    @property
    def _bias(self) -> Floats:
        return triangular_bias(self.settings.largest_bias, self.settings.bias_steps)


@jax.jit
def _image(sample: Sample, sensitivity: ArrayLike, relative_noise: ArrayLike, key: Array) -> Array:
    """Return amplitude, phase and topography, shape (3, height, width)."""
    x, y, z = sample.polarisation
    in_phase, in_quadrature, rough, vertical = jax.random.normal(key, (4, *z.shape))
    real = blurred(z, _PROBE_BLUR) + relative_noise * in_phase
    imaginary = relative_noise * in_quadrature
    amplitude = sensitivity * jnp.hypot(real, imaginary)
    # From -90 to 270, so that neither of the two phases there are lies at the edge and is torn apart by noise.
    phase = (jnp.rad2deg(jnp.arctan2(imaginary, real)) + 90.0) % 360.0 - 90.0
    in_plane = (x**2 + y**2) / (x**2 + y**2 + z**2 + 0.1)
    height = _ROUGHNESS * _correlated(rough, _ROUGHNESS_LENGTH) - _HEIGHT * blurred(in_plane, _PROBE_BLUR)
    height += relative_noise * _HEIGHT * vertical
    return jnp.stack([amplitude, phase, height])


@partial(jax.jit, static_argnames="sweeps")
def _loops(places: Array, bias: Array, around: Surroundings, tip: Tip, sweeps: int) -> Array:
    """Return the loops at places (n, 2), shape (n, sweeps, steps), in picometre."""
    coordinates = list(places.T)
    here = jax.vmap(lambda part: map_coordinates(part, coordinates, 1, "wrap"))(jnp.stack(around))
    loops: Array = jax.vmap(hysteresis_loop, (None, 0, None, None))(bias, Surroundings(*here), tip, sweeps)
    return loops


def _correlated(white: Array, width: float) -> Array:
    """Return white noise (..., height, width) as a periodic field of the same spread, correlated over some pixels."""
    # At every pixel alike: the sum of squares of a Gaussian filter's weights.
    field: Array = blurred(white, width) * (2.0 * np.sqrt(np.pi) * width)
    return field
