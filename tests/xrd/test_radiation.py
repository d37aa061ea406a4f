"""A beam is what the user meant, or an error says how to write it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nescio.errors import ConfigurationError, NescioError
from nescio.xrd.radiation import HC_EV_ANGSTROM, Radiation, parse_radiation


def test_copper_k_alpha_is_a_doublet_two_to_one_with_the_first_line_strongest():
    beam = parse_radiation("CuKa")
    assert beam.lines == ((1.5405929, pytest.approx(2 / 3)), (1.5444274, pytest.approx(1 / 3)))
    assert beam.wavelength == 1.5405929
    assert beam.energy_ev == pytest.approx(8047.8, abs=0.1)
    assert beam.mean_wavelength == pytest.approx(1.54187, abs=1e-5)


@pytest.mark.parametrize(
    ("anode", "k_alpha_1_ev", "k_beta_ev"),
    [
        ("Cr", 5414.8, 5946.8),
        ("Fe", 6404.0, 7058.2),
        ("Co", 6930.4, 7649.4),
        ("Cu", 8047.8, 8905.4),
        ("Mo", 17479.4, 19608.3),
        ("Ag", 22162.9, 24942.4),
    ],
)
def test_lines_agree_with_the_energies_tabulated_for_the_anode(anode, k_alpha_1_ev, k_beta_ev):
    """Energies: X-ray Data Booklet, table 1-2."""
    assert parse_radiation(f"{anode}Ka1").energy_ev == pytest.approx(k_alpha_1_ev, rel=1e-4)
    assert parse_radiation(f"{anode}Kb").energy_ev == pytest.approx(k_beta_ev, rel=2e-4)
    first, second = (wavelength for wavelength, _ in parse_radiation(f"{anode}Ka").lines)
    assert 0.003 < second - first < 0.005


@pytest.mark.parametrize("name", ["CuKa1", "cu ka1", "Cu K-alpha1", "Cu Kα1", "cu_k_alpha_1"])
def test_spellings_of_one_line_mean_the_same(name):
    assert parse_radiation(name) == parse_radiation("CuKa1")


def test_weights_are_normalised_and_the_strongest_line_leads():
    assert parse_radiation([[1.54, 1], [1.39, 3]]) == Radiation(((1.39, 0.75), (1.54, 0.25)))


@pytest.mark.parametrize(
    "value", [0.9537, "0.9537", "0.09537 nm", "95.37 pm", f"{HC_EV_ANGSTROM / 953.7} keV"]
)
def test_a_wavelength_may_be_given_in_any_unit_that_is_named(value):
    assert parse_radiation(value).wavelength == pytest.approx(0.9537, rel=1e-12)


@pytest.mark.parametrize(
    ("value", "unit", "right"),
    [
        (0.15406, "nanometre", "1.5406"),
        (0.070932, "nanometre", "0.70932"),
        (1.54e-10, "metre", "1.54"),
        (8048, "eV", "1.54056"),
        (17.4, "keV", "0.712553"),
        (154.06, "picometre", "1.5406"),
    ],
)
def test_a_wavelength_in_another_unit_is_refused_and_told_what_to_write(value, unit, right):
    with pytest.raises(ConfigurationError) as caught:
        parse_radiation(value)
    assert unit in str(caught.value)
    assert f"write {right}" in str(caught.value)


def test_a_high_energy_beam_that_looks_like_nanometres_is_accepted_with_its_unit():
    assert parse_radiation("0.15406 angstrom").wavelength == 0.15406
    assert parse_radiation(0.1617).wavelength == 0.1617


@pytest.mark.parametrize(
    "value",
    [
        "Unobtainium",
        "",
        "17 parsec",
        "nan",
        True,
        None,
        [],
        [1.5],
        [[1.5]],
        [[1.5, 0.0]],
        [[1.5, -1]],
        {},
        -1.0,
    ],
)
def test_what_is_no_radiation_is_refused(value):
    with pytest.raises(ConfigurationError):
        parse_radiation(value)


@given(
    st.one_of(
        st.text(max_size=20),
        st.floats(),
        st.integers(),
        st.lists(st.lists(st.one_of(st.floats(), st.text(max_size=3)), max_size=3), max_size=3),
    )
)
def test_whatever_is_given_either_makes_normalised_lines_or_one_error_of_ours(value):
    try:
        beam = parse_radiation(value)
    except NescioError as error:
        message, lines = str(error), []
    else:
        message, lines = "", beam.lines
    assert "\n" not in message
    if not message:
        assert sum(weight for _, weight in lines) == pytest.approx(1.0)
        assert all(0.05 <= wavelength <= 10.0 for wavelength, _ in lines)
