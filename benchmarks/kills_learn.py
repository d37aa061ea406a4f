"""Agents, checkpoints and findings that become unusable when `nescio learn` and `nescio assess` are killed: none.

    python benchmarks/kills_learn.py --learn 100 --assess 50 --json kills_learn.json

`nescio learn --resume --overwrite` runs on a small prior, is killed (SIGKILL) at random moments and started again until
it is finished; then it learns from another seed over the agent that is there. After every kill the agent that was there
must load, and be the old one or the new one; the checkpoint must be gone on from. `nescio assess` runs on signals of
which one covers a part of the axis, and is killed likewise: each file of findings must be absent or whole, and the next
run must succeed. Needs fork: Linux or macOS.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr

import nescio.learn
import nescio.techniques
import nescio.view
from nescio.cli.application import application
from nescio.learn import store
from nescio.techniques import Batch

PRIOR = """
technique = "lines"

[learn]
map = { hidden = [32] }
detector = { hidden = [32] }
classifier = { channels = [8, 8], dense = 16, members = 1 }
training = { steps = 400, batch = 16, chunk = 5, validation_every = 5, validation_size = 32, patience = 1000 }
calibration = { draws = 512, scale_draws = 512, map_draws = 512 }
"""
X = np.linspace(0.0, 1.0, 128)


class LinePrior:
    """Gaussian lines at one of two places."""

    technique = "lines"
    kind = "classes"
    labels = ("low", "high")
    condition_names = ()
    axis = xr.DataArray(X, dims="x", coords={"x": X}, name="x", attrs={"units": "1", "long_name": "position"})

    def sample_ideal(self, key: jax.Array, n: int) -> Batch:
        """Draw lines without noise."""
        labels = jnp.arange(n) % 2
        centre = jnp.where(labels == 0, 0.3, 0.7) + 0.02 * jax.random.normal(key, (n,))
        return Batch(jnp.exp(-(((jnp.asarray(X) - centre[:, None]) / 0.05) ** 2)), labels, jnp.zeros((n, 0)))

    def disturb(self, key: jax.Array, signals: jax.Array) -> jax.Array:
        """Add noise."""
        noisy = jnp.maximum(signals + 0.01 * jax.random.normal(key, signals.shape), 0.0)
        return noisy / noisy.max(axis=1, keepdims=True)

    def to_document(self) -> dict[str, Any]:
        """Return nothing: all is fixed."""
        return {}


class Lines:
    """A technique whose simulation takes no time, so that most of a process's life is spent on what may break."""

    name = "lines"

    def load_prior(self, path: Path) -> LinePrior:
        """Return the prior."""
        del path
        return LinePrior()

    def prior_from_document(self, document: Mapping[str, Any]) -> LinePrior:
        """Return the prior."""
        del document
        return LinePrior()

    def file_patterns(self) -> tuple[str, ...]:
        """Return the pattern of two columns."""
        return ("*.xy",)

    def read(self, path: Path) -> xr.Dataset:
        """Read two columns."""
        x, y = np.loadtxt(path, unpack=True)
        return xr.Dataset(
            {"intensity": (("measurement", "x"), y[None])}, {"measurement": [path.stem], "x": x}
        )

    def prepare(self, measured: xr.Dataset, prior: LinePrior) -> xr.Dataset:
        """Interpolate."""
        x, y = measured["x"].values, measured["intensity"].values[0]
        covered = (x.min() <= X) & (x.max() >= X)
        return xr.Dataset(
            {
                "intensity": (("measurement", "x"), (np.interp(X, x, y) / y.max())[None]),
                "covered": (("measurement", "x"), covered[None]),
                "problem": ("measurement", [""]),
            },
            {"measurement": measured["measurement"], "x": prior.axis},
        )


