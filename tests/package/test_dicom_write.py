"""Secondary captures: what is written is what is read, by readers that bear with nothing."""

from __future__ import annotations

import datetime as dt
import re
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom import config
from pydicom.dataset import Dataset, validate_file_meta
from pydicom.uid import UID, ExplicitVRLittleEndian, SecondaryCaptureImageStorage
from pydicom.valuerep import PersonName

from medcourse.data import dicom, samples
from tests.package.dicom_files import SHIPPED, item

# Table A.8-1 of PS3.3 and the modules it makes mandatory: patient (C.7.1.1), general study (C.7.2.1), general
# series (C.7.3.1), SC equipment (C.8.6.1), general image (C.7.6.1), image pixel (C.7.6.3), SOP common (C.12.1).
TYPE_1 = (
    "StudyInstanceUID", "Modality", "SeriesInstanceUID", "ConversionType", "SamplesPerPixel",
    "PhotometricInterpretation", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
    "PixelData", "SOPClassUID", "SOPInstanceUID", "SpecificCharacterSet",
)  # fmt: skip
TYPE_2 = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "ReferringPhysicianName",
    "StudyID", "AccessionNumber", "SeriesNumber", "InstanceNumber", "PatientOrientation", "ContentDate", "ContentTime",
    "Laterality",
)  # fmt: skip
IDENTITY = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyDate", "StudyID")

RNG = np.random.default_rng(3)
PICTURES = {
    "grey 8": RNG.integers(0, 256, (7, 5), dtype=np.uint8),
    "grey 16": RNG.integers(0, 2**16, (6, 9), dtype=np.uint16),
    "colour": RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8),
    "one pixel": np.array([[200]], dtype=np.uint8),
    "not contiguous": RNG.integers(0, 256, (8, 6), dtype=np.uint8)[::2, ::-1],
    "big endian": RNG.integers(0, 2**16, (4, 4)).astype(">u2"),
}


def strictly_read(path: Path) -> pydicom.FileDataset:
    """Every element decoded and checked against its value representation; a warning is an error."""
    with warnings.catch_warnings(), config.strict_reading():
        warnings.simplefilter("error")
        dataset = pydicom.dcmread(path)
        assert len(list(dataset.iterall())) > 30
        validate_file_meta(dataset.file_meta)
    return dataset


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("derived", [True, False], ids=["derived", "new"])
def test_what_is_written_is_read_back(tmp_path: Path, name: str, derived: bool) -> None:
    picture, path = PICTURES[name], tmp_path / "capture.dcm"
    source = samples.ct().dataset if derived else None
    written = dicom.write_capture(
        path, picture, description="Größe über Schwelle", source=source, spacing_mm=(0.9, 0.7)
    )
    dataset = strictly_read(path)
    np.testing.assert_array_equal(dataset.pixel_array, picture)
    if picture.ndim == 3:
        np.testing.assert_array_equal(dicom.read_colour(path), picture)
    else:
        image = dicom.read(path)
        np.testing.assert_array_equal(image.pixels, picture)
        assert image.spacing_mm == (0.9, 0.7)
    assert written.SOPInstanceUID == dataset.SOPInstanceUID
    assert dataset.SeriesDescription == "Größe über Schwelle"
    assert [path.name for path in tmp_path.iterdir()] == ["capture.dcm"]


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("derived", [True, False], ids=["derived", "new"])
def test_all_that_the_standard_requires_is_there(tmp_path: Path, name: str, derived: bool) -> None:
    source = samples.ct().dataset if derived else None
    dicom.write_capture(tmp_path / "a.dcm", PICTURES[name], description="Overlay", source=source)
    dataset = strictly_read(tmp_path / "a.dcm")
    for keyword in TYPE_1:
        assert keyword in dataset, keyword
        assert not dataset[keyword].is_empty, keyword
    for keyword in TYPE_2:
        assert keyword in dataset, keyword
    assert dataset.SOPClassUID == SecondaryCaptureImageStorage == dataset.file_meta.MediaStorageSOPClassUID
    assert dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
    assert dataset.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert dataset.BurnedInAnnotation == "NO"
    assert dataset.ImageType == ["DERIVED", "SECONDARY"]
    assert (dataset.BitsStored, dataset.HighBit) == (dataset.BitsAllocated, dataset.BitsAllocated - 1)
    assert ("PlanarConfiguration" in dataset) == (dataset.SamplesPerPixel == 3)
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        assert UID(dataset[keyword].value).is_valid
        assert re.fullmatch(r"[0-9.]{1,64}", dataset[keyword].value)
    assert (tmp_path / "a.dcm").read_bytes()[128:132] == b"DICM"
    assert abs(dt.datetime.strptime(dataset.ContentDate, "%Y%m%d") - dt.datetime.now()) < dt.timedelta(days=2)  # noqa: DTZ005, DTZ007


