"""Read one file of many frames: a volume whose frames have places, or a cine whose frames have times."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from medcourse.data.dicom import _header
from medcourse.data.dicom._file import (
    MAX_BYTES,
    DicomError,
    decoded_frames,
    frame_count,
    guarded,
    parse,
    quoted,
    require_size,
    whole,
)
from medcourse.data.dicom._stack import stacked
from medcourse.data.dicom.volume import Volume

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pydicom.dataset import Dataset

__all__ = ["Cine", "read_cine", "read_multiframe"]

GRID_FRAME_OFFSETS = 0x3004000C


class Cine(NamedTuple):
    """Frames of one place, one after the other.

    Parameters
    ----------
    frames
        float32 array of shape (time, rows, columns), in physical units.
    times_s
        float64 array of shape (time,): seconds since the first frame.
    spacing_mm
        Distance between the centres of neighbouring (rows, columns), in millimetres; None where the file does
        not say it (ultrasound, angiography).
    dataset
        The header, without its pixels.

    Notes
    -----
    Taught in: 1.4.4 Image quality and DICOM geometry.

    Examples
    --------
    >>> import numpy as np
    >>> Cine(np.zeros((25, 64, 64), np.float32), np.arange(25) * 0.04, None, None).times_s[-1].item()
    0.96
    """

    frames: NDArray[np.float32]
    times_s: NDArray[np.float64]
    spacing_mm: tuple[float, float] | None
    dataset: Dataset


def read_multiframe(
    path: str | os.PathLike[str], *, allow_gaps: bool = False, allow_tilt: bool = False, max_bytes: int = MAX_BYTES
) -> Volume:
    """Read one file whose frames are the slices of a volume: enhanced CT, MR and PET, or a dose grid.

    Parameters
    ----------
    path
        A file of several grey frames, each with its place in the patient: in functional groups (the enhanced
        objects), or one position and a Grid Frame Offset Vector (dose).
    allow_gaps, allow_tilt
        As in `read_series`.
    max_bytes
        Largest volume, in bytes of float32 voxels, and largest file; checked before pixels are decoded.

    Returns
    -------
    Volume
        float32 voxels (z, y, x) in physical units, sorted along the slice normal: Hounsfield units for CT,
        gray for a dose.

    Raises
    ------
    FileNotFoundError
        If nothing is at `path`.
    DicomError
        If it cannot be read, holds one frame or colour, its frames have no places, differ in orientation or
        pixel spacing, or do not fill a volume (as in `read_series`).

    Notes
    -----
    Taught in: 1.4.4 Image quality and DICOM geometry. Functional groups: DICOM PS3.3 C.7.6.16; those of a
    frame go before the shared ones. Dose grids: C.8.8.3.2.

    Examples
    --------
    >>> from pydicom.data import get_testdata_file
    >>> dose = read_multiframe(get_testdata_file("rtdose.dcm", download=False))
    >>> dose.voxels.shape, dose.spacing_mm
    ((15, 10, 10), (5.0, 10.0, 10.0))
    """
    path = Path(path)
    dataset = _parsed(path, max_bytes)
    with guarded(path):
        count = frame_count(dataset)
        groups = _groups(dataset, count, path)
        if groups:
            positions, directions, pixel_mm = _placed_by_groups(groups, path)
        else:
            positions, directions, pixel_mm = _placed_by_pointer(dataset, count, path)
        stack = stacked(
            positions, directions, pixel_mm, path, allow_gaps=allow_gaps, allow_tilt=allow_tilt,
            repeated="read it frame by frame with pydicom.pixels.pixel_array(path, index=0)",
        )  # fmt: skip
        transforms = [_macro(pair, "PixelValueTransformationSequence") or dataset for pair in groups]
        for header in transforms or [dataset]:
            _header.require_transform(header, dataset.get("Modality"), path)
        depth = int(stack.slots[-1]) + 1
        require_size(dataset, path, frames=depth, max_bytes=max_bytes)
        slots = np.empty(count, dtype=np.intp)
        slots[stack.order] = stack.slots
        shape = depth, whole(dataset, "Rows", path), whole(dataset, "Columns", path)
        voxels = np.full(shape, np.nan, dtype=np.float32)
        _fill(voxels, dataset, slots, transforms or [dataset] * count, path)
    return Volume(voxels, stack.spacing_mm, stack.affine, _without_pixels(dataset))


def read_cine(path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES) -> Cine:
    """Read one file whose frames follow one another in time: ultrasound, angiography, cine MR.

    Parameters
    ----------
    path
        A file of several grey frames with Frame Time or Frame Time Vector.
    max_bytes
        Largest cine, in bytes of float32 pixels, and largest file; checked before pixels are decoded.

    Returns
    -------
    Cine
        float32 frames (time, rows, columns) in physical units, with their times in seconds.

    Raises
    ------
    FileNotFoundError
        If nothing is at `path`.
    DicomError
        If it cannot be read, holds one frame or colour, or its frames have no times.

    Notes
    -----
    Taught in: 1.4.4 Image quality and DICOM geometry. The cine module, DICOM PS3.3 C.7.6.5: Frame Time
    and Frame Time Vector are in milliseconds; the vector holds increments, its first is 0. Of colour, single
    frames are read by `read_colour`.

    Examples
    --------
    No cine ships with the dependencies; cut a slice into four bands and say that they follow one another:

    >>> import tempfile
    >>> from medcourse.data import samples
    >>> dataset = samples.ct().dataset
    >>> dataset.NumberOfFrames, dataset.Rows, dataset.FrameTime = 4, 32, 40
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     dataset.save_as(f"{folder}/cine.dcm")
    ...     cine = read_cine(f"{folder}/cine.dcm")
    >>> cine.frames.shape, cine.times_s.tolist()
    ((4, 32, 128), [0.0, 0.04, 0.08, 0.12])
    """
    path = Path(path)
    dataset = _parsed(path, max_bytes)
    with guarded(path):
        count = frame_count(dataset)
        times = _times(dataset, count, path)
        _header.require_transform(dataset, dataset.get("Modality"), path)
        spacing = _header.spacing(dataset, path) if dataset.get("PixelSpacing") else None
        shape = count, whole(dataset, "Rows", path), whole(dataset, "Columns", path)
        frames = np.empty(shape, dtype=np.float32)
        _fill(frames, dataset, np.arange(count), [dataset] * count, path)
    return Cine(frames, times, spacing, _without_pixels(dataset))


def _parsed(path: Path, max_bytes: int) -> Dataset:
    dataset = parse(path, max_bytes=max_bytes)
    with guarded(path):
        _header.require_pixels(dataset, path)
        count = frame_count(dataset)
        if count == 1:
            raise DicomError(f"{path}: holds one frame; read it with dicom.read")
        if count < 1:
            raise DicomError(f"{path}: NumberOfFrames is {count}; fetch it again")
        _header.require_grey(dataset, path)
        require_size(dataset, path, frames=count, max_bytes=max_bytes)
    return dataset


Groups = list[tuple["Dataset", "Dataset | None"]]


def _groups(dataset: Dataset, count: int, path: object) -> Groups:
    """Functional groups of each frame, and the shared ones; empty if there are none."""
    frames: Any = dataset.get("PerFrameFunctionalGroupsSequence")
    if not frames:
        return []
    if len(frames) != count:
        raise DicomError(f"{path}: {count} frames, functional groups of {len(frames)}; fetch it again")
    shared: Any = dataset.get("SharedFunctionalGroupsSequence")
    return [(own, shared[0] if shared else None) for own in frames]


def _macro(pair: tuple[Dataset, Dataset | None], name: str) -> Dataset | None:
    """Item of a functional group: the frame's own, else the shared one."""
    for group in pair:
        if group is not None and (sequence := group.get(name)):
            return sequence[0]  # type: ignore[no-any-return]
    return None


