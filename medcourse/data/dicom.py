"""Read one DICOM slice in physical units, and window it for display."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from pydicom import dcmread
from pydicom.errors import InvalidDicomError
from pydicom.pixels import apply_modality_lut, pixel_array

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray
    from pydicom.dataset import Dataset

__all__ = ["DicomError", "DicomImage", "read", "window"]


class DicomError(ValueError):
    """A file cannot be used as one grey-level slice; the message names the file, the cause and the remedy.

    Notes
    -----
    Taught in: 1.4.1 X-ray and CT.

    Examples
    --------
    >>> issubclass(DicomError, ValueError)
    True
    """


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


def read(path: str | os.PathLike[str]) -> DicomImage:
    """Read a file that holds one grey-level slice, in Hounsfield units where it is CT.

    Parameters
    ----------
    path
        A DICOM file (PS3.10, with its preamble).

    Returns
    -------
    DicomImage
        Pixels (rows, columns) in float32, spacing (row, column) in millimetres, and the header.

    Raises
    ------
    FileNotFoundError
        If nothing is at `path`.
    DicomError
        If it is a directory, is empty, is not DICOM, is damaged, holds no image, several frames or colour,
        or lacks the pixel spacing or (for CT) the rescale to Hounsfield units.

    Notes
    -----
    Taught in: 1.4.1 X-ray and CT. The modality transform (DICOM PS3.3 C.11.1) is pydicom's own.
    MONOCHROME1 pictures keep their values: there the highest value is meant to be shown black.

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
    dataset = _parse(path)
    try:
        _require_one_grey_slice(dataset, path)
        spacing_mm = _spacing(dataset, path)
        pixels = _pixels(dataset, path)
    except DicomError:
        raise
    except Exception as error:  # a damaged header can break any look-up in it
        raise DicomError(f"{path}: damaged header ({_quoted(error)}); fetch it again") from error
    return DicomImage(pixels, spacing_mm, dataset)


def window(hu: ArrayLike, *, centre: float, width: float) -> NDArray[np.uint8]:
    """Map values to grey levels 0–255 with DICOM's linear window.

    Parameters
    ----------
    hu
        Numbers of any shape, in Hounsfield units for CT (or the units of `centre` and `width`).
    centre
        Window centre *c*, in the units of `hu`.
    width
        Window width *w*, at least 1, in the units of `hu`. A width of 1 is a threshold.

    Returns
    -------
    numpy.ndarray
        uint8, the shape of `hu`: 0 up to the lower end of the window, 255 above its upper end.

    Raises
    ------
    ValueError
        If `centre` or `width` is not finite, `width` is below 1, or `hu` is empty, is not made of
        real numbers, holds NaN, or is a colour picture.

    Notes
    -----
    Taught in: 1.4.1 X-ray and CT. The LINEAR function of DICOM PS3.3 C.11.2.1.2.1, with its half
    unit: 0 where ``x <= c - 0.5 - (w - 1) / 2``, 255 where ``x > c - 0.5 + (w - 1) / 2``, and in between
    ``((x - (c - 0.5)) / (w - 1) + 0.5) * 255``, rounded to the nearest integer (ties to even).

    Examples
    --------
    Air, water and bone in a window of 400 HU about 40 HU:

    >>> window([-1000, 0, 40, 300], centre=40, width=400)
    array([  0, 102, 128, 255], dtype=uint8)
    """
    if not math.isfinite(centre):
        raise ValueError(f"centre={centre}: give a finite number, for example centre=40 for soft tissue")
    if not (math.isfinite(width) and width >= 1):
        raise ValueError(f"width={width}: give a finite number of at least 1, for example width=400 for soft tissue")
    values = np.asarray(hu)
    if values.dtype.kind not in "iuf" or values.size == 0:
        raise ValueError(f"hu has dtype {values.dtype}, shape {values.shape}: give a non-empty array of real numbers")
    if values.dtype == np.uint8 and values.ndim == 3 and values.shape[2] in (3, 4):
        raise ValueError(f"hu is a colour picture of shape {values.shape}: a window applies to one grey channel")
    x = values.astype(np.float64)
    if np.isnan(x).any():
        raise ValueError(f"hu holds {int(np.isnan(x).sum())} NaN: replace them first, for example with np.nan_to_num")
    middle, span = centre - 0.5, width - 1
    if span == 0:
        return np.where(x > middle, 255, 0).astype(np.uint8)
    share = np.clip((x - middle) / span + 0.5, 0.0, 1.0)
    return np.rint(share * 255).astype(np.uint8)


