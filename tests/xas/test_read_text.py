"""Text files of absorption spectra as beamlines and programs write them; each kind is made here."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from tests.xas.made import ENERGY, FOIL, I0, IF, IR, IT, MU, same, text, written

from nescio.errors import FileError, MeasurementError
from nescio.xas import XAS, Spectrum, one_spectrum, read_columns, read_spectra

N = len(ENERGY)
ONE = np.ones(N)
ANGLE = np.degrees(np.arcsin(12398.419843 / (2.0 * 3.13551 * ENERGY)))


def read(path: Path, content: str | bytes, name: str = "a.dat") -> Spectrum:
    found, left_out = read_spectra(written(path / name, content))
    assert [one.name for one in found][1:] == []
    assert left_out == []
    return found[0]


# ---- where the names of columns stand


HEADERS = {
    "a comment": "# made at a beamline\n# energy i0 it\n",
    "a comment before a rule": "#  energy i0 it\n#-----------\n",
    "a comment after a rule": "#-----------\n#  energy i0 it\n",
    "a comment with two signs": "# remarks\n# # energy  i0  it\n",
    "no comment sign": "a title\nE0= 8979\nOffsets= 11.0 12.0 13.0\n----------\n energy  Io  It\n",
    "XDI": (
        "# XDI/1.0\n# Column.1: energy eV || 13BMA:E.VAL\n# Column.2: i0\n# Column.3: itrans # raw\n# ///\n# by me\n"
        "#---\n# e x y\n"
    ),
    "SPEC": "#F a\n#S 1 ascan energy 8 9 251 1\n#D today\n#N 3\n#L energy  I0  I1\n",
    "SPEC, names of two words": "#S 1 scan\n#L mono energy  I0  I1\n",
    "a list": (
        "# columns:\n#  1) Mono Energy (alt) *  3) IT\n#  2) PreKB-I0\n# headings:\n"
        "#Mono Energy (alt) * PreKB-I0    IT\n"
    ),
    "a legend of EPICS": (
        "; P1 = {Energy} --> 13BMA:E.VAL\n; D1 = {I0} --> 13:s2\n; D2 = {I1}  --> 13:s3\n;----\n;  P1 D1 D2\n"
    ),
    "numbers before names": "#S Scan 29; exafsscan\n#C exafs_region -200 -20\n#C 1_Energy (eV) 2_i0 3_i1\n",
    "units in a line of their own": "energy i0 it\n(eV) counts counts\n",
    "a list after a colon": "# columns: energy i0 it\n",
    "numbers behind names": "#    Energy_c1    I0_KEITHLEY1_c2    I1_KEITHLEY2_c3\n",
}
SEPARATED = {
    ", ": '# Acquisition\n#(1)\t"Energy:sp"\t"I 0"\t"x:y"\n#(1)\t"$(Energy)"\t"$(I0)"\t"$(It)"\n',
    ",": "energy,i0,it\n",
    ";": "Energy [eV];I0;It\n",
    "\t": "Energy (eV)\tI0\tIt\n",
}


@pytest.mark.parametrize("kind", HEADERS)
def test_names_are_found_where_they_stand(tmp_path: Path, kind: str) -> None:
    found = read(tmp_path, text(HEADERS[kind], ENERGY, I0, IT))
    same(found.energy, ENERGY)
    same(found.mu, MU)


@pytest.mark.parametrize("separator", SEPARATED)
def test_names_may_be_quoted_and_apart_by_any_separator(tmp_path: Path, separator: str) -> None:
    found = read(tmp_path, text(SEPARATED[separator], ENERGY, I0, IT, separator=separator))
    same(found.energy, ENERGY)
    same(found.mu, MU)


def test_units_may_stand_in_a_line_of_their_own(tmp_path: Path) -> None:
    found = read(tmp_path, text("Energy\tmu\n[keV]\t-\n", ENERGY / 1000.0, MU, separator="\t"))
    same(found.energy, ENERGY)
    assert found.notes == ()


def test_an_index_may_have_no_name(tmp_path: Path) -> None:
    same(read(tmp_path, text(",energy,mu\n", np.arange(N), ENERGY, MU, separator=",")).mu, MU)


def test_names_one_a_line_and_rows_of_numbers_in_the_header(tmp_path: Path) -> None:
    header = (
        "SSRL   EXAFS Data Collector 1.3\nPTS:  251 COLS:  5\nMn.RGN\n4 2000 25 RST 0 0\nWeights: \n"
        " 1.0 1.0 1.0 1.0 1.0\nOffsets: \n 0.0 0.0 0.0 144.2 133.5\nData: \n"
        "Real time clock   \nRequested Energy  \nAchieved Energy   \nI0\nI1\n\n"
    )
    found = read(tmp_path, text(header, ONE, ENERGY + 0.1, ENERGY, I0, IT))
    same(found.energy, ENERGY)
    same(found.mu, MU)


def photon_factory(modes: str, spacing: str = "D=  3.13551 A") -> str:
    return (
        "  9809     KEK-PF   BL0X\n Cu foil\n Ring :   2.5 GeV\n"
        f" Mono :   Si(111)       {spacing}    Initial angle= 13.0 deg\n"
        " BL0X   Transmission( 2)   Repetition=  1     Points=  251\n\n"
        " Block      Init-Eng  Final-Eng      Step/eV  Time/s  Num\n"
        "     1        8780.00   8960.00         5.00       1.00        36\n"
        "     2        8960.00   9020.00         0.50       1.00       120\n"
        " Ortec(-1)     NDCH = 3\n  Angle(c)  Angle(o)    time/s         2         3\n"
        f"      Mode         0         0{modes}\n    Offset         0         0  7753.700  7157.100\n"
    )


def test_the_photon_factory_writes_angles(tmp_path: Path) -> None:
    found = read(tmp_path, text(photon_factory("  1  2"), ANGLE + 0.001, ANGLE, ONE, I0, IT))
    np.testing.assert_allclose(found.energy, ENERGY, rtol=1e-7)
    same(found.mu, MU)
    assert any("computed from column 2 'angle'" in note for note in found.notes)
    assert any("Offset are not subtracted" in note for note in found.notes)
    same(read(tmp_path, text(photon_factory("  1  3"), ANGLE, ANGLE, ONE, I0, IF)).mu, IF / I0)
    several = read(tmp_path, text(photon_factory("  1  3  3"), ANGLE, ANGLE, ONE, I0, IF, 2.0 * IF))
    same(several.mu, IF / I0)
    assert any("not used: if 2/i0" in note for note in several.notes)
    for header, said in (
        (photon_factory("  1  2", ""), "does not state the d-spacing"),
        (photon_factory(" 5 7"), "no column is"),
    ):
        with pytest.raises(MeasurementError, match=said):
            read_columns(written(tmp_path / "a.dat", text(header, ANGLE, ANGLE, ONE, I0, IT)))


def test_beamlines_whose_names_mean_something_only_there(tmp_path: Path) -> None:
    names = [
        "Event-ID",
        *(f"$({one})" for one in ("AbsEnergyName", "Detector1", "Detector2", "Detector3", "Detector4")),
    ]
    header = "# CLS Data Acquisition\n#(1)\t" + "\t".join(f'"{name}"' for name in names) + "\n"
    found = read(tmp_path, text(header, ONE, ENERGY, ONE, I0, IT, IR, separator=", "))
    same(found.energy, ENERGY)
    same(found.mu, MU)
    assert any("Detector2 is i0, Detector3 it" in note for note in found.notes)
    with pytest.raises(MeasurementError, match=r"no column is an absorption.*'\$\(Detector2\)'"):
        read_columns(
            written(
                tmp_path / "a.dat",
                text(header.replace("CLS", "Our"), ONE, ENERGY, ONE, I0, IT, IR, separator=", "),
            )
        )
    found = read(
        tmp_path, text("#S 1 zapline\n#L Mon  Ion1  Ion2  ZapEnergy\n", I0, ONE, IT, ENERGY / 1000.0)
    )
    same(found.energy, ENERGY)
    same(found.mu, MU)


def test_absorption_computed_by_feff_has_its_own_energies(tmp_path: Path) -> None:
    header = (
        "# 1.0 * Cu\n# xsedge+100, used to normalize\n# ---\n#  omega    e    k    mu    mu0     chi     @#\n"
    )
    found = read(tmp_path, text(header, ENERGY, ENERGY - 8979.0, ONE, MU, FOIL, MU - FOIL), "xmu.dat")
    same(found.energy, ENERGY)
    same(found.mu, MU)


# ---- several spectra


def test_scans_of_spec_are_spectra_of_their_own(tmp_path: Path) -> None:
    scans = [
        "#F file\n#E 1\n\n#S 1 ascan x 0 1 3 1\n#D now\n#N 3\n#L x  I0  I1\n0 1 2\n0.5 1 2\n1 1 2\n\n",
        text("#S 2 ascan energy 8 9 251 1\n#N 3\n#L energy  I0  I1\n", ENERGY, I0, IT),
        "#S 3 ascan energy 8 9 251 1\n#N 3\n#L energy  I0  I1\n#C aborted\n",
        text(
            "#S 4 ascan energy 8 9 251 1\n#N 4\n#L energy  time  I1  I0\n",
            ENERGY,
            ONE,
            I0 * np.exp(-FOIL),
            I0,
        ),
        text("#S 5 dscan y 8 9 251 1\n#N 3\n#L y  I0  I1\n", ENERGY, I0, IT),
    ]
    file = written(tmp_path / "scans.dat", "\n".join(scans))
    found, left_out = read_spectra(file)
    assert [one.name for one in found] == ["scans#2", "scans#4"]
    same(found[0].mu, MU)
    same(found[1].mu, FOIL)
    assert [one.split(":")[0] for one in left_out] == ["scans#5"]
    assert "no column is an energy" in left_out[0]
    notes = " ".join(found[0].notes)
    assert "scan 3 holds no points" in notes
    same(one_spectrum(f"{file}#4").mu, FOIL)
    with pytest.raises(FileError, match=r"holds 2 spectra \('scans#2', 'scans#4'\); say which: FILE#NAME"):
        one_spectrum(file)


def test_channels_between_the_rows_of_spec_are_passed_over(tmp_path: Path) -> None:
    head, *rows = text("#S 1 ascan energy 8 9 251 1\n#L energy  I0  I1\n", ENERGY, I0, IT).split("\n", 2)
    between = rows[1].replace("\n", "\n@A 1 2 3\\\n 4 5 6\\\n 7 8\n")
    found = read(tmp_path, "\n".join([head, rows[0], between]))
    same(found.energy, ENERGY)
    same(found.mu, MU)


def test_exported_groups_are_all_read(tmp_path: Path) -> None:
    groups = (ENERGY, MU, FOIL, 2.0 * MU)
    for name, header in (
        ("many.nor", "#  energy  foil  ref  sample_2\n"),
        (
            "many.dat",
            "# Demeter output file -- Demeter 0.9.26\n# 3 marked groups\n#------\n#  energy  foil  ref  sample_2\n",
        ),
    ):
        found, _ = read_spectra(written(tmp_path / name, text(header, *groups)))
        assert [one.name for one in found] == ["foil", "ref", "sample_2"]
        for one, mu in zip(found, groups[1:], strict=True):
            same(one.mu, mu)
    with pytest.raises(MeasurementError, match="no column is an absorption"):
        read_spectra(written(tmp_path / "many.dat", text("#  energy  foil  ref  sample_2\n", *groups)))


def test_an_export_of_one_group_is_one_spectrum(tmp_path: Path) -> None:
    header = "# Athena data file -- Athena version 0.8.056\n# .  Element=Cu   Edge=K\n# .  E0=8979  Eshift=0\n#------\n"
    found = read(
        tmp_path, text(f"{header}#  energy norm nbkg flat fbkg nder nsec\n", ENERGY, MU, *5 * [ONE]), "a.nor"
    )
    assert (found.element, found.edge) == ("Cu", "K")
    same(found.mu, MU)
    found = read(
        tmp_path,
        text(f"{header}#  energy xmu bkg pre_edge post_edge der sec i0\n", ENERGY, MU, *5 * [ONE], I0),
        "a.xmu",
    )
    same(found.mu, MU)
    assert found.notes == ()


def test_scans_one_after_the_other_are_parted(tmp_path: Path) -> None:
    for header, energies, mus in (
        ("# energy mu\n", [ENERGY, ENERGY], [MU, FOIL]),
        ("# energy mu\n", [ENERGY, ENERGY[::-1]], [MU, FOIL[::-1]]),
    ):
        file = written(tmp_path / "a.dat", text(header, np.concatenate(energies), np.concatenate(mus)))
        found, _ = read_spectra(file)
        assert [one.name for one in found] == ["a#1", "a#2"]
        same(found[0].mu, MU)
        same(found[1].energy, ENERGY)
        same(found[1].mu, FOIL)
        assert "the energy runs through its range 2 times: read as 2 scans" in found[0].notes[0]
    parts = [
        text("# energy i0 it\n", ENERGY, I0, IT),
        text("# energy it i0\n", ENERGY, I0 * np.exp(-FOIL), I0),
    ]
    found, _ = read_spectra(written(tmp_path / "a.dat", "\n".join(parts)))
    same(found[0].mu, MU)
    same(found[1].mu, FOIL)


def test_energies_that_recur_in_a_continuous_scan_are_averaged(tmp_path: Path) -> None:
    energy, mu = np.repeat(ENERGY, 3), np.repeat(MU, 3) + np.tile([-0.01, 0.0, 0.01], N)
    found = read(tmp_path, text("# energy mu\n", energy, mu))
    same(found.energy, ENERGY)
    same(found.mu, MU)
    assert "energies recur; their 753 points are averaged to 251" in found.notes[0]


def test_a_scan_may_tremble(tmp_path: Path) -> None:
    energy = ENERGY + 0.6 * (-1.0) ** np.arange(N)
    found = read(tmp_path, text("# energy mu\n", energy, MU))
    assert (np.diff(found.energy) > 0.0).all()
    assert found.notes == ()


# ---- how numbers and text are written


TABLE = text("# energy mu\n", ENERGY, MU)
THOUSANDS = "energy,mu\n" + "".join(f'"{e:,.1f}",{m:.9f}\n' for e, m in zip(ENERGY, MU, strict=True))
EXPONENTS = text("# energy mu\n", ENERGY, MU, form="{:.8E}")


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("byte order mark", b"\xef\xbb\xbf" + TABLE.encode()),
        ("UTF-16", TABLE.encode("utf-16")),
        ("UTF-16 without a mark", TABLE.encode("utf-16-le")),
        ("Latin-1", "# gemessen in K\xf6ln bei 20 \xb0C\n".encode("latin-1") + TABLE.encode()),
        ("Ctrl-Z", TABLE.encode() + b"\x1a"),
        ("DOS", TABLE.replace("\n", "\r\n").encode()),
        ("old Macintosh", TABLE.replace("\n", "\r").encode()),
        ("gzip", gzip.compress(TABLE.encode(), mtime=0)),
        ("decimal commas", TABLE.replace(".", ",").encode()),
        ("decimal commas and semicolons", text("energy;mu\n", ENERGY, MU, separator=";").replace(".", ",").encode()),
        ("decimal commas and tabs", text("energy\tmu\n", ENERGY, MU, separator="\t").replace(".", ",").encode()),
        ("exponents of Fortran", EXPONENTS.replace("E+", "D+").replace("E-", "D-").encode()),
        ("thousands in quotes", THOUSANDS.encode()),
        ("aligned tabs", text("# energy mu\n", ENERGY, MU, separator="\t  ").encode()),
        ("a trailing separator", text("energy,mu\n", ENERGY, MU, separator=",").replace("\n", ",\n").encode()),
        ("points without a zero", TABLE.replace(" 0.", " .").encode()),
    ],
)  # fmt: skip
def test_numbers_and_text_are_read_as_they_are_written(tmp_path: Path, kind: str, content: bytes) -> None:
    found = read(tmp_path, content)
    same(found.energy, ENERGY)
    same(found.mu, MU)
    assert found.notes == ()


def test_what_stands_after_the_numbers_is_a_footer(tmp_path: Path) -> None:
    same(read(tmp_path, text("# energy mu\n", ENERGY, MU, footer="\n# comments may\n# follow\n")).mu, MU)
    found = read(tmp_path, text("# energy mu\n", ENERGY, MU, footer="\nEnd of scan, 12 May 2019\n"))
    same(found.mu, MU)
    assert "text after the numbers is not used: 'End of scan, 12 May 2019'" in found.notes[0]


def test_comments_in_the_midst_do_not_part_a_scan(tmp_path: Path) -> None:
    lines = text("# energy mu\n", ENERGY, MU).splitlines()
    with_comments = "\n".join(
        line + ("\n# region" if n % 10 == 0 else "") for n, line in enumerate(lines) if line
    )
    found = read(tmp_path, with_comments)
    same(found.energy, ENERGY)
    paused = "\n".join([*lines[:100], "beam lost at 12:05", *lines[100:]])
    same(read(tmp_path, paused).energy, ENERGY)


def test_a_row_with_a_slip_and_one_cut_short_cost_themselves(tmp_path: Path) -> None:
    lines = text("# energy mu x\n", ENERGY, MU, ONE).splitlines()
    lines[50] = "8955 ******* 1"
    lines[-1] = lines[-1].rpartition(" ")[0]
    found = read(tmp_path, "\n".join(lines))
    same(found.energy, np.delete(ENERGY, [49, N - 1]))
    notes = " ".join(found.notes)
    assert "line 51 is no row of numbers and is left out: '8955 ******* 1'" in notes
    assert "line 252: a row of 2 numbers is left out" in notes
    spoilt = [line if n % 5 else "8955 ******* 1" for n, line in enumerate(lines[:-1], 1)]
    with pytest.raises(FileError, match=r"line \d+: '8955 \*\*\*\*\*\*\* 1' is no row of numbers"):
        read_columns(written(tmp_path / "a.dat", "\n".join(["# energy mu x", *spoilt])))


def test_notes_cross_with_the_dataset(tmp_path: Path) -> None:
    measured = XAS().read(written(tmp_path / "a.dat", text("# energy i0 it ir\n", ENERGY, I0, IT, IR)))
    assert "not used, since it is a reference: 4 'ir'" in measured.attrs["notes"]


def test_what_is_no_text_is_refused_by_its_kind(tmp_path: Path) -> None:
    for content, said in (
        (b"PK\x03\x04" + bytes(100), "is a file of kind ZIP archive"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "is a file of kind PNG"),
    ):
        with pytest.raises(FileError, match=said):
            read_spectra(written(tmp_path / "a.dat", content))
