"""What a column holds, by its name, and which columns are energy and absorption."""

from pathlib import Path

import numpy as np
import pytest
from tests.xas.made import ENERGY, FOIL, I0, IF, IR, IT, MU, same, text, written

from nescio.errors import FileError, MeasurementError
from nescio.xas import Spectrum, read_columns
from nescio.xas.read.names import Role, column_of


@pytest.mark.parametrize(
    ("role", "names"),
    [
        (Role.ENERGY, "energy|Energy (eV)|E/eV|1_Energy (keV)|Achieved Energy|$(AbsEnergyName)|eBraggEnergy"),
        (Role.ENERGY, "ZapEnergy|energy_readback"),
        (Role.I0, "i0|Io|I0_EH1|I0_KEITHLEY1_c4|PreKB-I0|XMAP4:DT Corr I0|Mon|monitor|4_i0|I0 (counts)"),
        (Role.TRANSMITTED, "it|I1|itrans|I_t|I1_KEITHLEY2_c6|transmission"),
        (Role.FLUORESCENCE, "if|iff|ifluor|MgKa_sum_cps_c2|XMAP4:AsKa_Sum|SCA1_1|lytle|fe_ka1|TEY|11_flatot"),
        (Role.REFERENCE, "ir|Iref|irefer|IR_EH2|mu_ref|9_mu12|ln(It/Iref)|lnItIref"),
        (Role.SECOND, "I2|i2"),
        (Role.MU, "mu|xmu|norm|flat|mutrans|mufluor|mu(E)|\u00b5(E)|Normalized Absorption (a.u.)"),
        (Role.MU, "ln(I0/I1)|If/I0|8_mu01|lnI0It|FFI0"),
        (Role.ANGLE, "theta (deg)|Angle(o)|bragg"),
        (Role.DENIED, "mu0|chi|Real time clock|time/s|I0_gain|D1_ICR|nbkg|pre_edge|I0/I1|ln(If/I0)|stdev"),
        (Role.UNKNOWN, "foil|EdgeEnergy|Caldiode|Ion1|TwoTheta|Intensity|emission energy"),
    ],
)  # fmt: skip
def test_names_of_many_beamlines_are_known(role: Role, names: str) -> None:
    for name in names.split("|"):
        assert column_of(1, name).role is role, name


def test_units_stand_in_brackets_or_behind_a_stroke() -> None:
    for name in ("Energy (keV)", "E/keV", "energy [keV]", "energy_keV", "1_Energy (keV)"):
        assert column_of(1, name).unit == "kev", name


def read(path: Path, header: str, *columns: np.ndarray, **options) -> Spectrum:
    found, left_out = read_columns(written(path / "a.dat", text(header, *columns)), **options)
    assert len(found) == 1
    assert left_out == []
    return found[0]


def test_a_column_called_absorption_is_taken_before_the_detectors(tmp_path: Path) -> None:
    found = read(tmp_path, "# energy i0 itrans mutrans\n", ENERGY, I0, IT, 2.0 * MU)
    same(found.mu, 2.0 * MU)
    found = read(tmp_path, "# energy mufluor mutrans i0\n", ENERGY, 3.0 * MU, MU, I0)
    same(found.mu, 3.0 * MU)
    assert found.notes == (f"{tmp_path / 'a.dat'}: mu is 2 'mufluor'; not used: 3 'mutrans'",)


def test_transmission_is_taken_before_fluorescence_and_the_rest_is_noted(tmp_path: Path) -> None:
    found = read(tmp_path, "# energy i0 it ir iff\n", ENERGY, I0, IT, IR, IF)
    same(found.mu, MU)
    assert "mu is ln(i0/it); not used: iff/i0" in found.notes[0]
    assert "not used, since it is a reference: 4 'ir'" in found.notes[1]


def test_of_several_detectors_the_first_is_taken(tmp_path: Path) -> None:
    found = read(tmp_path, "# energy I0 SCA1 SCA2 SCA3\n", ENERGY, I0, IF, 2.0 * IF, 3.0 * IF)
    same(found.mu, IF / I0)
    assert "not used: SCA2/I0, SCA3/I0" in found.notes[0]


def test_currents_may_be_negative_throughout(tmp_path: Path) -> None:
    found = read(tmp_path, "# energy i0 it\n", ENERGY, -1e-9 * I0, -1e-9 * IT)
    same(found.mu, MU)


def test_a_dead_detector_spoils_nothing_that_is_measured(tmp_path: Path) -> None:
    dead = np.full_like(MU, -2e-5)
    same(read(tmp_path, "# energy xmu I0 It\n", ENERGY, MU, I0, dead).mu, MU)
    found = read(tmp_path, "# energy I0 It If\n", ENERGY, I0, dead, IF)
    same(found.mu, IF / I0)
    assert "mu is If/I0, since I0/It: a detector counted nothing" in found.notes[0]
    found = read(tmp_path, "# energy mutrans mufluor\n", ENERGY, 0.0 * MU, MU)
    same(found.mu, MU)
    assert "since column 2 'mutrans' does not change" in found.notes[0]
    with pytest.raises(
        MeasurementError, match="I0/It: a detector counted nothing, or with the other sign, at 251 of"
    ):
        read(tmp_path, "# energy I0 It\n", ENERGY, I0, dead)


