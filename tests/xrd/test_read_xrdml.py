import numpy as np
import pytest

from nescio.errors import FileError
from nescio.signals import notes_of
from nescio.xrd.read import read_many, read_patterns

RANGE = "<startPosition>{}</startPosition><endPosition>{}</endPosition>"


def scan(counts="100 400 900", start=10, end=12, extra="", positions=None, element="counts"):
    positions = positions or RANGE.format(start, end)
    return (
        f'<scan><dataPoints><positions axis="2Theta" unit="deg">{positions}</positions>{extra}'
        f"<commonCountingTime>5</commonCountingTime><{element}>{counts}</{element}></dataPoints></scan>"
    )


def document(*scans, namespace='xmlns="http://www.xrdml.com/XRDMeasurement/2.3"', prefix=""):
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>{prefix}<xrdMeasurements {namespace}><xrdMeasurement>'
        '<usedWavelength intended="K-Alpha"><kAlpha1 unit="Angstrom">1.5405980</kAlpha1>'
        '<kAlpha2 unit="Angstrom">1.5444260</kAlpha2><ratioKAlpha2KAlpha1>0.5</ratioKAlpha2KAlpha1>'
        f"</usedWavelength>{''.join(scans)}</xrdMeasurement></xrdMeasurements>"
    )


@pytest.fixture
def read(tmp_path):
    def write_and_read(text, **options):
        path = tmp_path / "scan.xrdml"
        path.write_text(text, encoding=options.pop("encoding", "utf-8"))
        return read_patterns(path, **options)

    return write_and_read


def test_counts_angles_wavelengths_and_time_are_read(read):
    pattern = read(document(scan()))
    assert pattern["two_theta"].values.tolist() == [10, 11, 12]
    assert pattern["intensity"].values.tolist() == [[100, 400, 900]]
    assert pattern["uncertainty"].values.tolist() == [[10, 20, 30]]
    assert pattern.attrs["wavelength_angstrom"] == pytest.approx(1.540598)
    assert pattern.attrs["k_alpha2_angstrom"] == pytest.approx(1.544426)
    assert pattern.attrs["k_alpha2_to_k_alpha1"] == 0.5
    assert pattern.attrs["counting_time_seconds"] == 5


def test_the_wavelength_option_only_fills_gaps_and_cures(read):
    assert read(document(scan()), wavelength="CuKa").attrs["wavelength_angstrom"] == pytest.approx(1.540598)
    with pytest.raises(FileError, match=r"says 1\.5406 angstrom, --wavelength says 0\.7"):
        read(document(scan()), wavelength=0.7)
    slip = document(scan()).replace("1.5405980", "0.15405980")
    assert read(slip, wavelength=1.5406).attrs["wavelength_angstrom"] == 1.5406


def test_listed_positions_need_not_be_equidistant(read):
    pattern = read(document(scan(positions="<listPositions>10 10.5 12</listPositions>")))
    assert pattern["two_theta"].values.tolist() == [10, 10.5, 12]


def test_attenuated_counts_are_brought_back(read):
    pattern = read(document(scan(extra="<beamAttenuationFactors>1 10 1</beamAttenuationFactors>")))
    assert pattern["intensity"].values.tolist() == [[100, 4000, 900]]
    assert pattern["uncertainty"].values.tolist() == [[10, 200, 30]]


def test_corrected_intensities_are_not_corrected_again(read):
    text = scan(element="intensities", extra="<beamAttenuationFactors>1 10 1</beamAttenuationFactors>")
    assert read(document(text))["intensity"].values.tolist() == [[100, 400, 900]]


def test_varying_counting_times_leave_no_steps(read):
    pattern = read(document(scan(counts="100 200 100", extra="<countingTimes>1 2 1</countingTimes>")))
    assert np.ptp(pattern["intensity"].values) == pytest.approx(0)


def test_repeated_scans_are_measurements_of_their_own(read):
    pattern = read(document(scan("1 2 3"), scan("4 5 6")))
    assert pattern["measurement"].values.tolist() == ["scan#1", "scan#2"]
    assert pattern["intensity"].values.tolist() == [[1, 2, 3], [4, 5, 6]]


