"""What one step of the surrogate costs on one core, how good it is, and whether its uncertainty can be believed.

    python benchmarks/dkl_step.py --json dkl_step.json
    python benchmarks/dkl_step.py --film --large --calibration

A step is: fit to the measurements so far, and predict mean and standard deviation of every candidate. The data are
read from NESCIO_DATA, by default ../shared/data: 2500 synthetic patches of 16 x 16 pixels with a property
(microscopy/synthetic_bench.npz: X, y without and y_obs with noise, pos), and a film of PbTiO3 (microscopy/
vartbo_pto_beps.npz) whose property is the absolute mean of the hysteresis loop. Features are those of the wavelets.
Measured points are drawn at random. Figures, by number of points, are medians over the draws: R2 and rank correlation
over what was not measured, CPU seconds of the process without compilation. Coverage is the share of the noise-free
truth within 1.96 standard deviations of the model; of the film, whose truth is measured, the noise is added to them.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nescio.explore.candidates import Candidates

# AtomAI's dklGPR (200 cycles) and GPax's viDKL (1000 steps) on the pixels of the same patches, embedded in two
# dimensions, fitted from scratch on one core: CPU seconds, R2, rank correlation, coverage. Not measured here.
QUOTED = {
    "AtomAI dklGPR": {
        50: (15, 0.59, 0.82, 0.14),
        100: (31, 0.83, 0.91, 0.33),
        200: (62, 0.95, 0.97, 0.45),
        400: (129, 0.975, 0.98, 0.41),
    },
    "GPax viDKL": {
        50: (4.8, 0.35, 0.66, 0.69),
        100: (5.4, 0.65, 0.84, 0.70),
        200: (8.2, 0.74, 0.89, 0.71),
        400: (22.7, 0.82, 0.92, 0.71),
    },
}

LARGE, LARGE_SIZE, LARGE_POINTS = 10_000, 32, 300
# How many times as many draws of the film: what one draw covers of it scatters by some hundredths.
_FILM_DRAWS = 4


@dataclass(frozen=True, eq=False)
class Case:
    """Candidates with the truth and what would be measured there."""

    candidates: Candidates
    truth: NDArray[np.float64]
    measured: NDArray[np.float64]
    noisy: bool
    """Whether the truth is itself measured, with noise."""


def one_core() -> None:
    """Leave one core to this process; JAX has to be imported after this."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"


def synthetic(folder: Path) -> Case:
    """Return the synthetic patches."""
    import numpy as np

    from nescio.explore.candidates import Candidates
    from nescio.microscopy.encoders import WaveletSettings

    with np.load(folder / "microscopy" / "synthetic_bench.npz", allow_pickle=False) as data:
        patches = data["X"].reshape(-1, 1, 16, 16)
        features = WaveletSettings().encode(patches)
        candidates = Candidates(data["pos"].astype(float), features, encoder="wavelets")
        return Case(candidates, data["y"], data["y_obs"], noisy=False)


def film(folder: Path) -> Case:
    """Return the film."""
    import numpy as np

    from nescio.explore.candidates import Candidates
    from nescio.microscopy import extract_patches
    from nescio.microscopy.encoders import WaveletSettings

    with np.load(folder / "microscopy" / "vartbo_pto_beps.npz", allow_pickle=False) as data:
        # The first sweep is a different one: the film's state before it is nobody's.
        values = 1e5 * np.abs(data["loops"][..., 1:].astype(np.float64).mean(axis=(2, 3))).ravel()
        patches = extract_patches(data["image"][None], data["pos"], 16, "reflect")
        features = WaveletSettings().encode(patches)
        candidates = Candidates(data["pos"].astype(float), features, encoder="wavelets")
        return Case(candidates, values, values, noisy=True)


def judge(
    case: Case, chosen: NDArray[np.intp], mean: NDArray[Any], sd: NDArray[Any], noise_sd: float
) -> dict[str, float]:
    """Return R2, rank correlation and coverage over what was not measured."""
    import numpy as np
    from scipy.stats import spearmanr

    rest = np.setdiff1d(np.arange(len(case.truth)), chosen)
    truth, mean, sd = case.truth[rest], mean[rest], sd[rest]
    wide = np.hypot(sd, noise_sd) if case.noisy else sd
    return {
        "r2": float(1.0 - np.mean((truth - mean) ** 2) / truth.var()),
        "spearman": float(spearmanr(truth, mean).statistic),
        "coverage95": float(np.mean(np.abs(truth - mean) < 1.959964 * wide)),
    }


