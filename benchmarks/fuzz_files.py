"""Honest files of every kind that is read, small, made with what writes such files; and what reads them."""

from __future__ import annotations

import atexit
import gzip
import hashlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from vendor_files import brml, brml_scan, bruker_raw_3, bruker_raw_4, ras, rasx

__all__ = ["TARGETS", "Target"]

_RANDOM = np.random.default_rng(0)
_ANGLES = np.linspace(20.0, 60.0, 40)
_COUNTS = np.round(100.0 + 900.0 * np.exp(-((_ANGLES - 44.0) ** 2)))
_ENERGY = np.round(np.linspace(8900.0, 9300.0, 60), 2)
_MU = np.round(0.3 + np.arctan(_ENERGY - 8979.0) / np.pi, 5)
_IMAGE = np.round(_RANDOM.normal(size=(12, 10)), 3)
_CUBE = np.round(_RANDOM.normal(size=(6, 5, 7)), 3)


@dataclass(frozen=True)
class Target:
    """Something that reads files."""

    read: Callable[[Path], object]
    files: Callable[[], Mapping[str, bytes]]
    """Makes honest files: content by name."""
    mutants: int = 20_000
    """How many are tried by default: fewer where each costs a process."""
    readers: int = 1
    """How many try to read a file, one after the other."""


def _attribute(module: str, name: str) -> Callable[..., Any]:
    return getattr(import_module(module), name)


def _read(module: str, name: str) -> Callable[[Path], object]:
    """Return a reader that is imported when it is used."""
    return lambda path: _attribute(module, name)(path)


@cache
def _technique(name: str) -> Any:
    return _attribute("nescio.techniques", "find_technique")(name)


def _prior(path: Path) -> object:
    return _technique("xrd").load_prior(path)


def _spectra(path: Path) -> object:
    found, _ = _attribute("nescio.xas", "read_spectra")(path)
    return _attribute("nescio.xas", "spectra_dataset")(found, str(path))


def _image(path: Path) -> object:
    """Read a file both as an image and as spectra; one of the two may not find any."""
    from nescio.errors import NescioError

    try:
        pages = {"image": "page 1"} if path.name == "stack.tif" else {}
        return _attribute("nescio.microscopy", "read_image")(path, missing=True, luminance=True, **pages)
    except NescioError:
        named = {"spectra": "map", "navigation": 2} if path.suffix == ".emd" else {}
        return _attribute("nescio.microscopy", "read_spectrum_image")(path, image=None, **named)


def _xrd_text() -> dict[str, bytes]:
    rows = [f"{a:.3f} {c:.0f}" for a, c in zip(_ANGLES, _COUNTS, strict=True)]
    table = [f"{a:.3f};{c:.0f};{2 * c:.0f}".replace(".", ",") for a, c in zip(_ANGLES, _COUNTS, strict=True)]
    return {
        "a.xy": "\n".join(rows).encode(),
        "a.xye": (
            "# wavelength = 1.5406\n2theta intensity sigma\n" + "".join(f"{row} 3\n" for row in rows)
        ).encode(),
        "a.csv": ("q (1/nm);first;second\n" + "\n".join(table)).encode("utf-16"),
        "a.dat": ("Messung in °\r\n" + "\r\n".join(rows) + "\x1a").encode("latin-1"),
    }


def _xrdml() -> dict[str, bytes]:
    counts = " ".join(f"{c:.0f}" for c in _COUNTS)

    def scan(start: float, stop: float) -> str:
        return (
            f'<scan><dataPoints><positions axis="2Theta" unit="deg"><startPosition>{start}</startPosition>'
            f"<endPosition>{stop}</endPosition></positions><commonCountingTime>1.5</commonCountingTime>"
            f"<beamAttenuationFactors>{'1 ' * 40}</beamAttenuationFactors><counts>{counts}</counts></dataPoints></scan>"
        )

    def document(*scans: str) -> bytes:
        return (
            '<?xml version="1.0" encoding="UTF-8"?><xrdMeasurements xmlns="http://www.xrdml.com/XRDMeasurement/1.5">'
            '<xrdMeasurement><usedWavelength intended="K-Alpha 1"><kAlpha1 unit="Angstrom">1.5406</kAlpha1>'
            "<kAlpha2>1.5444</kAlpha2><ratioKAlpha2KAlpha1>0.5</ratioKAlpha2KAlpha1></usedWavelength>"
            f"{''.join(scans)}</xrdMeasurement></xrdMeasurements>"
        ).encode()

    return {
        "one.xrdml": document(scan(20, 60)),
        "same.xrdml": document(scan(20, 60), scan(20, 60)),
        "frames.xrdml": document(scan(20, 60), scan(55, 90)),
    }


