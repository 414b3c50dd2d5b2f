"""`medcourse.data.dicom` against pydicom's own functions, raw bytes, and files that are wrong in every way."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.pixels import apply_voi_lut, apply_windowing
from skimage import io

from medcourse.data import dicom, samples
from medcourse.data.dicom import _file

quarters = st.integers(-16000, 16000).map(lambda n: n / 4)  # exact in floating point and in DICOM's decimal strings


def shipped(name: str) -> Path:
    found = get_testdata_file(name, download=False)
    assert isinstance(found, str), f"pydicom no longer ships {name}"
    return Path(found)


def eight_bit(centre: float, width: float) -> Dataset:
    """A header whose display range is 0-255, so that pydicom's result is comparable as it stands."""
    dataset = Dataset()
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsStored, dataset.PixelRepresentation = 8, 0
    dataset.WindowCenter, dataset.WindowWidth = centre, width
    return dataset


# ---------------------------------------------------------------------------------------------- window


@given(
    values=hnp.arrays(np.float64, hnp.array_shapes(max_dims=3, max_side=6), elements=quarters),
    centre=quarters,
    width=st.integers(4, 20000).map(lambda n: n / 4),
)
def test_window_equals_pydicom(values: np.ndarray, centre: float, width: float) -> None:
    dataset = eight_bit(centre, width)
    ours = dicom.window(values, centre=centre, width=width)
    assert ours.dtype == np.uint8
    assert ours.shape == values.shape
    np.testing.assert_array_equal(ours, np.rint(apply_windowing(values, dataset)))
    np.testing.assert_array_equal(ours, np.rint(apply_voi_lut(values, dataset)))


@given(
    values=hnp.arrays(np.float32, 50, elements=st.floats(-5000, 5000, width=32)),
    centre=quarters,
    width=st.integers(1, 5000),
)
def test_window_never_reverses_an_order(values: np.ndarray, centre: float, width: float) -> None:
    grey = dicom.window(np.sort(values), centre=centre, width=width).astype(int)
    assert (np.diff(grey) >= 0).all()


@pytest.mark.parametrize(("centre", "width"), [(40, 400), (-600, 1500), (400, 1800), (35, 80)])
def test_window_of_the_real_ct_equals_pydicom(centre: float, width: float) -> None:
    hu = samples.ct().pixels
    expected = np.rint(apply_windowing(hu, eight_bit(centre, width)))
    np.testing.assert_array_equal(dicom.window(hu, centre=centre, width=width), expected)


def test_window_follows_the_notes_of_the_standard() -> None:
    # PS3.3 C.11.2.1.2.1, note 4: centre 2^(n-1) and width 2^n are the identity for n bits.
    np.testing.assert_array_equal(dicom.window(np.arange(256), centre=128, width=256), np.arange(256))
    # Note 5: width 1 is a threshold (below the centre black, from it on white), and so is 2 for integers.
    for width in (1, 2):
        assert dicom.window([9, 10, 11], centre=10, width=width).tolist() == [0, 255, 255]


def test_window_of_infinite_values_and_of_no_width_errors() -> None:
    assert dicom.window([-np.inf, np.inf], centre=0, width=10).tolist() == [0, 255]


