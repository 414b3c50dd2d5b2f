"""Grey-level co-occurrence: which levels are neighbours, counted for many regions at once, and 25 measures of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

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
    n = len(levels)
    out = np.empty((n, len(offsets), n_levels, n_levels))
    lesion = np.arange(n).reshape(-1, 1, 1, 1) * n_levels**2
    for k, offset in enumerate(offsets):
        here, there = _pair(levels.shape[1:], offset)
        first, second = levels[here], levels[there]
        both = (first > 0) & (second > 0)
        index = (lesion + (first - 1) * n_levels + (second - 1))[both]
        counts = np.bincount(index, minlength=n * n_levels**2).reshape(n, n_levels, n_levels)
        out[:, k] = counts + counts.transpose(0, 2, 1)
    return out


def _pair(shape: tuple[int, ...], offset: tuple[int, int, int]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    here = [slice(max(0, -step), side - max(0, step)) for step, side in zip(offset, shape, strict=True)]
    there = [slice(max(0, step), side - max(0, -step)) for step, side in zip(offset, shape, strict=True)]
    void = any(abs(step) >= side for step, side in zip(offset, shape, strict=True))
    none = [slice(0, 0)] * len(shape)
    return (slice(None), *(none if void else here)), (slice(None), *(none if void else there))


def cooccurrence_measures(counts: Float) -> dict[str, Float]:
    """Measure co-occurrence matrices as IBSI defines it.

    Parameters
    ----------
    counts
        Non-negative counts, shape (..., L, L).

    Returns
    -------
    dict of str to numpy.ndarray
        For each of 25 measures, by its IBSI name, an array of shape (...). NaN where a matrix holds no pair;
        `correlation` is NaN also where all pairs have one level.

    Notes
    -----
    Zwanenburg et al. 2020, doi:10.1148/radiol.2020191145. IBSI's `angular_second_moment` is the square of what
    scikit-image calls energy; logarithms are to base 2.
    Taught in: 3.2.2 Texture features.

    Examples
    --------
    >>> measures = cooccurrence_measures(np.array([[2.0, 1.0], [1.0, 0.0]]))
    >>> float(measures["contrast"]), float(measures["joint_maximum"])
    (0.5, 0.5)
    """
    shape, size = counts.shape[:-2], counts.shape[-1]
    flat = counts.reshape(-1, size * size)
    total = flat.sum(axis=1, keepdims=True)
    p = np.divide(flat, total, out=np.full_like(flat, np.nan), where=total > 0)
    i, j = (index.ravel() + 1.0 for index in np.indices((size, size)))
    k_minus, k_plus = np.arange(size, dtype=float), np.arange(2, 2 * size + 1, dtype=float)
    p_minus = p @ (abs(i - j)[:, None] == k_minus).astype(float)
    p_plus = p @ ((i + j)[:, None] == k_plus).astype(float)
    p_x = p.reshape(-1, size, size).sum(axis=2)
    level = np.arange(1, size + 1, dtype=float)
    mu = p_x @ level
    variance = p_x @ level**2 - mu**2
    centred = i[None] + j[None] - 2 * mu[:, None]
    hxy, hx = _entropy(p), _entropy(p_x)
    product = (p_x[:, :, None] * p_x[:, None, :]).reshape(p.shape)
    hxy1 = -np.sum(p * _log2(product), axis=1)
    hxy2 = -np.sum(product * _log2(product), axis=1)
    difference = p_minus @ k_minus
    apart = abs(i - j)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = {
            "joint_maximum": p.max(axis=1),
            "joint_average": p @ i,
            "joint_variance": variance,
            "joint_entropy": hxy,
            "difference_average": difference,
            "difference_variance": p_minus @ k_minus**2 - difference**2,
            "difference_entropy": _entropy(p_minus),
            "sum_average": p_plus @ k_plus,
            "sum_variance": p_plus @ k_plus**2 - (p_plus @ k_plus) ** 2,
            "sum_entropy": _entropy(p_plus),
            "angular_second_moment": (p**2).sum(axis=1),
            "contrast": p @ apart**2,
            "dissimilarity": p @ apart,
            "inverse_difference": p @ (1 / (1 + apart)),
            "normalised_inverse_difference": p @ (1 / (1 + apart / size)),
            "inverse_difference_moment": p @ (1 / (1 + apart**2)),
            "normalised_inverse_difference_moment": p @ (1 / (1 + (apart / size) ** 2)),
            "inverse_variance": p @ np.where(apart > 0, 1 / np.maximum(apart, 1) ** 2, 0),
            "correlation": np.where(variance > 1e-12, (p @ (i * j) - mu**2) / variance, np.nan),
            "autocorrelation": p @ (i * j),
            "cluster_tendency": (p * centred**2).sum(axis=1),
            "cluster_shade": (p * centred**3).sum(axis=1),
            "cluster_prominence": (p * centred**4).sum(axis=1),
            "information_correlation_1": np.where(hx > 1e-12, (hxy - hxy1) / hx, 0.0),
            "information_correlation_2": np.sqrt(np.clip(1 - np.exp(-2 * (hxy2 - hxy)), 0, None)),
        }
    void = np.isnan(p[:, 0])
    return {name: np.where(void, np.nan, value).reshape(shape) for name, value in found.items()}


def _log2(p: Float) -> Float:
    return np.log2(p, out=np.zeros_like(p), where=p > 0)


def _entropy(p: Float) -> Float:
    entropy: Float = -np.sum(p * _log2(p), axis=1)
    return entropy
