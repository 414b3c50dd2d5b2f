"""Write a picture (a result, an overlay) as a Secondary Capture image that an archive accepts."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom import config
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid
from pydicom.valuerep import DSfloat, PersonName

from medcourse import __version__
from medcourse.data.dicom._file import DicomError, quoted

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["write_capture"]

# What says whose picture it is, of which side, and to which study it belongs; nothing else of a source is taken over.
KEPT = (
    "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "PatientAge",
    "StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "StudyDescription", "AccessionNumber",
    "ReferringPhysicianName", "BodyPartExamined", "Laterality",
    "LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod",
)  # fmt: skip
# Type 2: has to be there, may be empty.
TYPE_2 = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID",
    "AccessionNumber", "ReferringPhysicianName", "PatientOrientation", "Laterality",
)  # fmt: skip


def write_capture(
    path: str | os.PathLike[str],
    pixels: NDArray[np.uint8] | NDArray[np.uint16],
    *,
    description: str,
    source: Dataset | None = None,
    spacing_mm: tuple[float, float] | None = None,
    burned_in: bool = False,
) -> FileDataset:
    """Write a picture as a DICOM Secondary Capture image, uncompressed, with new identifiers of its own.

    Parameters
    ----------
    path
        The file to write; one that is there is replaced.
    pixels
        Grey levels (rows, columns) in uint8 or uint16, or colours (rows, columns, 3) in uint8, red, green, blue.
        0 is black.
    description
        What the picture is, such as ``"Lung nodules, overlay"``: 1 to 64 characters.
    source
        Header of the image it was made from. Patient and study are taken over from it, and it is named as the
        source. Without it the patient is left empty and the study is new.
    spacing_mm
        Distance of pixels along (rows, columns) in the patient, where it is known, so that a viewer can measure.
    burned_in
        Whether the pixels show text that identifies the patient.

    Returns
    -------
    pydicom.dataset.FileDataset
        What was written.

    Raises
    ------
    FileNotFoundError
        If the folder of `path` is not there.
    ValueError
        If `pixels`, `description` or `spacing_mm` is not as stated.
    DicomError
        If `source` holds values that may not be written.

    Notes
    -----
    Taught in: 1.4.4 Image quality and DICOM geometry. The SC Image IOD, DICOM PS3.3 A.8.1, as DERIVED,
    SECONDARY, made on a workstation (Conversion Type WSD). Identifiers are random (UUIDs under 2.25, PS3.5
    B.2). A picture made from a lossily compressed source says so. The research label on a result is the caller's
    duty: such a file is not a medical device's output.

    Examples
    --------
    >>> import tempfile
    >>> from medcourse.data import dicom, samples
    >>> image = samples.ct()
    >>> grey = dicom.window(image.pixels, centre=40, width=400)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     written = write_capture(
    ...         f"{folder}/result.dcm",
    ...         grey,
    ...         description="Soft tissue window",
    ...         source=image.dataset,
    ...         spacing_mm=image.spacing_mm,
    ...     )
    ...     again = dicom.read(f"{folder}/result.dcm")
    >>> bool((again.pixels == grey).all()), again.dataset.PatientID == image.dataset.PatientID
    (True, True)
    """
    path, picture = Path(path), np.asarray(pixels)
    picture = picture.astype(picture.dtype.newbyteorder("="), copy=False)
    _require(picture, description, spacing_mm)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: its folder is not there; make it first")
    dataset = FileDataset(path, Dataset(), preamble=b"\0" * 128, file_meta=FileMetaDataset())
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    try:
        _set(dataset, _identity(source))
        _set(dataset, _stated(description, spacing_mm, burned_in=burned_in))
        if source is not None and source.get("SOPClassUID") and source.get("SOPInstanceUID"):
            origin = Dataset()
            _set(origin, {f"Referenced{name}": source.get(name) for name in ("SOPClassUID", "SOPInstanceUID")})
            dataset.SourceImageSequence = [origin]
    except Exception as error:  # pydicom raises many types on a value that the standard forbids
        raise DicomError(f"source: a value may not be written ({quoted(error)}); mend it first") from error
    colour = "RGB" if picture.ndim == 3 else "MONOCHROME2"
    dataset.set_pixel_data(np.ascontiguousarray(picture), colour, 8 * picture.itemsize, generate_instance_uid=False)
    partial = path.with_name(f"{path.name}.part")
    dataset.save_as(partial, enforce_file_format=True)
    partial.replace(path)
    return dataset


def _require(pixels: NDArray[Any], description: str, spacing_mm: tuple[float, float] | None) -> None:
    grey = pixels.ndim == 2 and pixels.dtype in (np.uint8, np.uint16)
    colour = pixels.ndim == 3 and pixels.shape[2] == 3 and pixels.dtype == np.uint8
    if not (grey or colour) or not all(1 <= side < 2**16 for side in pixels.shape):
        raise ValueError(
            f"pixels has shape {pixels.shape} of {pixels.dtype}: give (rows, columns) in uint8 or uint16, "
            "or (rows, columns, 3) in uint8, for example from dicom.window"
        )
    printable = description.isprintable() and "\\" not in description
    if not printable or not description.strip() or len(description) > 64:
        raise ValueError(f"description={quoted(repr(description))}: give 1 to 64 printable characters, no backslash")
    if spacing_mm is not None and (np.shape(spacing_mm) != (2,) or not all(0 < side < np.inf for side in spacing_mm)):
        raise ValueError(f"spacing_mm={spacing_mm}: give two positive lengths, (row, column)")


def _identity(source: Dataset | None) -> dict[str, object]:
    """Patient and study: those of the source, or an empty patient in a new study."""
    found = {name: source.get(name) for name in KEPT if name in source} if source is not None else {}
    # A name remembers the character set that it was read in; this file has one of its own.
    found |= {name: str(value) for name, value in found.items() if isinstance(value, PersonName)}
    values: dict[str, object] = dict.fromkeys(TYPE_2, "") | found
    values["StudyInstanceUID"] = found.get("StudyInstanceUID") or generate_uid(prefix=None)
    return values


def _stated(description: str, spacing_mm: tuple[float, float] | None, *, burned_in: bool) -> dict[str, object]:
    """All that this file says about itself."""
    now = dt.datetime.now().astimezone()
    date, time = now.strftime("%Y%m%d"), now.strftime("%H%M%S")
    values: dict[str, object] = {
        "SpecificCharacterSet": "ISO_IR 192",  # UTF-8
        "ImageType": ["DERIVED", "SECONDARY"],
        "SOPClassUID": SecondaryCaptureImageStorage,
        "SOPInstanceUID": generate_uid(prefix=None),
        "InstanceCreationDate": date,
        "InstanceCreationTime": time,
        "ContentDate": date,
        "ContentTime": time,
        "TimezoneOffsetFromUTC": now.strftime("%z"),
        "Modality": "OT",
        "ConversionType": "WSD",
        "SeriesInstanceUID": generate_uid(prefix=None),
        "SeriesNumber": 1,
        "InstanceNumber": 1,
        "SeriesDescription": description,
        "DerivationDescription": description,
        "SecondaryCaptureDeviceManufacturer": "medcourse",
        "SecondaryCaptureDeviceSoftwareVersions": __version__,
        "BurnedInAnnotation": "YES" if burned_in else "NO",
    }
    if spacing_mm is not None:
        values["PixelSpacing"] = [DSfloat(side, auto_format=True) for side in spacing_mm]
    return values


def _set(dataset: Dataset, values: dict[str, object]) -> None:
    """Set elements by keyword, each checked against the rules of its value representation."""
    for keyword, value in values.items():
        tag = Tag(keyword)
        dataset.add(DataElement(tag, dictionary_VR(tag), value, validation_mode=config.RAISE))