def _npz(**arrays: Any) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def _xrd_npz() -> dict[str, bytes]:
    return {
        "a.npz": _npz(two_theta=_ANGLES, intensity=_COUNTS),
        "wafer.npz": _npz(
            q=np.linspace(1.0, 4.0, 40),
            xrd=np.tile(_COUNTS, (3, 1)),
            xy_mm=[[0.0, 1.0], [1.0, 1.0], [2.0, 1.0]],
            comp=[[0.5, 0.5], [0.4, 0.6], [0.3, 0.7]],
            elements=["Ni", "Co"],
            scan=[4, 5, 6],
            wavelength=1.0,
        ),
    }


def _bruker() -> dict[str, bytes]:
    rows = [[1, 1, a, a / 2, c] for a, c in zip(_ANGLES, _COUNTS, strict=True)]
    view = (
        '<RawDataView Start="2" Length="2"><Varying><FieldDefinitions AxisId="TwoTheta" /><FieldDefinitions '
        'AxisId="Theta" /></Varying></RawDataView><RawDataView Start="4" Length="1"><Recording><Unit Base="Counts" />'
        "<Size><X>1</X><Y>1</Y></Size></Recording></RawDataView>"
    )
    return {
        "three.raw": bruker_raw_3(_COUNTS.tolist(), [1, 2, 3], start=[20.0, 30.0]),
        "angles.raw": bruker_raw_3(_COUNTS.tolist(), angles=_ANGLES.tolist()),
        "four.raw": bruker_raw_4(_COUNTS.tolist(), [1, 2, 3]),
        "a.brml": brml(brml_scan(rows), brml_scan(rows, views=view)),
    }


def _rigaku() -> dict[str, bytes]:
    rows = [[round(float(a), 4), c, 1] for a, c in zip(_ANGLES, _COUNTS, strict=True)]
    scans = (rows, [[*row[:2], 10] for row in rows])
    return {"a.ras": ras(*scans).encode(), "a.rasx": rasx(*scans)}


def _powder_texts() -> dict[str, bytes]:
    """UXD, GSAS, FullProf and Fit2D."""
    pairs = list(zip(_ANGLES, _COUNTS, strict=True))
    eight = "\n".join("".join(f"{c:8.0f}" for c in _COUNTS[at : at + 10]) for at in range(0, 40, 10))
    uxd = (
        "; converted\n_FILEVERSION=2\n_WL_UNIT='A'\n_WL1=1.5406\n_WL2=1.54439\n_WLRATIO=0.5\n_ANODE='Cu'\n"
        f"_DRIVE='COUPLED'\n_STEPTIME=1.0\n_STEPSIZE=0.5\n_2THETA=20.0\n_COUNTS\n{eight}\n_DRIVE='COUPLED'\n"
        "_2THETACPS\n" + "".join(f"{a:.3f}\t{c:.1f}\n" for a, c in pairs)
    )
    fxye = "".join(f"{100 * a:12.3f}{c:12.3f}{c / 10:12.3f}\n" for a, c in pairs)
    esd = "\n".join("".join(f"{c:8.1f}{1.5:8.1f}" for c in _COUNTS[at : at + 5]) for at in range(0, 40, 5))
    alt = "\n".join(
        "".join(f"{2000 + at:8d}{c:7.1f}{12345:5d}" for c in _COUNTS[at : at + 4]) for at in range(0, 40, 4)
    )
    grid = "lambda=  1.49400, T= 0\n   20.0   0.5   39.5  Sample\n"
    return {
        "a.uxd": uxd.encode(),
        "std.gsa": f"Sample\nBANK 1 40 4 CONST 2000 50 0 0 STD\n{eight}\nBANK 2 40 4 CONST 2000 50\n{eight}\n".encode(),
        "esd.gsa": f"# wavelength 1.5406\nBANK 1 40 8 CONS 2000. 50. 0 0 ESD\n{esd}\n".encode(),
        "alt.gsa": f"Sample\nBANK 1 40 10 CONS 2000 50 0 0 ALT\n{alt}\n".encode(),
        "a.fxye": f"# Mean wavelength is: 0.4131\nBANK 1 40 40 CONS 2000. 100. 0 0 FXYE\n{fxye}".encode(),
        "a.dat": f"{grid}{eight}\n{eight}\n".encode(),
        "a.chi": (
            "a.tif\n 2-Theta Angle (Degrees)\n Intensity\n      40\n"
            + "".join(f" {a:.5E} {c:.5E}\n" for a, c in pairs)
        ).encode(),
    }


