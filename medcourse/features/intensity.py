"""What the values inside a region are, without regard to where: 18 statistics, and the histogram of their levels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

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
        kurtosis are 0; where the mean (or the sum of the quartiles) is 0, the relative spread is NaN.

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
    x, inside = image.reshape(len(image), -1), mask.reshape(len(mask), -1)
    n = inside.sum(axis=1)
    x = np.where(inside, x, 0.0)

    def mean(values: Float) -> Float:
        found: Float = np.where(inside, values, 0.0).sum(axis=1) / n
        return found

    mu = mean(x)
    away = x - mu[:, None]
    variance = mean(away**2)
    ordered = np.sort(np.where(inside, x, np.inf), axis=1)
    p10, q1, median, q3, p90 = (_percentile(ordered, n, q) for q in (0.1, 0.25, 0.5, 0.75, 0.9))
    middle = inside & (x >= p10[:, None]) & (x <= p90[:, None])
    robust_mean = np.where(middle, x, 0.0).sum(axis=1) / middle.sum(axis=1)
    robust = np.where(middle, abs(x - robust_mean[:, None]), 0.0).sum(axis=1) / middle.sum(axis=1)
    low, high = ordered[:, 0], np.where(inside, x, -np.inf).max(axis=1)
    flat = variance <= 1e-12 * np.maximum(1.0, mu**2)
    safe = np.where(flat, 1.0, variance)
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "mean": mu,
            "variance": variance,
            "skewness": np.where(flat, 0.0, mean(away**3) / safe**1.5),
            "kurtosis": np.where(flat, 0.0, mean(away**4) / safe**2 - 3),
            "median": median,
            "minimum": low,
            "p10": p10,
            "p90": p90,
            "maximum": high,
            "interquartile_range": q3 - q1,
            "range": high - low,
            "mean_absolute_deviation": mean(abs(away)),
            "robust_mean_absolute_deviation": robust,
            "median_absolute_deviation": mean(abs(x - median[:, None])),
            "coefficient_of_variation": np.where(mu != 0, np.sqrt(variance) / mu, np.nan),
            "quartile_coefficient_of_dispersion": np.where(q3 + q1 != 0, (q3 - q1) / (q3 + q1), np.nan),
            "energy": (x**2).sum(axis=1),
            "root_mean_square": np.sqrt(mean(x**2)),
        }


def _percentile(ordered: Float, n: NDArray[np.int64], q: float) -> Float:
    place = q * (n - 1)
    below = np.floor(place).astype(int)
    above = np.minimum(below + 1, n - 1)
    rows = np.arange(len(ordered))
    share = place - below
    found: Float = ordered[rows, below] * (1 - share) + ordered[rows, above] * share
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
    n = len(levels)
    flat = levels.reshape(n, -1)
    index = np.arange(n)[:, None] * (n_levels + 1) + flat
    counts = np.bincount(index.ravel(), minlength=n * (n_levels + 1)).reshape(n, n_levels + 1)[:, 1:]
    p = counts / counts.sum(axis=1, keepdims=True)
    level = np.arange(1, n_levels + 1)
    distance = abs(level - (p @ level)[:, None])
    most = counts == counts.max(axis=1, keepdims=True)
    return {
        "entropy": -(p * np.log2(p, out=np.zeros_like(p), where=p > 0)).sum(axis=1),
        "uniformity": (p**2).sum(axis=1),
        "mode": level[np.where(most, distance, np.inf).argmin(axis=1)].astype(float),
    }
