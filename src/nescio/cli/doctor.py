"""The command `doctor`: check the installation."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import time
import warnings
from importlib import metadata
from typing import Annotated, Any

import typer

from nescio.cli.outcome import INCOMPLETE
from nescio.compute import cache_directory, usable_cache

__all__ = ["doctor", "self_test"]

_PACKAGES = ("nescio", "jax", "jaxlib", "equinox", "optax", "numpy", "scipy", "xarray", "h5py", "matplotlib")
_LONGEST_SECONDS = 120


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Check the installation: versions, devices, cache, extras and a short test.

    The test runs in a separate process. The exit code is 1 if a check fails;
    a missing extra is not an error.

    Example: nescio doctor --json
    """
    found = _examined()
    if as_json:
        typer.echo(json.dumps(found, indent=1))
    else:
        _print(found)
    if not found["ok"]:
        raise typer.Exit(INCOMPLETE)


def _examined() -> dict[str, Any]:
    cache = {"folder": str(cache_directory()), "writable": _cache_is_writable()}
    tested = _tested()
    return {
        "ok": cache["writable"] and tested["passed"],
        "versions": {"python": platform.python_version(), **_versions()},
        "system": platform.platform(),
        "devices": tested.pop("devices", []),
        "cache": cache,
        "extras": _extras(),
        "techniques": tested.pop("techniques", {}),
        "self_test": tested,
    }


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "missing"
    return found


def _cache_is_writable() -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return usable_cache("jax") is not None


def _extras() -> dict[str, dict[str, Any]]:
    """Return the missing or outdated packages of every extra, and the command to install it."""
    from packaging.requirements import Requirement

    wanted = [Requirement(line) for line in metadata.requires("nescio") or []]
    extras = {}
    for extra in sorted(metadata.metadata("nescio").get_all("Provides-Extra") or []):
        mine = [
            one
            for one in wanted
            if one.marker and one.marker.evaluate({"extra": extra}) and not one.marker.evaluate({"extra": ""})
        ]
        missing = [str(one).partition(";")[0].strip() for one in mine if not _satisfied(one)]
        extras[extra] = {
            "installed": not missing,
            "missing": missing,
            "install": f'pip install "nescio[{extra}]"',
        }
    return extras


def _satisfied(requirement: Any) -> bool:
    try:
        return bool(requirement.specifier.contains(metadata.version(requirement.name), prereleases=True))
    except metadata.PackageNotFoundError:
        return False


def _tested() -> dict[str, Any]:
    """Run the test in a separate process, so that a crash or hang of the engine is reported too."""
    program = "from nescio.cli.doctor import self_test; self_test()"
    failed: dict[str, Any] = {"passed": False, "seconds": None}
    try:
        done = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            timeout=_LONGEST_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {**failed, "problem": f"did not end in {_LONGEST_SECONDS} s"}
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        said = " ".join((done.stderr.strip().splitlines() or ["nothing was printed"])[-1].split())
        return {**failed, "problem": f"ended with code {done.returncode}: {said}"}
    found: dict[str, Any] = json.loads(lines[-1])
    return found


def self_test() -> None:
    """Print the devices, the state of each technique and the result of a small computation as JSON."""
    from nescio.compute import engine_problem

    start = time.perf_counter()
    found: dict[str, Any] = {"passed": False, "problem": engine_problem(), "devices": [], "techniques": {}}
    if not found["problem"]:
        import jax

        found["devices"] = [f"{device.platform}: {device.device_kind}" for device in jax.devices()]
        found["techniques"] = _techniques()
        broken = [f"technique {name}: {why}" for name, why in found["techniques"].items() if why]
        found["problem"] = "; ".join([*broken, *_wrong_numbers()])
        found["passed"] = not found["problem"]
    found["seconds"] = round(time.perf_counter() - start, 1)
    typer.echo(json.dumps(found))


def _techniques() -> dict[str, str]:
    """Return, for every technique, the reason why it cannot be loaded; empty if it can."""
    from nescio.errors import NescioError
    from nescio.techniques import available_techniques, find_technique

    found = {}
    for name in available_techniques():
        try:
            found[name] = "" if find_technique(name).name == name else "states another name"
        except NescioError as error:
            found[name] = str(error)
    return found


def _wrong_numbers() -> list[str]:
    """Return the problem with a compiled derivative, or an empty string."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    x = np.linspace(0.1, 2.0, 1000, dtype=np.float32)
    slope = np.asarray(jax.jit(jax.grad(lambda x: jnp.sum(jnp.log(x) ** 2)))(x))
    right = np.allclose(slope, 2.0 * np.log(x) / x, rtol=1e-3, atol=1e-4)
    return [] if right else ["JAX computes a derivative wrongly"]


def _print(found: dict[str, Any]) -> None:
    cache, tested = found["cache"], found["self_test"]
    rows = [
        ("versions", ", ".join(f"{name} {version}" for name, version in found["versions"].items())),
        ("system", found["system"]),
        ("devices", ", ".join(found["devices"]) or "none"),
        ("cache", f"{cache['folder']} ({'writable' if cache['writable'] else 'CANNOT BE WRITTEN TO'})"),
    ]
    for name, why in found["techniques"].items():
        rows.append((f"technique {name}", why or "can be loaded"))
    for name, extra in found["extras"].items():
        missing = ", ".join(extra["missing"])
        rows.append(
            (
                f"extra {name}",
                "installed" if extra["installed"] else f"{extra['install']}  (missing: {missing})",
            )
        )
    rows.append(
        (
            "self-test",
            f"passed in {tested['seconds']} s" if tested["passed"] else f"FAILED: {tested['problem']}",
        )
    )
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        typer.echo(f"{name:<{width}}  {text}")
