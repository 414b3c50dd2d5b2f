"""Grey-level run lengths: how far one level goes on in one direction, for many regions at once, and 16 measures."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from medcourse.features._regions import whole_levels
from medcourse.features._sums import total

__all__ = ["run_length_matrices", "run_length_measures"]

Float = NDArray[np.float64]
_SMALL = 2**14  # voxels; the lines of larger boxes are not kept


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

    Raises
    ------
    ValueError
        If a level is not a whole number from 0 to `n_levels`.

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
    levels = whole_levels(levels, n_levels)
    n, shape = len(levels), levels.shape[1:]
    longest = max(shape)
    out = np.empty((n, len(directions), n_levels, longest))
    flat = levels.reshape(n, -1)
    for k, direction in enumerate(directions):
        order, first = (_lines if np.prod(shape) <= _SMALL else _lines.__wrapped__)(shape, direction)
        line = flat.take(order, axis=1)
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
        Runs by level and length, whole numbers, shape (..., L, longest).
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
    present = np.flatnonzero(counts.reshape(-1, counts.shape[-1]).any(axis=0))
    counts = counts[..., : int(present[-1]) + 1 if present.size else 1]  # no longer runs here
    of_level, of_length = counts.sum(axis=-1), counts.sum(axis=-2)
    runs = of_level.sum(axis=-1)
    runs = np.where(runs > 0, runs, np.nan)
    i, j = np.arange(1.0, counts.shape[-2] + 1), np.arange(1.0, counts.shape[-1] + 1)
    p = counts.reshape(*counts.shape[:-2], -1) / runs[..., None]
    p_level, p_length = of_level / runs[..., None], of_length / runs[..., None]
    short, long = total(counts / j**2) / runs[..., None], (counts * j**2).sum(axis=-1) / runs[..., None]
    mean_level, mean_length = total(p_level * i), total(p_length * j)
    return {
        "short_runs_emphasis": total(p_length / j**2),
        "long_runs_emphasis": total(p_length * j**2),
        "low_grey_level_run_emphasis": total(p_level / i**2),
        "high_grey_level_run_emphasis": total(p_level * i**2),
        "short_run_low_grey_level_emphasis": total(short / i**2),
        "short_run_high_grey_level_emphasis": total(short * i**2),
        "long_run_low_grey_level_emphasis": total(long / i**2),
        "long_run_high_grey_level_emphasis": total(long * i**2),
        "grey_level_non_uniformity": (of_level**2).sum(axis=-1) / runs,
        "normalised_grey_level_non_uniformity": (of_level**2).sum(axis=-1) / runs**2,
        "run_length_non_uniformity": (of_length**2).sum(axis=-1) / runs,
        "normalised_run_length_non_uniformity": (of_length**2).sum(axis=-1) / runs**2,
        "run_percentage": runs / n_voxels,
        "grey_level_variance": total(p_level * (i - mean_level[..., None]) ** 2),
        "run_length_variance": total(p_length * (j - mean_length[..., None]) ** 2),
        "run_entropy": -total(p * np.log2(p, out=np.zeros_like(p), where=p > 0)),
    }
