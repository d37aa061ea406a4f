"""One training step of a deep kernel with tinygp, with GPJax and with nescio's own likelihood, in one run on one core.

In an environment of its own (``pip install -r benchmarks/requirements.txt`` on top of nescio):

    python benchmarks/gp_libraries.py --json gp_libraries.json

A step is the value of the marginal likelihood and its gradient by head, signal and noise, in single precision: a linear
embedding of 67 features in 8 dimensions under a Matern-5/2 kernel, all compiled, nothing else. "4 members" are four
of them side by side. The values have to agree before anything is timed. CPU seconds of the process, median of repeats.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import warnings
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

FEATURES, EMBEDDING, MEMBERS = 67, 8, 4


def one_core() -> None:
    """Leave one core to this process; JAX has to be imported after this."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"


def losses() -> dict[str, Callable[..., Any]]:
    """Return the negative logarithm of the likelihood, by library: of parameters, features and targets."""
    import gpjax
    import jax
    import jax.numpy as jnp
    import tinygp
    from tinygp.kernels.distance import L2Distance

    from nescio.explore.surrogates.kernel import Inputs, covariance, noise_variance
    from nescio.explore.surrogates.likelihood import negative_log_likelihood, padded

    def matrix(parameters: Any, features: Any) -> Any:
        points = Inputs(features, jnp.zeros((len(features), 2)))
        mask = jnp.ones(len(features))
        return padded(covariance(parameters, points, points, jnp.zeros(())), noise_variance(parameters), mask)

    def ours(parameters: Any, features: Any, targets: Any) -> Any:
        constant = 0.5 * len(targets) * jnp.log(2 * jnp.pi)
        return negative_log_likelihood(matrix(parameters, features), targets) + constant

    def differentiated(parameters: Any, features: Any, targets: Any) -> Any:
        factor = jnp.linalg.cholesky(matrix(parameters, features))
        whitened = jax.scipy.linalg.solve_triangular(factor, targets, lower=True)
        constant = 0.5 * len(targets) * jnp.log(2 * jnp.pi)
        return 0.5 * whitened @ whitened + jnp.sum(jnp.log(jnp.diagonal(factor))) + constant

    def of_tinygp(parameters: Any, features: Any, targets: Any) -> Any:
        kernel = jnp.exp(2.0 * parameters.log_signal) * tinygp.kernels.Matern52(distance=L2Distance())
        embedded = features @ parameters.head
        process = tinygp.GaussianProcess(kernel, embedded, diag=noise_variance(parameters))
        return -process.log_probability(targets)

    def of_gpjax(parameters: Any, features: Any, targets: Any) -> Any:
        kernel = gpjax.kernels.Matern52(lengthscale=1.0, variance=jnp.exp(2.0 * parameters.log_signal))
        prior = gpjax.gps.Prior(kernel, gpjax.mean_functions.Zero(), jitter=0.0)
        model = prior * gpjax.likelihoods.Gaussian(jnp.sqrt(noise_variance(parameters)))
        data = gpjax.Dataset(features @ parameters.head, targets[:, None])
        return -gpjax.objectives.conjugate_mll(model, data)

    return {
        "nescio": ours,
        "nescio, differentiated by JAX": differentiated,
        f"tinygp {version('tinygp')}": of_tinygp,
        f"GPJax {version('gpjax')}": of_gpjax,
    }


def seconds(steps: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Return the median CPU time of each, called in turn, so that what else the machine does falls on all alike."""
    import jax
    import numpy as np

    taken: dict[str, list[float]] = {name: [] for name in steps}
    for repeat in range(repeats + 3):
        for name, step in steps.items():
            start = time.process_time()
            jax.block_until_ready(step())
            if repeat >= 3:
                taken[name].append(time.process_time() - start)
    return {name: float(np.median(times)) for name, times in taken.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--points", type=int, nargs="+", default=[100, 200, 400])
    parser.add_argument("--repeats", type=int, default=40, help="of each step (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    one_core()
    warnings.simplefilter("ignore")

    import jax
    import jax.numpy as jnp
    import numpy as np

    from nescio.explore.surrogates.parameters import initial_parameters, principal_head

    rng = np.random.default_rng(0)
    figures: dict[str, Any] = {}
    for n in arguments.points:
        features = rng.normal(size=(n, FEATURES)).astype(np.float32)
        targets = jnp.asarray(np.tanh(features[:, 0]) + 0.2 * rng.normal(size=n), jnp.float32)
        members = initial_parameters(jnp.asarray(principal_head(features, EMBEDDING)), 2, MEMBERS)
        single = jax.tree.map(lambda leaf: leaf[0], members)
        expected = None
        steps: dict[str, dict[str, Callable[[], Any]]] = {"one": {}, "members": {}}
        for name, loss in losses().items():
            one = jax.jit(jax.value_and_grad(loss))
            several = jax.jit(jax.vmap(jax.value_and_grad(loss), in_axes=(0, None, None)))
            value, slope = one(single, features, targets)
            found = np.concatenate(
                [np.ravel(value), np.ravel(slope.log_noise), np.ravel(slope.log_signal), np.ravel(slope.head)]
            )
            expected = found if expected is None else expected
            if not np.allclose(found, expected, rtol=2e-3, atol=2e-3 * np.abs(expected).max()):
                raise SystemExit(f"{name} disagrees: {found[:3]}, expected {expected[:3]}")
            steps["one"][name] = partial(one, single, features, targets)
            steps["members"][name] = partial(several, members, features, targets)
        taken = {kind: seconds(group, arguments.repeats) for kind, group in steps.items()}
        figures[str(n)] = {f"{kind}_cpu_s": times for kind, times in taken.items()}
        for name in steps["one"]:
            one_s, members_s = taken["one"][name], taken["members"][name]
            print(
                f"{n:5} {name:30} one {1e3 * one_s:8.2f} ms ({one_s / taken['one']['nescio']:5.2f} x)"
                f"   {MEMBERS} members {1e3 * members_s:8.2f} ms"
                f" ({members_s / taken['members']['nescio']:5.2f} x)",
                flush=True,
            )
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