def test_appended_scans_of_other_ranges_are_one_pattern(read):
    pattern = read(document(scan("1 2 3", 10, 12), scan("4 5 6", 13, 15)))
    assert pattern["two_theta"].values.tolist() == [10, 11, 12, 13, 14, 15]
    assert pattern["intensity"].values.tolist() == [[1, 2, 3, 4, 5, 6]]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_byte_order_marks_are_understood(read, encoding):
    assert read(document(scan()), encoding=encoding).sizes["two_theta"] == 3


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize(
    "declaration",
    [
        '<!DOCTYPE a [<!ENTITY b "bbbbbbbb"><!ENTITY c "&b;&b;&b;&b;">]>',
        '<!DOCTYPE a SYSTEM "file:///etc/passwd">',
        "<!doctype a>",
    ],
)
def test_entities_and_document_types_are_refused(read, declaration, encoding):
    with pytest.raises(FileError, match=r"refused|not well-formed"):
        read(document(scan(), prefix=declaration), encoding=encoding)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (document(), "no scan"),
        (document(scan())[:-40], "not well-formed"),
        (document(scan("1 two 3")), "scan 1, counts.*two"),
        (document(scan("1 nan 3")), "scan 1, counts.*not finite"),
        (document(scan("1 -2 3")), "scan 1, counts: -2 is negative"),
        (document(scan(positions="<commonPosition>3</commonPosition>")), "does not run over two-theta"),
        (document(scan(positions="<listPositions>1 2</listPositions>")), "2 numbers where 3"),
        (document(scan(extra="<countingTimes>1 0 1</countingTimes>")), "not positive"),
        (document(scan()).replace("1.5405980", "154.0598"), "kAlpha1"),
        (document(scan()).replace("1.5405980", "0.15405980"), "kAlpha1.*nanomet"),
        (document(scan()).replace("2Theta", "Omega"), "2Theta"),
        ("<html></html>", "not XRDML"),
    ],
)
def test_a_bad_file_is_refused_with_the_place(read, text, message):
    with pytest.raises(FileError, match=message):
        read(text)


def test_weighed_mixtures_are_read(data_folder):
    patterns, errors = read_many(data_folder / "xrd/a-lab")
    assert len(patterns) == 20
    assert not errors
    for pattern in patterns:
        assert pattern.sizes == {"measurement": 1, "two_theta": 2071} or pattern.sizes["two_theta"] > 2000
        np.testing.assert_allclose(pattern["two_theta"][[0, -1]], [10, 100], atol=0.05)
        assert pattern.attrs["wavelength_angstrom"] == pytest.approx(1.540598)
        assert pattern["intensity"].min() > 0


def test_an_empty_or_broken_scan_costs_that_scan(read):
    empty = scan(counts="")
    fixed = scan(positions="<commonPosition>10</commonPosition>")
    pattern = read(document(scan(), empty, fixed, scan(counts="1 2 3")))
    assert pattern["intensity"].values.tolist() == [[100, 400, 900], [1, 2, 3]]
    assert pattern["measurement"].values.tolist() == ["scan#1", "scan#2"]
    assert notes_of(pattern)[0].endswith("scan 2 has no points and is skipped")
    assert "scan 3 does not run over two-theta" in pattern.attrs["left_out"]
    with pytest.raises(FileError, match=r"contains no scan .* with points"):
        read(document(empty))


def test_an_aborted_scan_is_read_and_noted(read):
    pattern = read(document(scan().replace("<scan>", '<scan status="Aborted">')))
    assert pattern.sizes["two_theta"] == 3
    assert "scan 1 has the status 'Aborted'" in notes_of(pattern)[0]


def test_repeated_angles_of_one_scan_cost_no_other(read):
    repeated = scan(positions="<listPositions>10 10 12</listPositions>")
    pattern = read(document(repeated, scan()))
    assert "averaged" in notes_of(pattern)[0]
    assert float(pattern["intensity"].max()) > 0
