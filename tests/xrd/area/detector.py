"""An area detector whose geometry is known, and images on it."""

import numpy as np

SHAPE = (240, 200)
PIXEL = 2e-4
DISTANCE = 0.08
WAVELENGTH = 0.7e-10
CENTRE = (0.021, 0.019)


def directions(rotations=(0.0, 0.0, 0.0)):
    """Two-theta and azimuth in radian of each pixel's centre, by Kieffer et al. (2020), section 3."""
    slow = (np.arange(SHAPE[0]) + 0.5) * PIXEL - CENTRE[0]
    fast = (np.arange(SHAPE[1]) + 0.5) * PIXEL - CENTRE[1]
    points = np.stack([*np.meshgrid(slow, fast, indexing="ij"), np.full(SHAPE, DISTANCE)])
    one, two, three = rotations
    first = [[1, 0, 0], [0, np.cos(one), np.sin(one)], [0, -np.sin(one), np.cos(one)]]
    second = [[np.cos(two), 0, -np.sin(two)], [0, 1, 0], [np.sin(two), 0, np.cos(two)]]
    third = [[np.cos(three), -np.sin(three), 0], [np.sin(three), np.cos(three), 0], [0, 0, 1]]
    turned = np.tensordot(np.array(third) @ np.array(second) @ np.array(first), points, axes=1)
    return np.arctan2(np.hypot(turned[0], turned[1]), turned[2]), np.arctan2(turned[0], turned[1])


def poni_text(rotations=(0.0, 0.0, 0.0), extra=""):
    one, two, three = rotations
    return (
        "# Calibration\nponi_version: 2.1\nDetector: Detector\n"
        f'Detector_config: {{"pixel1": {PIXEL}, "pixel2": {PIXEL}, "max_shape": {list(SHAPE)}, "orientation": 3}}\n'
        f"Distance: {DISTANCE}\nPoni1: {CENTRE[0]}\nPoni2: {CENTRE[1]}\nRot1: {one}\nRot2: {two}\nRot3: {three}\n"
        f"Wavelength: {WAVELENGTH}\n{extra}"
    )


def write_image(path, image):
    from fabio.cbfimage import CbfImage
    from fabio.edfimage import EdfImage
    from fabio.tifimage import TifImage

    kinds = {".edf": EdfImage, ".cbf": CbfImage, ".tif": TifImage}
    if path.suffix == ".npy":
        np.save(path, image)
    else:
        kinds[path.suffix](image).write(str(path))
