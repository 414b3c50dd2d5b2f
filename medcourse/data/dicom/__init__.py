"""Read DICOM in physical units and patient coordinates, show it as its header asks, and write results."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from medcourse.data.dicom import _header
from medcourse.data.dicom._file import MAX_BYTES, DicomError, decoded, frame_count, guarded, parse, require_size
from medcourse.data.dicom.capture import write_capture
from medcourse.data.dicom.display import Window, display, rescale, window, windows
from medcourse.data.dicom.frames import Cine, read_cine, read_multiframe
from medcourse.data.dicom.series import find_series, read_series
from medcourse.data.dicom.volume import Edges, Volume, axis_letters, edge_letters, lps_to_ras, reorient

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pydicom.dataset import Dataset

__all__ = [
    "Cine",
    "DicomError",
    "DicomImage",
    "Edges",
    "Volume",
    "Window",
    "axis_letters",
    "display",
    "edge_letters",
    "find_series",
    "lps_to_ras",
    "read",
    "read_cine",
    "read_colour",
    "read_multiframe",
    "read_series",
    "reorient",
    "rescale",
    "window",
    "windows",
    "write_capture",
]


class DicomImage(NamedTuple):
    """One grey-level slice with its geometry and its header.

    Parameters
    ----------
    pixels
        float32 array of shape (rows, columns), after the modality transform: Hounsfield units for CT,
        the manufacturer's units otherwise. Pixel padding outside the scanned circle is kept as stored.
    spacing_mm
        Distance between the centres of neighbouring (rows, columns), in millimetres.
    dataset
        The whole header, as pydicom reads it.

    Notes
    -----
    Taught in: 1.4.1 X-ray and CT.

    Examples
    --------
    >>> from medcourse.data import samples
    >>> image = samples.ct()
    >>> image.pixels.shape, image.pixels.dtype.name
    ((128, 128), 'float32')
    >>> round(image.spacing_mm[0] * image.pixels.shape[0])  # height in mm
    85
    """

    pixels: NDArray[np.float32]
    spacing_mm: tuple[float, float]
    dataset: Dataset


def read(path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES) -> DicomImage:
    """Read a file that holds one grey-level slice, in Hounsfield units where it is CT.

    Parameters
    ----------
    path
        A DICOM file (PS3.10, with its preamble).
    max_bytes
        Largest picture, in bytes of float32 pixels, and largest file; checked before pixels are decoded.

    Returns
    -------
    DicomImage
        Pixels (rows, columns) in float32, spacing (row, column) in millimetres, and the header.

    Raises
    ------
    FileNotFoundError
        If nothing is at `path`.
    DicomError
        If it is a directory, is empty, is not DICOM, is damaged, is larger than `max_bytes`, holds no image,
        several frames or colour, or lacks the pixel spacing or (for CT) the rescale to Hounsfield units.

    Notes
    -----
    Taught in: 1.4.1 X-ray and CT. The modality transform is DICOM PS3.3 C.11.1; a dose grid comes in gray.
    Uncompressed, deflated and RLE files are read by pydicom itself, JPEG (8 bit) and JPEG 2000 by Pillow;
    of others the error names the plug-in that is missing. MONOCHROME1 pictures keep their values: there the
    highest value is meant to be shown black, which `display` does.

    Examples
    --------
    >>> from medcourse.data import samples
    >>> read(samples.ct_path()).dataset.Modality
    'CT'
    >>> read("no/such.dcm")
    Traceback (most recent call last):
    ...
    FileNotFoundError: no/such.dcm: no such file; check the path, or start from medcourse.data.samples.ct_path()
    """
    path = Path(path)
    dataset = parse(path, max_bytes=max_bytes)
    with guarded(path):
        _header.require_pixels(dataset, path)
        if (frames := frame_count(dataset)) != 1:
            others = "dicom.read_multiframe or dicom.read_cine"
            raise DicomError(f"{path}: holds {frames} frames; read them with {others}")
        _header.require_grey(dataset, path)
        spacing_mm = _header.spacing(dataset, path)
        require_size(dataset, path, frames=1, max_bytes=max_bytes)
        return DicomImage(_header.grey(dataset, path), spacing_mm, dataset)


def read_colour(path: str | os.PathLike[str], *, frame: int = 0, max_bytes: int = MAX_BYTES) -> NDArray[np.uint8]:
    """Read a colour picture, or one frame of a colour sequence, as red, green and blue.

    Parameters
    ----------
    path
        A DICOM file in RGB, YBR or palette colour.
    frame
        Which frame, from 0.
    max_bytes
        Largest picture, in bytes of 8-bit samples (for all frames together), and largest file; checked before
        pixels are decoded.

    Returns
    -------
    numpy.ndarray
        uint8 of shape (rows, columns, 3): red, green, blue. Samples of more than 8 bits keep their 8 highest.

    Raises
    ------
    FileNotFoundError
        If nothing is at `path`.
    DicomError
        If it is not DICOM, is damaged, is grey, has no such frame, or is compressed in a way for which no
        plug-in is installed.

    Notes
    -----
    Taught in: 1.4.4 Image quality and DICOM geometry. YBR becomes RGB by the equations of DICOM PS3.3
    C.7.6.3.1.2, as pydicom has them. Colours are not corrected by an ICC profile.

    Examples
    --------
    Colour bars, of which the uppermost is red:

    >>> from pydicom.data import get_testdata_file
    >>> picture = read_colour(get_testdata_file("SC_rgb_rle.dcm", download=False))
    >>> picture.shape, picture[5, 50].tolist()
    ((100, 100, 3), [255, 0, 0])
    """
    path = Path(path)
    dataset = parse(path, max_bytes=max_bytes)
    with guarded(path):
        _header.require_pixels(dataset, path)
        colour = str(dataset.PhotometricInterpretation)
        if colour in _header.GREY:
            raise DicomError(f"{path}: a grey image ({colour}); read it with dicom.read")
        frames = frame_count(dataset)
        if not 0 <= frame < frames:
            raise DicomError(f"{path}: frame={frame}, but it holds {frames}; count from 0")
        require_size(dataset, path, frames=frames, max_bytes=max_bytes, itemsize=1)
        picture, bits = decoded(dataset, path, index=frame), int(dataset.BitsStored)
        if colour == "PALETTE COLOR":
            from pydicom.pixels import apply_color_lut

            picture = np.asarray(apply_color_lut(picture, dataset))
            bits = 8 * picture.itemsize
        if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype.kind != "u" or bits < 8:
            found = f"{picture.shape} of {picture.dtype} with {bits} bits stored"
            raise DicomError(f"{path}: colour of an unusual kind ({colour}, {found}); read it with pydicom")
        return (picture >> (bits - 8)).astype(np.uint8)
