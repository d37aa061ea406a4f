"""The EXAFS equation with its gradient: 1000 spectra of ten paths at 200 wavenumbers, beside larch where it is there.

    python benchmarks/xas_exafs.py

Spectra go through in groups of eight, whose intermediate arrays stay in a processor's cache: that is twice as quick as
all at once.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nescio.xas import PathParameters, path_table, read_feff_path, total_chi

FOLDER = Path(__file__).parents[1] / "tests" / "xas" / "data"
FILES = ["cu_single.dat"] * 5 + ["cu_triangle.dat"] * 5
SPECTRA, WAVENUMBERS, GROUP, TIMES = 1000, 200, 8, 7


def seconds(call: Any) -> float:
    """Return the least time of several calls, after one that compiles."""
    call()
    took = []
    for _ in range(TIMES):
        began = time.perf_counter()
        call()
        took.append(time.perf_counter() - began)
    return min(took)


def main() -> None:
    """Time and print."""
    table = path_table([read_feff_path(FOLDER / name) for name in FILES])
    k = jnp.linspace(2.0, 14.0, WAVENUMBERS)
    rng = np.random.default_rng(0)
    centre, spread = np.array([6.0, 0.0, 0.0, 0.008]), np.array([1.0, 2.0, 0.02, 0.002])
    drawn = centre[:, None] + spread[:, None] * rng.normal(size=(SPECTRA, 4, len(FILES)))
    parameters = jnp.asarray(drawn, jnp.float32)
    target = jnp.asarray(rng.normal(size=(SPECTRA, WAVENUMBERS)), jnp.float32)

    def misfit(one: jax.Array, measured: jax.Array) -> jax.Array:
        told = PathParameters(
            degeneracy=one[0], s02=0.9, e0=one[1, :1], delta_r=one[2], sigma2=jnp.abs(one[3])
        )
        return jnp.sum((k**2 * total_chi(table, told, k) - measured) ** 2)

    both = jax.value_and_grad(misfit)
    grouped = jax.jit(lambda x, y: jax.lax.map(lambda pair: both(*pair), (x, y), batch_size=GROUP))
    at_once = jax.jit(jax.vmap(both))
    quick = seconds(lambda: jax.block_until_ready(grouped(parameters, target)))
    whole = seconds(lambda: jax.block_until_ready(at_once(parameters, target)))
    print(f"{SPECTRA} spectra of {len(FILES)} paths at {WAVENUMBERS} wavenumbers, with gradient:")
    print(f"in groups of {GROUP} {quick:.3f} s, all at once {whole:.3f} s")
    try:
        from larch.xafs import feffpath, path2chi
    except ImportError:
        print("larch is not installed: no comparison")
        return
    paths = [feffpath(str(FOLDER / name)) for name in FILES]
    grid = np.asarray(k)

    def larch(count: int = 10) -> None:
        for row in range(count):
            for number, path in enumerate(paths):
                n, e0, delta, sigma2 = drawn[row, :, number]
                path2chi(path, k=grid, degen=n, s02=0.9, e0=e0, deltar=delta, sigma2=abs(sigma2))

    theirs = seconds(larch) * SPECTRA / 10
    print(f"larch's path2chi, without gradient: {theirs:.1f} s, {theirs / quick:.0f} times as long")


if __name__ == "__main__":
    main()
