"""What a header says about one image: is it grey, how large is a pixel, where does it lie, what do its values mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from medcourse.data.dicom._file import DicomError, decoded, quoted

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pydicom.dataset import Dataset

GREY = ("MONOCHROME1", "MONOCHROME2")
LEAST_MM, MOST_MM = 1e-6, 1e6  # no image of a patient is finer than a nanometre or lies a kilometre away


def require_pixels(dataset: Dataset, path: object) -> None:
    """Refuse a file without pixel data, or of which it is unknown whether it is grey or colour."""
    if not any(name in dataset for name in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        kind = quoted(dataset.get("Modality") or "not named")
        raise DicomError(f"{path}: holds no pixel data (modality: {kind}); give an image file")
    require_photometric(dataset, path)


def require_photometric(dataset: Dataset, path: object) -> str:
    """Look up whether the pixels are grey or colour."""
    colour = dataset.get("PhotometricInterpretation")
    if not colour:
        raise DicomError(f"{path}: no Photometric Interpretation (0028,0004), grey or colour unknown; fetch it again")
    return str(colour)


def require_grey(dataset: Dataset, path: object) -> None:
    """Refuse colour."""
    colour = require_photometric(dataset, path)
    if dataset.get("SamplesPerPixel", 1) != 1 or colour not in GREY:
        raise DicomError(f"{path}: a colour image ({quoted(colour)}); read it with dicom.read_colour")


def numbers(header: Dataset, keyword: str, count: int, path: object, *, lacking: str) -> NDArray[np.float64]:
    """Look up a vector of finite numbers; `lacking` says what is unknown without it, and the remedy."""
    value = header.get(keyword)
    if value is None or (np.ndim(value) and len(value) == 0):
        raise DicomError(f"{path}: no {keyword}, so {lacking}")
    found = np.array(np.atleast_1d(value), dtype=np.float64)
    if found.shape != (count,) or not np.isfinite(found).all():
        raise DicomError(f"{path}: {keyword} is {quoted(found.tolist())}, not {count} finite numbers; mend the header")
    return found


def spacing(header: Dataset, path: object) -> tuple[float, float]:
    """Distance of the pixels' centres between (rows, columns) in the patient."""
    value = header.get("PixelSpacing")
    if not value:
        other = " (Imager Pixel Spacing holds at the detector only)" if "ImagerPixelSpacing" in header else ""
        raise DicomError(
            f"{path}: no Pixel Spacing (0028,0030){other}, so lengths are unknown; "
            "read it with pydicom.dcmread if they do not matter"
        )
    found = [float(item) for item in np.atleast_1d(value)]
    if len(found) != 2 or not all(LEAST_MM <= item <= MOST_MM for item in found):
        raise DicomError(
            f"{path}: Pixel Spacing (0028,0030) is {quoted(found)}, not two positive lengths; mend the header"
        )
    return found[0], found[1]


def position(header: Dataset, path: object) -> NDArray[np.float64]:
    """Centre of the first pixel in the patient, LPS, in millimetres."""
    lacking = "its place in the patient is unknown; take a series with positions, or read the slices one by one"
    found = numbers(header, "ImagePositionPatient", 3, path, lacking=lacking)
    if np.abs(found).max() > MOST_MM:
        raise DicomError(
            f"{path}: ImagePositionPatient is {quoted(found.tolist())}, beyond a kilometre; mend the header"
        )
    return found


def orientation(header: Dataset, path: object) -> NDArray[np.float64]:
    """Unit vectors along a row and down a column, (2, 3), LPS."""
    lacking = "its directions in the patient are unknown; take an image with an orientation"
    found = numbers(header, "ImageOrientationPatient", 6, path, lacking=lacking).reshape(2, 3)
    if not np.allclose(found @ found.T, np.eye(2), atol=1e-3):
        raise DicomError(
            f"{path}: Image Orientation (Patient) (0020,0037) is {quoted(found.ravel().tolist())}, "
            "not two perpendicular unit vectors; mend the header"
        )
    return found


def grey(dataset: Dataset, path: object) -> NDArray[np.float32]:
    """Decode the only frame and rescale it."""
    require_transform(dataset, dataset.get("Modality"), path)
    return transformed(decoded(dataset, path), dataset, path)


def require_transform(header: Dataset, modality: object, path: object) -> None:
    """Refuse CT whose values could not be turned into Hounsfield units."""
    if modality == "CT" and "ModalityLUTSequence" not in header:
        if "RescaleSlope" not in header or "RescaleIntercept" not in header:
            raise DicomError(f"{path}: CT without Rescale Slope and Intercept, so not in HU; ask for the original file")
        unit = header.get("RescaleType") or "HU"
        if unit != "HU":
            raise DicomError(f"{path}: CT rescaled to {quoted(unit)}, not to HU; ask for the original file")


def transformed(stored: NDArray[Any], header: Dataset, path: object) -> NDArray[np.float32]:
    """Apply the modality transform: a table, slope and intercept, or the dose grid's scaling."""
    if table := header.get("ModalityLUTSequence"):
        values = looked_up(stored, table[0], path)
    else:
        slope, intercept = 1.0, 0.0
        if "RescaleSlope" in header and "RescaleIntercept" in header:
            slope, intercept = float(header.RescaleSlope), float(header.RescaleIntercept)
        elif header.get("Modality") == "RTDOSE" and "DoseGridScaling" in header:
            slope = float(header.DoseGridScaling)
        with np.errstate(over="ignore", invalid="ignore"):
            values = stored.astype(np.float64) * slope + intercept
    with np.errstate(over="ignore", invalid="ignore"):
        pixels = values.astype(np.float32)
    if not np.isfinite(pixels).all():
        raise DicomError(f"{path}: values are not finite after the rescale; mend Rescale Slope and Intercept")
    return pixels


def looked_up(values: NDArray[Any], item: Dataset, path: object) -> NDArray[np.float64]:
    """Map values through an item's LUT Data (PS3.3 C.11.1.1 and C.11.2.1.1); beyond its ends the end entries hold."""
    entries, first, bits = (int(value) for value in item.LUTDescriptor)
    entries = entries or 2**16
    data = item.LUTData
    if isinstance(data, bytes):
        little = item.original_encoding[1] is not False
        kind = np.dtype("<u2" if little else ">u2") if len(data) >= 2 * entries else np.dtype(np.uint8)
        table = np.frombuffer(data[: entries * kind.itemsize], kind)
    else:
        table = np.atleast_1d(data)
    if table.shape != (entries,) or not 1 <= bits <= 16:
        raise DicomError(f"{path}: a look-up table of {table.size} entries, {entries} announced; fetch it again")
    places = np.clip(np.rint(values.astype(np.float64)) - first, 0, entries - 1)
    return np.asarray(table[places.astype(np.intp)], dtype=np.float64)
