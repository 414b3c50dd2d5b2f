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
        Numbers of shape (n, rows, columns), for example in HU; the finding is brighter than what is around it.
    spacing_mm
        Distance of two rows and of two columns, in mm.
    reach_mm
        Farthest from the centre that an outline may reach, in mm.

    Returns
    -------
    numpy.ndarray
        bool, of the shape of `images`: the connected region (by sides) that holds the brightest point within 3 mm of
        the centre, after smoothing by 0.8 mm. Half height lies midway between that point and the 10th percentile. An
        image in which nothing stands out has an empty mask.

    Raises
    ------
    ValueError
        If `images` has other than three axes or holds a value that is not finite, or a length is not above 0.

    Notes
    -----
    Taught in: 4.1.1 Support vector machine. As crude as it sounds: what touches the finding and is as bright joins it.

    Examples
    --------
    >>> import numpy as np
    >>> y, x = np.indices((32, 32)) - 15.5
    >>> disc = np.where(np.hypot(y, x) < 5, 40.0, -850.0)
    >>> int(outline_at_mark(disc[None], (1.0, 1.0)).sum()), int((disc > 0).sum())
    (80, 80)
    """
    images = np.asarray(images)
    if images.ndim != 3:
        raise ValueError(f"images has {images.ndim} axes: give (n, rows, columns)")
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
    masks = np.zeros(images.shape, bool)
    for image, mask in zip(images, masks, strict=True):
        smooth = ndimage.gaussian_filter(image, _SMOOTH_MM / spacing)
        peak = np.where(from_mark < _PEAK_MM, smooth, -np.inf).argmax()
        half = (smooth.flat[peak] + np.percentile(smooth, 10)) / 2
        region, _ = ndimage.label((smooth > half) & (from_mark < reach_mm))
        if region.flat[peak]:
            mask[:] = region == region.flat[peak]
    return masks
