"""Arrays are read back exactly, equal arrays are stored once, and other types are refused."""

import zlib

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis.extra import numpy as arrays
from tests.trace.toy import candidates, experiment, spectrum, survey

from nescio.errors import TraceError
from nescio.trace import StoredArray, Trace
from nescio.trace.arrays import LARGEST_ARRAY, decode_array, encode_array

TYPES = (
    arrays.boolean_dtypes()
    | arrays.integer_dtypes(endianness="?")
    | arrays.unsigned_integer_dtypes(endianness="?")
    | arrays.floating_dtypes(endianness="?", sizes=(16, 32, 64))
    | arrays.complex_number_dtypes(endianness="?", sizes=(64, 128))
    | arrays.unicode_string_dtypes(endianness="?", max_len=4)
)
SHAPES = arrays.array_shapes(min_dims=0, min_side=0, max_side=4)


@pytest.fixture
def trace(tmp_path):
    with Trace.create(tmp_path, experiment()) as trace:
        yield trace


@settings(max_examples=50)
@given(TYPES.flatmap(lambda dtype: arrays.arrays(dtype, SHAPES)))
def test_an_array_comes_back_to_the_last_bit(values):
    found = decode_array(encode_array(values, "a"), "a", check_digest=True)
    little = values.astype(values.dtype.newbyteorder("<"))
    assert (found.dtype, found.shape) == (little.dtype, little.shape)
    assert found.tobytes() == little.tobytes()


def test_an_array_that_is_not_contiguous_keeps_its_order():
    values = np.arange(24).reshape(2, 3, 4)[:, ::-1].T
    assert (decode_array(encode_array(values, "a"), "a") == values).all()


@pytest.mark.parametrize(
    "values",
    [
        np.array([{}], dtype=object),
        np.array(["2026-01-01"], dtype="datetime64[s]"),
        np.array([b"a"]),
        np.zeros(2, [("a", "f8")]),
        np.zeros(2, np.longdouble),
    ],
)
def test_nothing_but_numbers_and_text_is_stored(values):
    with pytest.raises(TraceError, match=r"'a': arrays of .* cannot be stored; numbers"):
        encode_array(values, "array 'a'")


def stored(**changed):
    return encode_array(np.arange(6.0), "a").model_copy(update=changed)


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (stored(dtype="|O"), "is not allowed in a trace"),
        (stored(dtype="<f8,<f8"), "is not allowed in a trace"),
        (stored(dtype="f8"), "is not allowed in a trace"),
        (stored(dtype="nonsense"), "is not an array type"),
        (stored(data=b"abc"), "damaged"),
        (stored(data=zlib.compress(bytes(10**7))), "the length does not match the shape"),
        (stored(data=stored().data[:-5]), "the length does not match the shape"),
        (stored(shape=[7]), "the length does not match the shape"),
        (stored(shape=[LARGEST_ARRAY]), "is too large for a trace"),
        (stored(shape=[2**60, 2**60]), "is too large for a trace"),
        (
            encode_array(np.zeros(0), "a").model_copy(update={"shape": [2**62, 2**62, 0]}),
            "has the invalid shape",
        ),
        (stored(shape=[6] + [1] * 40), "is too large for a trace"),
        (stored(dtype="|b1", shape=[48]), "neither true nor false"),
        (stored(dtype="<U4", shape=[3]), "contains an invalid character"),
        (stored(sha256="0" * 64), "does not match its SHA-256"),
    ],
)
def test_a_damaged_array_is_not_read(array, reason):
    with pytest.raises(TraceError, match=reason):
        decode_array(array, "array 1", check_digest=True)


@pytest.mark.parametrize("dataset", [survey(), candidates(), xr.Dataset(), xr.Dataset({"a": ((), 1.5)})])
def test_a_dataset_comes_back_as_it_was(trace, dataset):
    row = trace.put_dataset("some", dataset)
    xr.testing.assert_identical(trace.get_dataset(row), dataset)
    xr.testing.assert_identical(trace.get_dataset("some"), dataset)


@pytest.mark.parametrize(
    "array",
    [
        spectrum(0),
        spectrum(0).rename(None).assign_coords(temperature=300.0),
        xr.DataArray(np.ones((2, 3), complex), dims=("sweep", "bias"), coords={"sweep": ["up", "down"]}),
        # Hysteresis: the voltage runs up and down, so it is a coordinate but not unique.
        xr.DataArray([1.0, 2.0, 3.0], {"bias": ("bias", [0.0, 1.0, 0.0])}, name="bias_response"),
        spectrum(0).coords["energy"],
    ],
)
def test_a_spectrum_comes_back_as_it_was(trace, array):
    xr.testing.assert_identical(trace.get_dataarray(trace.put_dataarray(array)), array)


def test_the_energy_axis_is_stored_once(trace):
    rows = [trace.put_dataarray(spectrum(number)) for number in range(4)]
    assert trace.count(StoredArray) == 5
    xr.testing.assert_identical(trace.get_dataarray(rows[2]), spectrum(2))


def test_equal_bytes_of_another_type_are_another_array(trace):
    found = trace.get_arrays(
        trace.put_arrays({"a": np.zeros(2), "b": np.zeros(2, "i8"), "c": np.zeros((2, 1))})
    )
    assert [(item.dtype.str, item.shape) for item in found.values()] == [
        ("<f8", (2,)),
        ("<i8", (2,)),
        ("<f8", (2, 1)),
    ]


def test_the_latest_of_a_name_counts(trace):
    trace.put_dataset("maps", xr.Dataset({"mean": 1.0}))
    trace.put_dataset("maps", xr.Dataset({"mean": 2.0}))
    assert trace.get_dataset("maps")["mean"] == 2.0


def test_a_dataset_that_is_not_there_is_told(trace):
    row = trace.put_arrays({"a": np.ones(1)}, "weights")
    with pytest.raises(TraceError, match="has no dataset 'survey'"):
        trace.get_dataset("survey")
    with pytest.raises(TraceError, match="is of kind 'arrays', not 'dataset'"):
        trace.get_dataset(row)
    with pytest.raises(TraceError, match="not 'dataarray'"):
        trace.get_dataarray("weights")


@pytest.mark.parametrize(
    ("dataset", "reason"),
    [
        (xr.Dataset({"a": ("x", np.array([{}], object))}), "variable 'a': arrays of object cannot be stored"),
        (xr.Dataset({"a": ((), 1, {"by": print})}), "attributes of variable 'a'"),
        (xr.Dataset(attrs={"by": {1, 2}}), "attributes of dataset 'some': contains set"),
        (xr.Dataset({3: ((), 1)}), "variable 3: name: Input should be a valid string"),
    ],
)
def test_what_a_trace_cannot_keep_is_refused_and_leaves_nothing(trace, dataset, reason):
    with pytest.raises(TraceError, match=reason):
        trace.put_dataset("some", dataset)
    assert trace.count(StoredArray) == 0
