"""Twin of a piezoresponse force microscope on a ferroelectric film."""

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
# Correlation lengths of the disorder and of the initial domains, in pixels.
_POINT_DEFECTS, _SLOW_FIELD, _BARRIER, _IN_PLANE_NUCLEI, _OUT_OF_PLANE_NUCLEI = 3.0, 20.0, 3.0, 4.0, 9.0
_NUCLEUS_ABOVE = 1.4
"""Threshold for nuclei of in-plane domains, in standard deviations of a random field."""
_FIELD_OF_DEFECTS, _FIELD_SLOW, _BARRIER_SPREAD = 0.04, 0.02, 0.03
_PROBE_BLUR = 1.5
"""Standard deviation of the probe's blur in the survey, in pixels."""
_HEIGHT = 1.5
"""Height of out-of-plane domains above in-plane domains, in nanometre."""
_ROUGHNESS, _ROUGHNESS_LENGTH = 0.15, 9.0
"""Standard deviation of the surface in nanometre, and its correlation length in pixels."""

_MARGIN = 8.0
"""Margin of the grid in pixels, so that patches of 16 x 16 pixels are inside the image."""

_CHANNELS = {"amplitude": "pm", "phase": "degree", "topography": "nm"}


class FerroelectricSettings(TwinSettings):
    """Settings of the film and the microscope."""

    kind: Literal["ferroelectric-twin"] = "ferroelectric-twin"
    size: Annotated[Whole, Field(ge=32, le=1024)] = 256
    """Height and width of the image, in pixels."""
    grid: Annotated[Whole, Field(ge=2, le=256)] = 60
    """Rows and columns of places where a loop can be measured."""
    orientation: Annotated[Real, Field(ge=-180.0, le=180.0)] = 35.0
    """Angle from the image's x axis to the crystal's a axis, in degree."""
    largest_bias: Annotated[Real, Field(gt=0.0, le=100.0)] = 10.0
    """Amplitude of the triangular waveform in volt; a domain far from walls switches at 6.5 V under the tip."""
    bias_steps: Annotated[Whole, Field(ge=8, le=1024, multiple_of=4)] = 64
    """Number of steps in one sweep."""
    sweeps: Annotated[Whole, Field(ge=1, le=10)] = 2
    image_noise: Annotated[Real, Field(ge=0.0, le=10.0)] = 0.05
    """Standard deviation of each quadrature of the survey's response, relative to a fully polarised domain."""
    spectrum_noise: Annotated[Real, Field(ge=0.0, le=1000.0)] = 1.2
    """Standard deviation of each point of a loop in picometre; the response of a fully polarised domain is 10 pm."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.grid > self.size:
            raise ValueError(
                f"grid ({self.grid}) must not exceed the size of the image in pixels ({self.size})"
            )
        return self

    def build(self, folder: Path | None = None) -> FerroelectricTwin:
        """Return the instrument; `folder` is not used."""
        del folder
        return FerroelectricTwin(self)


class Sample(NamedTuple):
    """The true state of a film, seen from above."""

    polarisation: Array
    """Shape (3, height, width): along the crystal's a and b axes, and out of the plane; near 1 in a domain."""
    field: Array
    """Built-in field out of the plane, shape (height, width)."""
    barrier: Array
    """Switching barrier, around 1, shape (height, width)."""


@partial(jax.jit, static_argnames="size")
def grown_film(key: Array, film: Film, size: int) -> Sample:
    """Grow a film: random nuclei of domains relax in a random field.

    Args:
        key: Random key of the nuclei and the disorder.
        film: Constants of the film.
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

    The survey is an image of the vertical response (amplitude and phase) and of the topography; a spectrum is the
    piezoresponse during sweeps of the tip bias. For the model and its limits, see the explanation of twins.
    """

    settings: FerroelectricSettings

    def __init__(self, settings: FerroelectricSettings) -> None:
        """Grow the film.

        Raises:
            RefusedPositionError: A position in `settings.refused` is outside the image.
        """
        shape = (settings.size, settings.size)
        positions = grid_positions(shape, (settings.grid, settings.grid), min(_MARGIN, settings.size / 8))
        super().__init__(settings, "ferroelectric twin", shape, positions)
        self._film = Film(angle=jnp.deg2rad(settings.orientation))
        self._tip = Tip()
        self._sample: Sample = grown_film(self.sample_key(), self._film, settings.size)

    @property
    def sample(self) -> Sample:
        """The true state of the film, which a real microscope cannot show."""
        return self._sample

    @property
    def surroundings(self) -> Surroundings:
        """Surroundings of the tip at every pixel, each of shape (height, width)."""
        sample = self._sample
        around: Surroundings = surroundings(
            sample.polarisation, sample.field, sample.barrier, self._tip.reach
        )
        return around

    def survey(self) -> xr.Dataset:
        """Return the image (channels amplitude in pm, phase in degree, topography in nm) and the grid of loops."""
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
    # Phases range from -90 to 270 degree, so that noise does not wrap the two phases 0 and 180 degree.
    phase = (jnp.rad2deg(jnp.arctan2(imaginary, real)) + 90.0) % 360.0 - 90.0
    in_plane = (x**2 + y**2) / (x**2 + y**2 + z**2 + 0.1)
    height = _ROUGHNESS * _correlated(rough, _ROUGHNESS_LENGTH) - _HEIGHT * blurred(in_plane, _PROBE_BLUR)
    height += relative_noise * _HEIGHT * vertical
    return jnp.stack([amplitude, phase, height])


@partial(jax.jit, static_argnames="sweeps")
def _loops(places: Array, bias: Array, around: Surroundings, tip: Tip, sweeps: int) -> Array:
    """Return the loops at places, shape (n, 2) -> (n, sweeps, steps), in picometre."""
    coordinates = list(places.T)
    here = jax.vmap(lambda part: map_coordinates(part, coordinates, 1, "wrap"))(jnp.stack(around))
    loops: Array = jax.vmap(hysteresis_loop, (None, 0, None, None))(bias, Surroundings(*here), tip, sweeps)
    return loops


def _correlated(white: Array, width: float) -> Array:
    """Return white noise (..., height, width) as a periodic field with the same variance and a correlation length."""
    # The factor normalises the sum of squares of the Gaussian weights.
    field: Array = blurred(white, width) * (2.0 * np.sqrt(np.pi) * width)
    return field
