"""A first outline of a marked finding: where it is half as bright as its peak above the surroundings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_SMOOTH_MM, _PEAK_MM = 0.8, 3.0


def outline_at_mark(images: NDArray[Any], spacing_mm: Sequence[float], *, reach_mm: float = 14.0) -> NDArray[np.bool_]:
    """Outline the bright finding at the centre of each image, cut at half its height above the surroundings.

    Parameters
    ----------
    images
        Integers or floats of shape (n, rows, columns), for example in HU; the finding is brighter than what is around
        it. float32 is computed in float32, as on the page, every other type in float64.
    spacing_mm
        Distance of two rows and of two columns, in mm.
    reach_mm
        Farthest from the centre that an outline may reach, in mm.

    Returns
    -------
    numpy.ndarray
        bool, of the shape of `images`: the connected region (by sides) that holds the peak, the brightest point within
        3 mm of the centre after smoothing by 0.8 mm; where no pixel centre is that near, the brightest of the nearest.
        Half height lies midway between the peak and the 10th percentile of the smoothed image. A mask is empty only if
        the peak is not above that percentile (a constant image, a centre darker than its surroundings) or not nearer
        than `reach_mm`.

    Raises
    ------
    TypeError
        If `images` holds other than integers or floats: bool, complex numbers, objects.
    ValueError
        If `images` has other than three axes, has images without pixels or holds a value that is not finite, or a
        length is not above 0.

    Notes
    -----
    Taught in: 4.1.1 Support vector machine. Source: the course's own simple rule, half way between the finding's peak
    and the lung, taken from no publication. As crude as it sounds: what touches the finding and is as bright joins it.

    An outline is no evidence of a finding: pure noise has a brightest point, too, and gets one. Where an image may hold
    no finding, measure how far the mean inside lies above the rest, in standard deviations of the rest, and choose the
    least contrast that you accept on images known to hold none.

    Examples
    --------
    >>> import numpy as np
    >>> y, x = np.indices((32, 32)) - 15.5
    >>> disc = np.where(np.hypot(y, x) < 5, 40.0, -850.0)
    >>> int(outline_at_mark(disc[None], (1.0, 1.0)).sum()), int((disc > 0).sum())
    (80, 80)
    """
    images = np.asarray(images)
    if images.dtype.kind not in "iuf":
        raise TypeError(f"images has dtype {images.dtype}: give integers or floats, for example float32")
    if images.ndim != 3:
        raise ValueError(f"images has {images.ndim} axes: give (n, rows, columns)")
    if 0 in images.shape[1:]:
        raise ValueError(f"images has shape {images.shape}, images without pixels: give at least one row and column")
    if not np.isfinite(images).all():
        raise ValueError("images holds values that are not finite: mend or leave out these images")
    spacing = np.asarray(spacing_mm, dtype=float)
    if spacing.shape != (2,) or not (np.isfinite(spacing).all() and (spacing > 0).all()):
        raise ValueError(f"spacing_mm={spacing_mm}: give the distance of rows and of columns, both above 0")
    if not reach_mm > 0:
        raise ValueError(f"reach_mm={reach_mm}: give a distance above 0, in mm")
    middle = (np.array(images.shape[1:]) - 1) / 2
    away = [(np.arange(size) - at) * step for size, at, step in zip(images.shape[1:], middle, spacing, strict=True)]
    from_mark = np.hypot(away[0][:, None], away[1])  # mm
    near = (from_mark < _PEAK_MM) | (from_mark == from_mark.min())  # a coarse grid has no pixel centre within 3 mm
    kind = np.float32 if images.dtype.newbyteorder("=") == np.float32 else np.float64  # the filter keeps the type
    masks = np.zeros(images.shape, bool)
    for image, mask in zip(images, masks, strict=True):
        smooth = ndimage.gaussian_filter(image.astype(kind), _SMOOTH_MM / spacing)
        peak = np.where(near, smooth, -np.inf).argmax()
        half = (smooth.flat[peak] + np.percentile(smooth, 10)) / 2
        region, _ = ndimage.label((smooth > half) & (from_mark < reach_mm))
        if region.flat[peak]:
            mask[:] = region == region.flat[peak]
    return masks
