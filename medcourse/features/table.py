"""One table of features from many images and masks, on one core, on all of them, or on a cluster."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import product
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medcourse.features._regions import MAX_LEVELS, Batch, Bins, Float, Levels, Region, batches, mirrored, region
from medcourse.features._sums import total
from medcourse.features.cooccurrence import cooccurrence_matrices, cooccurrence_measures
from medcourse.features.intensity import histogram_measures, intensity_measures
from medcourse.features.runlength import run_length_matrices, run_length_measures
from medcourse.features.shape import shape_measures
from medcourse.features.spectral import autoregressive_measures, wavelet_margin, wavelet_measures

if TYPE_CHECKING:
    import pandas as pd

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
_START_S = 2.0  # what the start of processes may cost, in seconds
_CHUNK = 256  # lesions that one process or worker takes at a time, at most


class _Settings(NamedTuple):
    families: tuple[str, ...]
    bins: Bins
    distance: float
    unit: str
    aggregation: str
    wavelet: str
    scales: int

    @property
    def binned(self) -> str:
        number, width, start = self.bins
        if number is not None:
            return f"fbn{number}"
        return f"fbs{width:g}" + ("" if start is None else f"from{start:g}")

    @property
    def matrices(self) -> int:
        return len(_directions(self.aggregation)) if {"cm", "rlm"} & {*self.families} else 0


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
        Processes at most; -1 takes all cores. Few lesions are done sooner than processes start: then none do.
    client
        A ``dask.distributed.Client``: the work goes to its workers instead, some lesions at a time. `images` and
        `masks` may be sequences that read an image when it is asked for: only what is under way is in memory.

    Returns
    -------
    pandas.DataFrame
        n rows. A column's name says how it was made, for example ``cm_contrast_d1_2d_avg_fbn32``: family, measure
        (IBSI's name where IBSI has one), distance, aggregation, discretisation. A lesion's numbers do not depend,
        to the last bit, on `jobs`, `client` or the lesions beside it. What is not defined (correlation in a constant
        lesion) is NaN.

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
    settings = _settings(families, (bins, bin_width, bin_start), (distance, distance_unit), (wavelet, wavelet_levels))
    if len(images) != len(masks):
        raise ValueError(f"{len(images)} images and {len(masks)} masks: give one mask for each image")
    if len(images) == 0:
        raise ValueError("images is empty: give at least one")
    if jobs == 0 or jobs < -1:
        raise ValueError(f"jobs={jobs}: give the number of processes, or -1 for all cores")
    spacing = np.asarray(spacing_mm, np.float64)
    if spacing.ndim == 2 and len(spacing) != len(images):
        raise ValueError(f"spacing_mm has {len(spacing)} rows for {len(images)} images: give one row, or one for each")
    ndim = min(np.ndim(images[0]), np.ndim(masks[0]))  # one channel last is dropped later
    settings = settings._replace(aggregation=_chosen(aggregation, ndim))
    if client is not None:
        tables = _on_cluster(client, _parts(images, masks, spacing, settings, _CHUNK), settings)
    elif (count := min((os.cpu_count() or 1) if jobs == -1 else jobs, len(images))) > 1:
        parts = _parts(images, masks, spacing, settings, min(_CHUNK, -(-len(images) // (4 * count))))
        tables = _in_processes(count, parts, len(images), settings)
    else:
        tables = [_table(part, settings) for part in _parts(images, masks, spacing, settings, _CHUNK)]
    import pandas as pd

    return pd.DataFrame({name: np.concatenate([table[name] for table in tables]) for name in tables[0]})


def _settings(
    families: Sequence[str],
    binning: tuple[int | None, float | None, float | None],
    distance: tuple[float, str],
    wavelet: tuple[str, int],
) -> _Settings:
    bins, bin_width, bin_start = binning
    unknown = [name for name in families if name not in FAMILIES]
    if isinstance(families, str) or unknown or not families:
        raise ValueError(f"families={families!r}: give a list of some of {', '.join(FAMILIES)}")
    if bins is not None and bin_width is not None:
        raise ValueError(f"bins={bins} and bin_width={bin_width}: give one of them")
    if bin_width is None and bin_start is not None:
        raise ValueError(f"bin_start={bin_start} goes with bin_width: give both, or neither")
    if bins is None and bin_width is None:
        bins = 32
    if bins is not None and not (bins == int(bins) and 2 <= bins <= MAX_LEVELS):
        raise ValueError(f"bins={bins}: give 2 to {MAX_LEVELS} grey levels")
    if bin_width is not None and not (np.isfinite(bin_width) and bin_width > 0):
        raise ValueError(f"bin_width={bin_width}: give a width above 0, in the unit of the images")
    if bin_start is not None and not np.isfinite(bin_start):
        raise ValueError(f"bin_start={bin_start}: give a number, in the unit of the images")
    if distance[1] not in ("px", "mm") or not (np.isfinite(distance[0]) and distance[0] > 0):
        raise ValueError(f"distance={distance[0]} {distance[1]!r}: give a distance above 0 and 'px' or 'mm'")
    if distance[1] == "px" and distance[0] != int(distance[0]):
        raise ValueError(f"distance={distance[0]} px: give whole pixels, or millimetres with distance_unit='mm'")
    if "wt" in families:
        wavelet_margin(*wavelet)
    if not {"ih", "cm", "rlm"} & {*families}:
        bins, bin_width, bin_start = 2, None, None  # nothing is binned
    return _Settings(tuple(families), Bins(bins, bin_width, bin_start), *distance, "", *wavelet)


def _chosen(aggregation: str | None, ndim: int) -> str:
    chosen = aggregation or ("2d_avg" if ndim == 2 else "3d_avg")
    if chosen not in _AGGREGATIONS:
        raise ValueError(f"aggregation={aggregation!r}: give one of {', '.join(_AGGREGATIONS)}")
    if ndim == 2 and not chosen.startswith("2d"):
        raise ValueError(f"aggregation={aggregation!r} needs volumes: give '2d_avg' or '2d_mrg' for images")
    return chosen


def _parts(
    images: Sequence[ArrayLike] | NDArray[Any],
    masks: Sequence[ArrayLike] | NDArray[Any],
    spacing: Float,
    s: _Settings,
    size: int,
) -> Iterator[list[Region]]:
    """Check and cut out some lesions at a time: images that are read when they are asked for need not fit in memory."""
    margin = wavelet_margin(s.wavelet, s.scales) if "wt" in s.families else (0, 0)
    first = None
    for start in range(0, len(images), size):
        part = []
        for row in range(start, min(start + size, len(images))):
            own = spacing[row] if spacing.ndim == 2 else spacing
            part.append(region(row, np.asarray(images[row]), np.asarray(masks[row]), own, s.bins, margin))
            first = first or part[0].image.ndim
            if part[-1].image.ndim != first:
                raise ValueError(f"images[{row}] has {part[-1].image.ndim} axes, images[0] {first}: use two calls")
            if "cm" in s.families:
                _offsets(row, part[-1].spacing_mm, s)
        yield part


def _in_processes(count: int, parts: Iterator[list[Region]], n: int, s: _Settings) -> list[dict[str, Float]]:
    """Tables of all parts, in order; processes start only where that does not take longer than the work."""
    began, done = time.process_time(), 0  # of the processor: a busy machine starts processes slowly, too
    tables = []
    for part in parts:
        tables.append(_table(part, s))
        done += len(part)
        if (time.process_time() - began) / done * (n - done) > _START_S:
            break
    import joblib

    work = (joblib.delayed(_table)(part, s) for part in parts)
    return [*tables, *joblib.Parallel(n_jobs=count)(work)] if done < n else tables


def _on_cluster(client: Any, parts: Iterator[list[Region]], s: _Settings) -> list[dict[str, Float]]:
    """Tables of all parts, in order; only a few parts are under way at a time."""
    workers = sum(client.nthreads().values()) or 1
    waiting: deque[Any] = deque()
    tables = []
    for part in parts:
        waiting.append(client.submit(_table, part, s, pure=False))
        if len(waiting) > 2 * workers:
            tables.append(waiting.popleft().result())
    return [*tables, *(future.result() for future in waiting)]


def _table(found: list[Region], s: _Settings) -> dict[str, Float]:
    """Features of some regions; to the last bit the same, whatever other regions are computed beside them."""
    columns: dict[str, Float] = {}
    for batch in batches(found, s.bins, s.matrices):
        for name, values in _features(batch, s).items():
            columns.setdefault(name, np.empty(len(found)))[batch.rows] = values
    return columns


def _features(batch: Batch, s: _Settings) -> dict[str, Float]:
    out: dict[str, Float] = {}
    n_levels = max(r.levels for r in batch.regions)
    if "stat" in s.families:
        out |= {f"stat_{name}": value for name, value in intensity_measures(batch.image, batch.mask).items()}
    if "ih" in s.families:
        out |= {f"ih_{name}_{s.binned}": value for name, value in histogram_measures(batch.levels, n_levels).items()}
    if "cm" in s.families:
        out |= _cooccurrence(batch, n_levels, s)
    if "rlm" in s.families:
        out |= _run_lengths(batch.levels, n_levels, s)
    if "ar" in s.families:
        out |= {f"ar_{name}": value for name, value in autoregressive_measures(batch.image, batch.mask).items()}
    if "wt" in s.families:
        rows = [_wavelets(r, s) for r in batch.regions]
        out |= {f"wt_{s.wavelet}_{name}": np.array([row[name] for row in rows]) for name in rows[0]}
    if "morph" in s.families:
        volumes = batch.regions[0].image.ndim == 3
        shapes = [shape_measures(r.mask, r.spacing_mm, image=r.image if volumes else None) for r in batch.regions]
        out |= {f"morph_{name}": np.array([row[name] for row in shapes]) for name in shapes[0]}
    return out


def _wavelets(r: Region, s: _Settings) -> dict[str, float]:
    before, _ = wavelet_margin(s.wavelet, s.scales)
    context = r.context.astype(np.float64)
    if not np.isfinite(context.sum()):  # outside the mask; inside was checked
        context[~np.isfinite(context)] = r.image[r.mask].mean(dtype=np.float64)
    context = mirrored(context, *r.missing)
    rows, columns = r.mask.shape[-2:]
    mask = np.zeros(context.shape, bool)
    mask[..., before : before + rows, before : before + columns] = r.mask
    return wavelet_measures(context, mask, wavelet=s.wavelet, levels=s.scales)


def _directions(aggregation: str) -> list[tuple[int, int, int]]:
    """Half of the neighbours, in the plane (4) or in space (13): the others are the same pairs, seen from behind."""
    steps = [(z, y, x) for z, y, x in product((-1, 0, 1), repeat=3) if (z, y, x) > (0, 0, 0)]
    return [step for step in steps if aggregation.startswith("3d") or step[0] == 0]


def _offsets(row: int, spacing_mm: tuple[float, ...], s: _Settings) -> tuple[tuple[int, int, int], ...]:
    """Directions times the distance in voxels of this lesion's spacing."""
    spacing = (1.0, *spacing_mm) if len(spacing_mm) == 2 else spacing_mm
    reach = [int(s.distance)] * 3 if s.unit == "px" else [round(s.distance / size) for size in spacing]
    used = reach if s.aggregation.startswith("3d") else reach[1:]
    if min(used) < 1:
        raise ValueError(
            f"distance={s.distance:g} mm is at most half a voxel of images[{row}], {max(spacing_mm):g} mm: give a "
            "larger one"
        )
    return tuple((z * reach[0], y * reach[1], x * reach[2]) for z, y, x in _directions(s.aggregation))