def medians(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return the median of each figure."""
    import numpy as np

    return {name: float(np.median([row[name] for row in rows])) for name in rows[0]}


def draws(case: Case, points: int, number: int) -> list[NDArray[np.intp]]:
    """Return measured points at random, the same ones in every run."""
    import numpy as np

    return [
        np.random.default_rng(seed).choice(len(case.truth), points, replace=False) for seed in range(number)
    ]


def surrogate_step(case: Case, chosen: NDArray[np.intp]) -> dict[str, float]:
    """Return what a step from scratch costs and gives, and what a warm step costs after one more measurement."""
    from nescio.explore.surrogates import Surrogate

    surrogate, values = Surrogate(case.candidates), case.measured[chosen, None]
    start = time.process_time()
    fit = surrogate.update(chosen, values).outputs[0]
    scratch = time.process_time() - start
    surrogate = Surrogate(case.candidates)
    surrogate.update(chosen[:-1], values[:-1])
    start = time.process_time()
    surrogate.update(chosen, values)
    warm = time.process_time() - start
    return {
        "warm_cpu_s": warm,
        "scratch_cpu_s": scratch,
        **judge(case, chosen, fit.mean, fit.sd, fit.noise_sd),
    }


def scikit_learn_step(case: Case, chosen: NDArray[np.intp]) -> dict[str, float]:
    """Return what scikit-learn's Gaussian process, one lengthscale for all features, costs and gives."""
    import warnings

    import numpy as np
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    features = case.candidates.features.astype(np.float64)
    features = (features - features.mean(0)) / features.std(0)
    kernel = ConstantKernel(1.0) * Matern(np.sqrt(features.shape[1]), nu=2.5) + WhiteKernel(0.05)
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = GaussianProcessRegressor(kernel, normalize_y=True).fit(features[chosen], case.measured[chosen])
        mean, total = peer.predict(features, return_std=True)
    seconds = time.process_time() - start
    noise = peer.kernel_.k2.noise_level * case.measured[chosen].var()
    sd = np.sqrt(np.maximum(total**2 - noise, 1e-12))
    return {"scratch_cpu_s": seconds, **judge(case, chosen, mean, sd, float(np.sqrt(noise)))}


def compared(case: Case, points: Sequence[int], number: int) -> dict[str, Any]:
    """Return and print our figures by number of points, each with those of scikit-learn and the ratio of both."""
    figures: dict[str, Any] = {}
    for n in points:
        both = {}
        for name, step in {"nescio": surrogate_step, "scikit-learn": scikit_learn_step}.items():
            step(case, draws(case, n, 1)[0])
            both[name] = medians([step(case, chosen) for chosen in draws(case, n, number)])
            show(n, name, both[name])
        ours, theirs = both["nescio"], both["scikit-learn"]
        ratio = {kind: theirs["scratch_cpu_s"] / ours[f"{kind}_cpu_s"] for kind in ("warm", "scratch")}
        figures[str(n)] = {**ours, "scikit-learn": theirs, "times faster than scikit-learn": ratio}
        print(
            f"{n:5} times faster than scikit-learn: {ratio['warm']:.1f} warm, {ratio['scratch']:.1f} from scratch"
        )
    return figures


def show(n: int, name: str, figures: dict[str, float]) -> None:
    """Print one line."""
    warm = figures.get("warm_cpu_s")
    print(
        f"{n:5} {name:14} warm {'-' if warm is None else f'{warm:.3f}':>6} s"
        f"  scratch {figures['scratch_cpu_s']:7.3f} s  R2 {figures['r2']:.3f}"
        f"  Spearman {figures['spearman']:.3f}  coverage {figures['coverage95']:.3f}",
        flush=True,
    )


def large() -> dict[str, float]:
    """Return and print what a warm step costs among ten thousand candidates of 32 x 32 pixels and 3 channels."""
    import numpy as np
    from scipy.ndimage import gaussian_filter

    from nescio.explore.candidates import Candidates
    from nescio.explore.surrogates import Surrogate
    from nescio.microscopy import extract_patches
    from nescio.microscopy.encoders import WaveletSettings

    rng = np.random.default_rng(0)
    image = np.stack([gaussian_filter(rng.normal(size=(432, 432)), width) for width in (1.0, 2.0, 4.0)])
    rows, columns = np.divmod(np.arange(LARGE), 100)
    pixels = np.stack([4 * rows + LARGE_SIZE // 2, 4 * columns + LARGE_SIZE // 2], axis=1)
    patches = extract_patches(image, pixels, LARGE_SIZE)
    start = time.process_time()
    features = WaveletSettings().encode(patches)
    encode = time.process_time() - start
    values = gaussian_filter(image[2] ** 2, 4.0)[tuple(pixels.T)]
    values = values / values.std() + 0.1 * rng.normal(size=LARGE)
    candidates = Candidates(pixels.astype(float), features)
    chosen = rng.choice(LARGE, LARGE_POINTS + 1, replace=False)
    surrogate = Surrogate(candidates)
    surrogate.update(chosen[:-2], values[chosen[:-2], None])
    surrogate.update(chosen[:-1], values[chosen[:-1], None])
    start = time.process_time()
    surrogate.update(chosen, values[chosen, None])
    figures = {"encode_cpu_s": encode, "warm_cpu_s": time.process_time() - start}
    print(
        f"{LARGE} candidates of 3 x {LARGE_SIZE} x {LARGE_SIZE}, {LARGE_POINTS} points: "
        f"features once {encode:.1f} s, warm step {figures['warm_cpu_s']:.2f} s"
    )
    return figures


def ways_of_training(case: Case, chosen: NDArray[np.intp]) -> dict[str, dict[str, float]]:
    """Return how good the uncertainty is of members that learned from all or from half, with the scale and without."""
    import jax.numpy as jnp
    import numpy as np

    from nescio.explore.surrogates import LeftOut, Surrogate, SurrogateSettings, fit_scale
    from nescio.explore.surrogates.conditioned import condition, predict
    from nescio.explore.surrogates.ensemble import train
    from nescio.explore.surrogates.kernel import noise_variance
    from nescio.explore.surrogates.parameters import initial_parameters, principal_head

    settings = SurrogateSettings()
    honest = Surrogate(case.candidates, settings).update(chosen, case.measured[chosen, None]).outputs[0]
    data, points = honest.model.data, honest.model.points
    head = jnp.asarray(principal_head(np.asarray(points.features), settings.embedding))
    measured = type(points)(points.features[data.index], points.positions[data.index])
    positioned = jnp.full(1, float(honest.positioned))

    def from_all(freedom: float, steps: int) -> tuple[Any, Any, Any]:
        one = train(
            initial_parameters(head, points.positions.shape[1], 1),
            head,
            type(points)(measured.features[None], measured.positions[None]),
            data.target[None],
            data.mask[None],
            positioned=positioned,
            trained_head=jnp.asarray(1.0),
            freedom=jnp.asarray(freedom),
            steps=jnp.asarray(steps),
            learning_rate=jnp.asarray(settings.learning_rate),
        )
        given = condition(one, measured, data.target, data.mask, positioned)
        mean, variance = (
            np.asarray(part, np.float64)[0]
            for part in predict(one, given, measured, data.mask, points, positioned)
        )
        noise = float(noise_variance(one)[0])
        left = LeftOut(
            np.asarray(given.residual, np.float64)[0, : data.n],
            np.asarray(given.variance, np.float64)[0, : data.n],
            noise,
        )
        return (mean, variance, noise), fit_scale(left), left

    def judged(mean: Any, variance: Any, noise: float) -> dict[str, float]:
        centre, spread = data.centre, data.spread
        return judge(
            case, chosen, mean * spread + centre, np.sqrt(variance) * spread, float(np.sqrt(noise)) * spread
        )

    likeliest, _, _ = from_all(1e3, 200)
    plain, seen, _ = from_all(settings.head_freedom, settings.steps)
    own = honest.sd / np.sqrt(honest.scale.model)
    return {
        "all, maximum likelihood": judged(*likeliest),
        "all, prior": judged(*plain),
        "all, prior, scaled by what was seen": judged(plain[0], plain[1] * seen.model, seen.noise),
        "halves, not scaled": judge(case, chosen, honest.mean, own, honest.noise_sd),
        "halves, scaled by what was not seen": judge(case, chosen, honest.mean, honest.sd, honest.noise_sd),
    }


def calibration(case: Case, points: Sequence[int], number: int) -> dict[str, Any]:
    """Return and print coverage by way of training and number of points."""
    figures: dict[str, Any] = {}
    for n in points:
        rows = [ways_of_training(case, chosen) for chosen in draws(case, n, number)]
        figures[str(n)] = {way: medians([row[way] for row in rows]) for way in rows[0]}
        for way, one in figures[str(n)].items():
            print(f"{n:5} {way:38} R2 {one['r2']:.3f}  coverage {one['coverage95']:.3f}", flush=True)
    return figures


# How many measurements, how many the exact model takes, inducing points, and how many of the measurements are used.
BEYOND = {
    "1000, exact": (1000, 1000, 1000, 1000),
    "2000, exact": (2000, 4000, 1000, 2000),
    "2000, 256 inducing": (2000, 1000, 256, 2000),
    "2000, 512 inducing": (2000, 1000, 512, 2000),
    "2000, 768 inducing": (2000, 1000, 768, 2000),
    "2000, 1000 inducing": (2000, 1000, 1000, 2000),
    "2000, subset of 1000": (2000, 4000, 1000, 1000),
}


def beyond(case: Case) -> dict[str, dict[str, float]]:
    """Return and print how good the surrogate is on both sides of the number of measurements that it takes exactly."""
    from nescio.explore.surrogates import Surrogate, fit

    usual, figures = (fit.EXACT, fit.INDUCING), {}
    for way, (points, exact, inducing, used) in BEYOND.items():
        fit.EXACT, fit.INDUCING = exact, inducing
        chosen = draws(case, points, 1)[0]
        one = Surrogate(case.candidates).update(chosen[:used], case.measured[chosen[:used], None]).outputs[0]
        figures[way] = judge(case, chosen, one.mean, one.sd, one.noise_sd)
        row = figures[way]
        print(f"{way:22} R2 {row['r2']:.3f}  coverage {row['coverage95']:.3f}", flush=True)
    fit.EXACT, fit.INDUCING = usual
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--points",
        type=int,
        nargs="+",
        default=[50, 100, 200, 400],
        help="measured points (default: %(default)s)",
    )
    parser.add_argument(
        "--draws",
        type=int,
        default=5,
        help="of measured points; four times as many of the film (default: %(default)s)",
    )
    parser.add_argument("--film", action="store_true", help="the film as well, at 100, 200 and 400 points")
    parser.add_argument("--large", action="store_true", help="a step among ten thousand candidates as well")
    parser.add_argument(
        "--calibration", action="store_true", help="coverage of other ways of training as well"
    )
    parser.add_argument("--beyond", action="store_true", help="models of more than a thousand points as well")
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    one_core()
    folder = Path(os.environ.get("NESCIO_DATA") or Path(__file__).parents[2] / "shared" / "data")
    if not (folder / "microscopy").is_dir():
        parser.error(f"no folder microscopy at {folder} (set NESCIO_DATA)")

    print("synthetic:")
    case = synthetic(folder)
    figures: dict[str, Any] = compared(case, arguments.points, arguments.draws)
    if arguments.calibration:
        figures["calibration"] = calibration(case, arguments.points, arguments.draws)
    if arguments.beyond:
        figures["beyond"] = beyond(case)
    if arguments.film:
        print("film:")
        case, points, number = film(folder), (100, 200, 400), _FILM_DRAWS * arguments.draws
        figures["film"] = compared(case, points, number)
        if arguments.calibration:
            figures["film"]["calibration"] = calibration(case, points, arguments.draws)
        if arguments.beyond:
            figures["film"]["beyond"] = beyond(case)
    if arguments.large:
        figures["large"] = large()
    figures["quoted"] = QUOTED
    print("quoted, measured elsewhere:")
    for peer, rows in QUOTED.items():
        for n, (seconds, r2, spearman, coverage) in rows.items():
            row = {"scratch_cpu_s": seconds, "r2": r2, "spearman": spearman, "coverage95": coverage}
            show(n, peer, row)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
