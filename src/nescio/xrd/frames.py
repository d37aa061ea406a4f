"""Merging of frames over different ranges into one pattern."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import xarray as xr

from nescio.errors import MeasurementError

__all__ = ["merge_frames"]

_Array = npt.NDArray[np.float64]

# More steps than this without a point are a gap.
_GAP_STEPS = 1.5
_MAX_GAP_POINTS = 100_000
_MAX_POINTS = 1_000_000
# Merging copies all merged points, so that many long frames take long.
_MAX_COPIED = 500_000_000
# Wavelengths within this relative difference are the same; lines are stated with four or more digits.
_SAME_WAVELENGTH = 1e-4


def merge_frames(frames: Sequence[xr.Dataset]) -> xr.Dataset:
    """Merge frames over different ranges into one pattern for each sample.

    Frames are sorted by their first point. Each frame is scaled, sample by sample, to the frames merged before by the
    ratio of the summed intensities in the overlap (the maximum-likelihood estimate for counts of a common pattern).
    Overlapping intensities are averaged with weights inverse to the variance of the scaled counts. Frames that only
    touch, or do not overlap, are not scaled. Gaps get points at the spacing of the neighbouring frames, with NaN for
    intensity.

    Args:
        frames: Measured datasets (:mod:`nescio.signals`), all with the same number of measurements in the same
            order, all with one kind of axis and one wavelength.

    Returns:
        A measured dataset with names, positions and compositions of the first frame; the attribute ``frames`` is
        the number of merged frames.

    Raises:
        MeasurementError: There are no frames, or they differ in axis, wavelength or number of samples.
    """
    if not frames:
        raise MeasurementError("there are no frames to merge")
    name = _common_axis(frames)
    frames = sorted(frames, key=lambda frame: (float(frame[name][0]), float(frame[name][-1])))
    with_uncertainty = all("uncertainty" in frame for frame in frames)
    axis, values, variances = _arrays(frames[0], name)
    weights = np.where(np.isfinite(values), 1.0, 0.0)
    copied = 0
    for frame in frames[1:]:
        copied += values.size
        if axis.size > _MAX_POINTS or copied > _MAX_COPIED:
            raise MeasurementError(
                f"{frame.attrs.get('source', 'a frame')}: {len(frames)} frames of different ranges have, with the gaps "
                "between them, too many points to merge; reduce the points, or split the frames into several files"
            )
        axis, values, variances, weights = _merge(
            (axis, values, variances, weights),
            _arrays(frame, name),
            str(frame.attrs.get("source", "a frame")),
        )
    merged = frames[0].drop_vars(["intensity", "uncertainty"], errors="ignore").drop_vars(name)
    merged["intensity"] = (("measurement", name), values, frames[0]["intensity"].attrs)
    if with_uncertainty:
        merged["uncertainty"] = (("measurement", name), np.sqrt(variances))
    merged = merged.assign_coords({name: (name, axis, frames[0][name].attrs)})
    return merged.assign_attrs(frames=len(frames))


def _common_axis(frames: Sequence[xr.Dataset]) -> str:
    first = frames[0]
    name = "two_theta" if "two_theta" in first["intensity"].dims else "q"
    wavelength = first.attrs.get("wavelength_angstrom")
    for frame in frames:
        source = frame.attrs.get("source", "a frame")
        if name not in frame["intensity"].dims:
            raise MeasurementError(
                f"{source}: is not over {name}, the axis of the first frame; frames must share one axis"
            )
        if frame.sizes["measurement"] != first.sizes["measurement"]:
            raise MeasurementError(
                f"{source}: {frame.sizes['measurement']} measurements; the first frame has"
                f" {first.sizes['measurement']}"
            )
        other = frame.attrs.get("wavelength_angstrom")
        same = (
            wavelength is None
            if other is None
            else wavelength is not None and np.isclose(other, wavelength, rtol=_SAME_WAVELENGTH, atol=0.0)
        )
        if not same:
            raise MeasurementError(
                f"{source}: wavelength {other} angstrom; the first frame has {wavelength}; all must be the same"
            )
    return name


def _arrays(frame: xr.Dataset, name: str) -> tuple[_Array, _Array, _Array]:
    values = frame["intensity"].transpose("measurement", name).to_numpy().astype(np.float64)
    if "uncertainty" in frame:
        variances = frame["uncertainty"].transpose("measurement", name).to_numpy().astype(np.float64) ** 2
    else:
        variances = np.zeros_like(values)
    return frame[name].to_numpy().astype(np.float64), values, variances


def _merge(
    left: tuple[_Array, _Array, _Array, _Array], right: tuple[_Array, _Array, _Array], source: str
) -> tuple[_Array, _Array, _Array, _Array]:
    """Merge a frame into the frames merged before: axis, values, variances and statistical weights."""
    axis, values, variances, weights = left
    points, new, new_variances = right
    shared = (axis >= points[0]) & (axis <= points[-1])
    resampled = np.stack([np.interp(axis[shared], points, row) for row in new])
    resampled_variances = np.stack([np.interp(axis[shared], points, row) for row in new_variances])
    both = np.isfinite(values[:, shared]) & np.isfinite(resampled)
    scale = _scale(np.where(both, values[:, shared], 0.0), np.where(both, resampled, 0.0))

    # Counts scaled by s have a variance s times that of unscaled counts of the same pattern.
    weight = np.where(np.isfinite(resampled), 1.0 / scale, 0.0)
    old_weight = weights[:, shared]
    total = weight + old_weight
    share = np.divide(weight, total, out=np.zeros_like(total), where=total > 0)
    values, variances, weights = values.copy(), variances.copy(), weights.copy()
    values[:, shared] = _combine(values[:, shared], resampled * scale, share, 1)
    variances[:, shared] = _combine(variances[:, shared], resampled_variances * scale**2, share, 2)
    weights[:, shared] = total

    # Points of the new frame within the merged region would only repeat their neighbours.
    step = float(np.median(np.diff(axis[-20:]))) if axis.size > 1 else 0.0
    fresh = points > axis[-1]
    gap = points[fresh][:1] - axis[-1] if fresh.any() else np.zeros(1)
    spacing = max(step, float(np.median(np.diff(points))))
    filler = np.empty(0)
    if gap.size and gap[0] > _GAP_STEPS * spacing:
        count = int(np.ceil(gap[0] / spacing)) - 1
        if count > _MAX_GAP_POINTS:
            raise MeasurementError(
                f"{source}: begins {gap[0]:g} after the end of the previous frame, {count} steps away"
            )
        filler = np.linspace(axis[-1], points[fresh][0], count + 2)[1:-1]
    empty = np.full((values.shape[0], filler.size), np.nan)
    tail = new[:, fresh] * scale
    return (
        np.concatenate([axis, filler, points[fresh]]),
        np.concatenate([values, empty, tail], axis=1),
        np.concatenate([variances, empty, new_variances[:, fresh] * scale**2], axis=1),
        np.concatenate(
            [weights, np.zeros_like(empty), np.where(np.isfinite(tail), 1.0 / scale, 0.0)], axis=1
        ),
    )


def _scale(reference: _Array, other: _Array) -> _Array:
    """Return the factor (n, 1) that scales `other` to `reference`; 1 if the data do not determine it."""
    sums, others = reference.sum(axis=1, keepdims=True), other.sum(axis=1, keepdims=True)
    telling = (sums > 0) & (others > 0) & (reference.shape[1] > 1)
    return np.where(telling, np.divide(sums, others, out=np.ones_like(sums), where=telling), 1.0)


def _combine(old: _Array, new: _Array, share: _Array, power: int) -> _Array:
    """Average with weights (squared for variances); missing values are ignored."""
    kept = np.where(share < 1, (1.0 - share) ** power * np.nan_to_num(old), 0.0)
    added = np.where(share > 0, share**power * np.nan_to_num(new), 0.0)
    return np.where(np.isfinite(old) | np.isfinite(new), kept + added, np.nan)
