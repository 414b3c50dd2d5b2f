"""Read a series of files, or one file of many frames, as one volume in patient coordinates."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medcourse.data.dicom import _header
from medcourse.data.dicom._file import (
    MAX_BYTES,
    DicomError,
    frame_count,
    guarded,
    parse,
    quoted,
    require_size,
    whole,
)
from medcourse.data.dicom._stack import stacked
from medcourse.data.dicom.frames import read_multiframe
from medcourse.data.dicom.volume import Volume

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["find_series", "read_series"]

Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]
SAME = (
    "Rows",
    "Columns",
    "Modality",
    "PhotometricInterpretation",
    "FrameOfReferenceUID",
    "RescaleType",
    "Units",
)


def find_series(source: Paths, *, max_bytes: int = MAX_BYTES) -> dict[str, list[Path]]:
    """List the series of images in a folder and the folders below it.

    Parameters
    ----------
    source
        A folder, or paths of files. In a folder, files that are not DICOM or hold no image (a DICOMDIR, a
        report, a README) are left out; files that are given must hold images.
    max_bytes
        Largest file that is opened.

    Returns
    -------
    dict of str to list of pathlib.Path
        Files of each series, by SeriesInstanceUID, both sorted.

    Raises
    ------
    FileNotFoundError
        If `source` is not there.
    DicomError
        If it holds no DICOM image, or a DICOM file in it is damaged or belongs to no series.

    Notes
    -----
    Taught in: 1.4.4 Image quality and DICOM geometry.

    Examples
    --------
    >>> from pathlib import Path
    >>> from pydicom.data import get_testdata_file
    >>> folder = Path(get_testdata_file("DICOMDIR", download=False)).parent / "98892001"
    >>> [len(paths) for paths in find_series(folder).values()]
    [2, 5]
    """
    return {uid: [path for path, _ in slices] for uid, slices in _grouped(source, max_bytes)[1].items()}


def read_series(
    source: Paths,
    *,
    series_uid: str | None = None,
    allow_gaps: bool = False,
    allow_tilt: bool = False,
    max_bytes: int = MAX_BYTES,
) -> Volume:
    """Read one series as a volume, its slices sorted by their position along the slice normal.

    Parameters
    ----------
    source
        A folder (with the folders below it), or the paths of the slices, in any order; names and instance
        numbers play no part. One enhanced multi-frame file is read by `read_multiframe`.
    series_uid
        SeriesInstanceUID of the series to take, where there are several; `find_series` lists them.
    allow_gaps
        Fill the places of missing slices with NaN instead of refusing the series. Without neighbours at the
        usual distance, as with every second slice missing, a gap cannot be seen.
    allow_tilt
        Accept slices that are shifted against one another (a tilted gantry). The affine is then sheared and
        right, `spacing_mm` is the length of its columns, and a voxel's volume is its determinant.
    max_bytes
        Largest volume, in bytes of float32 voxels, and largest file; checked before pixels are decoded.

    Returns
    -------
    Volume
        float32 voxels (z, y, x) in Hounsfield units for CT (the manufacturer's units otherwise); slices count
        along the normal, the cross product of row and column direction: towards the head in an ordinary
        axial series.

    Raises
    ------
    FileNotFoundError
        If a path is not there.
    DicomError
        If there are several series and none is chosen; slices differ in size, pixel spacing, orientation,
        modality, units or frame of reference, repeat a place, are unevenly spaced or missing; or one cannot
        be read.

    Notes
    -----
    Taught in: 1.4.4 Image quality and DICOM geometry. Equation C.7.6.2.1-1 of DICOM PS3.3 places a pixel;
    the distance of slices comes from Image Position (Patient), never from SliceThickness, which differs from
    it where slices overlap or leave gaps. A slice may lie off its even place by 2 % of the distance
    and 0.01 mm. Each slice is rescaled by its own header (PET differs from slice to slice).

    Examples
    --------
    Five slices of a head CT that ships with pydicom (16 × 16 pixels), stored from the top down:

    >>> from pathlib import Path
    >>> from pydicom.data import get_testdata_file
    >>> folder = Path(get_testdata_file("DICOMDIR", download=False)).parent / "98892001" / "CT5N"
    >>> volume = read_series(folder)
    >>> volume.voxels.shape, tuple(round(mm, 3) for mm in volume.spacing_mm)
    ((5, 16, 16), (2.5, 0.488, 0.488))
    >>> from medcourse.data.dicom import axis_letters
    >>> axis_letters(volume.affine)
    'SPL'
    """
    label, found = _grouped(source, max_bytes)
    if series_uid is None and len(found) > 1:
        listed = ", ".join(f"{quoted(uid)} ({len(slices)} files)" for uid, slices in list(found.items())[:3])
        more = ", …" if len(found) > 3 else ""
        raise DicomError(f"{label}: {len(found)} series, {listed}{more}; choose one with series_uid=")
    uid = next(iter(found)) if series_uid is None else series_uid
    if uid not in found:
        raise DicomError(f"{label}: no series {quoted(uid)}; list those that are there with dicom.find_series")
    slices = found[uid]
    with guarded(label):
        if len(slices) == 1 and frame_count(slices[0][1]) > 1:
            return read_multiframe(slices[0][0], allow_gaps=allow_gaps, allow_tilt=allow_tilt, max_bytes=max_bytes)
        _require_alike(slices)
        first_path, first = slices[0]
        stack = stacked(
            np.array([_header.position(header, path) for path, header in slices]),
            _header.orientation(first, first_path),
            _header.spacing(first, first_path),
            label,
            allow_gaps=allow_gaps,
            allow_tilt=allow_tilt,
            repeated="pass the paths of one",
        )
        depth = int(stack.slots[-1]) + 1
        require_size(first, label, frames=depth, max_bytes=max_bytes)
        shape = depth, whole(first, "Rows", first_path), whole(first, "Columns", first_path)
        voxels = np.full(shape, np.nan, dtype=np.float32)
    for slot, index in zip(stack.slots, stack.order, strict=True):
        path = slices[index][0]
        dataset = parse(path, max_bytes=max_bytes)
        with guarded(path):
            _header.require_grey(dataset, path)
            require_size(dataset, path, frames=1, max_bytes=max_bytes)
            voxels[slot] = _header.grey(dataset, path)
    return Volume(voxels, stack.spacing_mm, stack.affine, slices[stack.order[0]][1])


def _grouped(source: Paths, max_bytes: int) -> tuple[str, dict[str, list[tuple[Path, Dataset]]]]:
    """Give a name for messages and, for each series, its files with their headers."""
    label, paths, searched = _listed(source)
    found: dict[str, list[tuple[Path, Dataset]]] = {}
    for path in paths:
        if searched and not _is_dicom(path):
            continue
        header = parse(path, max_bytes=max_bytes, pixels=False)
        with guarded(path):
            if "Rows" not in header or "Columns" not in header:
                if searched:
                    continue
                raise DicomError(f"{path}: holds no image; give the slices only")
            uid = header.get("SeriesInstanceUID")
            if not uid:
                raise DicomError(f"{path}: no Series Instance UID (0020,000E), so its series is unknown; leave it out")
            found.setdefault(str(uid), []).append((path, header))
    if not found:
        raise DicomError(f"{label}: holds no DICOM image; give the folder of a series")
    return label, dict(sorted(found.items()))


def _listed(source: Paths) -> tuple[str, list[Path], bool]:
    """Give a name for messages, the files, and whether they were found in a folder rather than given."""
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        try:
            searched = path.is_dir()
            paths = sorted(found for found in path.rglob("*") if found.is_file()) if searched else [path]
        except OSError as error:
            raise DicomError(f"{path}: cannot be listed ({quoted(error)}); check its name and permissions") from error
        return str(path), paths, searched
    paths = sorted({Path(path) for path in source})
    if not paths:
        raise DicomError("source is empty; give a folder, or the paths of the slices")
    return str(paths[0]) + (f" and {len(paths) - 1} more" if len(paths) > 1 else ""), paths, False


def _is_dicom(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return stream.read(132)[128:] == b"DICM"
    except OSError as error:
        raise DicomError(f"{path}: cannot be read ({quoted(error)}); check its permissions and the disk") from error


def _require_alike(slices: list[tuple[Path, Dataset]]) -> None:
    """Refuse slices that do not belong to one volume, naming two that differ."""
    first_path, first = slices[0]
    seen: dict[str, Path] = {}
    for path, header in slices:
        with guarded(path):
            if frame_count(header) > 1:
                raise DicomError(f"{path}: one of several files, with many frames; read it with dicom.read_multiframe")
            _header.require_grey(header, path)
            for name in SAME:
                ours, theirs = header.get(name), first.get(name)
                if (ours or None) != (theirs or None):
                    raise DicomError(f"{path}: {name} is {quoted(ours)}, {quoted(theirs)} in {first_path}; sort them")
            directions = _header.orientation(header, path)
            if not np.allclose(directions, _header.orientation(first, first_path), atol=1e-3):
                raise DicomError(
                    f"{path}: another orientation than {first_path}: a scout or an oblique slice; leave it out"
                )
            pixel_mm = _header.spacing(header, path)
            if not np.allclose(pixel_mm, _header.spacing(first, first_path), rtol=1e-3):
                raise DicomError(f"{path}: another pixel spacing than {first_path}; resample it, or leave it out")
            instance = str(header.get("SOPInstanceUID") or path)
            if instance in seen:
                raise DicomError(f"{path}: the same image as {seen[instance]}; take one away")
            seen[instance] = path
