"""Integrated images go on to the grid of a prior as any pattern does."""

import numpy as np
import pytest
from tests.xrd.area.detector import SHAPE, poni_text

from nescio.xrd import prepare, read_patterns

pytest.importorskip("pyFAI", reason="needs the extra area")


def test_sectors_are_prepared_and_bins_without_pixels_are_not_covered(tmp_path):
    (tmp_path / "a.poni").write_text(poni_text())
    mask = np.zeros(SHAPE, bool)
    mask[130:150] = True
    np.save(tmp_path / "mask.npy", mask)
    np.save(tmp_path / "a.npy", np.full(SHAPE, 50.0, np.float32))
    measured = read_patterns(
        tmp_path / "a.npy", poni=tmp_path / "a.poni", mask=tmp_path / "mask.npy", sectors=2
    )
    import xarray as xr

    grid = xr.DataArray(np.linspace(2.0, 14.0, 100), dims="two_theta", name="two_theta")
    prepared = prepare(measured, axis=grid, wavelength=0.7)
    assert prepared.sizes == {"measurement": 2, "two_theta": 100}
    assert (prepared["problem"] == "").all()
    assert prepared["azimuth_degree"].values.tolist() == [-90, 90]