def test_a_few_points_without_beam_are_left_out_with_a_note(tmp_path: Path) -> None:
    it = IT.copy()
    it[[3, 100]] = 0.0
    found = read(tmp_path, "# energy i0 it\n", ENERGY, I0, it)
    same(found.energy, np.delete(ENERGY, [3, 100]))
    assert "2 of 251 points hold no number or no counts and are left out" in found.notes[-1]


def test_nothing_that_is_denied_by_a_name_is_taken_for_mu(tmp_path: Path) -> None:
    for header, columns in (
        ("# energy i0 irefer\n", (ENERGY, I0, IR)),
        ("energy i0\n", (ENERGY, I0)),
        ("# energy time\n", (ENERGY, MU)),
        ("# energy mu0 chi\n", (ENERGY, MU, MU)),
        ("# energy x_position current\n", (ENERGY, MU, I0)),
        ("time,i0\n", (ENERGY, I0)),
    ):
        with pytest.raises(
            MeasurementError, match=r"the columns are 1 '\w+', 2 '\w+'.*choose with --columns"
        ):
            read(tmp_path, header, *columns)
    with pytest.raises(MeasurementError, match="holds chi"):
        read(tmp_path, "# k chi\n", np.arange(251.0) / 20.0, MU)
    with pytest.raises(MeasurementError, match="4 columns without names; choose with --columns"):
        read(tmp_path, "# measured today\n", ENERGY, I0, IT, IR)


def test_an_unknown_name_beside_an_energy_is_taken_with_a_note(tmp_path: Path) -> None:
    found = read(tmp_path, "# Energy(eV)  Cu_foil\n", ENERGY, MU)
    same(found.mu, MU)
    assert "column 2 'Cu_foil' is taken as the absorption; its name does not say so" in found.notes[0]


def test_a_measured_energy_is_taken_before_a_requested_one(tmp_path: Path) -> None:
    found = read(tmp_path, "# requested_energy energy_readback mu\n", ENERGY + 1.0, ENERGY, MU)
    same(found.energy, ENERGY)
    found = read(
        tmp_path, "# requested_energy mono_energy energy_readback mu\n", ENERGY + 1, ENERGY, ENERGY + 2, MU
    )
    same(found.energy, ENERGY)


def test_a_third_chamber_gives_a_second_spectrum(tmp_path: Path) -> None:
    found, _ = read_columns(written(tmp_path / "a.dat", text("# energy I0 I1 I2\n", ENERGY, I0, IT, IR)))
    assert [one.name for one in found] == ["a", "a ln(I1/I2)"]
    same(found[0].mu, MU)
    same(found[1].mu, FOIL)
    assert "ln(I1/I2) is read as a second spectrum" in found[0].notes[0]


def test_energies_may_be_in_kev(tmp_path: Path) -> None:
    found = read(tmp_path, "# Energy(keV) mu\n", ENERGY / 1000.0, MU)
    same(found.energy, ENERGY)
    assert found.notes == ()
    found = read(tmp_path, "# energy mu\n", ENERGY / 1000.0, MU)
    same(found.energy, ENERGY)
    assert "the energies, 8.78 to 9.396, have no unit and are taken as keV" in found.notes[0]
    with pytest.raises(MeasurementError, match="these look like keV"):
        read(tmp_path, "", ENERGY / 1000.0, MU)
    with pytest.raises(MeasurementError, match="these look like keV"):
        read(tmp_path, "# energy(eV) mu\n", ENERGY / 1000.0, MU)


def test_an_angle_needs_the_spacing_of_the_monochromator(tmp_path: Path) -> None:
    angle = np.degrees(np.arcsin(12398.42 / (2.0 * 3.1356 * ENERGY)))
    header = "# Mono.d_spacing: 3.1356\n# angle(deg) i0 it\n"
    found = read(tmp_path, header, angle, I0, IT)
    np.testing.assert_allclose(found.energy, ENERGY, rtol=1e-6)
    assert (
        "computed from column 1 'angle(deg)' with the stated d-spacing of 3.1356 angstrom" in found.notes[0]
    )
    radian = read(tmp_path, "# Mono.d_spacing: 3.1356\n# angle(rad) i0 it\n", np.radians(angle), I0, IT)
    np.testing.assert_allclose(radian.energy, ENERGY, rtol=1e-6)
    with pytest.raises(
        MeasurementError, match=r"does not state the d-spacing.*energy=12398\.42/\(2\.0\*3\.1356\*sin"
    ):
        read(tmp_path, "# angle i0 it\n", angle, I0, IT)


def test_a_contradiction_of_edge_and_energies_is_noted(tmp_path: Path) -> None:
    found = read(tmp_path, "# Element.symbol: Fe\n# Element.edge: K\n# energy mu\n", ENERGY, MU)
    assert (found.element, found.edge) == ("Fe", "K")
    assert "the file states Fe K (7112 eV), but was measured from 8780 to 9396 eV" in found.notes[0]


def test_files_without_a_table_are_refused(tmp_path: Path) -> None:
    for content, said in (
        ("words only\n", "no rows of numbers"),
        ("1 2\n3 4 5\n", "line 2: rows of 2 and 3 numbers"),
        ("1 2\n3 4\n", "2 points; needs 30"),
    ):
        with pytest.raises((FileError, MeasurementError), match=said):
            read_columns(written(tmp_path / "a.dat", content))
    with pytest.raises(FileError, match="no such file"):
        read_columns(tmp_path / "none.dat")
