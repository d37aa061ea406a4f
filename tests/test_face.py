"""The names of `import nescio` do the main jobs, in a script and in a notebook."""

import re
import shutil
import subprocess
import sys
import types
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import nescio
from nescio.display import NotebookOutput, in_notebook, key_figures
from nescio.errors import ConfigurationError, FileError, MeasurementError, NescioWarning
from nescio.progress import track
from nescio.view import LiveView, RunStatus

CIF = """data_{name}
_cell_length_a {a}
_cell_length_b {a}
_cell_length_c {a}
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_space_group_name_H-M_alt '{group}'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
{element}1 {element} 0 0 0
"""
QUICK = {
    "map": {"hidden": [32]},
    "detector": {"hidden": [32], "latent": 4},
    "classifier": {"channels": [8, 8], "dense": 16, "members": 1},
    "training": {"steps": 30, "batch": 16, "warmup": 5},
    "calibration": {"draws": 400, "scale_draws": 200, "map_draws": 100},
}


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory):
    """A folder with two CIFs and a few measured patterns, one of them spoilt."""
    folder = tmp_path_factory.mktemp("laboratory")
    (folder / "cifs").mkdir()
    for name, group, a, element in (("nickel", "F m -3 m", 3.524, "Ni"), ("iron", "I m -3 m", 2.866, "Fe")):
        text = CIF.format(name=name, group=group, a=a, element=element)
        (folder / "cifs" / f"{name}.cif").write_text(text, encoding="utf-8")
    prior = nescio.load_prior(folder / "cifs")
    agent = nescio.train(prior, folder / "agent", **QUICK)
    (folder / "patterns").mkdir()
    for i, pattern in enumerate(agent.reference(3)["intensity"].values):
        rows = np.column_stack([prior.axis.values, 1000 * pattern])
        np.savetxt(
            folder / "patterns" / f"{i}.xy", rows, header="two-theta (degree)  counts  wavelength 1.5406"
        )
    (folder / "patterns" / "spoilt.xy").write_text("nothing", encoding="utf-8")
    return folder, prior, agent


def test_from_cifs_to_a_map_in_six_lines(laboratory, tmp_path, monkeypatch):
    """Run the block of the README, with small networks."""
    folder, _, _ = laboratory
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    block = re.search(r"```py\n(.*?)```", readme, re.DOTALL)
    assert block is not None
    lines = [line for line in block[1].splitlines() if line]
    assert len(lines) == 6
    shutil.copytree(folder / "cifs", tmp_path / "cifs")
    shutil.copytree(folder / "patterns", tmp_path / "wafer")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(nescio, "train", partial(nescio.train, **QUICK))
    found = {}
    with pytest.warns(NescioWarning, match=r"spoilt\.xy"):
        exec(block[1], found)  # noqa: S102 - our own README
    assert set(found["agent"].labels) == {"iron", "nickel"}
    assert len(found["findings"]["measurement"]) == 3
    assert (tmp_path / "map.png").stat().st_size > 5000
    assert "iron" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "spoilt" not in nescio.table(found["findings"])["name"].to_list()


def test_a_saved_agent_assesses_alike(laboratory):
    folder, _, agent = laboratory
    prepared = agent.reference(3)[["intensity"]]
    again = nescio.assess(nescio.load_agent(folder / "agent"), prepared)
    assert (again["p_value"] == nescio.assess(agent, prepared)["p_value"]).all()
    # What a notebook asks of the last value of a cell.
    assert nescio.plot(again)._repr_png_().startswith(b"\x89PNG")


def test_an_agent_is_not_replaced_unasked(laboratory):
    folder, prior, _ = laboratory
    with pytest.raises(ConfigurationError, match="exists already; add overwrite=True"):
        nescio.train(prior, folder / "agent", **QUICK)
    with pytest.raises(ConfigurationError, match=r"training\.steps"):
        nescio.train(prior, training={"steps": -1})


def test_options_are_those_of_the_technique(laboratory):
    folder, _, agent = laboratory
    with pytest.raises(ConfigurationError, match="foil: technique 'xrd' has no such option"):
        nescio.assess(agent, folder / "patterns", foil="foil.xdi")
    with pytest.raises(ConfigurationError, match="options are for files"):
        nescio.assess(agent, agent.reference(3), wavelength="1.5406")


def test_only_findings_and_experiments_are_shown(laboratory, tmp_path):
    _, _, agent = laboratory
    prepared = agent.reference(3)[["intensity"]]
    for show in (nescio.plot, lambda dataset: nescio.report(dataset, tmp_path / "report.html")):
        with pytest.raises(MeasurementError, match=r"neither findings .* nor an experiment"):
            show(prepared)
        with pytest.raises(MeasurementError, match="cannot show str"):
            show("findings")
    assert not (tmp_path / "report.html").exists()


