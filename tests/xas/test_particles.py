"""From spectra to coordination numbers, with what is known of the error, and a warning where theory does not hold."""

import json
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from tests.xas.quick import DOCUMENT, QUICK
from typer.testing import CliRunner

from nescio.cli.application import application
from nescio.errors import ConfigurationError, MeasurementError, NescioError
from nescio.learn import NumberAgent
from nescio.techniques import NumberPrior
from nescio.xas import (
    CoordinationPrior,
    MixtureSettings,
    NormalisationSettings,
    Normalised,
    Spectrum,
    broadened,
    bundled_library,
    prepare_normalised,
    prepare_spectra,
    save_library,
)
from nescio.xas.prepare import foil_shift, half_step

LIBRARY = bundled_library("Cu", "K")
PRIOR = CoordinationPrior(LIBRARY)
E0 = 8979.0


@pytest.fixture(scope="module")
def agent() -> NumberAgent:
    return NumberAgent.train(PRIOR, QUICK, progress=False)


def measured(mu: np.ndarray, name: str = "made", offset: float = 3.0, **changes) -> Normalised:
    """Return a computed spectrum as if it were measured and normalised: on an energy axis that is off."""
    low, high = np.arange(-200.0, -15.0, 2.0), np.arange(121.0, 600.0, 2.0)
    x = np.concatenate([low, LIBRARY.energy, high])
    whole = np.concatenate([np.full(len(low), mu[0]), mu, np.ones(len(high))])
    spectrum = Spectrum(name, x + E0 + offset, whole, element="Cu", edge="K")
    return Normalised(replace(spectrum, **changes), E0, 1.0, (-150.0, -30.0), (100.0, 800.0), 2, whole)


