"""Similarity of a spectrum to a target."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, field_validator, model_validator

from nescio.errors import FileError, ScalarizerError
from nescio.explore.scalarizers.base import Output, Scalar
from nescio.explore.scalarizers.curve import CurveScalarizer, Floats
from nescio.explore.scalarizers.fields import Real
from nescio.explore.scalarizers.units import power
from nescio.files import FileKind, decoded_text, file_kind, npy_array, read_source, suffix_of

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Similarity"]

# Wang et al. (2004): the constants, and the side of a uniform window.
_K1, _K2, _WINDOW = 0.01, 0.03, 7
_LARGEST_FILE = 50_000_000
_LONG_NAMES = {
    "correlation": "correlation with the target",
    "cosine": "cosine of the angle to the target",
    "negative-mse": "minus the mean squared difference from the target",
    "ssim": "structural similarity to the target",
}


class Similarity(CurveScalarizer):
    """Similarity of a spectrum to a target spectrum, point by point; larger is more similar.

    The correlation and the cosine ignore the scale; the correlation also ignores an offset. ``ssim`` is the structural
    similarity in one dimension: the mean over windows of 7 points, scaled by the target's range.

    Uncertainty: from white noise (given, or estimated from neighbouring points), to second order in the noise, because
    the first order vanishes at the target. Unknown for ``ssim``.

    Source of ``ssim``: Wang, Bovik, Sheikh and Simoncelli, IEEE Trans. Image Process. 13, 600 (2004), eqs. 13 and 17.
    """

    files: ClassVar[tuple[str, ...]] = ("target",)
    kind: Literal["similarity"] = "similarity"
    target: Annotated[tuple[Real, ...], Field(min_length=3)]
    """Shape (points,); or the path of a one-dimensional .npy or .csv file, which is read at once."""
    measure_by: Literal["correlation", "cosine", "negative-mse", "ssim"] = "correlation"

    @field_validator("target", mode="before")
    @classmethod
    def _read(cls, target: Any) -> Any:
        if isinstance(target, str | Path):
            return _target_from(Path(target))
        return target.tolist() if isinstance(target, np.ndarray) else target

    @model_validator(mode="after")
    def _checked(self) -> Self:
        if self.measure_by == "ssim" and len(self.target) < _WINDOW:
            raise ValueError(f"the target has {len(self.target)} points; ssim needs {_WINDOW}")
        if self.measure_by in ("correlation", "ssim") and len(set(self.target)) == 1:
            raise ValueError(f"the target is constant; {self.measure_by} is undefined")
        if not any(self.target) and self.measure_by == "cosine":
            raise ValueError("the target is zero; cosine is undefined")
        return self

    def _outputs(self, unit: str, axis_unit: str) -> tuple[Output, ...]:
        del axis_unit
        own = power(unit, 2) if self.measure_by == "negative-mse" else "1"
        return (Output(self._titled("similarity", False), own, _LONG_NAMES[self.measure_by]),)

    def measure(self, spectrum: xr.DataArray) -> tuple[Scalar, ...]:
        """Return the similarity.

        Raises:
            ScalarizerError: The number of points differs from the target's, or the spectrum is constant.
        """
        curve = self.curve(spectrum)
        target = np.asarray(self.target)
        if curve.x.size != target.size:
            raise ScalarizerError(
                f"the spectrum has {curve.x.size} finite points, but the target has {target.size}"
            )
        # `curve` reverses a decreasing axis, so reverse the target too.
        along = spectrum.coords[curve.axis].variable.values
        if along[0] > along[-1]:
            target = target[::-1]
        if self.measure_by == "ssim":
            return (Scalar(_ssim(curve.y, target)),)
        if self.measure_by == "negative-mse":
            return (_negative_mse(curve.y, target, curve.sd),)
        return (_cosine(curve.y, target, curve.sd, centred=self.measure_by == "correlation"),)


def _cosine(y: Floats, target: Floats, sd: Floats, *, centred: bool) -> Scalar:
    y = y - y.mean() if centred else y
    target = target - target.mean() if centred else target
    length = float(np.linalg.norm(y))
    if length <= 1e-12 * max(float(np.abs(y).max()), 1e-300) or length == 0.0:
        raise ScalarizerError("the spectrum is constant or zero; the similarity is undefined")
    own, other = y / length, target / np.linalg.norm(target)
    cosine = float(np.clip(own @ other, -1.0, 1.0))
    fourth = float(np.sum(sd**4)) / length**4
    # Part of the difference to the target is noise itself; subtract it, so that it is not counted twice.
    first = np.maximum(np.sum(((other - cosine * own) / length * sd) ** 2) - fourth, 0.0)
    return Scalar(cosine, float(np.sqrt(first + 0.5 * fourth * cosine**2)))


def _negative_mse(y: Floats, target: Floats, sd: Floats) -> Scalar:
    squared = (y - target) ** 2
    # As above: the noise's own part of the squared difference.
    true = np.maximum(np.sum(squared * sd**2) - np.sum(sd**4), 0.0)
    variance = (4.0 * true + 2.0 * np.sum(sd**4)) / y.size**2
    return Scalar(-float(squared.mean()), float(np.sqrt(variance)))


def _ssim(y: Floats, target: Floats) -> float:
    windows = np.lib.stride_tricks.sliding_window_view
    one, other = windows(y, _WINDOW), windows(target, _WINDOW)
    mean, target_mean = one.mean(axis=1), other.mean(axis=1)
    variance, target_variance = one.var(axis=1, ddof=1), other.var(axis=1, ddof=1)
    covariance = ((one - mean[:, None]) * (other - target_mean[:, None])).sum(axis=1) / (_WINDOW - 1)
    scale = float(np.ptp(target))
    c1, c2 = (_K1 * scale) ** 2, (_K2 * scale) ** 2
    above = (2.0 * mean * target_mean + c1) * (2.0 * covariance + c2)
    below = (mean**2 + target_mean**2 + c1) * (variance + target_variance + c2)
    return float(np.mean(above / below))


def _target_from(path: Path) -> list[float]:
    """Read a one-dimensional array from a .npy or .csv file."""
    if suffix_of(path) not in (".npy", ".csv", ".txt"):
        raise ValueError(f"{path}: must be a .npy or .csv file")
    try:
        source = read_source(path, _LARGEST_FILE)
        if file_kind(source.content) is FileKind.NPY:
            values = npy_array(source)
        else:
            words = decoded_text(source).replace(",", " ").split()
            values = np.asarray([float(word) for word in words])
    except (FileError, ValueError) as error:
        raise ValueError(f"{path}: cannot be read as a row of numbers ({error})") from None
    if values.ndim != 1 or values.dtype.kind not in "fiu":
        raise ValueError(
            f"{path}: contains {values.dtype.name} of shape {values.shape}; needs a row of numbers"
        )
    return [float(value) for value in values]