@pytest.mark.parametrize(
    ("hu", "centre", "width", "message"),
    [
        ([0.0], 40, 0, "width=0: give a finite number of at least 1"),
        ([0.0], 40, -400, "width=-400"),
        ([0.0], 40, 0.5, "width=0.5"),
        ([0.0], 40, np.nan, "width=nan"),
        ([0.0], 40, np.inf, "width=inf"),
        ([0.0], np.nan, 400, "centre=nan: give a finite number"),
        ([], 40, 400, r"shape \(0,\): give a non-empty array"),
        (["a"], 40, 400, "dtype <U1"),
        ([1j], 40, 400, "dtype complex128"),
        ([True], 40, 400, "dtype bool"),
        ([0.0, np.nan], 40, 400, "hu holds 1 NaN"),
        (np.zeros((4, 4, 3), np.uint8), 40, 400, r"colour picture of shape \(4, 4, 3\)"),
    ],
)
def test_window_refuses(hu: object, centre: float, width: float, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        dicom.window(hu, centre=centre, width=width)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


# ------------------------------------------------------------------------------------------------ read


def test_read_gives_hounsfield_units_from_the_raw_bytes() -> None:
    image = dicom.read(str(samples.ct_path()))
    header = image.dataset
    stored = np.frombuffer(header.PixelData, dtype="<i2", count=header.Rows * header.Columns)
    expected = stored.reshape(header.Rows, header.Columns) * float(header.RescaleSlope) + float(header.RescaleIntercept)
    assert image.pixels.dtype == np.float32
    np.testing.assert_array_equal(image.pixels, expected)
    assert image.spacing_mm == tuple(float(value) for value in header.PixelSpacing)


def test_read_keeps_row_spacing_before_column_spacing(tmp_path: Path) -> None:
    path = edited(tmp_path, PixelSpacing=[0.9, 0.7])
    assert dicom.read(path).spacing_mm == (0.9, 0.7)


def test_read_of_four_encodings_of_one_picture_agrees() -> None:
    plain = dicom.read(shipped("MR_small.dcm")).pixels
    for name in ("MR_small_bigendian.dcm", "MR_small_implicit.dcm", "MR_small_RLE.dcm", "MR_small_jp2klossless.dcm"):
        np.testing.assert_array_equal(dicom.read(shipped(name)).pixels, plain, err_msg=name)


def edited(folder: Path, *, delete: tuple[str, ...] = (), **values: object) -> Path:
    """Save the CT sample with a changed header."""
    dataset = pydicom.dcmread(samples.ct_path())
    for name in delete:
        del dataset[name]
    for name, value in values.items():
        setattr(dataset, name, value)
    path = folder / "edited.dcm"
    dataset.save_as(path)
    return path


def refused(path: Path, message: str) -> None:
    with pytest.raises(dicom.DicomError, match=message) as caught:
        dicom.read(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert "\n" not in text
    assert "; " in text, "cause; remedy"


def test_read_refuses_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no such file; check the path") as caught:
        dicom.read(tmp_path / "absent.dcm")
    assert "\n" not in str(caught.value)


def test_read_refuses_what_is_not_a_dicom_file(tmp_path: Path) -> None:
    refused(tmp_path, "a directory; give one DICOM file")
    empty = tmp_path / "empty.dcm"
    empty.touch()
    refused(empty, "an empty file")
    text = tmp_path / "text.dcm"
    text.write_text("Patient: none\n" * 100)
    refused(text, r"not a DICOM file \(no 'DICM' at byte 128\)")
    png = tmp_path / "picture.png"
    io.imsave(png, np.zeros((64, 64), np.uint8), check_contrast=False)
    refused(png, "not a DICOM file")
    refused(Path("/dev/null"), "not a regular file")


def test_read_reports_what_the_system_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(_: Path, **options: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = shutil.copy(samples.ct_path(), tmp_path)
    monkeypatch.setattr(_file, "dcmread", denied)
    refused(Path(path), r"cannot be read \(\[Errno 13\] Permission denied\); check its permissions")


def test_read_refuses_a_name_longer_than_the_system_allows(tmp_path: Path) -> None:
    refused(tmp_path / ("x" * 5000), "cannot be read")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("rtplan.dcm", r"holds no pixel data \(modality: RTPLAN\)"),
        ("test-SR.dcm", r"holds no pixel data \(modality: SR\)"),
        ("MR_truncated.dcm", r"pixel data truncated or damaged .*8130 vs 8192 bytes"),
        ("rtdose.dcm", "holds 15 frames"),
        ("SC_rgb_rle.dcm", r"a colour image \(RGB\)"),
        ("examples_palette.dcm", r"a colour image \(PALETTE COLOR\)"),
        ("JPEG-lossy.dcm", "compressed as JPEG Extended.*not decodable here.*store it uncompressed"),
        ("liver_1frame.dcm", r"no Pixel Spacing \(0028,0030\), so lengths are unknown"),
        ("nested_priv_SQ.dcm", "no Photometric Interpretation"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_read_refuses_shipped_files_that_are_no_grey_slice(name: str, message: str) -> None:
    refused(shipped(name), message)


@pytest.mark.parametrize(
    ("delete", "values", "message"),
    [
        (("PixelSpacing",), {}, "no Pixel Spacing"),
        (("PixelSpacing",), {"ImagerPixelSpacing": [0.1, 0.1]}, "Imager Pixel Spacing holds at the detector only"),
        ((), {"PixelSpacing": [0, 0.7]}, r"Pixel Spacing \(0028,0030\) is \[0.0, 0.7\], not two positive lengths"),
        ((), {"PixelSpacing": 0.7}, r"is \[0.7\], not two positive lengths"),
        (("RescaleSlope",), {}, "CT without Rescale Slope and Intercept, so not in HU"),
        ((), {"RescaleType": "US"}, "CT rescaled to US, not to HU"),
        ((), {"RescaleSlope": 1e38}, "values are not finite after the rescale"),
        ((), {"NumberOfFrames": 7}, "holds 7 frames"),
        ((), {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}, "a colour image"),
        ((), {"Rows": 200}, "pixel data truncated or damaged"),
        (("BitsAllocated",), {}, "pixel data truncated or damaged"),
        ((), {"RescaleSlope": None}, "damaged header"),
    ],
)
def test_read_refuses_a_header_that_cannot_be_trusted(
    tmp_path: Path, delete: tuple[str, ...], values: dict[str, object], message: str
) -> None:
    refused(edited(tmp_path, delete=delete, **values), message)


def loads(path: Path) -> bool:
    """Whether it loads; any exception but a one-line DicomError fails the test."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            image = dicom.read(path)
        except dicom.DicomError as error:
            line = str(error).removeprefix(str(path))
            image = None
    if image is None:
        assert line.isprintable()
        assert len(line) < 400
        return False
    assert image.pixels.ndim == 2
    assert np.isfinite(image.pixels).all()
    assert min(image.spacing_mm) > 0
    return True


def test_every_file_that_pydicom_ships_loads_or_is_refused_in_one_line() -> None:
    files = [path for path in (Path(pydicom.__file__).parent / "data").rglob("*") if path.is_file()]
    good = [path.name for path in files if loads(path)]
    assert len(files) > 100
    assert {"CT_small.dcm", "MR_small.dcm", "MR_small_RLE.dcm", "rtdose_1frame.dcm"} <= set(good)
    assert len(good) >= 30


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small_RLE.dcm"])
def test_damaged_bytes_load_or_are_refused_in_one_line(tmp_path: Path, name: str) -> None:
    random = np.random.default_rng(20)
    original = np.frombuffer(shipped(name).read_bytes(), np.uint8)
    path = tmp_path / "damaged.dcm"
    outcomes = []
    for turn in range(300):
        damaged = original.copy()
        reach = min(len(damaged), 7000) if turn % 3 else len(damaged)  # mostly the header, where it hurts
        places = random.integers(0, reach, size=random.integers(1, 40))
        damaged[places] = random.integers(0, 256, size=len(places))
        if turn % 5 == 0:
            damaged = damaged[: random.integers(0, len(damaged))]
        path.write_bytes(damaged.tobytes())
        outcomes.append(loads(path))
    assert 10 < sum(outcomes) < 290  # the damage is neither harmless nor always fatal
