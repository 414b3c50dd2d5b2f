"""One table of features from many images and masks, on one core, on all of them, or on a cluster."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medcourse.features._options import FAMILIES, Settings, checked_settings, chosen_aggregation, directions_of, short
from medcourse.features._regions import (
    MAX_VALUE,
    Batch,
    Float,
    Levels,
    Region,
    batches,
    mirrored,
    region,
    without_channel,
)
from medcourse.features._sums import total
from medcourse.features.cooccurrence import cooccurrence_matrices, cooccurrence_measures
from medcourse.features.intensity import histogram_measures, intensity_measures
from medcourse.features.runlength import run_length_matrices, run_length_measures
from medcourse.features.shape import shape_measures
from medcourse.features.spectral import autoregressive_measures, wavelet_margin, wavelet_measures

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FAMILIES", "extract"]

_START_S = 2.0  # what the start of processes may cost, in seconds
_CHUNK = 256  # lesions that one process or worker takes at a time, at most
_CHUNK_BYTES = 2**26  # and bytes of cut-outs
_MATRIX_BYTES = 2**31  # of the matrices of one lesion, at most


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
        n masks of the images' shapes, with or without the channel: bool, or integers of which all above 0 are inside.
    spacing_mm
        Voxel size of each axis in millimetres, for all images or one row for each. It says what is a volume: two
        lengths with an array (24, 24, 1) mean a picture with one channel, three a volume.
    families
        Which of `FAMILIES` to compute.
    bins
        Fixed bin number: that many grey levels from each lesion's minimum to its maximum. 32 where neither this nor
        `bin_width` is given.
    bin_width, bin_start
        Fixed bin size instead: levels of `bin_width`, counted from `bin_start` or from the lesion's minimum.
    distance, distance_unit
        How far apart the pixels of a pair are, in pixels ("px", by Chebyshev's norm) or millimetres ("mm", along each
        axis, rounded to the nearest whole pixel, halves to the even one). For co-occurrence only. In space "px" mixes
        long and short steps where voxels are not cubes: resample first, as IBSI asks, or stay in the plane.
    aggregation
        How matrices of directions and slices are put together (for co-occurrence and run length): "2d_avg" averages
        the measures of all slices and directions; "2d_mrg" adds up the directions of a slice first; "2.5d_avg" adds
        up the slices of a direction first; "2.5d_mrg" adds up all; "3d_avg" and "3d_mrg" use the 13 directions in
        space. None takes "2d_avg" for images and "3d_avg" for volumes. An average leaves out slices and directions in
        which a measure is not defined, measure by measure.
    wavelet, wavelet_levels
        For the wavelet energies, which alone see the surroundings of a lesion (of db2 with 3 levels 7 pixels before it
        and 14 behind it). Beyond the image's edge it is mirrored; NaN and values beyond 1e30 are taken for the lesion's
        mean.
    jobs
        Processes at most; -1 takes all cores. Few lesions are done sooner than processes start: then none do.
    client
        A ``dask.distributed.Client``: the work goes to its workers instead, some lesions at a time, and `jobs` is
        ignored. `images` and `masks` may be sequences that read an image when it is asked for: of each image only the
        lesion with its surroundings is kept, and of these only what is under way.

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
        If images, masks and spacing do not fit together, a mask is empty, a lesion holds NaN or values beyond 1e30, its
        matrices would not fit in memory, or an option is unknown or out of range; the message names the row.

    Notes
    -----
    IBSI: Zwanenburg et al. 2020, doi:10.1148/radiol.2020191145, with the formulas in its manual, arXiv:1612.07003,
    whose digital phantom the tests reproduce (of the intensity histogram three measures are computed). It defines no
    autoregressive features, no two-dimensional shape, and wavelets only in its second part.
    Taught in: 3.2.2 Texture features.

    Examples
    --------
    >>> image = np.arange(64.0).reshape(1, 8, 8)
    >>> table = extract(image, image > 9, (0.5, 0.5), families=["stat", "cm"], bins=8)
    >>> float(table["stat_minimum"][0]), round(float(table["cm_contrast_d1_2d_avg_fbn8"][0]), 2)
    (10.0, 1.17)
    """
    settings = checked_settings(
        families, (bins, bin_width, bin_start), (distance, distance_unit), (wavelet, wavelet_levels)
    )
    for name, given in (("images", images), ("masks", masks)):
        if not (hasattr(given, "__len__") and hasattr(given, "__getitem__")) or isinstance(given, Mapping):
            raise ValueError(f"{name} is of type {type(given).__name__}: give a list, an array, or a sequence of them")
    if client is not None and not (hasattr(client, "submit") and hasattr(client, "nthreads")):
        raise ValueError(f"client is of type {type(client).__name__}: give a dask.distributed.Client")
    if len(images) != len(masks):
        raise ValueError(f"{len(images)} images and {len(masks)} masks: give one mask for each image")
    if len(images) == 0:
        raise ValueError("images is empty: give at least one")
    if jobs != -1 and jobs not in range(1, 2**16):
        raise ValueError(f"jobs={jobs}: give the number of processes, or -1 for all cores")
    try:
        spacing = np.asarray(spacing_mm, np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"spacing_mm={spacing_mm!r}: give the voxel size of each axis, in mm") from None
    if spacing.ndim == 2 and len(spacing) != len(images):
        raise ValueError(f"spacing_mm has {len(spacing)} rows for {len(images)} images: give one row, or one for each")
    first, _ = without_channel(np.asarray(images[0]), np.asarray(masks[0]), spacing)
    settings = settings._replace(aggregation=chosen_aggregation(aggregation, first.ndim))
    workers = min(_cores() if jobs == -1 else int(jobs), len(images))
    if client is not None:
        workers = sum(client.nthreads().values()) or 1
    parts = _parts(images, masks, spacing, settings, min(_CHUNK, -(-len(images) // (4 * workers))))
    if client is not None:
        tables = _on_cluster(client, workers, parts, settings)
    elif workers > 1:
        tables = _in_processes(workers, parts, len(images), settings)
    else:
        tables = [_table(part, settings) for part in _parts(images, masks, spacing, settings, _CHUNK)]
    import pandas as pd

    return pd.DataFrame({name: np.concatenate([table[name] for table in tables]) for name in tables[0]})


def _cores() -> int:
    import joblib

    return int(joblib.cpu_count())


def _parts(
    images: Sequence[ArrayLike] | NDArray[Any],
    masks: Sequence[ArrayLike] | NDArray[Any],
    spacing: Float,
    s: Settings,
    size: int,
) -> Iterator[list[Region]]:
    """Check and cut out some lesions at a time: images that are read when they are asked for need not fit in memory."""
    margin = wavelet_margin(s.wavelet, s.scales) if "wt" in s.families else (0, 0)
    first, held = None, 0
    part: list[Region] = []
    for row in range(len(images)):
        own = spacing[row] if spacing.ndim == 2 else spacing
        image, mask = images[row], masks[row]
        if np.ma.is_masked(image):
            raise ValueError(f"images[{row}] is a masked array: fill it, and leave the hidden pixels out of its mask")
        image, mask = without_channel(np.asarray(image), np.asarray(mask), own)
        first = first or image.ndim
        if {image.ndim, first} == {2, 3}:
            raise ValueError(f"images[{row}] has {image.ndim} axes, images[0] {first}: use two calls")
        found = region(row, image, mask, own, s.bins, margin)
        if "cm" in s.families:
            _offsets(row, found.spacing_mm, s)
        _check_matrices(row, found, s)
        part.append(found)
        held += found.context.nbytes + found.mask.nbytes
        if len(part) == size or held > _CHUNK_BYTES:
            yield part
            part, held = [], 0
    if part:
        yield part


def _check_matrices(row: int, found: Region, s: Settings) -> None:
    slices = found.image.shape[0] if found.image.ndim == 3 and not s.aggregation.startswith("3d") else 1
    if (size := 8 * slices * s.matrices * found.levels**2) > _MATRIX_BYTES:
        raise ValueError(
            f"images[{row}]: matrices of {found.levels} grey levels on {slices} slices take {size / 2**30:.0f} GiB: "
            "give fewer levels"
        )


def _in_processes(count: int, parts: Iterator[list[Region]], n: int, s: Settings) -> list[dict[str, Float]]:
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


def _on_cluster(client: Any, workers: int, parts: Iterator[list[Region]], s: Settings) -> list[dict[str, Float]]:
    """Tables of all parts, in order; only a few parts are under way at a time."""
    waiting: deque[Any] = deque()
    tables = []
    for part in parts:
        waiting.append(client.submit(_table, part, s, pure=False))
        if len(waiting) > 2 * workers:
            tables.append(waiting.popleft().result())
    return [*tables, *(future.result() for future in waiting)]


def _table(found: list[Region], s: Settings) -> dict[str, Float]:
    """Features of some regions; to the last bit the same, whatever other regions are computed beside them."""
    columns: dict[str, Float] = {}
    for batch in batches(found, s.bins, s.matrices):
        for name, values in _features(batch, s).items():
            columns.setdefault(name, np.empty(len(found)))[batch.rows] = values
    return columns


def _features(batch: Batch, s: Settings) -> dict[str, Float]:
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


def _wavelets(r: Region, s: Settings) -> dict[str, float]:
    before, _ = wavelet_margin(s.wavelet, s.scales)
    context = r.context.astype(np.float64)
    absurd = ~(abs(context) <= MAX_VALUE)  # outside the mask; inside was checked
    if absurd.any():
        context[absurd] = r.image[r.mask].mean(dtype=np.float64)
    context = mirrored(context, *r.missing)
    rows, columns = r.mask.shape[-2:]
    mask = np.zeros(context.shape, bool)
    mask[..., before : before + rows, before : before + columns] = r.mask
    return wavelet_measures(context, mask, wavelet=s.wavelet, levels=s.scales)


def _offsets(row: int, spacing_mm: tuple[float, ...], s: Settings) -> tuple[tuple[int, int, int], ...]:
    """Directions times the distance in voxels of this lesion's spacing."""
    spacing = (1.0, *spacing_mm) if len(spacing_mm) == 2 else spacing_mm
    reach = [int(s.distance)] * 3 if s.unit == "px" else [round(s.distance / size) for size in spacing]
    used = reach if s.aggregation.startswith("3d") else reach[1:]
    if min(used) < 1:
        largest = max(spacing[-len(used) :])
        raise ValueError(
            f"distance={s.distance:g} mm is at most half a voxel of images[{row}], {largest:g} mm: give a larger one"
        )
    return tuple((z * reach[0], y * reach[1], x * reach[2]) for z, y, x in directions_of(s.aggregation))


def _cooccurrence(batch: Batch, n_levels: int, s: Settings) -> dict[str, Float]:
    name = f"d{short(s.distance)}{'' if s.unit == 'px' else 'mm'}_{s.aggregation}_{s.binned}"
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


def _run_lengths(levels: Levels, n_levels: int, s: Settings) -> dict[str, Float]:
    directions = directions_of(s.aggregation)
    counts = _per_slice(levels, s, partial(run_length_matrices, directions=directions, n_levels=n_levels))
    length = np.arange(1.0, counts.shape[-1] + 1)
    voxels = (counts.sum(axis=-2) * length).sum(axis=-1)  # each run covers its length
    found = _aggregated(counts, s, run_length_measures, voxels)
    return {f"rlm_{name}_{s.aggregation}_{s.binned}": value for name, value in found.items()}


def _per_slice(levels: Levels, s: Settings, count: Any) -> Float:
    """Matrices (n, slices, directions, …): one slice stands for the whole volume where directions are in space."""
    if s.aggregation.startswith("3d"):
        matrices: Float = count(levels)[:, None]
        return matrices
    n, z = levels.shape[:2]
    flat: Float = count(levels.reshape(n * z, 1, *levels.shape[2:]))
    return flat.reshape(n, z, *flat.shape[1:])


def _aggregated(counts: Float, s: Settings, measure: Any, *more: Float) -> dict[str, Float]:
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
