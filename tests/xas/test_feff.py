"""Runs of FEFF: in folders of their own, within their time, side by side, with complaints that help."""

import importlib.util
import os
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from nescio.errors import ConfigurationError, FeffError, MissingExtraError
from nescio.xas import (
    FeffProgram,
    executor_at,
    feff_input,
    find_feff6l,
    find_feff8l,
    own_feff,
    read_feff_phases,
    run_feff,
    sweep_feff,
)
from nescio.xas.feff.run import digest_of

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="stands for FEFF by shell scripts")

CUBE = np.array([[0, 0, 0], [0, 1.8, 1.8], [1.8, 0, 1.8], [1.8, 1.8, 0]], float)


def program(folder: Path, *scripts: str) -> FeffProgram:
    """Return something that is run as FEFF is."""
    steps = []
    for number, script in enumerate(scripts):
        path = folder / f"step{number}"
        path.write_text(f"#!/bin/sh\n{textwrap.dedent(script)}\n", encoding="utf-8")
        path.chmod(0o755)
        steps.append(path)
    return FeffProgram("pretended", tuple(steps), "phase.pad")


# ---- what is asked


def test_an_input_has_the_absorber_first_and_a_potential_for_each_element() -> None:
    text = feff_input(
        ["Pt", "Cu", "Pt", "Cu"], CUBE, edge="L3", absorber=2, core_hole="none", paths_within=5.0
    )
    lines = text.splitlines()
    assert {"EDGE L3", "NOHOLE", "SCF 4.5", "RPATH 5", "NLEG 4", "CONTROL 1 1 1 1 1 1"} <= set(lines)
    first = lines.index("POTENTIALS")
    assert [line.split()[:3] for line in lines[first + 1 : first + 4]] == [
        ["0", "78", "Pt"],
        ["1", "78", "Pt"],
        ["2", "29", "Cu"],
    ]
    atoms = [line.split() for line in lines[lines.index("ATOMS") + 1 : -1]]
    assert atoms[0] == ["0.000000", "0.000000", "0.000000", "0", "Pt"]
    assert sorted(row[3] for row in atoms[1:]) == ["1", "2", "2"]
    short = feff_input(["Cu"] * 4, CUBE, edge="K", consistent_within=None).splitlines()
    assert "CONTROL 1 1 1 0 0 0" in short
    assert not any(line.startswith(("SCF", "RPATH", "NOHOLE")) for line in short)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"elements": ["Cu"] * 3}, r"positions of shape \(4, 3\) for 3 elements"),
        ({"elements": ["Cu", "Cu", "Xx", "Cu"]}, "element 'Xx' is not known"),
        ({"elements": ["cu", "Cu", "Cu", "Cu"]}, "element 'cu' is not known"),
        ({"edge": "K1"}, "edge 'K1': is none of K, L1"),
        ({"absorber": 4}, "absorber 4: there are atoms 0 to 3"),
        ({"positions": np.where(CUBE == 0.0, np.nan, CUBE)}, "all finite"),
        ({"positions": 0.1 * CUBE}, r"atoms 0 and 1 are 0\.255 angstrom apart"),
    ],
)
def test_what_feff_could_not_compute_is_told_before(changes, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        feff_input(**{"elements": ["Cu"] * 4, "positions": CUBE, "edge": "K", **changes})


# ---- one run


def test_a_run_is_kept_under_the_name_of_its_input(tmp_path: Path) -> None:
    feff = program(
        tmp_path, "echo first; cp feff.inp seen", "echo x >> ../count; cp seen phase.pad; touch pot.pad"
    )
    results = tmp_path / "results"
    found = run_feff("one", feff, results)
    assert found == results / digest_of("one", feff)
    assert (found / "phase.pad").read_text() == "one"
    assert (found / "output.txt").read_text() == "first\n"
    assert not (found / "pot.pad").exists()
    assert run_feff("one", feff, results) == found
    assert run_feff("two", feff, results, keep_all=True) != found
    assert (results / "count").read_text() == "x\nx\n"
    assert (results / digest_of("two", feff) / "pot.pad").exists()
    assert sorted(path.name for path in results.iterdir() if path.is_dir()) == sorted(
        digest_of(text, feff) for text in ("one", "two")
    )


@pytest.mark.parametrize(
    ("scripts", "said"),
    [
        (["echo '  Something odd'; exit 3"], "step0: ended with 3, saying 'Something odd'"),
        (["exit 1"], "step0: ended with 1, saying nothing"),
        (["kill -9 $$"], "step0: was ended by signal 9"),
        (
            ["touch phase.pad; echo ' ATOMS are too close'; echo 'Fatal Error: at RDINP'"],
            "too close Fatal Error",
        ),
        (["echo done"], "wrote no phase.pad; ended with 0, saying 'done'"),
        (["exec /nowhere/at/all"], "step0: ended with 12[67]"),
    ],
)
def test_what_went_wrong_is_told_in_the_programs_words(tmp_path: Path, scripts: list[str], said: str) -> None:
    with pytest.raises(FeffError, match=said):
        run_feff("x", program(tmp_path, *scripts), tmp_path / "results")
    assert list((tmp_path / "results").iterdir()) == []


def test_a_run_that_takes_too_long_is_ended_with_all_it_started(tmp_path: Path) -> None:
    feff = program(tmp_path, f"sleep 60 & echo $! > {tmp_path}/child; wait")
    began = time.monotonic()
    with pytest.raises(FeffError, match=r"step0: stopped after 0\.5 s; allow more time, or use fewer atoms"):
        run_feff("x", feff, tmp_path / "results", seconds=0.5)
    assert time.monotonic() - began < 10.0
    child = int((tmp_path / "child").read_text())
    told = Path(f"/proc/{child}/stat")
    for _ in range(50):
        # One that nobody has buried yet is dead all the same.
        if not told.exists() or told.read_text().rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.1)
    pytest.fail("a process that FEFF started lives on")


