"""What the values inside a region are, without regard to where: 18 statistics, and the histogram of their levels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medcourse.features._regions import whole_levels
from medcourse.features._sums import Ragged, total

__all__ = ["histogram_measures", "intensity_measures"]

Float = NDArray[np.float64]


def intensity_measures(image: Float, mask: NDArray[np.bool_]) -> dict[str, Float]:
    """Describe the values inside each region.

    Parameters
    ----------
    image
        float64 of shape (n, ...), in any unit.
    mask
        bool of the same shape; each region holds at least one voxel.

    Returns
    -------
    dict of str to numpy.ndarray
        For each of 18 measures, by its IBSI name, an array of shape (n,). For a constant region skewness and
        kurtosis are 0; where the mean (or the sum of the quartiles) is 0, the relative spread is NaN, and where it is
        only nearly 0, as of Hounsfield units around water, the relative spread is huge and means nothing. The robust
        deviation is NaN where no value lies between the 10th and the 90th percentile, as of two voxels.

    Raises
    ------
    ValueError
        If a mask is empty.

    Notes
    -----
    Zwanenburg et al. 2020, doi:10.1148/radiol.2020191145. Percentiles are interpolated linearly; kurtosis is the
    excess over a Gaussian's.
    Taught in: 3.2.2 Texture features.

    Examples
    --------
    >>> image = np.array([[1.0, 2.0, 3.0, 9.0]])
    >>> float(intensity_measures(image, image < 5)["mean"][0])
    2.0
    """
    inside = mask.reshape(len(mask), -1)
    region = Ragged(inside.sum(axis=1))
    if not region.count.all():
        raise ValueError(f"mask {int(region.count.argmin())} is empty: mark at least one voxel")
    x = region.sort(image.reshape(inside.shape)[inside])
    n = region.count
    low, high = x[region.start], x[region.start + n - 1]
    flat = low == high
    mu = _mean(x, region)
    away = x - region.spread(mu)
    square = away**2
    variance = region.mean(square)
    p10, q1, median, q3, p90 = (_percentile(x, region, q) for q in (0.1, 0.25, 0.5, 0.75, 0.9))
    middle = (x >= region.spread(p10)) & (x <= region.spread(p90))
    robust = Ragged(region.total(middle.astype(float)).astype(np.int64))
    core = x[middle]
    safe = np.where(flat, 1.0, variance)
    energy = region.total(x**2)
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "mean": mu,
            "variance": variance,
            "skewness": np.where(flat, 0.0, region.mean(square * away) / safe**1.5),
            "kurtosis": np.where(flat, 0.0, region.mean(square**2) / safe**2 - 3),
            "median": median,
            "minimum": low,
            "p10": p10,
            "p90": p90,
            "maximum": high,
            "interquartile_range": q3 - q1,
            "range": high - low,
            "mean_absolute_deviation": region.mean(abs(away)),
            "robust_mean_absolute_deviation": robust.mean(abs(core - robust.spread(_mean(core, robust)))),
            "median_absolute_deviation": region.mean(abs(x - region.spread(median))),
            "coefficient_of_variation": np.where(mu != 0, np.sqrt(variance) / mu, np.nan),
            "quartile_coefficient_of_dispersion": np.where(q3 + q1 != 0, (q3 - q1) / (q3 + q1), np.nan),
            "energy": energy,
            "root_mean_square": np.sqrt(energy / n),
        }


def _mean(ordered: Float, region: Ragged) -> Float:
    """Mean of sorted values; exact where all are equal."""
    if not ordered.size:
        return np.full(len(region.count), np.nan)
    first = np.minimum(region.start, ordered.size - 1)  # of an empty region any will do
    same = (ordered[first] == ordered[first + np.maximum(region.count, 1) - 1]) & (region.count > 0)
    found: Float = np.where(same, ordered[first], region.mean(ordered))
    return found


def _percentile(ordered: Float, region: Ragged, q: float) -> Float:
    """Interpolate linearly between the two sorted values on either side; exact where they are equal."""
    place = q * (region.count - 1)
    below = np.floor(place).astype(np.int64)
    above = np.minimum(below + 1, region.count - 1)
    share = place - below
    low, high = ordered[region.start + below], ordered[region.start + above]
    found: Float = np.where(share < 0.5, low + share * (high - low), high - (1 - share) * (high - low))
    return found


def histogram_measures(levels: NDArray[np.int64], n_levels: int) -> dict[str, Float]:
    """Describe the histogram of grey levels of each region.

    Parameters
    ----------
    levels
        Grey levels 1 to `n_levels`, 0 outside; integers of shape (n, ...).
    n_levels
        The number of grey levels.

    Returns
    -------
    dict of str to numpy.ndarray
        `entropy` (to base 2), `uniformity` and `mode` (the lowest of equally frequent levels that is nearest to the
        mean), each of shape (n,).

    Raises
    ------
    ValueError
        If a level is not a whole number from 0 to `n_levels`.

    Notes
    -----
    Zwanenburg et al. 2020, doi:10.1148/radiol.2020191145.
    Taught in: 3.2.2 Texture features.

    Examples
    --------
    >>> measures = histogram_measures(np.array([[1, 1, 2, 2, 0]]), 2)
    >>> float(measures["entropy"][0]), float(measures["uniformity"][0])
    (1.0, 0.5)
    """
    n, levels = len(levels), whole_levels(levels, n_levels)
    index = np.arange(n)[:, None] * (n_levels + 1) + levels.reshape(n, -1)
    counts = np.bincount(index.ravel(), minlength=n * (n_levels + 1)).reshape(n, n_levels + 1)[:, 1:]
    size = counts.sum(axis=1)
    level = np.arange(1, n_levels + 1)
    distance = abs(level - (counts * level).sum(axis=1, keepdims=True) / size[:, None])
    most = counts == counts.max(axis=1, keepdims=True)
    p = counts / size[:, None]
    return {
        "entropy": -total(p * np.log2(p, out=np.zeros_like(p), where=p > 0)),
        "uniformity": (counts**2).sum(axis=1) / size**2,
        "mode": level[np.where(most, distance, np.inf).argmin(axis=1)].astype(float),
    }
