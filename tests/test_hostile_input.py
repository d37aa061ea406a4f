"""Whatever reads a file refuses what is none, at once, in one line; hostile text costs no more than its length."""

import contextlib
import gzip
import os
import sys
import time

import numpy as np
import pytest

from nescio.configuration import read_toml
from nescio.errors import ConfigurationError, FileError, NescioError
from nescio.explore import read_settings
from nescio.learn import load_agent
from nescio.microscopy import read_image
from nescio.trace import Trace
from nescio.xas import read_feff_path, read_feff_phases, read_spectra, spectra_dataset
from nescio.xrd import read_patterns, read_structure

UNIX = pytest.mark.skipif(sys.platform == "win32", reason="has no such files")


def in_folder(name, read):
    """Return a function that reads a folder in which one file is a given one."""

    def inside(path):
        folder = path.with_name(f"{path.name}-folder")
        folder.mkdir()
        (folder / name).symlink_to(path)
        return read(folder)

    return inside


READERS = {
    "pattern.xy": read_patterns,
    "pattern.npz": read_patterns,
    "pattern.nxs": read_patterns,
    "pattern.xrdml": read_patterns,
    "spectrum.xdi": read_spectra,
    "spectrum.prj": read_spectra,
    "spectrum.h5": read_spectra,
    "image.tif": read_image,
    "image.npy": read_image,
    "image.h5": read_image,
    "image.hspy": read_image,
    "image.dm4": read_image,
    "crystal.cif": read_structure,
    "prior.toml": read_toml,
    "experiment.toml": read_settings,
    "trace.sqlite": lambda path: Trace.open(path, read_only=True),
    "feff0001.dat": read_feff_path,
    "phase.pad": in_folder("phase.pad", read_feff_phases),
    "agent.json": in_folder("agent.json", load_agent),
}


def special(kind, path):
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "loop":
        path.symlink_to(path.name)
    elif kind == "folder":
        path.mkdir()


@UNIX
@pytest.mark.parametrize("kind", ["pipe", "device", "loop", "folder", "nothing"])
@pytest.mark.parametrize("name", READERS)
def test_every_reader_refuses_what_is_no_file_without_waiting(tmp_path, name, kind):
    path = tmp_path / name
    special(kind, path)
    start = time.process_time()
    with pytest.raises(NescioError) as caught:
        READERS[name](path)
    assert time.process_time() - start < 5.0
    assert str(caught.value).isprintable()
    assert name in str(caught.value)


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="takes no name that is not UTF-8")
def test_a_measurement_in_a_file_whose_name_is_not_utf8_has_a_name_that_can_be_kept(tmp_path):
    name = os.fsdecode(b"\xb5m")
    (tmp_path / f"{name}.xy").write_text("10 1\n11 2\n12 3\n")
    measured = read_patterns(tmp_path / f"{name}.xy")
    assert measured["measurement"].values.tolist() == ["\\xb5m"]
    assert measured.attrs["source"].endswith("\\xb5m.xy")
    assert len(measured.to_netcdf(engine="h5netcdf")) > 0
    energy = np.linspace(8900.0, 9100.0, 50)
    lines = "".join(f"{e:.1f} {np.arctan(e - 9000.0):.5f}\n" for e in energy)
    (tmp_path / f"{name}.xdi").write_text(lines)
    assert spectra_dataset(read_spectra(tmp_path / f"{name}.xdi")[0])["measurement"].values.tolist() == [
        "\\xb5m"
    ]


QUADRATIC = {
    "a.xy": ["# " + "lambda" * 30_000, "# " + "lambda(" * 30_000, "# wavelength" + " " * 200_000 + "="],
    "b.xy": ["x " * 100_000 + "q", "2theta " + "(" * 100_000, "'" * 200_000],
    "c.csv": ["q;" + "sigma_" * 50_000, "q;" + "[" * 100_000],
}


@pytest.mark.parametrize(("name", "header"), [(n, h) for n, headers in QUADRATIC.items() for h in headers])
def test_a_long_header_costs_no_more_than_its_length(tmp_path, name, header):
    separator = ";" if name.endswith("csv") else " "
    (tmp_path / name).write_text(header + "\n" + "".join(f"{k}{separator}1\n" for k in range(10, 14)))
    start = time.process_time()
    with contextlib.suppress(FileError):
        read_patterns(tmp_path / name)
    assert time.process_time() - start < 2.0


