"""Whatever bytes a file holds, a reader gives a dataset or one of Nescio's errors; it warns of nothing."""

import io
import zipfile

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nescio.errors import NescioError
from nescio.files import Source
from nescio.xrd.read.files import _reader

SCAN = (
    '<scan><dataPoints><positions axis="2Theta" unit="deg"><startPosition>{}</startPosition>'
    "<endPosition>{}</endPosition></positions><countingTimes>1 2 1</countingTimes>"
    "<beamAttenuationFactors>1 2 3</beamAttenuationFactors><counts>1 2 3</counts></dataPoints></scan>"
)


def _archive() -> bytes:
    stream = io.BytesIO()
    np.savez(
        stream,
        q=[1.0, 2.0],
        intensity=[[1, 2]],
        xy_mm=[[0.0, 1]],
        comp=[[1.0]],
        elements=["Ni"],
        wavelength=1.0,
    )
    return stream.getvalue()


def _hdf5() -> bytes:
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file.attrs["default"] = "data"
        data = file.create_group("data")
        data.attrs.update({"NX_class": "NXdata", "signal": "I", "axes": "q"})
        data["q"] = [1.0, 2.0, 3.0]
        data["q"].attrs["units"] = "1/nm"
        data.create_dataset("I", data=[[1, 2, 3]], compression="gzip")
        file.create_group("mono").attrs["NX_class"] = "NXmonochromator"
        file["mono/wavelength"] = 1.54
    return stream.getvalue()


VALID = {
    ".xye": b"# wavelength = 1.5406\n2theta intensity sigma\n10.0 1.5e2 3\n11.0 -4 2\n12.0 nan 1\n",
    ".csv": b"q (1/nm);a;b\n10,5;1;2\n11,5;3;4\n",
    ".xrdml": (
        '<xrdMeasurements><xrdMeasurement><usedWavelength intended="K-Alpha 1"><kAlpha1>1.54</kAlpha1>'
        f"</usedWavelength>{SCAN.format(10, 12)}{SCAN.format(11, 14)}</xrdMeasurement></xrdMeasurements>"
    ).encode(),
    ".cif": b"data_a\n_diffrn_radiation_wavelength 1.54\nloop_\n_pd_meas_2theta_scan\n_pd_meas_counts_total\n"
    b"10 5(1)\n11 ?\n",
    ".txt": b"2theta;I;2theta;I\n20;1;30;5\n21;2;31;6\n22;3;;\nscan 2\n20;1;30;5\n21;2;31;6\n",
    ".npz": _archive(),
    ".nxs": _hdf5(),
}


def _read(tmp_path_factory, suffix: str, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / f"fuzz{suffix}"
    try:
        source = Source(path, content)
        _reader(source)(source, axis=None, wavelength=None)
        return
    except NescioError as error:
        message = str(error)
    assert "\n" not in message
    assert path.name in message


@pytest.mark.parametrize("suffix", sorted(VALID))
def test_the_unspoilt_files_are_read(tmp_path, suffix):
    path = tmp_path / f"valid{suffix}"
    source = Source(path, VALID[suffix])
    dataset = _reader(source)(source, axis=None, wavelength=None)
    assert dataset["intensity"].size >= 2


@pytest.mark.parametrize("suffix", sorted({".xy", ".csv", ".xrdml", ".npz", ".nxs", ".cif"}))
@settings(max_examples=100)
@given(content=st.one_of(st.binary(max_size=400), st.text("0123456789.,;-+eEnaif \t\n#", max_size=200)))
def test_random_content_never_escapes(tmp_path_factory, suffix, content):
    _read(tmp_path_factory, suffix, content if isinstance(content, bytes) else content.encode())


def _spoilt(content: bytes, changes: list[tuple[float, str, int]]) -> bytes:
    for place, how, value in changes:
        index = int(place * len(content))
        if how == "truncate":
            content = content[:index]
        elif how == "insert":
            content = content[:index] + bytes([value]) * 3 + content[index:]
        else:
            content = content[:index] + bytes([value]) + content[index + 1 :]
    return content


CHANGES = st.lists(
    st.tuples(
        st.floats(0, 0.999),
        st.sampled_from(["replace", "replace", "insert", "truncate"]),
        st.integers(0, 255),
    ),
    min_size=1,
    max_size=4,
)


# Every HDF5 file costs a process (the library crashes or hangs on some altered bytes), so few are tried, below.
@pytest.mark.parametrize("suffix", sorted(set(VALID) - {".nxs"}))
@settings(max_examples=200)
@given(changes=CHANGES)
def test_spoilt_files_never_escape(tmp_path_factory, suffix, changes):
    _read(tmp_path_factory, suffix, _spoilt(VALID[suffix], changes))


@settings(max_examples=150)
@given(changes=CHANGES)
def test_spoilt_arrays_in_a_sound_archive_never_escape(tmp_path_factory, changes):
    stream = io.BytesIO()
    array = io.BytesIO()
    np.save(array, np.array([1.0, 2.0]))
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("q.npy", _spoilt(array.getvalue(), changes))
        archive.writestr("intensity.npy", array.getvalue())
    _read(tmp_path_factory, ".npz", stream.getvalue())


@settings(max_examples=6)
@given(place=st.floats(0, 0.999))
def test_cut_hdf5_never_escapes(tmp_path_factory, place):
    content = VALID[".nxs"]
    _read(tmp_path_factory, ".nxs", content[: int(place * len(content))])
