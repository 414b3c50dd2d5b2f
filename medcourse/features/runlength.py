"""Grey-level run lengths: how far one level goes on in one direction, for many regions at once, and 16 measures."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["run_length_matrices", "run_length_measures"]

Float = NDArray[np.float64]


def run_length_matrices(levels: NDArray[np.int64], directions: Sequence[tuple[int, int, int]], n_levels: int) -> Float:
    """Count runs: stretches of voxels of one grey level that follow each other in one direction.

    Parameters
    ----------
    levels
        Grey levels 1 to `n_levels`, 0 outside the region; integers of shape (n, z, rows, columns).
    directions
        Steps (z, row, column), each -1, 0 or 1.
    n_levels
        The number of grey levels, L.

    Returns
    -------
    numpy.ndarray
        float64 counts of shape (n, directions, L, longest side): runs of level i + 1 and of length j + 1.

    Notes
    -----
    Galloway 1975, doi:10.1016/S0146-664X(75)80008-6. A run ends at the edge of the region.
    Taught in: 3.2.2 Texture features.

    Examples
    --------
    >>> levels = np.array([[[[1, 1, 2]]]])
    >>> run_length_matrices(levels, [(0, 0, 1)], 2)[0, 0]
    array([[0., 1., 0.],
           [1., 0., 0.]])
    """
    n, shape = len(levels), levels.shape[1:]
    longest = max(shape)
    out = np.empty((n, len(directions), n_levels, longest))
    flat = levels.reshape(n, -1)
    for k, direction in enumerate(directions):
        order, first = _lines(shape, direction)
        line = flat[:, order]
        start = np.ones(line.shape, bool)
        start[:, 1:] = line[:, 1:] != line[:, :-1]
        start |= first
        begin = np.flatnonzero(start.ravel())
        length = np.diff(begin, append=line.size)
        level = line.ravel()[begin]
        lesion = begin // line.shape[1]
        keep = level > 0
        index = (lesion * n_levels + level - 1)[keep] * longest + length[keep] - 1
        out[:, k] = np.bincount(index, minlength=n * n_levels * longest).reshape(n, n_levels, longest)
    return out


@lru_cache(maxsize=256)
def _lines(shape: tuple[int, ...], direction: tuple[int, ...]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Voxels in the order of the lines along `direction`, and which of them begin a line."""
    place = np.indices(shape).reshape(len(shape), -1)
    back = np.array(direction)[:, None]
    # How many steps back a voxel can go before it leaves the box; its line is known by where it leaves.
    room = np.full(place.shape[1], max(shape))
    for axis, step in enumerate(direction):
        if step:
            room = np.minimum(room, place[axis] if step > 0 else shape[axis] - 1 - place[axis])
    origin = np.ravel_multi_index(tuple(place - room * back), shape)
    order = np.lexsort((room, origin))
    return order, room[order] == 0


def run_length_measures(counts: Float, n_voxels: Float) -> dict[str, Float]:
    """Measure run-length matrices as IBSI defines it.

    Parameters
    ----------
    counts
        Runs by level and length, shape (..., L, longest).
    n_voxels
        Voxels that the runs of each matrix cover, shape (...).

    Returns
    -------
    dict of str to numpy.ndarray
        For each of 16 measures, by its IBSI name, an array of shape (...); NaN where a matrix holds no run.

    Notes
    -----
    Zwanenburg et al. 2020, doi:10.1148/radiol.2020191145.
    Taught in: 3.2.2 Texture features.

    Examples
    --------
    >>> measures = run_length_measures(np.array([[0.0, 1.0], [1.0, 0.0]]), np.array(3.0))
    >>> float(measures["short_runs_emphasis"]), round(float(measures["run_percentage"]), 3)
    (0.625, 0.667)
    """
    total = counts.sum(axis=(-2, -1))
    total = np.where(total > 0, total, np.nan)
    i = np.arange(1, counts.shape[-2] + 1, dtype=float)[:, None]
    j = np.arange(1, counts.shape[-1] + 1, dtype=float)
    of_level, of_length = counts.sum(axis=-1), counts.sum(axis=-2)

    def mean(weight: Float) -> Float:
        found: Float = (counts * weight).sum(axis=(-2, -1)) / total
        return found

    p = counts / total[..., None, None]
    logs = np.log2(p, out=np.zeros_like(p), where=p > 0)
    return {
        "short_runs_emphasis": mean(1 / j**2),
        "long_runs_emphasis": mean(j**2),
        "low_grey_level_run_emphasis": mean(1 / i**2),
        "high_grey_level_run_emphasis": mean(i**2),
        "short_run_low_grey_level_emphasis": mean(1 / (i * j) ** 2),
        "short_run_high_grey_level_emphasis": mean(i**2 / j**2),
        "long_run_low_grey_level_emphasis": mean(j**2 / i**2),
        "long_run_high_grey_level_emphasis": mean((i * j) ** 2),
        "grey_level_non_uniformity": (of_level**2).sum(axis=-1) / total,
        "normalised_grey_level_non_uniformity": (of_level**2).sum(axis=-1) / total**2,
        "run_length_non_uniformity": (of_length**2).sum(axis=-1) / total,
        "normalised_run_length_non_uniformity": (of_length**2).sum(axis=-1) / total**2,
        "run_percentage": total / n_voxels,
        "grey_level_variance": mean(i**2 + 0 * j) - mean(i + 0 * j) ** 2,
        "run_length_variance": mean(j**2 + 0 * i) - mean(j + 0 * i) ** 2,
        "run_entropy": -(p * logs).sum(axis=(-2, -1)),
    }