@pytest.mark.parametrize("quoted", ["\\" * 500_001 + "x", "\\'" * 300_000, "x" * 500_000, "''" * 300_000])
def test_a_quotation_that_never_ends_costs_no_more_than_its_length(tmp_path, quoted):
    lines = ["$old_group = 'a';", f"@args = ('label','{quoted});", "@x = ('1');", "@y = ('1');", "[record]"]
    (tmp_path / "a.prj").write_text("\n".join(lines))
    start = time.process_time()
    found, left_out = read_spectra(tmp_path / "a.prj")
    assert time.process_time() - start < 2.0
    assert (len(found), len(left_out)) == (0, 1)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.xy", "#a\n" * 6000 + "10 1\n", "no row of numbers in the first 5,000 lines"),
        ("a.xy", "10 1\n11 " + "1" * 2_000_001 + "\n", "line 2 has more than 2,000,000 characters"),
        ("a.xrdml", "<xrdMeasurements>" + "<a>" * 200 + "</a>" * 200 + "</xrdMeasurements>", "nested more than 100"),
        ("a.xdi", "#a\n" * 100_001 + "10 1\n", "more than 100,000 lines of text"),
        ("a.xdi", "".join("1 " * k + "\n" for k in range(1, 9)), "rows of 1 and 2 and 3"),
    ],
    ids=["comments", "a long line", "depth", "comments of a spectrum", "widths"],
)  # fmt: skip
def test_what_no_instrument_writes_is_refused(tmp_path, name, content, reason):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(FileError, match=reason):
        (read_spectra if name.endswith(".xdi") else read_patterns)(path)


def scan(start: float, stop: float) -> str:
    return (
        f"<scan><dataPoints><positions axis='2Theta'><startPosition>{start}</startPosition>"
        f"<endPosition>{stop}</endPosition></positions><counts>5 6</counts></dataPoints></scan>"
    )


def test_scans_that_would_be_merged_over_endless_gaps_are_kept_apart(tmp_path):
    scans = "".join(scan(5 + 0.01 * k, 5 + 0.01 * k + 1e-7) for k in range(60))
    path = tmp_path / "a.xrdml"
    path.write_text(f"<xrdMeasurements><xrdMeasurement>{scans}</xrdMeasurement></xrdMeasurements>")
    measured = read_patterns(path)
    assert measured.sizes["measurement"] == 60
    assert "60 frames of different ranges have" in measured.attrs["notes"]


def test_an_archive_that_unpacks_to_endless_records_is_refused(tmp_path):
    record = "$old_group = 'a';\n@args = ('label','a');\n@x = (1);\n@y = (1);\n[record]\n"
    (tmp_path / "a.prj").write_bytes(gzip.compress((record * 5001).encode()))
    with pytest.raises(FileError, match="more than 5,000 records"):
        read_spectra(tmp_path / "a.prj")


def test_spectra_of_very_different_lengths_are_not_padded_beyond_memory(tmp_path):
    def spectrum(points: int) -> str:
        energy = ",".join(f"{8900 + 0.001 * k:.3f}" for k in range(points))
        return f"$old_group = 'a';\n@x = ({energy});\n@y = ({','.join(str(k) for k in range(points))});\n[record]\n"

    (tmp_path / "a.prj").write_text(spectrum(30) * 1000 + spectrum(30_000))
    with pytest.raises(FileError, match="1,001 spectra of up to 30,000 points exceed"):
        spectra_dataset(read_spectra(tmp_path / "a.prj")[0], "a.prj")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (".".join("a" * 200_000) + " = 1", "more than 100 parts"),
        ("x = {" + ".".join("a" * 200_000) + " = 1}", "more than 100 parts"),
        ("[" + ".".join("a" * 200_000) + "]", "more than 100 parts"),
        ("a = " + "[" * 150 + "]" * 150, "more than 100 deep"),
        ("a = " + "[" * 20_000 + "]" * 20_000, "not valid TOML"),
        ("a = " + "9" * 5000, "not valid TOML"),
    ],
    ids=["a long name", "a long name in a table", "a long heading", "deep", "very deep", "a long number"],
)
def test_a_configuration_that_nobody_writes_is_refused_at_once(tmp_path, text, reason):
    (tmp_path / "a.toml").write_text(text)
    start = time.process_time()
    with pytest.raises(ConfigurationError, match=reason):
        read_toml(tmp_path / "a.toml")
    assert time.process_time() - start < 2.0


def test_a_configuration_of_ordinary_numbers_and_names_is_read(tmp_path):
    numbers = ", ".join(f"{k}.5" for k in range(1000))
    (tmp_path / "a.toml").write_text(
        f"\ufeff# µ\na.b.c = [{numbers}]\npath = '../data/x.y.z'\n", encoding="utf-8"
    )
    document = read_toml(tmp_path / "a.toml")
    assert len(document["a"]["b"]["c"]) == 1000
