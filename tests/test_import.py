"""Nescio starts at once: nothing heavy is loaded before it is used."""

import json
import subprocess
import sys

import pytest

HEAVY = {"jax", "matplotlib", "xarray", "scipy", "sklearn", "h5py", "gemmi", "pandas", "numpy", "spglib"}


HELP = "import sys\nsys.argv = {}\ntry:\n    nescio()\nexcept SystemExit:\n    pass"


def loaded_by(code: str) -> set[str]:
    script = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    "code",
    [
        "import nescio",
        "import nescio.cli",
        "import nescio.techniques, nescio.signals, nescio.progress, nescio.errors, nescio.compute",
        "import nescio.studies, nescio.studies.demos, nescio.explore",
        "from nescio.cli import main as nescio\n" + HELP.format("['nescio', '--help']"),
        "from nescio.cli import main as nescio\n" + HELP.format("['nescio', 'assess', '--help']"),
    ],
)
def test_nothing_heavy_is_loaded_before_it_is_used(code: str) -> None:
    loaded = loaded_by(code)
    assert "nescio" in loaded
    assert not HEAVY & loaded


def test_absorption_is_loaded_without_what_draws() -> None:
    assert "matplotlib" not in loaded_by("import nescio.xas")


def test_the_check_sees_heavy_packages() -> None:
    assert {"numpy", "jax"} <= loaded_by("import jax")


PORTABLE = """
import importlib, os, pkgutil, signal, sys
import nescio

names = [module.name for module in pkgutil.walk_packages(nescio.__path__, "nescio.")]
for name in names:
    importlib.import_module(name)  # other libraries may need what is taken away below
for name in [name for name in sys.modules if name.partition(".")[0] == "nescio"]:
    del sys.modules[name]
for module, missing in ((os, sys.argv[1]), (signal, sys.argv[2])):
    for name in missing.split():
        if hasattr(module, name):
            delattr(module, name)
for name in sys.argv[3].split():
    sys.modules[name] = None
for name in names:
    importlib.import_module(name)
print(len(names))
"""
OF_UNIX = (
    "O_CLOEXEC O_DIRECTORY O_NOCTTY O_NONBLOCK WNOHANG fork forkpty getgid getpgid getuid geteuid killpg mkfifo mknod",
    "SIGALRM SIGCHLD SIGHUP SIGKILL SIGSTOP SIGUSR1 SIGUSR2 SIGXCPU alarm pthread_sigmask sigwait",
    "resource fcntl grp pty pwd syslog termios tty",
)
"""What Windows does not have: in os, in signal, and modules."""


def test_nothing_of_unix_alone_is_needed_to_import_any_module() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PORTABLE, *OF_UNIX], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 200