def _parse(path: Path) -> Dataset:
    try:
        if not path.exists():
            raise FileNotFoundError(
                f"{path}: no such file; check the path, or start from medcourse.data.samples.ct_path()"
            )
        if not path.is_file():
            kind = "a directory" if path.is_dir() else "not a regular file"
            raise DicomError(f"{path}: {kind}; give one DICOM file")
        if path.stat().st_size == 0:
            raise DicomError(f"{path}: an empty file; fetch it again")
        return dcmread(path)
    except (DicomError, FileNotFoundError):
        raise
    except InvalidDicomError as error:
        raise DicomError(
            f"{path}: not a DICOM file (no 'DICM' at byte 128); give a DICOM file, read pictures with skimage.io.imread"
        ) from error
    except OSError as error:
        raise DicomError(f"{path}: cannot be read ({_quoted(error)}); check its permissions and the disk") from error
    except Exception as error:  # pydicom raises many types on a damaged file
        raise DicomError(f"{path}: damaged DICOM file ({_quoted(error)}); fetch it again") from error


def _require_one_grey_slice(dataset: Dataset, path: Path) -> None:
    if not any(name in dataset for name in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        kind = _quoted(dataset.get("Modality") or "not named")
        raise DicomError(f"{path}: holds no pixel data (modality: {kind}); give an image file")
    frames = int(dataset.get("NumberOfFrames") or 1)
    if frames != 1:
        raise DicomError(f"{path}: holds {frames} frames; read one with pydicom.pixels.pixel_array(path, index=0)")
    colour = dataset.get("PhotometricInterpretation")
    if not colour:
        raise DicomError(f"{path}: no Photometric Interpretation (0028,0004), grey or colour unknown; fetch it again")
    if dataset.get("SamplesPerPixel", 1) != 1 or colour not in ("MONOCHROME1", "MONOCHROME2"):
        raise DicomError(f"{path}: a colour image ({_quoted(colour)}); read it with pydicom.pixels.pixel_array")


def _spacing(dataset: Dataset, path: Path) -> tuple[float, float]:
    value = dataset.get("PixelSpacing")
    if not value:
        other = " (Imager Pixel Spacing holds at the detector only)" if "ImagerPixelSpacing" in dataset else ""
        raise DicomError(
            f"{path}: no Pixel Spacing (0028,0030){other}, so lengths are unknown; "
            "read it with pydicom.dcmread if they do not matter"
        )
    spacing = [float(item) for item in np.atleast_1d(value)]
    if len(spacing) != 2 or not all(math.isfinite(item) and item > 0 for item in spacing):
        raise DicomError(f"{path}: Pixel Spacing (0028,0030) is {spacing}, not two positive lengths; mend the header")
    return spacing[0], spacing[1]


def _pixels(dataset: Dataset, path: Path) -> NDArray[np.float32]:
    if dataset.get("Modality") == "CT" and "ModalityLUTSequence" not in dataset:
        if "RescaleSlope" not in dataset or "RescaleIntercept" not in dataset:
            raise DicomError(f"{path}: CT without Rescale Slope and Intercept, so not in HU; ask for the original file")
        unit = dataset.get("RescaleType") or "HU"
        if unit != "HU":
            raise DicomError(f"{path}: CT rescaled to {_quoted(unit)}, not to HU; ask for the original file")
    try:
        stored = pixel_array(dataset)
    except Exception as error:  # decoders raise many types
        syntax = dataset.file_meta.TransferSyntaxUID
        if syntax.is_compressed:
            cause = f"compressed as {syntax.name}, not decodable here ({_quoted(error)})"
            raise DicomError(f"{path}: {cause}; store it uncompressed, for example with DCMTK or GDCM") from error
        raise DicomError(f"{path}: pixel data truncated or damaged ({_quoted(error)}); fetch it again") from error
    with np.errstate(over="ignore", invalid="ignore"):
        pixels = np.asarray(apply_modality_lut(stored, dataset)).astype(np.float32)
    if not np.isfinite(pixels).all():
        raise DicomError(f"{path}: values are not finite after the rescale; mend Rescale Slope and Intercept")
    return pixels


def _quoted(found: object) -> str:
    """Quote what a library said or a header holds as one short line: damaged files put any bytes into both."""
    text = "".join(letter if letter.isprintable() else " " for letter in str(found) or type(found).__name__)
    text = " ".join(text.split()).removeprefix("Unable to decode as exceptions were raised by all available plugins: ")
    return text if len(text) <= 160 else text[:157] + "..."
