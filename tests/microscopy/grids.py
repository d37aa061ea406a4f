"""The same small grid of spectra, written in many forms: 4 x 5 places, 6 energies, none of the numbers equal."""

from itertools import permutations
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr

Y = 10.0 + 2.0 * np.arange(4)
X = 50.0 + 3.0 * np.arange(5)
ENERGY = np.linspace(400.0, 405.0, 6)
CUBE = np.random.default_rng(0).normal(size=(4, 5, 6)).astype(np.float32)
UNITS = {"y": "nm", "x": "nm", "energy": "eV"}
VALUES = {"y": Y, "x": X, "energy": ENERGY}
ORDERS = list(permutations(("y", "x", "energy")))


def ordered(order: tuple[str, ...]) -> np.ndarray:
    """Return the grid with its dimensions in an order."""
    return np.transpose(CUBE, [("y", "x", "energy").index(name) for name in order])


def same(dataset: xr.Dataset, *, unit: str = "nm", axis: str = "energy") -> None:
    """See that a dataset is this grid, whatever it was read from."""
    assert dataset["spectra"].dims == ("candidate", axis)
    np.testing.assert_allclose(dataset["spectra"].values, CUBE.reshape(20, 6), rtol=1e-6)
    places = np.stack(np.meshgrid(Y, X, indexing="ij"), axis=-1).reshape(-1, 2)
    np.testing.assert_allclose(dataset["position"].values, places)
    assert dataset["coordinate"].values.tolist() == ["y", "x"]
    assert dataset["position"].attrs["units"] == unit
    np.testing.assert_allclose(dataset[axis].values, ENERGY)


def write_nexus(path: Path, order: tuple[str, ...], how: str = "new") -> Path:
    """Write an NXdata: "new" (axes of the group), "old" (of the signal), "oldest" (axis=1, 2, ... of each axis)."""
    with h5py.File(path, "w") as file:
        group = file.create_group("entry/data")
        group.attrs["NX_class"] = "NXdata"
        group["counts"] = ordered(order)
        for number, name in enumerate(order, start=1):
            group[name] = VALUES[name]
            group[name].attrs["units"] = UNITS[name]
            if how == "oldest":
                group[name].attrs["axis"] = number
        if how == "new":
            group.attrs.update({"signal": "counts", "axes": list(order)})
        else:
            group["counts"].attrs["signal"] = 1
        if how == "old":
            group["counts"].attrs["axes"] = ":".join(order)
    return path


def write_netcdf(path: Path, order: tuple[str, ...], **names: str) -> Path:
    """Write as xarray does; `names` gives axes other names."""
    named = {name: names.get(name, name) for name in order}
    array = xr.DataArray(
        ordered(order),
        {named[name]: (named[name], VALUES[name], {"units": UNITS[name]}) for name in order},
        [named[name] for name in order],
    )
    array.to_dataset(name="spectra").to_netcdf(path, engine="h5netcdf")
    return path


def write_emd(path: Path, order: tuple[str, ...]) -> Path:
    """Write as the EMD format of Berkeley, version 0.2."""
    with h5py.File(path, "w") as file:
        group = file.create_group("data/eels")
        group.attrs["emd_group_type"] = 1
        group["data"] = ordered(order)
        for number, name in enumerate(order, start=1):
            group[f"dim{number}"] = VALUES[name]
            group[f"dim{number}"].attrs.update({"name": name, "units": f"[{'_'.join(UNITS[name])}]"})
    return path


def write_npz(path: Path, order: tuple[str, ...], **names: str) -> Path:
    """Write bare arrays beside each other."""
    np.savez(path, spectra=ordered(order), **{names.get(name, name): VALUES[name] for name in order})
    return path


def write_hyperspy(
    path: Path, order: tuple[str, ...], navigate: tuple[bool, ...] | None = None, **axes: dict[str, Any]
) -> Path:
    """Write as HyperSpy does.

    Args:
        path: The file.
        order: Of the dimensions.
        navigate: How they are marked; by default, y and x.
        axes: Attributes of an axis, over the usual ones.
    """
    described = [
        {
            "name": name,
            "units": UNITS[name],
            "scale": VALUES[name][1] - VALUES[name][0],
            "offset": VALUES[name][0],
            "size": len(VALUES[name]),
            "navigate": name != "energy" if navigate is None else navigate[index],
            **axes.get(name, {}),
        }
        for index, name in enumerate(order)
    ]
    return write_signals(path, grid=(ordered(order), described))


def write_signals(path: Path, **signals: tuple[np.ndarray, list[dict[str, Any]]]) -> Path:
    """Write signals of HyperSpy by title, each with its axes."""
    with h5py.File(path, "w") as file:
        file.attrs.update({"file_format": "HyperSpy", "file_format_version": "3.3"})
        for title, (values, axes) in signals.items():
            group = file.create_group(f"Experiments/{title}")
            group["data"] = values
            for number, axis in enumerate(axes):
                held = group.create_group(f"axis-{number}")
                held.attrs.update({"_type": "UniformDataAxis", "index_in_array": number, **axis})
            group.create_group("metadata/General").attrs["title"] = title
            group.create_group("metadata/Signal").attrs["signal_type"] = ""
            for name in ("attributes", "learning_results", "original_metadata"):
                group.create_group(name)
            group["attributes"].attrs["_lazy"] = False
            group["attributes"].attrs["ragged"] = False
    return path


def write_usid(path: Path, *, fastest: str = "x", kept: int = 20, one: bool = False) -> Path:
    """Write as pycroscopy does: a table of places and energies.

    Args:
        path: The file.
        fastest: Which coordinate of the places changes from row to row.
        kept: How many rows there are.
        one: Whether only the first energy is kept.
    """
    order = ("y", "x") if fastest == "x" else ("x", "y")
    table = ordered((*order, "energy")).reshape(20, 6)[:kept, : 1 if one else 6]
    grid = np.stack(np.meshgrid(VALUES[order[0]], VALUES[order[1]], indexing="ij"), axis=-1).reshape(20, 2)
    counts = np.stack(
        np.meshgrid(*(np.arange(len(VALUES[name])) for name in order), indexing="ij"), axis=-1
    ).reshape(20, 2)
    with h5py.File(path, "w") as file:
        group = file.create_group("Measurement_000/Channel_000")
        main = group.create_dataset("Raw_Data", data=table)
        main.attrs.update({"quantity": "Deflection", "units": "V"})
        # Columns X, Y, as their programs write them.
        columns = [order.index("x"), order.index("y")]
        energy = ENERGY[: table.shape[1]]
        for name, values, labels, units in (
            ("Position_Indices", counts[:kept, columns], ["X", "Y"], ["nm", "nm"]),
            ("Position_Values", grid[:kept, columns], ["X", "Y"], ["nm", "nm"]),
            ("Spectroscopic_Indices", np.arange(table.shape[1])[None], ["Energy"], ["eV"]),
            ("Spectroscopic_Values", energy[None], ["Energy"], ["eV"]),
        ):
            group[name] = values
            group[name].attrs["labels"] = np.array(labels, dtype="S")
            group[name].attrs["units"] = np.array(units, dtype="S")
            main.attrs[name] = group[name].ref
    return path