def _required(pair: tuple[Dataset, Dataset | None], name: str, path: object) -> Dataset:
    if (item := _macro(pair, name)) is None:
        raise DicomError(f"{path}: a frame has no {name}, so it has no place in a volume; ask for the original file")
    return item


def _placed_by_groups(
    groups: Groups, path: object
) -> tuple[NDArray[np.float64], NDArray[np.float64], tuple[float, float]]:
    positions = [_header.position(_required(pair, "PlanePositionSequence", path), path) for pair in groups]
    directions = [_header.orientation(_required(pair, "PlaneOrientationSequence", path), path) for pair in groups]
    pixels_mm = [_header.spacing(_required(pair, "PixelMeasuresSequence", path), path) for pair in groups]
    if not np.allclose(directions, directions[0], atol=1e-3):
        raise DicomError(f"{path}: frames of several orientations, so no volume; split it into one file for each")
    if not np.allclose(pixels_mm, pixels_mm[0], rtol=1e-3):
        raise DicomError(f"{path}: frames of several pixel spacings, so no volume; split it into one file for each")
    return np.array(positions), directions[0], pixels_mm[0]


def _placed_by_pointer(
    dataset: Dataset, count: int, path: object
) -> tuple[NDArray[np.float64], NDArray[np.float64], tuple[float, float]]:
    pointer = dataset.get("FrameIncrementPointer")
    if "GridFrameOffsetVector" not in dataset or pointer not in (None, "", GRID_FRAME_OFFSETS):
        counted = f"counted by {quoted(pointer)}" if pointer else "without functional groups"
        raise DicomError(f"{path}: {count} frames, {counted}, have no places; try dicom.read_cine")
    offsets = _header.numbers(
        dataset, "GridFrameOffsetVector", count, path, lacking="its frames have no places; ask for the original file"
    )
    first, directions = _header.position(dataset, path), _header.orientation(dataset, path)
    if offsets[0] != 0:  # C.8.8.3.2 b: patient z, in an axial grid only
        axial = np.allclose(directions, [[1, 0, 0], [0, 1, 0]], atol=1e-6)
        if not (axial and np.isclose(offsets[0], first[2], atol=1e-3)):
            raise DicomError(f"{path}: Grid Frame Offset Vector begins with {offsets[0]:g}, not 0; mend the header")
        offsets = offsets - first[2]
    return first + offsets[:, None] * np.cross(*directions), directions, _header.spacing(dataset, path)