def test_a_missing_program_says_where_it_comes_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nescio.xas.feff.run.find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    for find in (find_feff8l, find_feff6l):
        with pytest.raises(FeffError, match=r"not found; install it by pip install nescio\[feff\]"):
            find()
        with pytest.raises(FeffError, match="not found; give the folder"):
            find(tmp_path)
    (tmp_path / "feff6l").write_text("", encoding="utf-8")
    assert find_feff6l(tmp_path).steps == (tmp_path / "feff6l",)
    with pytest.raises(FeffError, match="is no executable program"):
        own_feff(tmp_path / "feff6l")
    (tmp_path / "feff6l").chmod(0o755)
    assert own_feff(tmp_path / "feff6l").proof == "xmu.dat"


# ---- many


def test_of_many_runs_what_fails_is_told_and_the_rest_goes_on(tmp_path: Path) -> None:
    feff = program(
        tmp_path, f"echo x >> {tmp_path}/count; grep -q bad feff.inp && exit 5; cp feff.inp phase.pad"
    )
    inputs = {"a": "1", "b": "bad", "c": "3", "again": "1"}
    sweep = sweep_feff(inputs, feff, tmp_path / "results")
    assert set(sweep.results) == {"a", "c", "again"}
    assert sweep.results["a"] == sweep.results["again"]
    assert sweep.failures == {"b": "step0: ended with 5, saying nothing"}
    assert (tmp_path / "count").read_text().count("x") == 3
    with ThreadPoolExecutor(1) as pool:
        again = sweep_feff(inputs, feff, tmp_path / "results", executor=pool)
    assert (again.found, set(again.results)) == (2, {"a", "c", "again"})
    assert (tmp_path / "count").read_text().count("x") == 4
    with pytest.raises(ConfigurationError, match="0 workers"):
        sweep_feff(inputs, feff, tmp_path / "results", workers=0)


def test_a_sweep_that_is_killed_goes_on_with_what_is_missing(tmp_path: Path) -> None:
    # Those from the fifth on wait until they may end.
    wait = f'while [ "$(cat feff.inp)" -gt 3 ] && [ ! -e {tmp_path}/go ]; do sleep 0.05; done'
    feff = program(tmp_path, f"{wait}; cp feff.inp phase.pad")
    script = textwrap.dedent(
        f"""
        from pathlib import Path
        from nescio.xas import FeffProgram, sweep_feff
        feff = FeffProgram("pretended", (Path({str(feff.steps[0])!r}),), "phase.pad")
        print("begun", flush=True)
        sweep_feff({{str(n): str(n) for n in range(8)}}, feff, {str(tmp_path / "results")!r})
        """
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    results = tmp_path / "results"
    deadline = time.monotonic() + 60.0
    # Finished ones only: a run in progress, in a hidden folder, may have written its file already.
    while len(list(results.glob("[!.]*/phase.pad"))) < 4:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    (tmp_path / "go").touch()
    sweep = sweep_feff({str(n): str(n) for n in range(8)}, feff, results)
    assert sweep.found == 4
    assert len(sweep.results) == 8
    for name, folder in sweep.results.items():
        assert (folder / "phase.pad").read_text() == name


def test_workers_of_dask_run_a_sweep(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    pretended = program(tmp_path, "touch phase.pad")
    inputs = {f"run {i}": feff_input(["Cu"] * 4, CUBE * (1.0 + 0.01 * i), edge="K") for i in range(6)}
    with (
        distributed.LocalCluster(n_workers=1, processes=False, dashboard_address=None) as cluster,
        executor_at(cluster.scheduler_address) as executor,
    ):
        sweep = sweep_feff(inputs, pretended, tmp_path / "results", executor=executor, progress=False)
    assert set(sweep.results) == set(inputs)
    assert not sweep.failures


def test_a_scheduler_needs_an_extra() -> None:
    if importlib.util.find_spec("distributed") is None:
        with (
            pytest.raises(MissingExtraError, match=r"pip install nescio\[dask\]"),
            executor_at("tcp://127.0.0.1:1"),
        ):
            pass
    else:
        with pytest.raises(ConfigurationError, match="no Dask scheduler"), executor_at("tcp://127.0.0.1:1"):
            pass


def test_feff_itself_computes_phase_shifts(tmp_path: Path) -> None:
    folder = os.environ.get("NESCIO_FEFF8L")
    try:
        feff = find_feff8l(folder)
    except FeffError as error:
        pytest.skip(f"{error} (or set NESCIO_FEFF8L)")
    text = feff_input(["Cu"] * 4, CUBE, edge="K", consistent_within=None, largest_wavenumber=8.0)
    told = read_feff_phases(run_feff(text, feff, tmp_path, seconds=120.0))
    assert told.elements == ("Cu", "Cu")
    assert told.edge_energy == pytest.approx(8985.0, abs=10.0)
    with pytest.raises(FeffError, match="failed to read"):
        run_feff("POTENTIALS\n 0 29 Cu\nATOMS\nEND\n", feff, tmp_path)