def _detector() -> dict[str, bytes]:
    """Images, small but not too small to be read as such."""
    image = np.round(_RANDOM.uniform(0.0, 200.0, (24, 20))).astype(np.int32)

    def eiger(file: h5py.File) -> None:
        data = np.stack([image, image]).astype(np.uint32)
        file.create_dataset("entry/data/data_000001", data=data, chunks=(1, 24, 20), compression="gzip")

    stream = io.BytesIO()
    np.save(stream, image)
    found = {"a.npy": stream.getvalue(), "eiger.h5": _hdf5(eiger)}
    with tempfile.TemporaryDirectory() as folder:
        for name, kind in (("a.edf", "EdfImage"), ("a.cbf", "CbfImage"), ("a.tif", "TifImage")):
            path = Path(folder) / name
            _attribute(f"fabio.{kind.lower()}", kind)(image).write(str(path))
            found[name] = path.read_bytes()
    return found


_PONI = """# a calibration
poni_version: 2.1
Detector: Detector
Detector_config: {"pixel1": 0.0002, "pixel2": 0.0002, "max_shape": [24, 20], "orientation": 3}
Distance: 0.02
Poni1: 0.002
Poni2: 0.002
Rot1: 0.01
Rot2: 0.0
Rot3: 0.0
Wavelength: 7e-11
"""


def _integrated(path: Path) -> object:
    with tempfile.TemporaryDirectory() as folder:
        poni = Path(folder) / "a.poni"
        poni.write_text(_PONI)
        return _attribute("nescio.xrd", "read_patterns")(path, poni=poni, sectors=2)


def _with_geometry(path: Path) -> object:
    with tempfile.TemporaryDirectory() as folder:
        np.save(image := Path(folder) / "a.npy", np.ones((24, 20)))
        return _attribute("nescio.xrd", "read_patterns")(image, poni=path)


def _hdf5(fill: Callable[[h5py.File], object]) -> bytes:
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        fill(file)
    return stream.getvalue()


def _nexus(file: h5py.File) -> None:
    file.attrs["default"] = "entry"
    entry = file.create_group("entry")
    entry.attrs.update({"NX_class": "NXentry", "default": "data"})
    data = entry.create_group("data")
    data.attrs.update({"NX_class": "NXdata", "signal": "I", "axes": [".", "two_theta"]})
    data["two_theta"] = _ANGLES
    data["two_theta"].attrs["units"] = "degree"
    data.create_dataset("I", data=np.tile(_COUNTS, (3, 1)), compression="gzip", shuffle=True)
    data["I_errors"] = np.sqrt(np.tile(_COUNTS, (3, 1)))
    beam = entry.create_group("instrument/monochromator")
    beam.attrs["NX_class"] = "NXmonochromator"
    beam["energy"] = [8.05]
    beam["energy"].attrs["units"] = "keV"


def _plain(file: h5py.File) -> None:
    file.update(
        {"two_theta": _ANGLES, "intensity": _COUNTS.astype("u2"), "comp": [[0.5, 0.5]], "wavelength": "CuKa"}
    )
    file["elements"] = ["Ni", "Co"]


def _xrd_hdf5() -> dict[str, bytes]:
    return {"nexus.nxs": _hdf5(_nexus), "plain.h5": _hdf5(_plain)}


