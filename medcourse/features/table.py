"""One table of features from many images and masks, on one core, on all of them, or on a cluster."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import product
from types import MappingProxyType
from typing import Any, NamedTuple

import joblib
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from medcourse.features._regions import Float, Levels, Region, batches, discretise, regions
from medcourse.features.cooccurrence import cooccurrence_matrices, cooccurrence_measures
from medcourse.features.intensity import histogram_measures, intensity_measures
from medcourse.features.runlength import run_length_matrices, run_length_measures
from medcourse.features.shape import shape_measures
from medcourse.features.spectral import autoregressive_measures, wavelet_measures

__all__ = ["FAMILIES", "extract"]

FAMILIES: Mapping[str, str] = MappingProxyType(
    {
        "stat": "values, without regard to place",
        "ih": "histogram of the grey levels",
        "cm": "co-occurrence of grey levels",
        "rlm": "run lengths of grey levels",
        "ar": "autoregressive model",
        "wt": "wavelet energies",
        "morph": "shape",
    }
)
_AGGREGATIONS = ("2d_avg", "2d_mrg", "2.5d_avg", "2.5d_mrg", "3d_avg", "3d_mrg")
_CHUNK = 256  # lesions that one process or worker takes at a time


class _Settings(NamedTuple):
    families: tuple[str, ...]
    bins: int | None
    bin_width: float | None
    bin_start: float | None
    distance: float
    unit: str
    aggregation: str
    wavelet: str
    levels: int

    @property
    def binned(self) -> str:
        if self.bins is not None:
            return f"fbn{self.bins}"
        start = "" if self.bin_start is None else f"from{self.bin_start:g}"
        return f"fbs{self.bin_width:g}{start}"


def extract(
    images: Sequence[ArrayLike] | NDArray[Any],
    masks: Sequence[ArrayLike] | NDArray[Any],
    spacing_mm: ArrayLike,
    *,
    families: Sequence[str] = tuple(FAMILIES),
    bins: int | None = None,
    bin_width: float | None = None,
    bin_start: float | None = None,
    distance: float = 1,
    distance_unit: str = "px",
    aggregation: str | None = None,
    wavelet: str = "db2",
    wavelet_levels: int = 3,
    jobs: int = 1,
    client: Any = None,
) -> pd.DataFrame:
    """Describe each lesion by numbers: one row for each image and its mask.

    Parameters
    ----------
    images
        n images of shape (rows, columns) or volumes (z, y, x), with or without one channel last; they may differ in
        size, not in dimensions. Any real unit; Hounsfield units are best binned by `bin_width`.
    masks
        n masks of the images' shapes: bool, or integers of which all above 0 are inside.
    spacing_mm
        Voxel size of each axis in millimetres, for all images or one row for each.
    families
        Which of `FAMILIES` to compute.
    bins
        Fixed bin number: that many grey levels from each lesion's minimum to its maximum. 32 where neither this nor
        `bin_width` is given.
    bin_width, bin_start
        Fixed bin size instead: levels of `bin_width`, counted from `bin_start` or from the lesion's minimum.
    distance, distance_unit
        How far apart the pixels of a pair are, in pixels ("px", by Chebyshev's norm) or millimetres ("mm", along each
        axis, rounded to whole pixels). For co-occurrence only.
    aggregation
        How matrices of directions and slices are put together (for co-occurrence and run length): "2d_avg" averages
        the measures of all slices and directions; "2d_mrg" adds up the directions of a slice first; "2.5d_avg" adds
        up the slices of a direction first; "2.5d_mrg" adds up all; "3d_avg" and "3d_mrg" use the 13 directions in
        space. None takes "2d_avg" for images and "3d_avg" for volumes.
    wavelet, wavelet_levels
        For the wavelet energies.
    jobs
        Processes; -1 takes all cores.
    client
        A ``dask.distributed.Client``: the work goes to its workers instead of to `jobs` processes.

    Returns
    -------
    pandas.DataFrame
        n rows. A column's name says how it was made, for example ``cm_contrast_d1_2d_avg_fbn32``: family, measure
        (IBSI's name where IBSI has one), distance, aggregation, discretisation. The numbers do not depend on
        `jobs` or `client`. What is not defined (correlation in a constant lesion) is NaN.

    Raises
    ------
    ValueError
        If images, masks and spacing do not fit together, a mask is empty, a lesion holds NaN, or an option is unknown
        or out of range; the message names the row.

    Notes
    -----
    IBSI: Zwanenburg et al. 2020, doi:10.1148/radiol.2020191145, whose digital phantom the tests reproduce. It defines
    no autoregressive features, no two-dimensional shape, and wavelets only in its second part.
    Taught in: 3.2.2 Texture features.

    Examples
    --------
    >>> image = np.arange(64.0).reshape(1, 8, 8)
    >>> table = extract(image, image > 9, (0.5, 0.5), families=["stat", "cm"], bins=8)
    >>> float(table["stat_minimum"][0]), round(float(table["cm_contrast_d1_2d_avg_fbn8"][0]), 2)
    (10.0, 1.17)
    """
    settings = _settings(families, bins, bin_width, bin_start, (distance, distance_unit), (wavelet, wavelet_levels))
    found = regions(images, masks, spacing_mm)
    dimensions = {region.image.ndim for region in found}
    if len(dimensions) > 1:
        raise ValueError("images holds both images and volumes: extract them in two calls")
    (ndim,) = dimensions
    chosen = aggregation or ("2d_avg" if ndim == 2 else "3d_avg")
    if chosen not in _AGGREGATIONS:
        raise ValueError(f"aggregation={aggregation!r}: give one of {', '.join(_AGGREGATIONS)}")
    if ndim == 2 and not chosen.startswith("2d"):
        raise ValueError(f"aggregation={aggregation!r} needs volumes: give '2d_avg' or '2d_mrg' for images")
    settings = settings._replace(aggregation=chosen)
    parts = [found[start : start + _CHUNK] for start in range(0, len(found), _CHUNK)]
    if client is not None:
        tables = client.gather(client.map(_table, parts, [settings] * len(parts), pure=False))
    else:
        if jobs == 0 or jobs < -1:
            raise ValueError(f"jobs={jobs}: give the number of processes, or -1 for all cores")
        count = min((os.cpu_count() or 1) if jobs == -1 else jobs, len(found))
        if count > 1:
            size = -(-len(found) // count) if len(parts) < count else _CHUNK
            parts = [found[start : start + size] for start in range(0, len(found), size)]
            tables = joblib.Parallel(n_jobs=count)(joblib.delayed(_table)(part, settings) for part in parts)
        else:
            tables = [_table(part, settings) for part in parts]
    table: pd.DataFrame = pd.concat(tables, ignore_index=True)
    return table


def _settings(
    families: Sequence[str],
    bins: int | None,
    bin_width: float | None,
    bin_start: float | None,
    distance: tuple[float, str],
    wavelet: tuple[str, int],
) -> _Settings:
    unknown = [name for name in families if name not in FAMILIES]
    if unknown or not families:
        raise ValueError(f"families={list(families)}: give some of {', '.join(FAMILIES)}")
    if bins is not None and bin_width is not None:
        raise ValueError(f"bins={bins} and bin_width={bin_width}: give one of them")
    if bin_width is None and bin_start is not None:
        raise ValueError(f"bin_start={bin_start} goes with bin_width: give both, or neither")
    if bins is None and bin_width is None:
        bins = 32
    if bins is not None and not 2 <= bins <= 1024:
        raise ValueError(f"bins={bins}: give 2 to 1024 grey levels")
    if bin_width is not None and not (np.isfinite(bin_width) and bin_width > 0):
        raise ValueError(f"bin_width={bin_width}: give a width above 0, in the unit of the images")
    if distance[1] not in ("px", "mm") or not (np.isfinite(distance[0]) and distance[0] > 0):
        raise ValueError(f"distance={distance[0]} {distance[1]!r}: give a distance above 0 and 'px' or 'mm'")
    if distance[1] == "px" and distance[0] != int(distance[0]):
        raise ValueError(f"distance={distance[0]} px: give whole pixels, or millimetres with distance_unit='mm'")
    return _Settings(tuple(families), bins, bin_width, bin_start, *distance, "", *wavelet)


def _table(found: list[Region], settings: _Settings) -> pd.DataFrame:
    """Features of some regions; the same whatever other regions are computed beside them."""
    columns: dict[str, list[Float]] = {}
    for part, image, mask in batches(found):
        for name, values in _batch(found[part], image, mask, settings).items():
            columns.setdefault(name, []).append(values)
    return pd.DataFrame({name: np.concatenate(values) for name, values in columns.items()})


def _batch(found: list[Region], image: Float, mask: NDArray[np.bool_], s: _Settings) -> dict[str, Float]:
    out: dict[str, Float] = {}
    if "stat" in s.families:
        out |= {f"stat_{name}": value for name, value in intensity_measures(image, mask).items()}
    if {"ih", "cm", "rlm"} & {*s.families}:
        levels = discretise(image, mask, bins=s.bins, bin_width=s.bin_width, bin_start=s.bin_start)
        n_levels = s.bins or int(levels.max())
        if "ih" in s.families:
            out |= {f"ih_{name}_{s.binned}": value for name, value in histogram_measures(levels, n_levels).items()}
        if "cm" in s.families:
            out |= _cooccurrence(found, levels, s)
        if "rlm" in s.families:
            out |= _run_lengths(levels, n_levels, s)
    if "ar" in s.families:
        out |= {f"ar_{name}": value for name, value in autoregressive_measures(image, mask).items()}
    if "wt" in s.families:
        rows = [_wavelets(region, s) for region in found]
        out |= {f"wt_{s.wavelet}_{name}": np.array([row[name] for row in rows]) for name in rows[0]}
    if "morph" in s.families:
        shapes = [shape_measures(r.mask, r.spacing_mm, image=r.image if r.image.ndim == 3 else None) for r in found]
        out |= {f"morph_{name}": np.array([row[name] for row in shapes]) for name in shapes[0]}
    return out


def _wavelets(region: Region, s: _Settings) -> dict[str, float]:
    margins = [(wide - side) // 2 for wide, side in zip(region.context.shape, region.image.shape, strict=True)]
    mask = np.pad(region.mask, [(margin, margin) for margin in margins])
    return wavelet_measures(region.context, mask, wavelet=s.wavelet, levels=s.levels)


def _directions(aggregation: str) -> list[tuple[int, int, int]]:
    """Half of the neighbours, in the plane (4) or in space (13): the others are the same pairs, seen from behind."""
    steps = [(z, y, x) for z, y, x in product((-1, 0, 1), repeat=3) if (z, y, x) > (0, 0, 0)]
    return [step for step in steps if aggregation.startswith("3d") or step[0] == 0]


def _offsets(region: Region, s: _Settings) -> tuple[tuple[int, int, int], ...]:
    """Directions times the distance in voxels of this region's spacing."""
    spacing = (1.0, *region.spacing_mm) if region.image.ndim == 2 else region.spacing_mm
    reach = [int(s.distance)] * 3 if s.unit == "px" else [round(s.distance / size) for size in spacing]
    used = reach if s.aggregation.startswith("3d") else reach[1:]
    if min(used) < 1:
        raise ValueError(f"distance={s.distance} mm is less than half a voxel of {spacing} mm: give a larger distance")
    return tuple((z * reach[0], y * reach[1], x * reach[2]) for z, y, x in _directions(s.aggregation))


def _cooccurrence(found: list[Region], levels: Levels, s: _Settings) -> dict[str, Float]:
    name = f"d{s.distance:g}{'' if s.unit == 'px' else 'mm'}_{s.aggregation}_{s.binned}"
    groups: dict[tuple[tuple[int, int, int], ...], list[int]] = {}
    for k, region in enumerate(found):
        groups.setdefault(_offsets(region, s), []).append(k)
    out: dict[str, Float] = {}
    for offsets, rows in groups.items():
        # With a fixed bin size the number of levels is the lesion's own: IBSI normalises some measures by it.
        own = [s.bins] * len(rows) if s.bins else levels[rows].reshape(len(rows), -1).max(axis=1).tolist()
        for n_levels in sorted(set(own)):
            these = [row for row, n in zip(rows, own, strict=True) if n == n_levels]
            counts = _per_slice(levels[these], s, partial(cooccurrence_matrices, offsets=offsets, n_levels=n_levels))
            for measure, value in _aggregated(counts, s, cooccurrence_measures).items():
                out.setdefault(f"cm_{measure}_{name}", np.full(len(found), np.nan))[these] = value
    return out


def _run_lengths(levels: Levels, n_levels: int, s: _Settings) -> dict[str, Float]:
    directions = _directions(s.aggregation)
    counts = _per_slice(levels, s, partial(run_length_matrices, directions=directions, n_levels=n_levels))
    voxels = counts.sum(axis=-2) @ np.arange(1, counts.shape[-1] + 1)  # each run covers its length
    found = _aggregated(counts, s, run_length_measures, voxels)
    return {f"rlm_{name}_{s.aggregation}_{s.binned}": value for name, value in found.items()}


def _per_slice(levels: Levels, s: _Settings, count: Any) -> Float:
    """Matrices (n, slices, directions, …): one slice stands for the whole volume where directions are in space."""
    if s.aggregation.startswith("3d"):
        matrices: Float = count(levels)[:, None]
        return matrices
    n, z = levels.shape[:2]
    flat: Float = count(levels.reshape(n * z, 1, *levels.shape[2:]))
    return flat.reshape(n, z, *flat.shape[1:])


def _aggregated(counts: Float, s: _Settings, measure: Any, *more: Float) -> dict[str, Float]:
    """Add up matrices as the aggregation says, measure, then average over the matrices that hold anything."""
    space, how = s.aggregation.rsplit("_", 1)
    axes = {"2d": (2,), "2.5d": (1, 2), "3d": (1, 2)}[space] if how == "mrg" else {"2.5d": (1,)}.get(space, ())
    summed = [array.sum(axis=axes, keepdims=True) if axes else array for array in (counts, *more)]
    values: dict[str, Float] = measure(*summed)
    filled = summed[0].sum(axis=(-2, -1)) > 0
    out = {}
    for name, value in values.items():
        defined = filled & ~np.isnan(value)
        n = defined.sum(axis=(1, 2))
        total = np.where(defined, value, 0.0).sum(axis=(1, 2))
        out[name] = np.divide(total, n, out=np.full(len(value), np.nan), where=n > 0)
    return out