def _times(dataset: Dataset, count: int, path: object) -> NDArray[np.float64]:
    lacking = "its frames have no times; read it with dicom.read_multiframe if they have places"
    if dataset.get("FrameTimeVector") not in (None, ""):
        times = np.cumsum(_header.numbers(dataset, "FrameTimeVector", count, path, lacking=lacking))
        times -= times[0]
    else:
        times = np.arange(count) * _header.numbers(dataset, "FrameTime", 1, path, lacking=lacking)
    if not (np.diff(times) > 0).all():
        raise DicomError(f"{path}: times of its frames do not increase; mend Frame Time or Frame Time Vector")
    return times / 1000


def _fill(
    out: NDArray[np.float32], dataset: Dataset, slots: NDArray[np.intp], headers: list[Dataset], path: object
) -> None:
    """Decode, rescale and place each frame; a file with too few frames is damaged."""
    done = 0
    for slot, header, stored in zip(slots, headers, decoded_frames(dataset, path), strict=False):
        out[slot] = _header.transformed(stored, header, path)
        done += 1
    if done != len(slots):
        raise DicomError(f"{path}: {done} frames of pixel data, {len(slots)} announced; fetch it again")


def _without_pixels(dataset: Dataset) -> Dataset:
    for name in ("PixelData", "FloatPixelData", "DoubleFloatPixelData"):
        if name in dataset:
            del dataset[name]
    return dataset