def _columns() -> dict[str, bytes]:
    rows = "\n".join(f"{e:.2f} {1e5:.0f} {1e5 * np.exp(-m):.1f}" for e, m in zip(_ENERGY, _MU, strict=True))
    two = "\n".join(f"{e / 1000:.5f} {m:.5f}" for e, m in zip(_ENERGY, _MU, strict=True))
    header = (
        "# XDI/1.0 GSE/1.0\n# Column.1: energy eV\n# Column.2: i0\n# Column.3: itrans\n# Element.symbol: Cu\n"
    )
    return {
        "a.xdi": f"{header}# Element.edge: K\n# ///\n# a remark\n#----\n# energy i0 itrans\n{rows}\n".encode(),
        "a.dat": f"# energy xmu\n{rows.replace(' 100000', '')}\n".encode(),
        "kev.xmu": f"# Column.1: energy keV\n# Column.2: mutrans\n{two}\n".encode(),
        "scans.dat": "".join(
            f"#S {n} ascan energy 8 9 60 1\n#N 3\n#L energy  I0  I1\n{rows}\n#C end\n\n" for n in (1, 2)
        ).encode(),
        "plain.dat": f"a title\nE0= 8979\nOffsets= 1 2 3\n------\n  energy  Io  It\n{rows}\nend of scan\n".encode(),
        "list.dat": (
            "Weights:\n 1.0 1.0 1.0\nData:\nAchieved Energy\nI0\nI1\n\n" + f"{rows}\n".replace(".", ",")
        ).encode("utf-16"),
        "cls.dat": (
            '# CLS Data Acquisition\n#(1)\t"$(Energy)"\t"$(I0)"\t"$(It)"\n' + f"{rows}\n".replace(" ", ", ")
        ).encode(),
        "angle.dat": _angles().encode(),
        "groups.nor": f"# energy foil sample\n{rows}\n{rows}\n".encode(),
        "legend.dat": (
            "; P1 = {Energy} --> a:b\n; D1 = {I0} --> c\n; D2 = {I1} --> d\n;  P1 D1 D2\n"
            f"#  1) Energy *  3) IT\n#  2) I0\n{rows}\n"
        ).encode(),
        "packed.dat.gz": gzip.compress(f"energy,mu\n{two}\n".replace(" ", ",").encode()),
    }


def _angles() -> str:
    angle = np.degrees(np.arcsin(12398.42 / (2.0 * 3.1355 * _ENERGY)))
    rows = "".join(
        f" {a:.5f} {a:.5f} 1.0 {1e5:.0f} {1e5 * np.exp(-m):.0f}\n" for a, m in zip(angle, _MU, strict=True)
    )
    return (
        "  9809     KEK-PF   BL9A\n Mono :   Si(111)       D=  3.13551 A\n     1   8780.0  8960.0  5.0  1.0  36\n"
        "  Angle(c)  Angle(o)    time/s         2         3\n      Mode         0         0         1         2\n"
        f"    Offset         0         0  7753.700  7157.100\n{rows}"
    )


def _athena() -> dict[str, bytes]:
    def record(name: str) -> str:
        x, y = (",".join(f"'{v}'" for v in values) for values in (_ENERGY, _MU))
        options = f"'label','{name}','datatype','xmu','bkg_z','Cu','fft_edge','k','bkg_eshift','0.5'"
        return f"$old_group = '{name}';\n@args = ({options});\n@x = ({x});\n@y = ({y});\n[record]   # \n\n"

    text = (
        f"# Athena project file -- Demeter version 0.9.26\n\n{record('foil')}{record('other')}\n1;\n".encode()
    )
    values = {"x": [str(v) for v in _ENERGY], "y": [str(v) for v in _MU]}
    records = {name: {"args": {"label": name, "datatype": "xmu"}, **values} for name in ("foil", "other")}
    document = {
        "_____header1": "# Athena project file -- Demeter version 0.9.26",
        **records,
        "_____order": ["foil"],
    }
    return {"a.prj": gzip.compress(text), "plain.prj": text, "json.prj": json.dumps(document).encode()}


