"""Every usual title of an axis is understood; one that says something else, or nothing known, is asked about."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nescio.errors import FileError
from nescio.xrd.read import read_patterns
from nescio.xrd.read.axis import (
    KINDS,
    axis_kind,
    mentions_inverse_length,
    other_quantity,
    read_title,
    simplified,
)

TWO_THETA = [
    "2theta",
    "2Theta",
    "2-Theta",
    "2 theta",
    "two_theta",
    "twoTheta",
    "TTH",
    "2th",
    "2\u03b8",
    "$2\\theta$",
]
Q = ["q", "Q", "|q|", "Qmag", "q-space", "Q-Space", "Scattering vector", "momentum transfer q", "Momentum Transfer",
     "wave vector transfer", "$Q$", "Q value"]  # fmt: skip
D = ["d", "d-spacing", "d_spacing", "D-Spacing", "dspacing", "d value", "lattice spacing"]
ANGLES = {
    "two_theta": ["deg", "degree", "Degrees", "\u00b0", "$^\\circ$"],
    "two_theta_rad": ["rad", "radian", "radians"],
    "two_theta_mrad": ["mrad"],
}
INVERSE = {
    "q": ["A^-1", "1/A", "\u00c5\u207b\u00b9", "1/\u00c5", "\u212b^-1", "angstrom^{-1}", "Angstrom^-1", "1/Angstrom",
          "\\AA^{-1}", "inverse Angstroms", "inv. A", "reciprocal angstrom", "A-1", "A**-1"],
    "q_nm": ["1/nm", "nm^-1", "nm\u207b\u00b9", "nm^{-1}", "nm-1", "Inverse Nanometres", "inverse nanometers",
             "nm\u22121", "per nm"],
    "q_pm": ["1/pm", "pm^-1"],
    "q_m": ["m^-1", "1/m"],
}  # fmt: skip
LENGTHS = {"d": ["A", "\u00c5", "angstrom", "Angstroms", "\\AA"], "d_nm": ["nm", "nanometre"], "d_pm": ["pm"]}
OTHERS = [
    "theta", "Theta (deg)", "omega", "Azimuth (Degrees)", "azimuthal angle", "chi (deg)", "chi_deg", "phi", "eta",
    "Radial Distance (mm)", "r_mm", "r", "r (A)", "radius (pixels)", "pixel", "channel", "Energy (keV)", "TOF (us)",
    "time", "Wavelength (A)", "d*", "1/d (1/A)", "sin(theta)/lambda", "Q_z (1/A)", "s (1/nm)", "x", "index",
]  # fmt: skip


@st.composite
def titles(draw):
    """Return a title as somebody may write it, and its kind."""
    quantity, units = draw(st.sampled_from([(TWO_THETA, ANGLES), (Q, INVERSE), (D, LENGTHS)]))
    kind = draw(st.sampled_from(sorted(units)))
    name, unit = draw(st.sampled_from(quantity)), draw(st.sampled_from(units[kind]))
    form = draw(
        st.sampled_from(["{} ({})", "{} [{}]", "{}({})", "{}, {}", "{} / {}", "{} in {}", " {}  ( {} ) "])
    )
    return form.format(name, unit), kind


@settings(max_examples=400)
@given(title=titles(), capitals=st.booleans())
def test_a_title_with_its_unit_is_understood_however_it_is_written(title, capitals):
    text, kind = title
    assert axis_kind(text.upper() if capitals and "\\" not in text else text) == kind


@given(title=titles(), rest=st.sampled_from([" I", " Intensity", "\tcounts", " intensity (a.u.)"]))
def test_the_intensity_after_it_changes_nothing(title, rest):
    text, kind = title
    assert axis_kind(text + rest) == kind


@pytest.mark.parametrize(("names", "kind"), [(TWO_THETA, "two_theta"), (Q, "q"), (D, "d")])
def test_without_a_unit_the_usual_one_is_meant(names, kind):
    assert [axis_kind(name) for name in names] == [kind] * len(names)
    assert all(read_title(name).unit is None for name in names)


@pytest.mark.parametrize(
    ("units", "kind"), [("1/nm", "q_nm"), ("nm^-1", "q_nm"), ("1/angstrom", "q"), ("", "q")]
)
def test_units_may_stand_apart(units, kind):
    assert axis_kind("q", units) == kind


@pytest.mark.parametrize("title", OTHERS)
def test_another_quantity_is_no_axis(title):
    assert axis_kind(title) is None
    assert other_quantity(title)


@pytest.mark.parametrize("title", ["q (nm)", "q (deg)", "2theta (1/A)", "d (1/nm)"])
def test_a_unit_that_the_quantity_cannot_have_is_not_ignored(title):
    assert axis_kind(title) is None
    assert other_quantity(title)


@pytest.mark.parametrize(
    "remark",
    ["sample of Matthew", "energy = 8.05 keV", "phi: 3 deg", "time 10:30", "d", "Temperature 300", ""],
)
def test_a_remark_is_no_title(remark):
    assert other_quantity(remark, alone=True) is None
    assert not mentions_inverse_length(remark)


@given(text=st.text(max_size=80))
def test_any_text_is_a_title_or_none(text):
    title = read_title(text)
    assert title.kind is None or title.kind in KINDS
    assert simplified(text) == simplified(text).strip()


@pytest.mark.parametrize(
    ("header", "points", "name", "expected"),
    [
        ("# Scattering vector (A^-1) I", [1, 2, 3], "q", [1, 2, 3]),
        ("# momentum transfer q (1/nm) I", [10, 20, 30], "q", [1, 2, 3]),
        ("# q, 1/nm", [10, 20, 30], "q", [1, 2, 3]),
        ("# Qmag (1/A) I", [1, 2, 3], "q", [1, 2, 3]),
        ("a.tif: Integrate\nQ-Space (Inverse Nanometres)\nIntensity\n   3", [10, 20, 30], "q", [1, 2, 3]),
        (
            "a.tif: Integrate\n2-Theta Angle (Degrees)\nIntensity\n   3",
            [10, 20, 30],
            "two_theta",
            [10, 20, 30],
        ),
        ("# d (A)", [1, 2, 4], "q", [np.pi / 2, np.pi, 2 * np.pi]),
        ("d (nm) I", [0.4, 0.2, 0.1], "q", [np.pi / 2, np.pi, 2 * np.pi]),
        ("# 2theta (mrad) I", [100, 200, 300], "two_theta", np.degrees([0.1, 0.2, 0.3])),
        ("#S 1 scan\n#L Two Theta  Detector", [10, 20, 30], "two_theta", [10, 20, 30]),
        ("# Wavelength: 1.0e-10 m\n#   q_nm^-1    I ", [10, 20, 30], "q", [1, 2, 3]),
    ],
)
def test_the_header_of_a_file_tells_its_axis(tmp_path, header, points, name, expected):
    path = tmp_path / "a.dat"
    path.write_text(header + "\n" + "".join(f"{x} {i}\n" for i, x in enumerate(points)))
    pattern = read_patterns(path)
    np.testing.assert_allclose(pattern[name], expected)
    assert sorted(pattern["intensity"].values[0].tolist()) == [0, 1, 2]


def test_the_order_of_d_is_turned_with_its_intensities(tmp_path):
    path = tmp_path / "a.dat"
    path.write_text("# d (A) I sigma\n4 10 1\n2 20 2\n1 30 3\n")
    rising = read_patterns(path)
    path.write_text("# d (A) I sigma\n1 30 3\n2 20 2\n4 10 1\n")
    falling = read_patterns(path)
    assert rising["intensity"].values.tolist() == [[10, 20, 30]]
    assert rising["uncertainty"].values.tolist() == [[1, 2, 3]]
    assert falling.equals(rising)


def test_d_can_be_asked_for(tmp_path):
    path = tmp_path / "a.dat"
    path.write_text("3 1\n2 2\n1 3\n")
    np.testing.assert_allclose(read_patterns(path, axis="d")["q"], 2 * np.pi / np.array([3, 2, 1]))
    path.write_text("3 1\n2 2\n0 3\n")
    with pytest.raises(FileError, match="line 3: the spacing d is 0, not above 0"):
        read_patterns(path, axis="d")


def test_q_without_a_unit_that_reaches_far_is_asked_about(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("q,I\n5,1\n45,2\n")
    with pytest.raises(FileError, match="q reaches 45, and no unit is stated; state it with --axis"):
        read_patterns(path)
    np.testing.assert_allclose(read_patterns(path, axis="q_nm")["q"], [0.5, 4.5])
