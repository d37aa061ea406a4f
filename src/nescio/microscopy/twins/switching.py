"""Local switching of the polarisation under a biased tip, and the influence of nearby domain walls."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from numpy.typing import NDArray

from nescio.microscopy.twins.landau import Landau, coercive_field

__all__ = [
    "Surroundings",
    "Tip",
    "blurred",
    "hysteresis_loop",
    "surroundings",
    "switched_polarisation",
    "triangular_bias",
]


Floats = NDArray[np.float64]


class Tip(NamedTuple):
    """A biased tip, and the influence of walls on switching."""

    reach: float = 3.0
    """Standard deviation of the sensed region, in pixels."""
    coercive_bias: ArrayLike = 6.5
    """Coercive bias of a domain far from walls, directly under the tip, in volt."""
    sensitivity: ArrayLike = 10.0
    """Response of a fully polarised domain, in picometre."""
    electrostatic: ArrayLike = 0.05
    """Response without polarisation, in picometre per volt."""
    softening: ArrayLike = 0.6
    """Relative decrease of the barrier at a 180-degree wall: the wall only moves, without nucleation."""
    hardening: ArrayLike = 0.35
    """Relative increase of the barrier at a 90-degree wall, which is clamped by strain."""
    pinning: ArrayLike = 0.05
    """Field by which 90-degree walls stabilise the present polarisation."""
    rate: ArrayLike = 6.0
    """Relaxation rate: duration of a bias step in Landau-Khalatnikov times."""


class Surroundings(NamedTuple):
    """Surroundings of a tip; all arrays have the same shape."""

    up: Array
    """Share of domains polarised upwards, 0 to 1."""
    down: Array
    """Share of domains polarised downwards; the rest is in-plane."""
    field: Array
    """Built-in field."""
    barrier: Array
    """Height of the barrier far from walls, around 1."""

    @property
    def walls_180(self) -> Array:
        """Measure of a 180-degree wall under the tip: 0 far from walls, 1 at a wall."""
        return 4.0 * self.up * self.down

    @property
    def walls_90(self) -> Array:
        """Measure of a wall to an in-plane domain under the tip: 0 far from walls, 1 at a wall."""
        out_of_plane = self.up + self.down
        return 4.0 * out_of_plane * (1.0 - out_of_plane)


@partial(jax.jit, static_argnames="reach")
def surroundings(polarisation: ArrayLike, field: ArrayLike, barrier: ArrayLike, reach: float) -> Surroundings:
    """Return the surroundings of a tip at every pixel.

    Args:
        polarisation: Shape (3, height, width).
        field: Built-in field out of the plane, shape (height, width).
        barrier: Switching barrier, shape (height, width).
        reach: Standard deviation of the region that the tip senses, in pixels.
    """
    x, y, z = jnp.asarray(polarisation)
    total = x**2 + y**2 + z**2 + 1e-6
    # Inside a wall the polarisation vanishes, so its direction gets a low weight.
    weight = total / (total + 0.1)
    shares = jnp.stack(
        [jnp.maximum(z, 0.0) ** 2 / total, jnp.maximum(-z, 0.0) ** 2 / total, jnp.ones_like(z)]
    )
    up, down, whole = blurred(shares * weight, reach)
    return Surroundings(up / whole, down / whole, jnp.asarray(field), jnp.asarray(barrier))


def blurred(images: ArrayLike, width: float) -> Array:
    """Blur periodic images, shape (..., height, width), by a Gaussian; `width` is its standard deviation in pixels."""
    array = jnp.asarray(images)
    height, length = array.shape[-2:]
    ky = 2.0 * np.pi * np.fft.fftfreq(height)[:, None]
    kx = 2.0 * np.pi * np.fft.rfftfreq(length)
    damping = jnp.asarray(np.exp(-0.5 * width**2 * (kx**2 + ky**2)), jnp.float32)
    return jnp.fft.irfft2(jnp.fft.rfft2(array) * damping, s=(height, length))


def triangular_bias(largest: float, steps: int) -> Floats:
    """Return one cycle of the bias in volt, shape (steps,): from 0 up, down through 0, and back to just before 0."""
    phase = np.arange(steps) / steps
    return largest * (1.0 - np.abs((4.0 * phase + 1.0) % 4.0 - 2.0))


def switched_polarisation(
    field: ArrayLike, start: ArrayLike, landau: Landau, rate: ArrayLike, substeps: int = 6
) -> Array:
    """Return the polarisation (one component) that follows a field: dP/dt = -rate df/dP.

    Args:
        field: Shape (steps, ...); each value is applied for one unit of time.
        start: Initial polarisation, shape (...).
        landau: The polynomial; coefficients may have shape (...).
        rate: Relaxation rate in inverse steps.
        substeps: Number of substeps in each step.

    Returns:
        Polarisation at the end of each step, shape (steps, ...).

    Source: equation of Landau and Khalatnikov, with a linearly implicit (Rosenbrock) step, which is stable for stiff
    potentials.
    """
    a, b, c = landau.quadratic, landau.quartic, landau.sextic
    time = jnp.asarray(rate) / substeps

    def substep(p: Array, drive: Array) -> Array:
        square = p**2
        slope = p * (a + square * (b + square * c)) - drive
        curvature = a + square * (3.0 * b + 5.0 * square * c)
        return p - time * slope / (1.0 + time * jnp.maximum(curvature, 0.0))

    def step(p: Array, drive: Array) -> tuple[Array, Array]:
        p = jax.lax.fori_loop(0, substeps, lambda _, now: substep(now, drive), p)
        return p, p

    drives = jnp.asarray(field, jnp.result_type(float))
    first = jnp.broadcast_to(
        jnp.asarray(start, drives.dtype), jnp.broadcast_shapes(jnp.shape(start), drives.shape[1:])
    )
    _, path = jax.lax.scan(step, first, drives)
    return path


@partial(jax.jit, static_argnames="sweeps")
def hysteresis_loop(bias: ArrayLike, around: Surroundings, tip: Tip, sweeps: int) -> Array:
    """Return the piezoresponse at one place during repeated cycles of the bias.

    The field of the tip decreases with distance as (1 + r^2/R^2)^(-3/2), like that of a charge at height R; the
    response is collected with the same weight. Switching starts directly under the tip, and its extent depends on the
    coercive
    field: loops are narrow far from walls and wide at a 180-degree wall.

    Args:
        bias: One cycle in volt, shape (steps,).
        around: Surroundings of the tip, each of shape (). Use `jax.vmap` for many places.
        tip: The tip.
        sweeps: Number of recorded cycles; one additional cycle before them switches the initial state.

    Returns:
        Piezoresponse in picometre, shape (sweeps, steps).

    Source: Kalinin, Morozovska, Chen, and Rodriguez, Rep. Prog. Phys. 73, 056502 (2010), for switching under a tip and
    the influence of walls; the linear dependence of barriers on walls is a simplification of this twin.
    """
    scale = (
        around.barrier * (1.0 - tip.softening * around.walls_180) * (1.0 + tip.hardening * around.walls_90)
    )
    # Scaling both coefficients changes the barrier, but not the spontaneous polarisation.
    landau = Landau(quadratic=-scale, quartic=scale)
    out_of_plane = around.up + around.down
    held = (around.up - around.down) / jnp.maximum(out_of_plane, 1e-3)
    built_in = around.field + tip.pinning * around.walls_90 * held
    volts = jnp.tile(jnp.asarray(bias), sweeps + 1)
    per_volt = coercive_field(Landau()) / tip.coercive_bias
    field = volts[:, None] * per_volt * _FALL_OFF + built_in
    path = switched_polarisation(field, jnp.where(held >= 0.0, 1.0, -1.0), landau, tip.rate)
    response = tip.sensitivity * out_of_plane * (path @ _WEIGHTS) + tip.electrostatic * volts
    return jnp.reshape(response, (sweeps + 1, -1))[1:]


def _shells(number: int, furthest: float) -> tuple[Floats, Floats]:
    """Return the relative field of the tip in rings around it, and the weight of each ring in the response."""
    nodes, weights = np.polynomial.legendre.leggauss(number)
    radius = 0.5 * furthest * (nodes + 1.0)
    field = (1.0 + radius**2) ** -1.5
    share = weights * radius * field
    return field, share / share.sum()


_FALL_OFF, _WEIGHTS = _shells(64, 1.5)