def _cooccurrence(batch: Batch, n_levels: int, s: _Settings) -> dict[str, Float]:
    name = f"d{s.distance:g}{'' if s.unit == 'px' else 'mm'}_{s.aggregation}_{s.binned}"
    groups: dict[tuple[tuple[int, int, int], ...], list[int]] = {}
    for k, r in enumerate(batch.regions):
        groups.setdefault(_offsets(batch.rows[k], r.spacing_mm, s), []).append(k)
    out: dict[str, Float] = {}
    for offsets, rows in groups.items():
        counts = _per_slice(batch.levels[rows], s, partial(cooccurrence_matrices, offsets=offsets, n_levels=n_levels))
        # With a fixed bin size the number of levels is the lesion's own: IBSI normalises some measures by it.
        own = np.array([batch.regions[k].levels for k in rows], float)[:, None, None]
        for measure, value in _aggregated(counts, s, partial(cooccurrence_measures, n_levels=own)).items():
            out.setdefault(f"cm_{measure}_{name}", np.empty(len(batch.rows)))[rows] = value
    return out


def _run_lengths(levels: Levels, n_levels: int, s: _Settings) -> dict[str, Float]:
    directions = _directions(s.aggregation)
    counts = _per_slice(levels, s, partial(run_length_matrices, directions=directions, n_levels=n_levels))
    length = np.arange(1.0, counts.shape[-1] + 1)
    voxels = (counts.sum(axis=-2) * length).sum(axis=-1)  # each run covers its length
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
    out = {}
    for name, value in values.items():
        defined = ~np.isnan(value.reshape(len(value), -1))
        n = defined.sum(axis=1)
        added = total(np.where(defined, value.reshape(defined.shape), 0.0))
        out[name] = np.divide(added, n, out=np.full(len(value), np.nan), where=n > 0)
    return out