@dataclass
class Figures:
    """What was found."""

    learn_kills: int = 0
    learn_kills_with_a_checkpoint: int = 0
    learn_kills_with_an_agent: int = 0
    trainings_finished: int = 0
    unusable_agents: int = 0
    unusable_checkpoints: int = 0
    assess_kills: int = 0
    assess_kills_with_findings: int = 0
    unusable_findings: int = 0
    failed_after_a_kill: int = 0
    leftovers: int = 0
    """Files of killed writers that a finished run left behind."""
    problems: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether nothing became unusable."""
        return not (
            self.unusable_agents
            or self.unusable_checkpoints
            or self.unusable_findings
            or self.failed_after_a_kill
            or self.leftovers
            or self.problems
        )


def apart(work: Callable[[], object], said: Path | None = None) -> int:
    """Do something in a process of its own, and return that process."""
    process = os.fork()
    if process == 0:
        status = 1
        try:
            if said is not None:
                file = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
                os.dup2(file, 1)
                os.dup2(file, 2)
            work()
            status = 0
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else 1
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(status)
    return process


def verb(*arguments: object) -> Callable[[], object]:
    """Return what runs a verb of the command line."""
    return lambda: application([str(argument) for argument in arguments])


def live(
    work: Callable[[], object], said: Path, kill_after: float | None, sign: Path | None = None
) -> tuple[bool, int, float]:
    """Let a process live, and kill it.

    Args:
        work: What it does.
        said: File for what it prints.
        kill_after: Seconds after its beginning, or after a file is written; None lets it live.
        sign: That file.

    Returns:
        Whether it was killed, its status, and how long it lived.
    """
    start = time.monotonic()
    before = written(sign)
    process = apart(work, said)
    since = None if sign is not None else start
    while True:
        done, status = os.waitpid(process, os.WNOHANG)
        now = time.monotonic()
        if done:
            killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
            return killed, os.waitstatus_to_exitcode(status), now - start
        if since is None and written(sign) != before:
            since = now
        if kill_after is not None and since is not None and now - since >= kill_after:
            os.kill(process, signal.SIGKILL)
            kill_after = None
        time.sleep(0.001)


def written(file: Path | None) -> int:
    """Return when a file was written, 0 if it is not there."""
    try:
        return 0 if file is None else file.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def passes(check: Callable[[], object], said: Path) -> bool:
    """Return whether a check raises nothing, in a process of its own."""
    _, status = os.waitpid(apart(check, said), 0)
    return status == 0


def agent_is_one_of(folder: Path, seeds: tuple[int, ...]) -> None:
    """Raise unless an agent loads, assesses, and was learned from one of some seeds."""
    agent = nescio.learn.load_agent(folder)
    agent.reference(8)
    if agent.settings.training.seed not in seeds:
        raise ValueError(f"an agent of seed {agent.settings.training.seed}, where {seeds} are possible")


def kill_learn(figures: Figures, folder: Path, kills: int, random: np.random.Generator) -> None:
    """Kill `nescio learn`, again and again."""
    prior, agent, said = folder / "prior.toml", folder / "agent", folder / "said"
    checkpoint = nescio.learn.checkpoint_of(agent)
    prior.write_text(PRIOR, encoding="utf-8")

    def learning(seed: int) -> Callable[[], object]:
        return verb("learn", prior, "-o", agent, "--resume", "--overwrite", "--seed", seed)

    # Twice, once for the compiler alone, so that the next takes the time that it takes.
    for _ in range(2):
        shutil.rmtree(agent, ignore_errors=True)
        killed, status, lasted = live(learning(0), said, None)
        if killed or status:
            figures.problems.append(said.read_text(encoding="utf-8"))
            return
    print(f"undisturbed: learned in {lasted:.1f} s", file=sys.stderr)
    seed = 1
    while figures.learn_kills < kills and not figures.problems:
        # Two of three die while checkpoints and the agent are written, the others at any moment.
        writing = random.uniform() < 2 / 3
        moment = random.uniform(0.0, 0.5 * lasted if writing else lasted)
        killed, status, _ = live(
            learning(seed), said, moment, checkpoint / "checkpoint.json" if writing else None
        )
        figures.learn_kills += killed
        if killed:
            figures.learn_kills_with_a_checkpoint += (checkpoint / "checkpoint.json").exists()
            figures.learn_kills_with_an_agent += (agent / "agent.json").exists()
        elif status and "checkpoint" in said.read_text(encoding="utf-8"):
            figures.unusable_checkpoints += 1
            print(said.read_text(encoding="utf-8"), file=sys.stderr)
            shutil.rmtree(checkpoint, ignore_errors=True)
        elif status:
            figures.problems.append(said.read_text(encoding="utf-8"))
        possible = (seed - 1, seed) if killed else (seed,)
        if not passes(lambda: agent_is_one_of(agent, possible), said):  # noqa: B023 - run at once
            figures.unusable_agents += 1
            print(said.read_text(encoding="utf-8"), file=sys.stderr)
        if not killed and not status:
            figures.trainings_finished += 1
            figures.leftovers += len(list(agent.iterdir())) - 2 + checkpoint.exists()
            seed += 1
        print(f"{figures.learn_kills} of {kills} kills of learn", file=sys.stderr)


def measure(folder: Path) -> None:
    """Write signals; the first covers a part of the axis."""
    folder.mkdir()
    for number, start in enumerate((0.2, -0.1, -0.1)):
        x = np.linspace(start, 1.1, 300)
        np.savetxt(folder / f"{number}.xy", np.column_stack([x, np.exp(-(((x - 0.3) / 0.05) ** 2))]))


def whole(folder: Path) -> bool:
    """Return whether each file of findings is absent or whole."""
    try:
        if (file := folder / "findings.nc").exists():
            with xr.open_dataset(file, engine="h5netcdf") as stored:
                if stored.load().sizes["measurement"] != 3:
                    return False
        if (file := folder / "findings.csv").exists() and len(pd.read_csv(file)) != 3:
            return False
        report = folder / "report.html"
        return not report.exists() or report.read_text(encoding="utf-8").rstrip().endswith("</html>")
    except Exception as error:
        print(f"{folder}: {error}", file=sys.stderr)
        return False


def kill_assess(figures: Figures, folder: Path, kills: int, random: np.random.Generator) -> None:
    """Kill `nescio assess`, again and again."""
    agent, measured, out, said = (folder / name for name in ("agent", "measured", "out", "said"))
    measure(measured)
    work = verb("assess", agent, measured, "-o", out, "--report")
    for _ in range(2):
        shutil.rmtree(agent / "calibrations", ignore_errors=True)
        killed, status, lasted = live(work, said, None)
        if killed or status:
            figures.problems.append(said.read_text(encoding="utf-8"))
            return
    print(f"undisturbed: assessed in {lasted:.1f} s", file=sys.stderr)
    after_a_kill = False
    while figures.assess_kills < kills and not figures.problems:
        if random.uniform() < 0.3:
            # Sometimes there is nothing to begin with.
            shutil.rmtree(out, ignore_errors=True)
            shutil.rmtree(agent / "calibrations", ignore_errors=True)
        writing = random.uniform() < 2 / 3
        moment = random.uniform(0.0, 0.3 * lasted if writing else lasted)
        killed, status, _ = live(work, said, moment, out / "findings.nc" if writing else None)
        figures.assess_kills += killed
        figures.assess_kills_with_findings += killed and (out / "findings.nc").exists()
        if not killed and status:
            figures.failed_after_a_kill += after_a_kill
            print(said.read_text(encoding="utf-8"), file=sys.stderr)
        figures.unusable_findings += not whole(out)
        after_a_kill = killed
        print(f"{figures.assess_kills} of {kills} kills of assess", file=sys.stderr)


def main() -> None:
    """Kill, look, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--learn", type=int, default=100, help="kills of nescio learn")
    parser.add_argument("--assess", type=int, default=50, help="kills of nescio assess")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    # Nothing was computed in this process, so that no thread of the compiler's is left behind by a fork.
    warnings.filterwarnings("ignore", "os.fork", RuntimeWarning)
    for module in (nescio.techniques, store):
        module.find_technique = lambda _: Lines()  # type: ignore[attr-defined]
    start = time.monotonic()
    figures, random = Figures(), np.random.default_rng(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        kill_learn(figures, Path(folder), arguments.learn, random)
        if not figures.problems:
            kill_assess(figures, Path(folder), arguments.assess, random)
    document = {**vars(figures), "seconds": round(time.monotonic() - start, 1)}
    for name, value in document.items():
        print(f"{name.replace('_', ' '):30} {value}")
    if arguments.json:
        arguments.json.write_text(json.dumps(document, indent=1) + "\n")
    sys.exit(not figures.good)


if __name__ == "__main__":
    main()
