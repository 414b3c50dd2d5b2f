"""A volume with its place in the patient, and what its axes point to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from medcourse.data.dicom._file import guarded
from medcourse.data.dicom._header import orientation

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray
    from pydicom.dataset import Dataset

__all__ = ["Edges", "Volume", "axis_letters", "edge_letters", "lps_to_ras", "reorient"]

LETTERS = (("R", "L"), ("A", "P"), ("I", "S"))  # of patient axis x, y, z: where it falls, where it grows (LPS)
OBLIQUE = 0.1  # a direction names an axis if it makes less than 84 degrees with it


class Volume(NamedTuple):
    """A volume of voxels and its place in the patient.

    Parameters
    ----------
    voxels
        Array of shape (z, y, x): slice, row, column. float32 in physical units (Hounsfield units for CT), or
        whole numbers where labels were asked for.
    spacing_mm
        Distance between the centres of neighbouring voxels along (z, y, x), in millimetres. Along z it comes
        from the slices' positions, never from their thickness.
    affine
        float64 array (4, 4): ``affine @ (z, y, x, 1)`` is the place of a voxel's centre in the patient, in
        millimetres along (left, posterior, superior), LPS. Its columns are in the order of the array's axes.
    dataset
        Header of the first slice (or of the multi-frame file) without its pixels; None for NIfTI. After
        `reorient` its position and orientation still describe the file.

    Notes
    -----
    Taught in: 1.4.4 Image quality and DICOM geometry.

    Examples
    --------
    >>> import numpy as np
    >>> volume = Volume(np.zeros((2, 3, 4), np.float32), (5.0, 0.7, 0.7), np.eye(4), None)
    >>> volume.voxels.shape, volume.spacing_mm
    ((2, 3, 4), (5.0, 0.7, 0.7))
    """

    voxels: NDArray[Any]
    spacing_mm: tuple[float, float, float]
    affine: NDArray[np.float64]
    dataset: Dataset | None


class Edges(NamedTuple):
    """What lies beyond each edge of a picture: letters of the patient's sides.

    Parameters
    ----------
    left, right, top, bottom
        ``"L"``/``"R"`` (left, right of the patient), ``"A"``/``"P"`` (anterior, posterior), ``"S"``/``"I"``
        (superior, inferior); several, the main one first, in an oblique picture.

    Notes
    -----
    Taught in: 1.4.4 Image quality and DICOM geometry.

    Examples
    --------
    >>> Edges("R", "L", "A", "P").right
    'L'
    """

    left: str
    right: str
    top: str
    bottom: str


def edge_letters(dataset: Dataset) -> Edges:
    """Say which side of the patient lies beyond each edge of a slice, from Image Orientation (Patient).

    Parameters
    ----------
    dataset
        Header of a slice.

    Returns
    -------
    Edges
        Letters at the left, right, top and bottom edge of the picture.

    Raises
    ------
    DicomError
        If the orientation is absent or is not two perpendicular unit vectors.

    Notes
    -----
    Taught in: 1.4.4 Image quality and DICOM geometry. The six numbers (0020,0037) point along a row, where
    columns count, and down a column, where rows count (DICOM PS3.3 C.7.6.2.1.1). A side is named if the
    direction has more than 0.1 of it, the largest first, as in Patient Orientation (C.7.6.1.1.1).

    Examples
    --------
    >>> from medcourse.data import samples
    >>> edge_letters(samples.ct().dataset)
    Edges(left='R', right='L', top='A', bottom='P')
    """
    with guarded("dataset"):
        along, down = orientation(dataset, "dataset")
    return Edges(left=_toward(-along), right=_toward(along), top=_toward(-down), bottom=_toward(down))


def axis_letters(affine: ArrayLike) -> str:
    """Name the side of the patient that each axis of a volume points to, in the order of the array's axes.

    Parameters
    ----------
    affine
        Array (4, 4), from voxel (z, y, x) to millimetres, LPS.

    Returns
    -------
    str
        Three letters, such as ``"SPL"``: slices count towards the head, rows towards the back, columns
        towards the patient's left. In an oblique volume each axis gets the side it is nearest to, no side twice.
        Half-way between two sides (a turn by 45°) rounding decides, and may decide otherwise after a file was written.

    Raises
    ------
    ValueError
        If `affine` is not a finite (4, 4) array whose axes span space.

    Notes
    -----
    Taught in: 1.4.4 Image quality and DICOM geometry.

    Examples
    --------
    >>> import numpy as np
    >>> step_z, step_y, step_x = [0, 0, 5, 0], [0, 0.7, 0, 0], [0.7, 0, 0, 0]
    >>> axis_letters(np.array([step_z, step_y, step_x, [0, 0, 0, 1]]).T)
    'SPL'
    """
    matrix = _checked(affine)
    return "".join(
        LETTERS[axis][int(matrix[axis, column] > 0)] for column, axis in enumerate(_nearest_axes(matrix[:3, :3]))
    )


def lps_to_ras(affine: ArrayLike) -> NDArray[np.float64]:
    """Turn an affine of DICOM's patient axes into one of NIfTI's, or back: it is its own inverse.

    Parameters
    ----------
    affine
        Array (4, 4) to (left, posterior, superior) in millimetres, or to (right, anterior, superior).

    Returns
    -------
    numpy.ndarray
        float64 (4, 4), to the other of the two.

    Raises
    ------
    ValueError
        If `affine` is not a finite (4, 4) array whose axes span space.

    Notes
    -----
    Taught in: 1.4.4 Image quality and DICOM geometry. Voxels and their order are untouched: the first two
    rows change their signs.

    Examples
    --------
    >>> import numpy as np
    >>> lps_to_ras(np.eye(4)).diagonal()
    array([-1., -1.,  1.,  1.])
    """
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ _checked(affine)


def reorient(volume: Volume, axes: str = "SPL") -> Volume:
    """Transpose and flip a volume so that its axes point to stated sides; no voxel changes its place in the patient.

    Parameters
    ----------
    volume
        Any volume.
    axes
        Three letters for (z, y, x), one of each pair: S or I, P or A, L or R. The default, ``"SPL"``, is the
        book's convention (slices towards the head, rows towards the back, columns towards the left), the way
        axial slices are usually shown.

    Returns
    -------
    Volume
        New arrays; spacing and affine follow. Nothing is resampled, so an oblique volume stays oblique.

    Raises
    ------
    ValueError
        If `axes` is not such a triple, or the affine of `volume` is not usable.

    Notes
    -----
    Taught in: 1.4.4 Image quality and DICOM geometry.

    Examples
    --------
    A coronal stack (slices towards the back, rows towards the feet) becomes axial:

    >>> import numpy as np
    >>> affine = np.array([[0, 2, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1.0]]).T
    >>> coronal = Volume(np.zeros((4, 5, 6), np.float32), (2.0, 1.0, 1.0), affine, None)
    >>> axial = reorient(coronal)
    >>> axis_letters(coronal.affine), axis_letters(axial.affine)
    ('PIL', 'SPL')
    >>> axial.voxels.shape, axial.spacing_mm
    ((5, 4, 6), (1.0, 2.0, 1.0))
    """
    wanted = [next((axis for axis, pair in enumerate(LETTERS) if letter in pair), -1) for letter in axes]
    if sorted(wanted) != [0, 1, 2]:
        raise ValueError(f"axes={axes!r}: give one letter of each pair L/R, P/A and S/I, for example 'SPL'")
    matrix = _checked(volume.affine)
    nearest = _nearest_axes(matrix[:3, :3])
    order = [nearest.index(axis) for axis in wanted]
    voxels, affine = volume.voxels.transpose(order), matrix[:, [*order, 3]]
    for place, letter in enumerate(axes):
        if LETTERS[wanted[place]][int(affine[wanted[place], place] > 0)] != letter:
            voxels = np.flip(voxels, place)
            affine[:, 3] += affine[:, place] * (voxels.shape[place] - 1)
            affine[:, place] *= -1
    spacing = (volume.spacing_mm[order[0]], volume.spacing_mm[order[1]], volume.spacing_mm[order[2]])
    return volume._replace(voxels=np.ascontiguousarray(voxels), spacing_mm=spacing, affine=affine)


def _checked(affine: ArrayLike) -> NDArray[np.float64]:
    matrix = np.array(affine, dtype=np.float64)
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
        raise ValueError(f"affine has shape {matrix.shape}: give a finite (4, 4) array")
    lengths = np.linalg.norm(matrix[:3, :3], axis=0)
    if not lengths.all() or abs(np.linalg.det(matrix[:3, :3] / lengths)) < 1e-3:
        raise ValueError("affine has axes that lie in one plane: give three that span space")
    return matrix


def _nearest_axes(directions: NDArray[np.float64]) -> list[int]:
    """Give each column the patient axis that it is nearest to, the clearest first, no axis twice."""
    share = np.abs(directions / np.linalg.norm(directions, axis=0))
    found = [-1, -1, -1]
    for _ in range(3):
        axis, column = np.unravel_index(np.argmax(share), (3, 3))
        found[int(column)] = int(axis)
        share[axis, :] = share[:, column] = -1
    return found


def _toward(direction: NDArray[np.float64]) -> str:
    order = np.argsort(-np.abs(direction), kind="stable")
    return "".join(LETTERS[axis][int(direction[axis] > 0)] for axis in order if abs(direction[axis]) > OBLIQUE)
