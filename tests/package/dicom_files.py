"""DICOM files with known truth, made to order: slices of a series, enhanced multi-frame files, dose grids, cines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    EnhancedCTImageStorage,
    ExplicitVRLittleEndian,
    RTDoseStorage,
    UltrasoundMultiFrameImageStorage,
    generate_uid,
)

DATA = Path(pydicom.__file__).parent / "data"
SHIPPED = sorted(path for path in DATA.rglob("*") if path.is_file())
MEDIA = DATA / "test_files" / "dicomdirtests"
HEAD_CT = MEDIA / "98892001" / "CT5N"  # five axial slices, 2.5 mm apart, stored from the top down

AXIAL = np.array([[1.0, 0, 0], [0, 1, 0]])
CORONAL = np.array([[1.0, 0, 0], [0, 0, -1]])
SAGITTAL = np.array([[0.0, 1, 0], [0, 0, -1]])
PIXEL_MM = (0.9, 0.7)
ORIGIN = np.array([-30.5, 12.25, 100.0])


def shipped(name: str) -> Path:
    found = get_testdata_file(name, download=False)
    assert isinstance(found, str), f"pydicom no longer ships {name}"
    return Path(found)


def truth(shape: tuple[int, int, int] = (6, 5, 4), seed: int = 0) -> np.ndarray:
    """Hounsfield units that no two voxels share, so that any flip or mix-up shows."""
    return np.random.default_rng(seed).permutation(np.prod(shape)).reshape(shape).astype(np.float32) - 50


def uid(*parts: object) -> str:
    return generate_uid(entropy_srcs=[str(part) for part in parts])


def bare(sop_class: str, stored: np.ndarray, **values: object) -> FileDataset:
    """A file of int16 pixels with the least header that the reader needs."""
    dataset = FileDataset("", Dataset(), preamble=b"\0" * 128, file_meta=FileMetaDataset())
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, uid(values, stored.tobytes())
    dataset.Modality, dataset.PatientID, dataset.PatientName = "CT", "phantom", "Phantom^Made"
    dataset.set_pixel_data(stored.astype(np.int16), "MONOCHROME2", 16, generate_instance_uid=False)
    for name, value in values.items():
        setattr(dataset, name, value)
    return dataset


def slice_file(
    hu: np.ndarray,
    position: np.ndarray,
    *,
    directions: np.ndarray = AXIAL,
    series: str = "a",
    slope: float = 0.5,
    intercept: float = -60,
    **values: object,
) -> FileDataset:
    dataset = bare(
        CTImageStorage,
        np.rint((hu - intercept) / slope),
        SeriesInstanceUID=uid("series", series),
        StudyInstanceUID=uid("study"),
        FrameOfReferenceUID=uid("frame"),
        ImagePositionPatient=[float(number) for number in np.round(position, 6)],
        ImageOrientationPatient=[float(number) for number in np.round(directions.ravel(), 7)],
        PixelSpacing=list(PIXEL_MM),
        SliceThickness=7,  # wrong on purpose: it must not be used
        RescaleSlope=slope,
        RescaleIntercept=intercept,
        RescaleType="HU",
    )
    for name, value in values.items():
        setattr(dataset, name, value)
    return dataset


def positions(count: int, step_mm: float = 2.5, directions: np.ndarray = AXIAL) -> np.ndarray:
    return ORIGIN + np.arange(count)[:, None] * step_mm * np.cross(*directions)


def write_series(
    folder: Path,
    hu: np.ndarray,
    *,
    at: np.ndarray | None = None,
    directions: np.ndarray = AXIAL,
    step_mm: float = 2.5,
    seed: int = 1,
    **values: object,
) -> list[Path]:
    """Write a volume slice by slice, with names and instance numbers that tell nothing of the order."""
    folder.mkdir(parents=True, exist_ok=True)
    at = positions(len(hu), step_mm, directions) if at is None else at
    numbers = np.random.default_rng(seed).permutation(len(hu))
    paths = [folder / f"{number:03d}.dcm" for number in numbers]
    for path, number, plane, place in zip(paths, numbers, hu, at, strict=True):
        slice_file(plane, place, directions=directions, InstanceNumber=int(number), **values).save_as(path)
    return paths


def item(**values: object) -> Dataset:
    dataset = Dataset()
    for name, value in values.items():
        setattr(dataset, name, value)
    return dataset


def enhanced_file(
    hu: np.ndarray, *, at: np.ndarray, directions: np.ndarray = AXIAL, shared: bool = True, seed: int = 2
) -> FileDataset:
    """An enhanced CT file whose frames lie in no order and are rescaled each by its own slope."""
    order = np.random.default_rng(seed).permutation(len(hu))
    slopes = 0.5 * (1 + np.arange(len(hu)) % 2)
    stored = np.stack([np.rint((hu[index] + 60) / slope) for index, slope in zip(order, slopes, strict=True)])
    dataset = bare(EnhancedCTImageStorage, stored, SeriesInstanceUID=uid("enhanced"), NumberOfFrames=len(hu))
    common = {
        "PlaneOrientationSequence": [item(ImageOrientationPatient=[float(number) for number in directions.ravel()])],
        "PixelMeasuresSequence": [item(PixelSpacing=list(PIXEL_MM), SliceThickness=7)],
        "FrameVOILUTSequence": [item(WindowCenter=40, WindowWidth=400)],
    }
    dataset.SharedFunctionalGroupsSequence = [item(**common) if shared else Dataset()]
    dataset.PerFrameFunctionalGroupsSequence = [
        item(
            PlanePositionSequence=[item(ImagePositionPatient=[float(number) for number in np.round(at[index], 6)])],
            PixelValueTransformationSequence=[item(RescaleSlope=slope, RescaleIntercept=-60, RescaleType="HU")],
            **({} if shared else common),
        )
        for index, slope in zip(order, slopes, strict=True)
    ]
    return dataset


def dose_file(gray: np.ndarray, offsets: list[float], **values: object) -> FileDataset:
    return bare(
        RTDoseStorage,
        np.rint(gray / 0.25),
        Modality="RTDOSE",
        DoseGridScaling=0.25,
        DoseUnits="GY",
        NumberOfFrames=len(gray),
        FrameIncrementPointer=0x3004000C,
        GridFrameOffsetVector=offsets,
        ImagePositionPatient=ORIGIN.tolist(),
        ImageOrientationPatient=AXIAL.ravel().tolist(),
        PixelSpacing=list(PIXEL_MM),
        **values,
    )


def cine_file(frames: np.ndarray, **values: object) -> FileDataset:
    return bare(
        UltrasoundMultiFrameImageStorage,
        frames,
        Modality="US",
        NumberOfFrames=len(frames),
        **({"FrameIncrementPointer": 0x00181063, "FrameTime": 40} | values),
    )
