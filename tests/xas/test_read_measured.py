"""Measured spectra: read from Athena's projects, checked, normalised."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from nescio.errors import FileError, MeasurementError
from nescio.xas import Spectrum, normalised, one_spectrum, read_athena, read_spectra
from nescio.xas.spectra import checked, edge_position

ENERGY = np.concatenate([np.arange(8780.0, 8960, 5), np.arange(8960, 9020, 0.5), np.arange(9020, 9800, 2.0)])


def made(**changes) -> Spectrum:
    x = ENERGY - 8979.0
    step = 1.7 * (0.5 + np.arctan(x / 1.2) / np.pi) * (1 - 3.5e-4 * x + 1.2e-7 * x * x)
    wiggles = 0.2 * np.exp(-(((x - 12) / 4) ** 2)) + 0.05 * np.sin(0.12 * x) * np.exp(-x / 150) * (x > 0)
    return Spectrum(**{"name": "made", "energy": ENERGY, "mu": 1.3 - 4e-4 * x + step + wiggles, **changes})


def test_a_spectrum_is_normalised_as_by_larch() -> None:
    """Larch 2026.3.1, pre_edge(e0=8979, pre1=-150, pre2=-30, norm1=100, norm2=800, nnorm=2)."""
    found = normalised(made(), e0=8979.0, pre=(-150.0, -30.0), post=(100.0, 800.0), degree=2)
    assert found.step == pytest.approx(1.6780324868, rel=1e-3)
    at = [8930.0, 8974.0, 8979.0, 8989.0, 9028.0, 9178.0, 9578.0]
    flat = [0.00019520, 0.06557397, 0.49573891, 1.08265283, 0.98587269, 0.99219006, 1.00021614]
    np.testing.assert_allclose(found.at(at), flat, atol=6e-4)
    assert edge_position(made()) == pytest.approx(8979.0, abs=0.26)


def test_choices_are_made_where_nobody_makes_them_and_kept() -> None:
    found = normalised(made())
    assert (found.pre, found.post, found.degree) == ((-150.0, -30.0), (100.0, 800.0), 2)
    assert found.e0 == pytest.approx(8979.0, abs=0.26)
    near = ENERGY < 9180.0
    short = normalised(made(energy=ENERGY[near], mu=made().mu[near]))
    assert short.degree == 1
    assert short.post[1] == pytest.approx(199.0, abs=2.0)
    assert short.at(9100.0) == pytest.approx(1.0, abs=0.03)
    with pytest.raises(
        MeasurementError, match=r"made: measured from 8780\.0 to 9798\.0 eV; needed are 8000\.0"
    ):
        found.at([8000.0, 9000.0])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"energy": ENERGY / 1000.0}, r"energies of 8\.78 to 9\.798; needs eV \(these look like keV\)"),
        ({"energy": ENERGY[:5], "mu": np.arange(5.0)}, "5 points; needs 30"),
        (
            {"energy": np.where(ENERGY[-1] == ENERGY, 1e15, ENERGY)},
            r"8780 to 1e\+15; needs eV above 0, and 200000",
        ),
        ({"energy": ENERGY - 9000.0}, "needs eV above 0"),
        (
            {"mu": np.where(ENERGY == 8979.0, np.nan, made().mu)},
            r"point 75 \(of 1\) is no number|is no number",
        ),
        ({"mu": np.ones_like(ENERGY)}, "the signal is 1 everywhere"),
        ({"mu": -made().mu}, "no edge at"),
        ({"energy": np.where(ENERGY == 8979.5, 8979.0, ENERGY)}, "energy 8979 eV is there more than once"),
        ({"energy": ENERGY[40:], "mu": made().mu[40:]}, r"[0-2] points before the edge at 89"),
        ({"energy": ENERGY[:5]}, r"\(5,\) energies and \("),
    ],
)
def test_what_would_spoil_the_rest_is_told(changes, said: str) -> None:
    with pytest.raises(MeasurementError, match=said):
        normalised(made(**changes))


def test_a_scan_may_run_down_and_repeat_a_point() -> None:
    down = np.concatenate([ENERGY[::-1], ENERGY[:1]])
    found = checked(made(energy=down, mu=np.concatenate([made().mu[::-1], made().mu[:1]])))
    np.testing.assert_array_equal(found.energy, ENERGY)
    np.testing.assert_array_equal(found.mu, made().mu)


# ---- projects


def project(path: Path, *records: str, compressed: bool = True) -> Path:
    text = "# Athena project file -- Athena version 0.8.061\n" + "\n".join(records) + "\n1;\n"
    path.write_bytes(gzip.compress(text.encode()) if compressed else text.encode())
    return path


def record(
    name: str, x: str, y: str, label: str = "Pt on carbon", shift: str = "-0.5", kind: str = "xmu"
) -> str:
    return (
        f"$old_group = '{name}';\n"
        f"@args = ('bkg_eshift','{shift}','bkg_z','pt','titles',['label','x'],'datatype','{kind}',"
        f"'label','{label}','fft_edge','l3');\n"
        f"@x = ({x});\n@y = ({y});\n[record]   # create object\n"
    )


X = ",".join(f"'{value:g}'" for value in ENERGY)
Y = ",".join(f"'{value:.8g}'" for value in made().mu)


@pytest.mark.parametrize("compressed", [True, False])
def test_a_project_gives_its_spectra_aligned(tmp_path: Path, compressed: bool) -> None:
    records = (
        record("abcd", X, Y, label="It\\'s Pt"),
        record("efgh", X, Y, kind="chi"),
        record("ijkl", X, "'a'"),
        record("mnop", X, Y, shift="far"),
        record("qrst", X, Y[: len(Y) // 2].rpartition(",")[0]),
    )
    found, left = read_athena(project(tmp_path / "p.prj", *records, compressed=compressed))
    assert [one.name for one in found] == ["It's Pt"]
    assert (found[0].element, found[0].edge, found[0].shift) == ("Pt", "L3", -0.5)
    np.testing.assert_allclose(found[0].energy, ENERGY - 0.5)
    np.testing.assert_allclose(found[0].mu, made().mu, rtol=1e-7)
    assert len(left) == 4
    for told, said in zip(
        left, ("holds chi", "could not convert", "'far' is no number", "needs as many"), strict=True
    ):
        assert said in told


def test_an_element_that_nobody_set_is_none(tmp_path: Path) -> None:
    """Athena writes "H" where the element was not set."""
    unset = record("abcd", X, Y).replace("'bkg_z','pt'", "'bkg_z','H'")
    found, left = read_athena(
        project(tmp_path / "p.prj", unset, record("efgh", X, Y).replace("'pt'", "undef"))
    )
    assert ([one.element for one in found], left) == (["", ""], [])


def test_a_record_that_is_cut_short_is_told(tmp_path: Path) -> None:
    whole = record("abcd", X, Y)
    cut = record("efgh", X, Y, label="cut").partition("@y =")[0]
    found, left = read_athena(project(tmp_path / "p.prj", whole, cut))
    assert (len(found), len(left)) == (1, 1)
    assert left[0].startswith("cut: ")
    found, left = read_athena(project(tmp_path / "p.prj", whole, "@journal = ('written','by me');"))
    assert (len(found), left) == (1, [])


def json_project(**records: object) -> str:
    header = {"_____emacs_mode": "json", "_____header1": "# Athena project file -- Demeter version 0.9.26"}
    return json.dumps(
        {**header, **records, "_____order": [*records], "_____journal": ["HASH(0x7f96bbb82988)"]}
    )


def test_a_project_may_be_json(tmp_path: Path) -> None:
    x, y = [f"{value:g}" for value in ENERGY], [f"{value:.8g}" for value in made().mu]
    options = {
        "label": "Pt foil",
        "datatype": "xmu",
        "bkg_z": "Pt",
        "fft_edge": "l3",
        "bkg_eshift": "-0.5",
        "npts": 442,
    }
    content = json_project(
        abcd={"args": options, "x": x, "y": y, "signal": []},
        efgh={"args": {"datatype": "chi"}, "x": x, "y": y},
        ijkl={"args": {"label": "short"}, "x": x, "y": y[:-2]},
        mnop={"args": [], "x": x, "y": [*y[:-1], None]},
        qrst=[1],
    )
    for content_bytes in (content.encode(), gzip.compress(content.encode())):
        (tmp_path / "p.prj").write_bytes(content_bytes)
        found, left = read_athena(tmp_path / "p.prj")
        assert [one.name for one in found] == ["Pt foil"]
        assert (found[0].element, found[0].edge, found[0].shift) == ("Pt", "L3", -0.5)
        np.testing.assert_allclose(found[0].energy, ENERGY - 0.5)
        np.testing.assert_allclose(found[0].mu, made().mu, rtol=1e-7)
        assert [one.split(":")[0] for one in left] == ["efgh", "short", "mnop", "qrst"]
    assert [one.name for one in read_spectra(tmp_path / "p.prj")[0]] == ["Pt foil"]
    (tmp_path / "p.prj").write_text(json_project(), encoding="utf-8")
    with pytest.raises(FileError, match="is no project of Athena"):
        read_athena(tmp_path / "p.prj")


def test_a_project_is_known_by_its_content(tmp_path: Path) -> None:
    file = project(tmp_path / "p.txt", record("abcd", X, Y))
    assert [one.name for one in read_spectra(file)[0]] == ["Pt on carbon"]


def test_what_is_no_project_is_told(tmp_path: Path) -> None:
    for content, said in (
        (b"\x1f\x8b broken", "cannot be unpacked"),
        (b"system('rm')", "is no project of Athena"),
        (b"", "is empty"),
    ):
        (tmp_path / "bad.prj").write_bytes(content)
        with pytest.raises(FileError, match=said):
            read_athena(tmp_path / "bad.prj")
    with pytest.raises(FileError, match=r"none\.prj"):
        read_athena(tmp_path / "none.prj")


def test_real_projects_and_foils_are_read_and_normalised(data_folder: Path) -> None:
    found, left = read_athena(data_folder / "xas" / "nanoparticles" / "PtData.prj")
    assert ([one.name for one in found][:2], left) == (["10wt% 20K", "10wt% 150K"], [])
    for one in found:
        assert normalised(one).e0 == pytest.approx(11563.4, abs=0.3)
    foil = normalised(one_spectrum(data_folder / "xas" / "foils" / "cu_metal_rt.xdi"))
    # What everybody knows of copper: no white line, and small wiggles far above.
    assert foil.mu.max() == pytest.approx(1.08, abs=0.05)
    assert foil.at(9200.0) == pytest.approx(1.0, abs=0.06)