def particle(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return spectrum and coordination numbers of an unstrained particle at rest."""
    rows = LIBRARY.state == 0
    counts = np.where(rows, LIBRARY.counts[:, LIBRARY.clusters.tolist().index(name)], 0)
    return counts @ LIBRARY.mu / counts.sum(), counts @ LIBRARY.coordination / counts.sum()


def read(agent: NumberAgent, *spectra: Normalised, align: str = "foil") -> xr.Dataset:
    return agent.assess(prepare_normalised(spectra, PRIOR, measured(LIBRARY.foil, "foil"), align=align))


def test_libraries_of_two_metals_come_along() -> None:
    for element, edge, radius in (("Cu", "K", 2.556), ("Pt", "L3", 2.775)):
        library = bundled_library(element, edge)
        assert (library.element, library.edge, len(library.clusters)) == (element, edge, 36)
        assert np.nanmedian(library.distance) == pytest.approx(radius, rel=0.002)
        assert (library.state == np.repeat(np.arange(5), 145)).all()
        assert library.coordination[:, 0].max() == 12
        assert np.abs(library.foil[library.energy > 60.0] - 1.0).max() < 0.2
    with pytest.raises(ConfigurationError, match="no library of Au at the L3 edge"):
        bundled_library("Au", "L3")


def test_it_tells_the_neighbours_of_particles(agent: NumberAgent) -> None:
    foil = measured(LIBRARY.foil, "foil")
    assert foil_shift(foil, LIBRARY.energy, LIBRARY.foil) == pytest.approx(3.0, abs=0.06)
    names = ["cuboctahedron shells 3", "octahedron length 5", "icosahedron shells 2"]
    spectra, numbers = zip(*(particle(name) for name in names), strict=True)
    told = read(agent, *(measured(mu, name) for mu, name in zip(spectra, names, strict=True)))
    assert told["quantity"].values.tolist() == ["C1", "C2", "C3", "C4", "R"]
    np.testing.assert_allclose(told["value"][:, 0], np.array(numbers)[:, 0], atol=0.5)
    # Of an icosahedron, neighbours in a shell are a twentieth further apart than those of two shells.
    np.testing.assert_allclose(told["value"][:2, 4], 2.556, atol=0.03)
    assert float(told["value"][2, 4]) > 2.6
    assert (told["verdict"] == "known").all()
    for part in ("aleatoric", "epistemic", "systematic"):
        assert (told[part].values > 0.0).all()
    np.testing.assert_allclose(told["fermi_level"], E0 + 3.0, atol=0.06)


def test_of_particles_of_the_right_size_some_fit(agent: NumberAgent) -> None:
    mu, numbers = particle("cuboctahedron shells 3")
    told = read(agent, measured(mu))
    fitting = [
        one.name for one in PRIOR.structures(told["low"].values[0] - 0.3, told["high"].values[0] + 0.3)
    ]
    assert "cuboctahedron shells 3 (147 atoms)" in fitting
    assert len(fitting) > 1
    assert told["structures"].dtype.kind == "U"
    assert PRIOR.structures(np.full(5, 20.0), np.full(5, 30.0)) == ()
    assert numbers[0] == pytest.approx(8.98, abs=0.01)


def test_a_spectrum_that_theory_does_not_know_gets_its_numbers_with_a_warning(agent: NumberAgent) -> None:
    oxide = LIBRARY.foil + 1.2 * np.exp(-0.5 * ((LIBRARY.energy - 14.0) / 2.5) ** 2).astype(np.float32)
    told = read(agent, measured(oxide, "oxide"))
    assert told["verdict"].item() == "novel"
    assert told["reason"].item().startswith("unlike the training signals (p = ")
    assert np.isfinite(told["value"]).all()


def test_an_energy_axis_of_its_own_is_put_right_by_the_edge(agent: NumberAgent) -> None:
    mu, _ = particle("cuboctahedron shells 4")
    moved = measured(mu, offset=5.0)
    assert half_step(moved) - half_step(measured(mu)) == pytest.approx(2.0, abs=0.06)

    def neighbours(spectrum: Normalised, align: str = "foil") -> float:
        return float(read(agent, spectrum, align=align)["value"][0, 0])

    assert neighbours(moved, "edge") == pytest.approx(neighbours(measured(mu), "edge"), abs=0.15)
    assert abs(neighbours(moved) - neighbours(measured(mu))) > 0.5


@pytest.mark.parametrize("kind", ["difference", "absorption"])
def test_what_is_learned_from_is_aligned_as_what_is_measured(kind: str) -> None:
    still = MixtureSettings(input=kind, shift=0.0, broadening=(0.0, 0.0), scale=0.0, slope=0.0, noise=0.0)
    name = "cuboctahedron shells 1"
    rows = LIBRARY.state == 0
    counts = np.where(rows, LIBRARY.counts[:, LIBRARY.clusters.tolist().index(name)], 0)
    mu, _ = particle(name)
    foil = measured(LIBRARY.foil, "foil")
    drawn, prepared = {}, {}
    for align in ("foil", "edge"):
        prior = CoordinationPrior(LIBRARY, still, NormalisationSettings(align=align))
        there = np.isfinite(LIBRARY.distance)
        drawn[align] = np.asarray(prior.sampler().of_particles(jax.random.key(0), counts[there][None])[0])[0]
        found = prepare_normalised([measured(mu, offset=3.0 if align == "foil" else 7.0)], prior, foil)
        assert (found.attrs["align"], "notes" in found.attrs) == (align, False)
        prepared[align] = found["intensity"].values[0]
        np.testing.assert_allclose(drawn[align], prepared[align], atol=0.02)
    assert np.abs(drawn["edge"] - drawn["foil"]).max() > 0.1
    apart = CoordinationPrior(LIBRARY, still, NormalisationSettings(align="edge"))
    assert (
        "each spectrum is not aligned by its edge"
        in prepare_normalised([measured(mu)], apart, foil, align="foil").attrs["notes"]
    )
    learned = CoordinationPrior(LIBRARY, still)
    assert (
        "aligned by its edge"
        in prepare_normalised([measured(mu)], learned, foil, align="edge").attrs["notes"]
    )


def test_without_a_foil_spectra_are_put_as_those_that_were_learned_from() -> None:
    """Of the resolution in the middle of those learned from; the others are within the error of the energy."""
    changes = {"input": "absorption", "shift": 0.0, "scale": 0.0, "slope": 0.0, "noise": 0.0}
    there = np.isfinite(LIBRARY.distance)
    name = LIBRARY.clusters.tolist().index("cuboctahedron shells 3")
    counts = np.where(LIBRARY.state == 0, LIBRARY.counts[:, name], 0)
    mu, _ = particle("cuboctahedron shells 3")
    apart = NormalisationSettings(align="edge")
    prior = CoordinationPrior(LIBRARY, MixtureSettings(**changes, broadening=(0.0, 2.0)), apart)
    for width, most in ((0.0, 0.35), (1.0, 0.06), (2.0, 0.35)):
        exact = CoordinationPrior(LIBRARY, MixtureSettings(**changes, broadening=(width, width)), apart)
        drawn = np.asarray(exact.sampler().of_particles(jax.random.key(0), counts[there][None])[0])[0]
        broad = broadened(mu, width, 0.5) if width else mu
        found = prepare_normalised([measured(broad)], prior)
        assert "notes" not in found.attrs
        grid = prior.mixtures.energy
        shifts = np.arange(-1.0, 1.01, 0.02)
        apart_by = [
            np.sum((np.interp(grid + shift, grid, drawn) - found["intensity"].values[0])[5:-5] ** 2)
            for shift in shifts
        ]
        assert abs(shifts[np.argmin(apart_by)]) <= most


def test_spectra_without_an_edge_cannot_be_put_by_it() -> None:
    flat = replace(LIBRARY, mu=np.full_like(LIBRARY.mu, 0.9))
    CoordinationPrior(flat)
    with pytest.raises(
        ConfigurationError, match="spectra cannot be aligned by their edge: some of the library"
    ):
        CoordinationPrior(flat, normalisation=NormalisationSettings(align="edge"))
    with pytest.raises(ConfigurationError, match="the library has"):
        CoordinationPrior(LIBRARY, MixtureSettings(high=118.5), NormalisationSettings(align="edge"))


def test_without_a_foil_the_edge_of_the_computed_one_serves() -> None:
    alone = CoordinationPrior(LIBRARY, MixtureSettings(input="absorption", broadening=(0.0, 0.0)))
    mu, _ = particle("cuboctahedron shells 3")
    with_foil = prepare_normalised([measured(mu)], alone, measured(LIBRARY.foil), align="edge")
    without = prepare_normalised([measured(mu)], alone)
    assert without.attrs["notes"].startswith(
        "without a foil each spectrum is aligned by its edge, but the training spectra were"
    )
    assert "give --foil FILE, or learn with normalisation.align" in without.attrs["notes"]
    np.testing.assert_allclose(without["intensity"], with_foil["intensity"], atol=0.02)
    assert (without.attrs["foil"], without.attrs["align"]) == ("none", "edge")
    with pytest.raises(
        ConfigurationError, match="no foil: this agent needs the difference to a foil; give --foil"
    ):
        prepare_normalised([measured(mu)], PRIOR)


def test_what_cannot_be_told_is_said_and_the_rest_goes_on() -> None:
    foil = measured(LIBRARY.foil, "foil").spectrum
    good = replace(foil, name="good")
    others = [
        (replace(foil, element="Pt"), "is a spectrum of Pt; this agent knows Cu"),
        (replace(foil, edge="L3"), "is a spectrum of the L3 edge; this agent knows Cu K"),
        (replace(foil, energy=foil.energy + 50.0), r"its edge is at 903\d\.\d eV, that of the foil at 89"),
        (
            replace(foil, energy=foil.energy[:170], mu=foil.mu[:170]),
            r"measured from 8782\.0 to 9005\.0 eV; needed are",
        ),
        (replace(foil, energy=foil.energy / 1000.0), "these look like keV"),
    ]
    found = prepare_spectra([*(one for one, _ in others), good], PRIOR, foil=foil)
    for row, (_, said) in enumerate(others):
        assert found["intensity"][row].isnull().all()
        with pytest.raises(MeasurementError, match=said):
            raise MeasurementError(str(found["problem"].values[row]))
    assert found["problem"].values[-1] == ""
    np.testing.assert_allclose(found["intensity"][-1], 0.0, atol=1e-6)
    assert found["e0"].values[-1] == pytest.approx(E0, abs=6.0)
    with pytest.raises(ConfigurationError, match=r"e0 is at 7112\.0 eV; the K edge of Cu is at 8979 eV"):
        prepare_spectra([good], PRIOR, foil=foil, choices=NormalisationSettings(e0=7112.0))
    with pytest.raises(
        ConfigurationError,
        match=r"the foil cannot be used: iron: its edge is at 71\d\d\.\d eV; the K edge of Cu",
    ):
        prepare_spectra([good], PRIOR, foil=replace(foil, name="iron", energy=foil.energy - 1867.0))


def test_an_axis_far_from_the_foils_is_found_or_refused() -> None:
    foil = measured(LIBRARY.foil, "foil").spectrum
    aside = NormalisationSettings(align="edge")
    shifts = np.array([-20.0, 0.0, 10.0, 25.0])
    found = prepare_spectra(
        [replace(foil, energy=foil.energy + shift) for shift in shifts], PRIOR, foil=foil, choices=aside
    )
    np.testing.assert_allclose(found["fermi_level"] - found["fermi_level"][1], shifts, atol=0.06)
    np.testing.assert_allclose(found["intensity"], 0.0, atol=0.02)
    np.testing.assert_allclose(found["e0"] - found["e0"][1], shifts, atol=0.3)
    flat = measured(LIBRARY.foil)
    with pytest.raises(MeasurementError, match="does not reach half of its edge step"):
        half_step(replace(flat, mu=0.1 * flat.mu))


def test_disturbances_are_what_they_are_called() -> None:
    mu, _ = particle("cuboctahedron shells 3")
    found = prepare_normalised([measured(mu)], PRIOR, measured(LIBRARY.foil))
    absorption = found["absorption"].values[0]
    change = found["disturbed"].values[0] - found["intensity"].values[0]
    grid = PRIOR.mixtures.energy
    np.testing.assert_allclose(change[3], 0.01 * absorption, atol=1e-9)
    np.testing.assert_allclose(change[4], -0.01 * absorption, atol=1e-9)
    slope = np.gradient(absorption, grid)
    smooth = np.abs(np.gradient(slope, grid)) < 0.02
    np.testing.assert_allclose(change[1][smooth], 0.5 * slope[smooth], atol=0.012)
    np.testing.assert_allclose(change[0][smooth], -0.5 * slope[smooth], atol=0.012)
    assert np.abs(change[2]).max() > 0.01


def test_a_prior_comes_back_from_its_document(tmp_path: Path) -> None:
    assert isinstance(PRIOR, NumberPrior)
    few = replace(
        LIBRARY,
        **{
            name: getattr(LIBRARY, name)[:30]
            for name in ("mu", "coordination", "distance", "counts", "state")
        },
    )
    some = CoordinationPrior(few, MixtureSettings(high=60.0), chosen=(3, 4, 9))
    again = CoordinationPrior.from_document(json.loads(json.dumps(some.to_document())))
    key, member = jax.random.key(4), jnp.asarray(0)
    for one, other in zip(some.sampler()(key, 5, member), again.sampler()(key, 5, member), strict=True):
        np.testing.assert_array_equal(one, other)
    document = some.to_document()
    for changes, said in (
        ({"library": "!"}, "the library is damaged"),
        ({"library": "AAAA"}, "prior document"),
        ({"chosen": [3, 5000]}, "chosen must be within the 30 sites"),
        ({"chosen": "all"}, "a list of whole numbers"),
        ({"more": 1}, "needs exactly the keys"),
    ):
        with pytest.raises(NescioError, match=said):
            CoordinationPrior.from_document({**document, **changes})
    save_library(few, tmp_path / "own.npz")
    configuration = tmp_path / "prior.toml"
    for text, said in (
        ('[library]\nelement = "Cu"\n', "needs either element and edge"),
        ('[library]\nelement = "Fe"\nedge = "K"\n', "no library of Fe"),
        ('[library]\nfile = "other.npz"\n', "other.npz"),
        ('[library]\nfile = "own.npz"\n[mixtures]\nlow = -30.0\n', "the library has -15 to 120 eV"),
        ('[library]\nfile = "own.npz"\n[mixture]\n', "unknown key 'mixture'"),
    ):
        configuration.write_text(f'technique = "xas"\n{text}', encoding="utf-8")
        with pytest.raises(NescioError, match=said):
            CoordinationPrior.from_file(configuration)
    configuration.write_text('technique = "xas"\n[library]\nfile = "own.npz"\n', encoding="utf-8")
    assert CoordinationPrior.from_file(configuration).to_document() == CoordinationPrior(few).to_document()


def test_the_verbs_learn_and_assess(tmp_path: Path) -> None:
    """With a training that is too short: that everything is passed on, not how good it is."""
    prior = tmp_path / "copper.toml"
    prior.write_text('technique = "xas"\n[library]\nelement = "Cu"\nedge = "K"\n', encoding="utf-8")
    # As the agent above, whose compiled programs serve again.
    sizes = [f"{part}.{name}={value}" for part, table in DOCUMENT.items() for name, value in table.items()]

    def run(*arguments: object) -> tuple[int, str, str]:
        result = CliRunner().invoke(application, [str(argument) for argument in arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result.exit_code, result.stdout, result.stderr

    settings = [part for one in sizes for part in ("--set", one)]
    code, out, _ = run("learn", prior, "-o", tmp_path / "cu", *settings)
    assert code == 0
    assert "learned C1, C2, C3, C4, R in" in out
    assert "mean absolute errors on 1000 new known signals: C1" in out
    for name, element in (("foil", "Cu"), ("sample", "Cu"), ("iron", "Fe")):
        mu = particle("cuboctahedron shells 3")[0] if name == "sample" else LIBRARY.foil
        spectrum = measured(mu).spectrum
        rows = "\n".join(f"{a:.3f} {b:.6f}" for a, b in zip(spectrum.energy, spectrum.mu, strict=True))
        header = f"# XDI/1.0\n# Element.symbol: {element}\n# Element.edge: K\n#---\n# energy xmu\n"
        (tmp_path / f"{name}.xdi").write_text(header + rows + "\n", encoding="utf-8")
    files = [tmp_path / "sample.xdi", tmp_path / "iron.xdi"]
    out_folder = tmp_path / "out"
    code, _, err = run("assess", tmp_path / "cu", *files, "-o", out_folder)
    assert (code, "no foil: this agent needs the difference" in err) == (2, True)
    foil = ("--foil", tmp_path / "foil.xdi")
    code, _, err = run("assess", tmp_path / "cu", *files, "-o", out_folder, *foil, "--wavelength", "CuKa")
    assert (code, "--wavelength: technique 'xas' has no such option" in err) == (2, True)
    code, out, err = run(
        "assess",
        tmp_path / "cu",
        *files,
        "-o",
        out_folder,
        *foil,
        "--alpha",
        "0.02",
        "--report",
    )
    assert (code, "error" in err) == (0, False)
    assert [line for line in err.splitlines() if line.startswith("note:")] == [
        f"note: {tmp_path / 'iron.xdi'}: the file states Fe K (7112 eV), but was measured from 8782 to 9581 eV"
    ]
    assert "unreadable" in out
    table = (out_folder / "findings.csv").read_text(encoding="utf-8").splitlines()
    assert table[0].startswith(
        "name,verdict,value[C1],low[C1],high[C1],aleatoric[C1],epistemic[C1],systematic[C1]"
    )
    assert [row.split(",")[0] for row in table[1:]] == ["sample", "iron"]
    report = (out_folder / "report.html").read_text(encoding="utf-8")
    for heading in (
        "Numbers",
        "Fitting structures",
        "Calibration of the agent",
        "Provenance",
    ):
        assert heading in report
    with xr.open_dataset(out_folder / "findings.nc", engine="h5netcdf") as stored:
        assert stored["value"].sel(measurement="sample", quantity="C1").notnull()
    code, _, err = run("assess", tmp_path / "cu", *files, "-o", tmp_path / "put", *foil, "--align", "edge")
    notes = [line for line in err.splitlines() if line.startswith("note:")]
    assert (code, len(notes)) == (0, 2)
    wanted = "note: each spectrum is aligned by its edge, but the training spectra were not"
    assert any(note.startswith(wanted) for note in notes)
