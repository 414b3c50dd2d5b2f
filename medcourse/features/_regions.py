"""Regions of interest before features: checked, cropped, put into batches, and their grey levels counted in bins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Float = NDArray[np.float64]
Levels = NDArray[np.int64]


class Region(NamedTuple):
    """One lesion, cropped to its bounding box: `image` and `mask` of one shape, `spacing_mm` of each axis."""

    image: Float
    mask: NDArray[np.bool_]
    spacing_mm: tuple[float, ...]
    context: Float  # the same box with `_MARGIN` voxels around it in the plane, for wavelets; edges are mirrored


_MARGIN = 32


def regions(
    images: Sequence[ArrayLike] | NDArray[np.generic],
    masks: Sequence[ArrayLike] | NDArray[np.generic],
    spacing_mm: ArrayLike,
) -> list[Region]:
    """Check every image with its mask and crop both; errors name the row."""
    if len(images) != len(masks):
        raise ValueError(f"{len(images)} images and {len(masks)} masks: give one mask for each image")
    if len(images) == 0:
        raise ValueError("images is empty: give at least one")
    spacing = np.asarray(spacing_mm, np.float64)
    return [
        _region(k, np.asarray(images[k]), np.asarray(masks[k]), spacing[k] if spacing.ndim == 2 else spacing)
        for k in range(len(images))
    ]


def _region(row: int, image: NDArray[np.generic], mask: NDArray[np.generic], spacing: Float) -> Region:
    if image.ndim == mask.ndim + 1 and image.shape[-1] == 1:
        image = image[..., 0]
    if image.dtype.kind not in "iuf":
        raise ValueError(f"images[{row}] has dtype {image.dtype}: give real numbers, for example float32")
    if image.ndim not in (2, 3):
        raise ValueError(f"images[{row}] has shape {image.shape}: give (rows, columns) or (z, y, x), one channel")
    if mask.shape != image.shape:
        raise ValueError(f"masks[{row}] has shape {mask.shape}, its image {image.shape}: give a mask of that shape")
    if mask.dtype.kind not in "biu":
        raise ValueError(f"masks[{row}] has dtype {mask.dtype}: give bool, or integers where 0 is outside")
    if spacing.shape != (image.ndim,) or not (np.isfinite(spacing).all() and (spacing > 0).all()):
        raise ValueError(f"spacing_mm={spacing.tolist()} for images[{row}]: give {image.ndim} positive lengths in mm")
    inside = mask.astype(np.int64) > 0
    if not inside.any():
        raise ValueError(f"masks[{row}] is empty: leave that image out, or mark its lesion")
    values = image[inside]
    if not np.isfinite(values.astype(np.float64)).all():
        raise ValueError(f"images[{row}] holds NaN or infinite values inside its mask: mend the image or the mask")
    where = [
        np.flatnonzero(inside.any(axis=tuple(a for a in range(image.ndim) if a != axis))) for axis in range(image.ndim)
    ]
    box = tuple(slice(int(w[0]), int(w[-1]) + 1) for w in where)
    wide, pad = list(box), [(0, 0)] * image.ndim
    for axis in (-2, -1):
        low, high = box[axis].start - _MARGIN, box[axis].stop + _MARGIN
        wide[axis] = slice(max(low, 0), min(high, image.shape[axis]))
        pad[axis] = (max(-low, 0), max(high - image.shape[axis], 0))
    context = np.pad(np.nan_to_num(image[tuple(wide)].astype(np.float64)), pad, mode="symmetric")
    return Region(image[box].astype(np.float64), inside[box], tuple(spacing.tolist()), context)


def batches(found: list[Region], size: int = 64) -> Iterator[tuple[slice, Float, NDArray[np.bool_]]]:
    """Regions as arrays (n, z, rows, columns), padded outside the mask to the largest box of the batch."""
    for start in range(0, len(found), size):
        part = found[start : start + size]
        boxes = [(1, *r.image.shape) if r.image.ndim == 2 else r.image.shape for r in part]
        shape = (len(part), *np.max(boxes, axis=0))
        image, mask = np.zeros(shape), np.zeros(shape, bool)
        for k, (region, box) in enumerate(zip(part, boxes, strict=True)):
            z, y, x = box
            image[k, :z, :y, :x], mask[k, :z, :y, :x] = region.image.reshape(box), region.mask.reshape(box)
        yield slice(start, start + len(part)), image, mask


def discretise(
    image: Float, mask: NDArray[np.bool_], *, bins: int | None, bin_width: float | None, bin_start: float | None
) -> Levels:
    """Grey levels 1, 2, … inside the mask, 0 outside; each of the n regions by itself.

    IBSI's fixed bin number (`bins`), from each region's minimum to its maximum; or fixed bin size (`bin_width`)
    from `bin_start`, or from the region's minimum where that is None.
    """
    axes = tuple(range(1, image.ndim))
    low = np.where(mask, image, np.inf).min(axis=axes, keepdims=True)
    high = np.where(mask, image, -np.inf).max(axis=axes, keepdims=True)
    if bins is not None:
        span = np.where(high > low, high - low, 1.0)
        level = np.minimum(np.floor(bins * (image - low) / span) + 1, bins)
    else:
        assert bin_width is not None
        start = low if bin_start is None else bin_start
        level = np.floor((image - start) / bin_width) + 1
        if (level[mask] < 1).any():
            raise ValueError(f"bin_start={bin_start} is above a value inside a mask: choose it below all values")
        if level[mask].max() > 4096:
            count = int(level[mask].max())
            raise ValueError(
                f"bin_width={bin_width} makes {count} grey levels: choose a larger width (up to 4096 levels)"
            )
    return np.where(mask, level, 0).astype(np.int64)
