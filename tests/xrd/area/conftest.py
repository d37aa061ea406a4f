import numpy as np
import pytest
from tests.xrd.area.detector import poni_text, write_image

from nescio.xrd.read import read_patterns


@pytest.fixture
def integrate(tmp_path):
    """Write an image, a geometry and perhaps a mask and a flat field, and read the image."""

    def written(image, *, rotations=(0.0, 0.0, 0.0), extra="", name="image.npy", **options):
        path = tmp_path / name
        write_image(path, image)
        (tmp_path / "a.poni").write_text(poni_text(rotations, extra))
        for key in ("mask", "flat_field"):
            if key in options:
                np.save(tmp_path / f"{key}.npy", options[key])
                options[key] = tmp_path / f"{key}.npy"
        return read_patterns(path, poni=tmp_path / "a.poni", **options)

    return written