def _absorption(file: h5py.File) -> None:
    for name in ("scan1", "scan2"):
        group = file.create_group(name)
        group.attrs.update({"element": "Cu", "edge": "K"})
        group["energy"] = _ENERGY / 1000
        group["energy"].attrs["units"] = "keV"
        group.create_dataset("i0", data=np.full(60, 1e5), compression="gzip")
        group["itrans"] = 1e5 * np.exp(-_MU)


def _xas_hdf5() -> dict[str, bytes]:
    return {"a.h5": _hdf5(_absorption)}


def _arrays() -> dict[str, bytes]:
    stream = io.BytesIO()
    np.save(stream, _IMAGE)
    return {
        "a.npz": _npz(image=_IMAGE, spectra=_CUBE.reshape(-1, 7), position_nm=_RANDOM.uniform(size=(30, 2))),
        "a.npy": stream.getvalue(),
    }


def _map(file: h5py.File) -> None:
    data = file.create_group("entry/map")
    data.attrs.update({"NX_class": "NXdata", "signal": "counts", "axes": ["y", "x"]})
    data.create_dataset("counts", data=_IMAGE, chunks=(4, 5), compression="gzip")
    for name, points in zip("yx", _IMAGE.shape, strict=True):
        data[name] = np.arange(points) * 0.5
        data[name].attrs["units"] = "nm"
    file.attrs["default"] = "entry"
    file["entry"].attrs["default"] = "map"


def _nsid(file: h5py.File) -> None:
    group = file.create_group("Measurement_000/Channel_000/cube")
    group["cube"] = _CUBE
    group["cube"].attrs.update({"units": "counts", "quantity": "intensity"})
    axes = (("y", "nm", "SPATIAL"), ("x", "nm", "SPATIAL"), ("E", "eV", "SPECTRAL"))
    for index, (name, unit, kind) in enumerate(axes):
        group[name] = np.arange(_CUBE.shape[index]) * 0.5
        group[name].attrs.update({"units": unit, "dimension_type": kind})
        group[name].make_scale(name)
        group["cube"].dims[index].label = name
        group["cube"].dims[index].attach_scale(group[name])


def _netcdf() -> bytes:
    import xarray as xr

    channels = {"channel": ["a", "b", "c"]}
    array = xr.DataArray(np.stack([_IMAGE, _IMAGE, _IMAGE]), channels, ("channel", "y", "x"), "image")
    return bytes(xr.Dataset({"image": array}).to_netcdf(engine="h5netcdf"))


def _microscopy_hdf5() -> dict[str, bytes]:
    return {"a.nxs": _hdf5(_map), "a.h5": _hdf5(_nsid), "a.nc": _netcdf()}


def _pictures() -> dict[str, bytes]:
    from PIL import Image

    grey = Image.fromarray((_RANDOM.uniform(size=(12, 10)) * 255).astype(np.uint8))
    deep = Image.fromarray((_RANDOM.uniform(size=(12, 10)) * 65535).astype(np.uint16))
    found = {}
    for name, picture, options in (
        ("a.png", grey, {}),
        ("deep.png", deep, {}),
        ("colour.png", grey.convert("RGB"), {}),
        ("a.tif", deep, {"compression": "tiff_lzw"}),
        ("stack.tif", deep, {"save_all": True, "append_images": [deep, deep]}),
        ("a.bmp", grey, {}),
        ("a.jpg", grey, {"quality": 90}),
    ):
        stream = io.BytesIO()
        picture.save(stream, {"tif": "TIFF", "jpg": "JPEG"}.get(name[-3:], name[-3:]), **options)
        found[name] = stream.getvalue()
    return found


def _hyperspy() -> dict[str, bytes]:
    def axis(name: str, unit: str, place: int, size: int, navigate: bool) -> dict[str, Any]:
        kind = {"_type": "UniformDataAxis", "is_binned": False, "index_in_array": place, "navigate": navigate}
        return {**kind, "name": name, "units": unit, "scale": 0.5, "offset": 1.0, "size": size}

    empty = ("original_metadata", "package_info", "learning_results", "tmp_parameters", "models")
    cube = [
        axis(n, u, k, _CUBE.shape[k], k < 2)
        for k, (n, u) in enumerate((("y", "nm"), ("x", "nm"), ("E", "eV")))
    ]
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, api, values, axes in (
            ("a.hspy", "hspy", _CUBE, cube),
            ("a.emd", "emd", _CUBE, cube),
        ):
            metadata = {"General": {"title": "map"}, "Signal": {"quantity": "Counts (e)", "signal_type": ""}}
            signal = {"data": values, "axes": axes, "metadata": metadata, "attributes": {"_lazy": False}}
            path = Path(folder) / name
            import_module(f"rsciio.{api}").file_writer(str(path), {**signal, **{key: {} for key in empty}})
            found[name] = path.read_bytes()
    return found