def test_patient_and_study_are_the_source_s_and_nothing_else_is(tmp_path: Path) -> None:
    source = samples.ct().dataset
    dataset = dicom.write_capture(tmp_path / "a.dcm", PICTURES["grey 8"], description="Overlay", source=source)
    for keyword in IDENTITY:
        assert dataset.get(keyword) == source.get(keyword), keyword
    (origin,) = dataset.SourceImageSequence
    assert (origin.ReferencedSOPClassUID, origin.ReferencedSOPInstanceUID) == (
        source.SOPClassUID,
        source.SOPInstanceUID,
    )
    assert dataset.SeriesInstanceUID != source.SeriesInstanceUID
    assert dataset.SOPInstanceUID != source.SOPInstanceUID
    assert "CT" not in (dataset.Modality, dataset.SOPClassUID.name)
    for keyword in ("KVP", "ImagePositionPatient", "RescaleSlope", "InstitutionName", "PixelSpacing", "WindowCenter"):
        assert keyword not in dataset, keyword
    assert not any(element.tag.is_private for element in dataset)


def test_without_a_source_the_patient_is_empty_and_everything_new(tmp_path: Path) -> None:
    first, second = (
        dicom.write_capture(tmp_path / f"{number}.dcm", PICTURES["grey 8"], description="x") for number in range(2)
    )
    assert "SourceImageSequence" not in first
    assert (first.PatientName, first.PatientID) == ("", "")
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        assert first[keyword].value != second[keyword].value


def test_a_name_keeps_its_letters_in_another_character_set(tmp_path: Path) -> None:
    for path in (path for path in SHIPPED if path.parent.name == "charset_files" and path.name.startswith("chr")):
        source = pydicom.dcmread(path)
        expected = str(source.get("PatientName", ""))
        if not expected:
            continue
        dicom.write_capture(tmp_path / "a.dcm", PICTURES["grey 8"], description="x", source=source)
        dataset = strictly_read(tmp_path / "a.dcm")
        assert isinstance(dataset.PatientName, PersonName)
        assert str(dataset.PatientName) == expected, path.name


def serves(source: Dataset, path: Path) -> bool:
    """Whether a header can be a source; any exception but a one-line DicomError fails the test."""
    try:
        dicom.write_capture(path, PICTURES["grey 8"], description="x", source=source)
    except dicom.DicomError as error:
        line = str(error)
    else:
        strictly_read(path)
        return True
    assert line.isprintable()
    assert line.startswith("source: a value may not be written (")
    return False


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_every_shipped_header_serves_as_a_source_or_is_refused_in_one_line(tmp_path: Path) -> None:
    headers = [pydicom.dcmread(path) for path in SHIPPED if path.read_bytes()[128:132] == b"DICM"]
    assert len(headers) > 150
    assert np.mean([serves(header, tmp_path / "a.dcm") for header in headers]) > 0.9


def test_lossy_compression_and_side_are_handed_on(tmp_path: Path) -> None:
    source = item(
        LossyImageCompression="01", LossyImageCompressionRatio=12.5, Laterality="L", BodyPartExamined="BREAST"
    )
    dataset = dicom.write_capture(
        tmp_path / "a.dcm", PICTURES["grey 8"], description="x", source=source, burned_in=True
    )
    assert (dataset.LossyImageCompression, dataset.LossyImageCompressionRatio) == ("01", 12.5)
    assert (dataset.Laterality, dataset.BodyPartExamined, dataset.BurnedInAnnotation) == ("L", "BREAST", "YES")


GREY = PICTURES["grey 8"]


@pytest.mark.parametrize(
    ("pixels", "options", "message"),
    [
        (GREY.astype(np.float32), {}, r"pixels has shape \(7, 5\) of float32: give \(rows, columns\) in uint8"),
        (GREY.astype(np.int16), {}, "of int16"),
        (GREY[0], {}, r"shape \(5,\)"),
        (GREY[:0], {}, r"shape \(0, 5\)"),
        (np.zeros((4, 4, 4), np.uint8), {}, r"shape \(4, 4, 4\)"),
        (np.zeros((4, 4, 3), np.uint16), {}, "of uint16"),
        (np.zeros((1, 70000), np.uint8), {}, r"shape \(1, 70000\)"),
        (GREY, {"description": ""}, "description='': give 1 to 64 printable characters"),
        (GREY, {"description": "x" * 65}, "give 1 to 64"),
        (GREY, {"description": "a\\b"}, "no backslash"),
        (GREY, {"description": "a\nb"}, "printable"),
        (GREY, {"spacing_mm": (0, 1)}, r"spacing_mm=\(0, 1\): give two positive lengths"),
        (GREY, {"spacing_mm": (1, 1, 1)}, "give two positive lengths"),
        (GREY, {"spacing_mm": (float("nan"), 1)}, "give two positive lengths"),
    ],
)
def test_arguments_are_checked(tmp_path: Path, pixels: np.ndarray, options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        dicom.write_capture(tmp_path / "a.dcm", pixels, **({"description": "x"} | options))  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_bad_source_and_a_missing_folder_write_nothing(tmp_path: Path) -> None:
    source = Dataset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        source.PatientBirthDate = "no date"
    with pytest.raises(dicom.DicomError, match=r"source: a value may not be written \(.*no date.*\); mend it first"):
        dicom.write_capture(tmp_path / "a.dcm", GREY, description="x", source=source)
    assert not list(tmp_path.iterdir())
    with pytest.raises(FileNotFoundError, match="its folder is not there; make it first"):
        dicom.write_capture(tmp_path / "absent" / "a.dcm", GREY, description="x")


def test_an_existing_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    dicom.write_capture(path, PICTURES["grey 16"], description="first")
    dicom.write_capture(path, PICTURES["one pixel"], description="second", spacing_mm=(1, 1))
    assert dicom.read(path).pixels.tolist() == [[200]]
