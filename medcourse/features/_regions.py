"""Regions of interest before features: checked, cut out, put into batches, and their grey levels counted in bins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Levels = NDArray[np.int64]
Mask = NDArray[np.bool_]

MAX_LEVELS = 1024
MAX_VALUE = 1e30  # beyond this lie fill values, and squares that overflow
_BATCH_VOXELS, _BATCH_CELLS = 2**18, 2**20  # keep a batch's arrays in the processor's cache, more or less


class Region(NamedTuple):
    """One lesion in its bounding box: `image` and `mask` of one shape, in the image's own type.

    `spacing_mm` of each axis; `low` and `high`, the extreme values inside; `levels`, how many grey levels it has;
    `context`, the box with `before` and `after` pixels around it in the plane, less what lies outside the image.
    """

    image: NDArray[Any]
    mask: Mask
    spacing_mm: tuple[float, ...]
    low: float
    high: float
    levels: int
    context: NDArray[Any]
    missing: tuple[tuple[int, int], ...]  # rows and columns of the context that lie outside the image


class Bins(NamedTuple):
    """Fixed bin number (`number`), or fixed bin size (`width`, counted from `start` or the lesion's minimum)."""

    number: int | None
    width: float | None
    start: float | None

    def levels(self, row: int, low: float, high: float) -> int:
        """How many grey levels a lesion between `low` and `high` has."""
        if self.number is not None:
            return self.number
        assert self.width is not None
        if self.start is not None and self.start > low:
            raise ValueError(
                f"bin_start={self.start:g} is above {low:g} inside masks[{row}]: choose it below all values"
            )
        count = np.floor((high - (low if self.start is None else self.start)) / self.width) + 1
        if count > MAX_LEVELS:
            raise ValueError(
                f"bin_width={self.width:g} makes {count:.0f} grey levels of images[{row}]: choose a larger width "
                f"(up to {MAX_LEVELS} levels)"
            )
        return int(count)

    def discretise(self, values: Float, low: Float, high: Float) -> Levels:
        """Grey levels 1, 2, … of values, each with its own region's minimum and maximum."""
        if self.number is not None:
            span = np.where(high > low, high - low, 1.0)
            level = np.minimum(np.floor(self.number * (values - low) / span) + 1, self.number)
        else:
            assert self.width is not None
            level = np.floor((values - (low if self.start is None else self.start)) / self.width) + 1
        found: Levels = level.astype(np.int64)
        return found


class Batch(NamedTuple):
    """Some regions as arrays (n, z, rows, columns) of one shape, zero outside the masks, and where they came from."""

    rows: list[int]
    regions: list[Region]
    image: Float
    mask: Mask
    levels: Levels


def without_channel(image: NDArray[Any], mask: NDArray[Any], spacing: Float) -> tuple[NDArray[Any], NDArray[Any]]:
    """An image and its mask, one channel last left out of either; the number of spacings says what is an axis."""
    if image.ndim == mask.ndim + 1 and image.shape[-1] == 1:
        return image[..., 0], mask
    if image.ndim == mask.ndim == 3 and spacing.shape[-1:] == (2,) and image.shape[-1] == mask.shape[-1] == 1:
        return image[..., 0], mask[..., 0]
    return image, mask


def region(
    row: int, image: NDArray[Any], mask: NDArray[Any], spacing: Float, bins: Bins, margin: tuple[int, int]
) -> Region:
    """Check an image with its mask and cut out the lesion; errors name the row."""
    if image.dtype.kind not in "iuf":
        raise ValueError(f"images[{row}] has dtype {image.dtype}: give real numbers, for example float32")
    if image.ndim not in (2, 3):
        raise ValueError(f"images[{row}] has shape {image.shape}: give (rows, columns) or (z, y, x), one channel")
    if mask.shape != image.shape:
        raise ValueError(f"masks[{row}] has shape {mask.shape}, its image {image.shape}: give a mask of that shape")
    if mask.dtype.kind not in "biu":
        raise ValueError(f"masks[{row}] has dtype {mask.dtype}: give bool, or integers where 0 is outside")
    if spacing.shape != (image.ndim,) or not ((spacing > 1e-9) & (spacing < 1e9)).all():
        raise ValueError(f"spacing_mm={spacing.tolist()} for images[{row}]: give {image.ndim} positive lengths in mm")
    inside: Mask = mask if mask.dtype == bool else np.asarray(mask > 0)
    box = []
    for axis in range(image.ndim):
        filled = np.asarray(inside.any(axis=tuple(a for a in range(image.ndim) if a != axis)))
        first, last = int(filled.argmax()), filled.size - int(filled[::-1].argmax())
        if not filled[first]:
            raise ValueError(f"masks[{row}] is empty: leave that image out, or mark its lesion")
        box.append(slice(first, last))
        inside = inside[(slice(None),) * axis + (box[-1],)]
    wide, missing = list(box), []
    for axis in (-2, -1):
        begin, end = box[axis].start - margin[0], box[axis].stop + margin[1]
        wide[axis] = slice(max(begin, 0), min(end, image.shape[axis]))
        missing.append((max(-begin, 0), max(end - image.shape[axis], 0)))
    # Copies, where they are smaller, so that the whole image need not stay in memory.
    context = image[tuple(wide)]
    if context.size < image.size:
        context, inside = context.copy(), inside.copy()
    cut = context[tuple(slice(b.start - w.start, b.stop - w.start) for b, w in zip(box, wide, strict=True))]
    values = cut[inside].astype(np.float64)
    low, high = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError(f"images[{row}] holds NaN or infinite values inside its mask: mend the image or the mask")
    if max(-low, high) > MAX_VALUE:
        raise ValueError(f"images[{row}] holds values beyond {MAX_VALUE:g} inside its mask: mend or rescale the image")
    levels = bins.levels(row, low, high)
    return Region(cut, inside, tuple(spacing.tolist()), low, high, levels, context, tuple(missing))


def whole_levels(levels: NDArray[Any], n_levels: int) -> Levels:
    """Grey levels as int64; refused if one is not a whole number from 0 to `n_levels`."""
    levels = np.asarray(levels)
    if levels.dtype.kind not in "iu":
        raise ValueError(f"levels have dtype {levels.dtype}: give whole numbers, 0 outside")
    if levels.size and not (levels.min() >= 0 and levels.max() <= n_levels):
        raise ValueError(f"levels from {levels.min()} to {levels.max()}: give 1 to n_levels={n_levels}, 0 outside")
    return levels.astype(np.int64, copy=False)


def batches(found: Sequence[Region], bins: Bins, matrices: int) -> Iterator[Batch]:
    """Regions of similar size together; `matrices` of levels times levels are made for each slice."""
    boxes = [r.image.shape if r.image.ndim == 3 else (1, *r.image.shape) for r in found]
    rows: list[int] = []
    largest, cells = (0, 0, 0), 0
    for k in sorted(range(len(found)), key=lambda k: (found[k].levels, boxes[k])):
        z, y, x = (max(side, other) for side, other in zip(largest, boxes[k], strict=True))
        more = boxes[k][0] * matrices * found[k].levels ** 2
        if rows and ((len(rows) + 1) * z * y * x > _BATCH_VOXELS or cells + more > _BATCH_CELLS):
            yield _batch(rows, found, boxes, bins)
            rows, (z, y, x), cells = [], boxes[k], 0
        rows, largest, cells = [*rows, k], (z, y, x), cells + more
    yield _batch(rows, found, boxes, bins)


def _batch(rows: list[int], found: Sequence[Region], boxes: list[tuple[int, ...]], bins: Bins) -> Batch:
    part = [found[k] for k in rows]
    shape = (len(part), *np.max([boxes[k] for k in rows], axis=0).tolist())
    image, mask = np.zeros(shape), np.zeros(shape, bool)
    for k, (r, row) in enumerate(zip(part, rows, strict=True)):
        z, y, x = boxes[row]
        mask[k, :z, :y, :x] = r.mask
        np.copyto(image[k, :z, :y, :x], r.image, where=r.mask, casting="unsafe")
    values, count = image[mask], mask.reshape(len(part), -1).sum(axis=1)
    levels = np.zeros(shape, np.int64)
    low, high = np.array([r.low for r in part]), np.array([r.high for r in part])
    levels[mask] = bins.discretise(values, np.repeat(low, count), np.repeat(high, count))
    return Batch(rows, part, image, mask, levels)


@lru_cache(maxsize=4096)
def _reflected(side: int, before: int, after: int) -> NDArray[np.int64]:
    return np.pad(np.arange(side), (before, after), mode="symmetric")


def mirrored(image: Float, rows: tuple[int, int], columns: tuple[int, int]) -> Float:
    """Continue a picture by its mirror image, `rows` and `columns` (before, after) further."""
    if not (any(rows) or any(columns)):
        return image
    height, width = image.shape[-2:]
    wide: Float = image[..., _reflected(height, *rows)[:, None], _reflected(width, *columns)]
    return wide