def test_what_makes_no_prior_is_named(tmp_path):
    (tmp_path / "notes.txt").write_text("x", encoding="utf-8")
    with pytest.raises(FileError, match=r"cannot make a prior from this; .* files such as \*.cif"):
        nescio.load_prior(tmp_path / "notes.txt")


def test_no_name_is_that_of_a_module_and_every_name_works_after_every_import():
    names = set(nescio.__all__)
    modules = {path.stem for path in Path(nescio.__file__).parent.iterdir()}
    assert not names & modules
    assert len(names) <= 16
    script = (
        "import pkgutil, importlib, nescio\n"
        "for module in pkgutil.iter_modules(nescio.__path__):\n"
        "    importlib.import_module(f'nescio.{module.name}')\n"
        "assert all(not hasattr(getattr(nescio, name), '__path__') for name in nescio.__all__)\n"
        "assert callable(nescio.train) and callable(nescio.assess)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_an_experiment_runs_from_its_file_and_shows_itself(tmp_path):
    positions = np.stack(np.divmod(np.arange(36), 6), 1).astype(float)
    spectra = np.exp(-((positions - 3.0) ** 2).sum(1) / 4)[:, None] * np.ones(5)
    np.savez(tmp_path / "grid.npz", positions=positions, spectra=spectra, energy=np.arange(5.0))
    (tmp_path / "grid.toml").write_text(
        """title = "A hill"
[instrument]
kind = "replay"
path = "grid.npz"
[instrument.spectra]
variable = "spectra"
dims = ["candidate", "energy"]
axes = { energy = { variable = "energy", units = "eV" } }
[instrument.positions]
variables = ["positions"]
units = "um"
[instrument.features]
variables = ["positions"]
[candidates]
kind = "features"
[scalarizer]
kind = "mean-magnitude"
[surrogate]
kind = "coordinates"
members = 2
steps = 5
[seeds]
points = 4
[budget]
points = 6
""",
        encoding="utf-8",
    )
    with nescio.open_experiment(tmp_path / "grid.toml", tmp_path / "run") as experiment:
        assert nescio.run(experiment) == "6 of 6 points are measured"
        assert nescio.run(experiment, points=7) == "7 of 7 points are measured"
        assert "7 of 7" in experiment._repr_html_()
        explored = experiment.to_dataset()
        for shown in (experiment, explored):
            assert nescio.plot(shown).axes
            assert nescio.report(shown, tmp_path / "report.html").exists()


def test_objects_show_their_key_figures(laboratory):
    _, prior, agent = laboratory
    assert "iron, nickel" in prior._repr_html_()
    assert "F m -3 m" in next(one for one in prior.structures if one.name == "nickel")._repr_html_()
    assert agent.identity in agent._repr_html_()
    hostile = key_figures("<script>", {"a&b": "<img>\x1b", "long": "x" * 1000})
    assert "<script>" not in hostile
    assert "<img>" not in hostile
    assert len(hostile) < 700


class Handle:
    """Stands for what a notebook shows under a cell."""

    def __init__(self):
        self.shown = []

    def update(self, content):
        self.shown.append(content)


@pytest.fixture
def notebook(monkeypatch):
    """As in the kernel of a notebook."""
    handle = Handle()

    def display(content, display_id):
        handle.update(content)
        return handle

    ipython = types.ModuleType("IPython")
    ipython.get_ipython = lambda: types.SimpleNamespace(kernel=object())
    shown = types.ModuleType("IPython.display")
    shown.HTML, shown.display = str, display
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", shown)
    return handle


def test_progress_is_one_output_that_is_replaced(notebook, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("nescio.progress.time.monotonic", lambda: now[0])
    assert in_notebook()
    with track("training <fast>", 4) as advance:
        for _ in range(4):
            now[0] += 1.0
            advance(1, "loss 0.1")
    assert len(notebook.shown) == 5
    assert "training &lt;fast&gt;: 50%, 2 s left, loss 0.1" in notebook.shown[1]
    assert "100%" in notebook.shown[-1]


def test_short_work_shows_nothing(notebook):
    with track("reading", 3) as advance:
        advance(3)
    assert notebook.shown == []


def test_an_experiment_is_followed_in_one_output(notebook, capsys):
    with LiveView("a film") as view:
        view.update(RunStatus(measured=1, budget=4, quantity="area", best_value=2.0))
        view.say(["paused"])
        view.update(RunStatus(measured=2, budget=4, quantity="area", best_value=3.0, messages=("paused",)))
    assert len(notebook.shown) == 2
    assert "2 of 4" in notebook.shown[-1]
    assert "paused" in notebook.shown[-1]
    assert capsys.readouterr() == ("", "")


def test_a_terminal_is_no_notebook():
    assert not in_notebook()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        NotebookOutput()
