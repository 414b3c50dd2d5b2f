"""Put parallel slices in their order along the normal, and find out whether they fill a volume."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from medcourse.data.dicom._file import DicomError

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAME_MM = 1e-4  # slices nearer than this lie at the same place
UNEVEN = 0.02  # share of the slice distance, and
UNEVEN_MM = 0.01  # millimetres by which a slice may lie off its place: headers round


class Stack(NamedTuple):
    """Where each slice goes: `slots[i]` is the place in the volume of the slice `order[i]`."""

    order: NDArray[np.intp]
    slots: NDArray[np.intp]
    spacing_mm: tuple[float, float, float]
    affine: NDArray[np.float64]


def stacked(
    positions: NDArray[np.float64],
    directions: NDArray[np.float64],
    pixel_mm: tuple[float, float],
    label: object,
    *,
    allow_gaps: bool = False,
    allow_tilt: bool = False,
    repeated: str = "take one of each pair away",
) -> Stack:
    """Sort slices at `positions` (n, 3) with `directions` (2, 3: along a row, down a column) along their normal."""
    if len(positions) < 2:
        raise DicomError(f"{label}: one slice is no volume, its slice distance is unknown; read it with dicom.read")
    normal = np.cross(*directions)
    along = positions @ normal
    order = np.argsort(along, kind="stable")
    steps = np.diff(along[order])
    same = steps <= max(SAME_MM, float(np.median(steps)) / 100)
    if same.any():
        first = along[order][int(np.argmax(same))]
        raise DicomError(
            f"{label}: {int(same.sum())} slices repeat a place (the first at {first:.4g} mm along the normal): "
            f"copies, time points or echoes; {repeated}"
        )
    usual = float(np.median(steps[steps < 1.5 * steps.min()]))  # of the steps that are single
    jumps = np.rint(steps / usual)
    if jumps.sum() > 10**6:
        raise DicomError(f"{label}: slices from {along.min():.4g} to {along.max():.4g} mm; mend their positions")
    slots = np.concatenate([[0], np.cumsum(jumps)]).astype(np.intp)
    step = (positions[order[-1]] - positions[order[0]]) / slots[-1]
    distance = float(step @ normal)
    slack = UNEVEN_MM + UNEVEN * distance
    off = positions[order] - (positions[order[0]] + slots[:, None] * step)
    if np.abs(off @ normal).max() > slack:
        raise DicomError(
            f"{label}: slices are unevenly spaced, {steps.min():.4g} to {steps.max():.4g} mm apart; "
            "resample them to even distances first"
        )
    if slots[-1] >= len(order) and not allow_gaps:
        place = int(np.argmax(jumps > 1))
        low, high = along[order][[place, place + 1]]
        raise DicomError(
            f"{label}: {slots[-1] + 1 - len(order)} slices are missing, the first between {low:.6g} and {high:.6g} mm "
            f"along the normal (others are {usual:.4g} mm apart); fetch them, or fill with NaN by allow_gaps=True"
        )
    aside = step - distance * normal
    if np.linalg.norm(off - np.outer(off @ normal, normal), axis=1).max() > slack:
        raise DicomError(f"{label}: slices are not behind one another; read them one by one with dicom.read")
    if np.linalg.norm(aside) > slack and not allow_tilt:
        angle = np.degrees(np.arctan2(np.linalg.norm(aside), distance))
        raise DicomError(
            f"{label}: each slice is shifted against the one before, a tilt of {angle:.1f} degrees, so voxels are not "
            "right-angled; resample, or pass allow_tilt=True if only the affine is used for places"
        )
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1], affine[:3, 2] = step, directions[1] * pixel_mm[0], directions[0] * pixel_mm[1]
    affine[:3, 3] = positions[order[0]]
    spacing = float(np.linalg.norm(step)), *pixel_mm
    return Stack(order, slots, spacing, affine)