_CIF = """data_nickel
_cell_length_a 3.524(2)
_cell_length_b 3.524
_cell_length_c 3.524
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'F m -3 m'
_symmetry_Int_Tables_number 225
_chemical_formula_sum 'Ni'
_cell_formula_units_Z 4
loop_
_symmetry_equiv_pos_as_xyz
'x, y, z'
'-x, -y, z'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
_atom_site_U_iso_or_equiv
Ni1 Ni2+ 0 0 0 1.0 0.005
"""

_PRIOR = """technique = "xrd"
[axis]
start = 20.0
stop = 60.0
points = 64
[[phases]]
name = "nickel"
space_group = "Fm-3m"
cell = [3.524, 3.524, 3.524, 90, 90, 90]
sites = [{ element = "Ni", position = [0, 0, 0] }]
[[phases]]
name = "cobalt"
space_group = "P6_3/mmc"
cell = [2.51, 2.51, 4.07, 90, 90, 120]
sites = [{ element = "Co", position = [0.333333333333, 0.666666666667, 0.25] }]
"""

_EXPERIMENT = """title = "Film"
seed = 0
[instrument]
kind = "ferroelectric-twin"
latency = 0.1
[candidates]
kind = "patches"
size = 16
edge = "reflect"
[scalarizer]
kind = "hysteresis"
axis = "bias"
quantities = ["area"]
[seeds]
points = 20
[budget]
points = 180
"""

_FEFF = Path(__file__).parent.parent / "tests" / "xas" / "data" / "cu_single.dat"


def _trace() -> dict[str, bytes]:
    import xarray as xr

    from nescio.trace import Experiment, Measurement, Trace, now

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.sqlite"
        experiment = Experiment(title="film", nescio_version="0", configuration={"a": [1]}, seed=1)
        with Trace.create(path, experiment) as trace:
            trace.put_dataset("candidates", xr.Dataset({"position": (("candidate", "c"), np.zeros((9, 2)))}))
            for number in range(4):
                with trace.step():
                    row = trace.put_dataarray(xr.DataArray(_RANDOM.normal(size=50), dims="e"), "s")
                    place = {"number": number, "candidate": number, "position": [0.0, 1.0], "origin": "seed"}
                    trace.add(Measurement(**place, spectrum=row, started=now(), finished=now()))
        return {"trace.sqlite": path.read_bytes()}


def _message() -> dict[str, bytes]:
    import xarray as xr

    from nescio.explore.instruments import wire

    spectrum = xr.DataArray(
        _CUBE[0], {"e": np.arange(7.0)}, ("place", "e"), "loop", {"units": "V", "a": [1, 2.5]}
    )
    survey = xr.Dataset({"image": (("y", "x"), _IMAGE)}, {"channel": ["HAADF", "BF"]}, {"kv": 200})
    return {
        "spectrum.msgpack": wire.pack(wire.encode_spectrum(spectrum)),
        "survey.msgpack": wire.pack(wire.encode_dataset(survey)),
    }


def _decoded(path: Path) -> object:
    from nescio.errors import InstrumentError
    from nescio.explore.instruments import wire

    message = wire.unpack(path.read_bytes())
    try:
        return wire.decode_spectrum(message)
    except InstrumentError:
        return wire.decode_dataset(message)


_AGENT_FOLDER = "NESCIO_FUZZ_AGENT"
"""Environment variable with the folder of the honest agent: trained once, for all processes."""


