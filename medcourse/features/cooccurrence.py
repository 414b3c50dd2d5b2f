"""Grey-level co-occurrence: which levels are neighbours, counted for many regions at once, and 25 measures of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medcourse.features._regions import whole_levels
from medcourse.features._sums import total

__all__ = ["cooccurrence_matrices", "cooccurrence_measures"]

Float = NDArray[np.float64]


def cooccurrence_matrices(levels: NDArray[np.int64], offsets: Sequence[tuple[int, int, int]], n_levels: int) -> Float:
    """Count pairs of grey levels at given offsets, both ways round, inside the regions only.

    Parameters
    ----------
    levels
        Grey levels 1 to `n_levels`, 0 outside the region; integers of shape (n, z, rows, columns).
    offsets
        Steps in voxels (z, row, column) from a voxel to its neighbour.
    n_levels
        The number of grey levels, L.

    Returns
    -------
    numpy.ndarray
        float64 counts of shape (n, offsets, L, L), symmetric: each pair is counted from both ends.

    Raises
    ------
    ValueError
        If a level is not a whole number from 0 to `n_levels`.

    Notes
    -----
    Haralick, Shanmugam and Dinstein 1973, doi:10.1109/TSMC.1973.4309314; the symmetric form of IBSI.
    Taught in: 3.2.2 Texture features.

    Examples
    --------
    >>> levels = np.array([[[[1, 1, 2]]]])
    >>> cooccurrence_matrices(levels, [(0, 0, 1)], 2)[0, 0]
    array([[2., 1.],
           [1., 0.]])
    """
    levels = whole_levels(levels, n_levels)
    n, side = len(levels), n_levels + 1
    out = np.empty((n, len(offsets), n_levels, n_levels))
    # Pairs with a pixel outside are counted too, in row or column 0, which is dropped: cheaper than to look for them.
    code = levels * side + np.arange(n).reshape(-1, 1, 1, 1) * side**2
    for k, offset in enumerate(offsets):
        here, there = _pair(levels.shape[1:], offset)
        index = (code[here] + levels[there]).ravel()
        counts = np.bincount(index, minlength=n * side**2).reshape(n, side, side)[:, 1:, 1:]
        np.add(counts, counts.transpose(0, 2, 1), out=out[:, k])
    return out


def _pair(shape: tuple[int, ...], offset: tuple[int, int, int]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    here = [slice(max(0, -step), side - max(0, step)) for step, side in zip(offset, shape, strict=True)]
    there = [slice(max(0, step), side - max(0, -step)) for step, side in zip(offset, shape, strict=True)]
    void = any(abs(step) >= side for step, side in zip(offset, shape, strict=True))
    none = [slice(0, 0)] * len(shape)
    return (slice(None), *(none if void else here)), (slice(None), *(none if void else there))


def cooccurrence_measures(counts: Float, n_levels: ArrayLike | None = None) -> dict[str, Float]:
    """Measure co-occurrence matrices as IBSI defines it.

    Parameters
    ----------
    counts
        Whole non-negative counts, symmetric, shape (..., L, L).
    n_levels
        The number of levels by which the normalised measures divide, of a shape that broadcasts to (...); L without.

    Returns
    -------
    dict of str to numpy.ndarray
        For each of 25 measures, by its IBSI name, an array of shape (...). NaN where a matrix holds no pair;
        `correlation` is NaN also where all pairs have one level.

    Notes
    -----
    Zwanenburg et al. 2020, doi:10.1148/radiol.2020191145. IBSI's `angular_second_moment` is the square of what
    scikit-image calls energy; logarithms are to base 2. Most measures depend on the sums along the diagonals only:
    of those with one difference of levels, and of those with one sum.
    Taught in: 3.2.2 Texture features.

    Examples
    --------
    >>> measures = cooccurrence_measures(np.array([[2.0, 1.0], [1.0, 0.0]]))
    >>> float(measures["contrast"]), float(measures["joint_maximum"])
    (0.5, 0.5)
    """
    shape, size = counts.shape[:-2], counts.shape[-1]
    flat = counts.reshape(-1, size * size)
    pairs = flat.sum(axis=1)
    whole = np.where(pairs > 0, pairs, np.nan)[:, None]
    divisor = np.broadcast_to(size if n_levels is None else n_levels, shape).reshape(-1, 1)
    # Counts are whole numbers: their sums are exact, in whatever order they are added.
    square = counts.reshape(-1, size, size)
    upwards = _antidiagonals(square[:, :, ::-1]) / whole  # from difference 1 - L to L - 1
    p_minus = upwards[:, size - 1 :].copy()
    p_minus[:, 1:] *= 2
    p_plus = _antidiagonals(square) / whole
    p_x = square.sum(axis=1) / whole
    level, k_minus, k_plus = np.arange(1.0, size + 1), np.arange(float(size)), np.arange(2.0, 2 * size + 1)
    p = flat / whole
    mu = total(p_x * level)
    variance = total(p_x * (level - mu[:, None]) ** 2)
    difference, contrast = total(p_minus * k_minus), total(p_minus * k_minus**2)
    centred = k_plus - 2 * mu[:, None]
    tendency = total(p_plus * centred**2)
    hxy, hx = _entropy(p), _entropy(p_x)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = {
            "joint_maximum": p.max(axis=1),
            "joint_average": mu,
            "joint_variance": variance,
            "joint_entropy": hxy,
            "difference_average": difference,
            "difference_variance": total(p_minus * (k_minus - difference[:, None]) ** 2),
            "difference_entropy": _entropy(p_minus),
            "sum_average": 2 * mu,
            "sum_variance": tendency,
            "sum_entropy": _entropy(p_plus),
            "angular_second_moment": (flat**2).sum(axis=1) / whole[:, 0] ** 2,
            "contrast": contrast,
            "dissimilarity": difference,
            "inverse_difference": total(p_minus / (1 + k_minus)),
            "normalised_inverse_difference": total(p_minus / (1 + k_minus / divisor)),
            "inverse_difference_moment": total(p_minus / (1 + k_minus**2)),
            "normalised_inverse_difference_moment": total(p_minus / (1 + (k_minus / divisor) ** 2)),
            "inverse_variance": total(p_minus[:, 1:] / k_minus[1:] ** 2) if size > 1 else 0 * mu,
            # The covariance of two levels, from the spread of their sum and of their difference.
            "correlation": np.where(variance > 1e-12, (tendency - contrast) / (4 * variance), np.nan),
            "autocorrelation": (total(p_plus * k_plus**2) - contrast) / 4,
            "cluster_tendency": tendency,
            "cluster_shade": total(p_plus * centred**3),
            "cluster_prominence": total(p_plus * centred**4),
            # In a symmetric matrix both of Haralick's cross entropies are twice the entropy of a row.
            "information_correlation_1": np.where(hx > 1e-12, (hxy - 2 * hx) / hx, np.where(pairs > 0, 0.0, np.nan)),
            "information_correlation_2": np.sqrt(np.clip(1 - np.exp(-2 * (2 * hx - hxy)), 0, None)),
        }
    return {name: value.reshape(shape) for name, value in found.items()}


def _antidiagonals(square: Float) -> Float:
    """Sums along the lines from bottom left to top right of each matrix (n, L, L): (n, 2L - 1)."""
    n, size = square.shape[:2]
    # Rows of 2L - 1, written one after the other with a step of 2L: each row moves one column to the right.
    shifted = np.zeros((n, size * 2 * size))
    shifted.reshape(n, size, 2 * size)[:, :, :size] = square
    found: Float = shifted[:, : size * (2 * size - 1)].reshape(n, size, 2 * size - 1).sum(axis=1)
    return found


def _entropy(p: Float) -> Float:
    entropy: Float = -total(p * np.log2(p, out=np.zeros_like(p), where=p > 0))
    return entropy