def _honest_agent() -> Path:
    """Return the folder of a small agent, trained for a few steps."""
    if folder := os.environ.get(_AGENT_FOLDER):
        return Path(folder)
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    settings = {
        "map": {"hidden": [12]},
        "detector": {"hidden": [12], "latent": 2},
        "classifier": {"patch": 8, "channels": [4, 4], "dense": 4},
        "training": {"steps": 4, "batch": 8, "warmup": 1},
        "calibration": {"draws": 1000, "scale_draws": 500, "map_draws": 100},
    }
    prior = Path(folder) / "phases.toml"
    prior.write_text(_PRIOR, encoding="utf-8")
    learned = _attribute("nescio.learn", "ClassAgent").train(
        _prior(prior), _attribute("nescio.learn", "LearnSettings").model_validate(settings), progress=False
    )
    _attribute("nescio.learn", "save_agent")(learned, Path(folder) / "agent")
    os.environ[_AGENT_FOLDER] = str(Path(folder) / "agent")
    return Path(folder) / "agent"


def _agent_files() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(_honest_agent().iterdir())}


def _open_agent(path: Path) -> object:
    """Load an agent of which one file is damaged, signed as if it had been written so: what a forger can do."""
    for name, content in _agent_files().items():
        if name != path.name:
            (path.parent / name).write_bytes(content)
    document_path = path.parent / "agent.json"
    try:
        document = json.loads(document_path.read_bytes())
        document.pop("digest", None)
        if path != document_path:
            document["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
        document["digest"] = _attribute("nescio.learn.storage", "document_digest")(document)
        document_path.write_text(json.dumps(document), encoding="utf-8")
    except (ValueError, AttributeError, TypeError, RecursionError):
        pass  # damaged too much to be signed; the reader gets it as it is
    return _attribute("nescio.learn", "load_agent")(path.parent)


def _read_weights(path: Path) -> object:
    return _attribute("nescio.learn.storage", "arrays_of")(path.read_bytes(), path)


def _weights() -> dict[str, bytes]:
    from safetensors.numpy import save

    return {"weights.safetensors": save({"map.latent": _IMAGE.astype("f4"), "scale": np.ones(3, "f4")})}


TARGETS: dict[str, Target] = {
    "xrd-text": Target(_read("nescio.xrd", "read_patterns"), _xrd_text),
    "xrd-xrdml": Target(_read("nescio.xrd", "read_patterns"), _xrdml),
    "xrd-bruker": Target(_read("nescio.xrd", "read_patterns"), _bruker),
    "xrd-rigaku": Target(_read("nescio.xrd", "read_patterns"), _rigaku),
    "xrd-powder-texts": Target(_read("nescio.xrd", "read_patterns"), _powder_texts),
    "xrd-images": Target(_integrated, _detector, 2000),
    "xrd-poni": Target(_with_geometry, lambda: {"a.poni": _PONI.encode()}, 5000),
    "xrd-npz": Target(_read("nescio.xrd", "read_patterns"), _xrd_npz),
    "xrd-hdf5": Target(_read("nescio.xrd", "read_patterns"), _xrd_hdf5, 2000),
    "xas-columns": Target(_spectra, _columns),
    "xas-athena": Target(_spectra, _athena),
    "xas-hdf5": Target(_spectra, _xas_hdf5, 2000),
    "microscopy-arrays": Target(_image, _arrays, readers=2),
    "microscopy-hdf5": Target(_image, _microscopy_hdf5, 2000, readers=2),
    "microscopy-pictures": Target(_image, _pictures, readers=2),
    "microscopy-hyperspy": Target(_image, _hyperspy, 2000, readers=2),
    "cif": Target(_read("nescio.xrd", "read_structure"), lambda: {"a.cif": _CIF.encode()}),
    "prior": Target(_prior, lambda: {"phases.toml": _PRIOR.encode()}, 5000),
    "experiment": Target(
        _read("nescio.explore", "read_settings"), lambda: {"film.toml": _EXPERIMENT.encode()}
    ),
    "feff-path": Target(_read("nescio.xas", "read_feff_path"), lambda: {_FEFF.name: _FEFF.read_bytes()}),
    "trace": Target(_read("nescio.trace", "verify"), _trace, 2000),
    "message": Target(_decoded, _message),
    "agent": Target(_open_agent, _agent_files),
    "weights": Target(_read_weights, _weights),
}
"""What is tried, by name."""
