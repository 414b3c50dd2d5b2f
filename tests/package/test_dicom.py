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
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut, apply_windowing
from pydicom.uid import DeflatedExplicitVRLittleEndian
from pydicom.valuerep import DSfloat
from skimage import io

from medcourse.data import dicom, samples
from medcourse.data.dicom import _file
from tests.package.dicom_files import DATA, SHIPPED, shipped

quarters = st.integers(-16000, 16000).map(lambda n: n / 4)  # exact in floating point and in DICOM's decimal strings


def eight_bit(centre: float | list[float], width: float | list[float]) -> Dataset:
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


def test_linear_exact_has_no_half_units_and_sigmoid_is_half_way_at_the_centre() -> None:
    # PS3.3 C.11.2.1.3.2: below c - w / 2 black, above c + w / 2 white, straight in between.
    values = [9.999, 10, 20, 30, 40, 50, 50.001]
    assert dicom.window(values, centre=30, width=40, function="LINEAR_EXACT").tolist() == [0, 0, 64, 128, 191, 255, 255]
    # C.11.2.1.3.1: 255 / (1 + exp(-4 (x - c) / w)), by hand: e^2 = 7.389 at half a width from the centre.
    values = [-np.inf, -1e9, 10, 30, 50, 1e9, np.inf]
    expected = [0, 0, round(255 / 8.389), 128, round(255 * 7.389 / 8.389), 255, 255]
    assert dicom.window(values, centre=30, width=40, function="SIGMOID").tolist() == expected


@pytest.mark.parametrize("function", ["LINEAR_EXACT", "SIGMOID"])
@given(
    values=hnp.arrays(np.float64, hnp.array_shapes(max_dims=3, max_side=6), elements=quarters),
    centre=quarters,
    width=st.integers(1, 20000).map(lambda n: n / 4),
)
def test_the_other_functions_equal_pydicom(function: str, values: np.ndarray, centre: float, width: float) -> None:
    dataset = eight_bit(centre, width)
    dataset.VOILUTFunction = function
    ours = dicom.window(values, centre=centre, width=width, function=function).astype(int)
    with np.errstate(over="ignore"):  # pydicom's exponential overflows far from the centre
        for theirs in (apply_windowing(values, dataset), apply_voi_lut(values, dataset)):
            assert np.abs(ours - theirs).max() <= 0.5 + 1e-9


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@given(
    values=hnp.arrays(np.float32, 50, elements=st.floats(-5000, 5000, width=32)),
    centre=quarters,
    width=st.integers(1, 5000),
)
def test_no_function_reverses_an_order_and_each_mirrors(
    function: str, values: np.ndarray, centre: float, width: float
) -> None:
    grey = dicom.window(np.sort(values), centre=centre, width=width, function=function).astype(int)
    assert (np.diff(grey) >= 0).all()
    middle = centre - 0.5 if function == "LINEAR" else centre
    mirrored = dicom.window(2 * middle - np.sort(values), centre=centre, width=width, function=function).astype(int)
    if width > 1:
        assert np.abs(grey + mirrored - 255).max() <= 1


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


@pytest.mark.parametrize(
    ("width", "function", "message"),
    [
        (0, "LINEAR_EXACT", "width=0: give a finite number above 0"),
        (-1, "SIGMOID", "width=-1: give a finite number above 0"),
        (400, "linear", "function='linear': give one of LINEAR, LINEAR_EXACT, SIGMOID"),
        (400, "", "function='': give one of"),
    ],
)
def test_window_refuses_what_its_function_forbids(width: float, function: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dicom.window([0.0], centre=40, width=width, function=function)
    assert dicom.window([39.0, 41.0], centre=40, width=0.25, function="LINEAR_EXACT").tolist() == [0, 255]


# ---------------------------------------------------------------------------------- rescale and display


def table(first: int, entries: np.ndarray, bits: int) -> Dataset:
    lut = Dataset()
    lut.add_new("LUTDescriptor", "SS" if first < 0 else "US", [len(entries) % 2**16, first, bits])
    lut.add_new("LUTData", "US", [int(entry) for entry in entries])
    return lut


@given(
    stored=hnp.arrays(np.int16, hnp.array_shapes(max_dims=3, max_side=5)),
    slope=st.floats(-100, 100).filter(lambda slope: abs(slope) > 1e-3),
    intercept=st.floats(-2000, 2000),
)
def test_rescale_equals_pydicom(stored: np.ndarray, slope: float, intercept: float) -> None:
    dataset = Dataset()
    dataset.Modality = "MR"
    dataset.RescaleSlope, dataset.RescaleIntercept = (DSfloat(value, auto_format=True) for value in (slope, intercept))
    ours = dicom.rescale(stored, dataset)
    assert ours.dtype == np.float32
    np.testing.assert_array_equal(ours, apply_modality_lut(stored, dataset).astype(np.float32))


@given(stored=hnp.arrays(np.uint8, 40), first=st.integers(0, 100), size=st.integers(2, 80), seed=st.integers(0, 99))
def test_rescale_by_a_table_equals_pydicom(stored: np.ndarray, first: int, size: int, seed: int) -> None:
    entries = np.random.default_rng(seed).integers(0, 2**16, size)
    dataset = Dataset()
    dataset.ModalityLUTSequence = [table(first, entries, 16)]
    wide = stored.astype(np.int32)  # pydicom subtracts in the type of the pixels, where uint8 would wrap
    np.testing.assert_array_equal(dicom.rescale(stored, dataset), apply_modality_lut(wide, dataset))


def test_rescale_by_a_table_of_one_entry() -> None:
    dataset = Dataset()
    dataset.ModalityLUTSequence = [table(5, np.array([9]), 16)]
    assert dicom.rescale([0, 5, 99], dataset).tolist() == [9, 9, 9]


def test_rescale_of_a_dose_and_of_nothing() -> None:
    dataset = Dataset()
    assert dicom.rescale([1, 2], dataset).tolist() == [1, 2]
    dataset.DoseGridScaling = 0.5
    assert dicom.rescale([1, 2], dataset).tolist() == [1, 2]  # its modality does not say that it is a dose
    dataset.Modality = "RTDOSE"
    assert dicom.rescale([1, 2], dataset).tolist() == [0.5, 1]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"Modality": "CT"}, "dataset: CT without Rescale Slope"),
        ({"RescaleSlope": 1e308, "RescaleIntercept": 0}, "not finite after the rescale"),
        ({"ModalityLUTSequence": [Dataset()]}, "dataset: damaged header"),
        ({"RescaleSlope": "", "RescaleIntercept": 0}, "dataset: damaged header"),
    ],
)
def test_rescale_refuses(values: dict[str, object], message: str) -> None:
    dataset = Dataset()
    for name, value in values.items():
        setattr(dataset, name, value)
    with pytest.raises(dicom.DicomError, match=message):
        dicom.rescale([40, 50], dataset)
    short = Dataset()
    short.ModalityLUTSequence = [table(0, np.arange(4), 16)]
    short.ModalityLUTSequence[0].LUTDescriptor = [9, 0, 16]
    with pytest.raises(dicom.DicomError, match="a look-up table of 4 entries, 9 announced"):
        dicom.rescale([1], short)


def test_windows_of_a_header_are_listed_in_order() -> None:
    dataset = eight_bit(40, 400)
    assert dicom.windows(dataset) == [(40, 400, "LINEAR", "")]
    dataset.WindowCenter, dataset.WindowWidth = [40, -600], [400, 1500]
    dataset.WindowCenterWidthExplanation = ["SOFT", "LUNG"]
    dataset.VOILUTFunction = "SIGMOID"
    assert dicom.windows(dataset) == [(40, 400, "SIGMOID", "SOFT"), (-600, 1500, "SIGMOID", "LUNG")]
    dataset.WindowWidth = 400
    with pytest.raises(dicom.DicomError, match="2 window centres, 1 widths"):
        dicom.windows(dataset)
    assert dicom.windows(Dataset()) == []


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize("view", [0, 1])
def test_display_follows_the_header_s_window(function: str, view: int) -> None:
    hu = samples.ct().pixels
    dataset = eight_bit([40, -600], [400, 1500])
    dataset.VOILUTFunction = function
    grey = dicom.display(hu, dataset, view=view)
    assert np.abs(grey - apply_voi_lut(hu.astype(np.float64), dataset, index=view)).max() <= 0.5 + 1e-9
    dataset.PhotometricInterpretation = "MONOCHROME1"
    np.testing.assert_array_equal(dicom.display(hu, dataset, view=view), 255 - grey)


def test_display_without_a_window_shows_the_full_range() -> None:
    dataset = Dataset()
    dataset.PhotometricInterpretation = "MONOCHROME2"
    assert dicom.display([100.0, 150.0, 200.0], dataset).tolist() == [0, 128, 255]
    assert dicom.display(np.full((2, 2), 7), dataset).tolist() == [[128, 128], [128, 128]]
    dataset.PhotometricInterpretation = "MONOCHROME1"
    assert dicom.display([100.0, 150.0, 200.0], dataset).tolist() == [255, 127, 0]


@pytest.mark.parametrize("bits", [8, 12, 16])
@given(values=hnp.arrays(np.int16, 30, elements=st.integers(-50, 400)), first=st.integers(-20, 40))
def test_display_through_a_table_equals_pydicom(bits: int, values: np.ndarray, first: int) -> None:
    entries = np.random.default_rng(bits).integers(0, 2**bits, 200)
    dataset = eight_bit(40, 400)
    dataset.VOILUTSequence = [table(first, entries, bits)]
    inside = np.clip(values, first, first + 199)  # beyond the table's ends pydicom's unsigned numbers wrap
    expected = apply_voi_lut(inside, dataset) / (2**bits - 1) * 255
    assert np.abs(dicom.display(values, dataset) - expected).max() <= 0.5 + 1e-9
    np.testing.assert_array_equal(dicom.display(values, dataset, view=1), dicom.window(values, centre=40, width=400))


def test_display_reads_tables_stored_as_bytes(tmp_path: Path) -> None:
    dataset = pydicom.dcmread(samples.ct_path())
    entries = np.arange(0, 65536, 64, dtype=np.uint16)
    lut = Dataset()
    lut.LUTDescriptor = [len(entries), 0, 16]
    lut.add_new("LUTData", "OW", entries.tobytes())
    dataset.VOILUTSequence = [lut]
    dataset.save_as(tmp_path / "a.dcm")
    image = dicom.read(tmp_path / "a.dcm")
    expected = np.rint(np.clip(image.pixels, 0, 1023) * 64 / 65535 * 255)
    np.testing.assert_array_equal(dicom.display(image.pixels, image.dataset), expected)


@pytest.mark.parametrize(
    ("values", "view", "message"),
    [
        ({"PhotometricInterpretation": "RGB"}, 0, "PhotometricInterpretation is RGB; give a grey image"),
        ({}, 1, "view=1, but it recommends 1 tables and windows"),
        ({}, -1, "view=-1"),
        ({"WindowWidth": 0}, 0, "its window is not usable .*width=0"),
        ({"VOILUTFunction": "LOG"}, 0, "its window is not usable .*function='LOG'"),
        ({"WindowWidth": [1, 2]}, 0, "1 window centres, 2 widths"),
    ],
)
def test_display_refuses(values: dict[str, object], view: int, message: str) -> None:
    dataset = eight_bit(40, 400)
    for name, value in values.items():
        setattr(dataset, name, value)
    with pytest.raises(dicom.DicomError, match=message):
        dicom.display([1.0, 2.0], dataset, view=view)
    with pytest.raises(ValueError, match="hu holds 1 NaN"):
        dicom.display([1.0, np.nan], eight_bit(40, 400))


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


def test_read_of_a_deflated_file_equals_the_plain_one(tmp_path: Path) -> None:
    dataset = pydicom.dcmread(samples.ct_path())
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(tmp_path / "deflated.dcm")
    assert (tmp_path / "deflated.dcm").stat().st_size < samples.ct_path().stat().st_size
    np.testing.assert_array_equal(dicom.read(tmp_path / "deflated.dcm").pixels, samples.ct().pixels)


# --------------------------------------------------------------------------------------- bounded memory


def test_a_size_beyond_the_bound_is_refused_from_the_header(tmp_path: Path) -> None:
    for name in ("CT_small.dcm", "MR_small_RLE.dcm", "JPEG2000.dcm"):
        dataset = pydicom.dcmread(shipped(name))
        dataset.Rows = dataset.Columns = 65535
        dataset.save_as(tmp_path / name)
        refused(tmp_path / name, r"its header claims 1 × 65,535 × 65,535 pixels .*, [\d,]+ bytes, above max_bytes=")
    image = samples.ct()
    size = image.pixels.nbytes
    assert dicom.read(samples.ct_path(), max_bytes=size).pixels.nbytes == size
    with pytest.raises(dicom.DicomError, match=f"above max_bytes={size - 1:,};"):
        dicom.read(samples.ct_path(), max_bytes=size - 1)
    with pytest.raises(dicom.DicomError, match=r"the file has 39,206 bytes, above max_bytes=39,205"):
        dicom.read(samples.ct_path(), max_bytes=39205)


def test_a_deflated_bomb_is_refused_before_it_is_inflated(tmp_path: Path) -> None:
    dataset = pydicom.dcmread(samples.ct_path())
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.add_new(0x00091001, "OB", bytes(2**25))
    path = tmp_path / "bomb.dcm"
    dataset.save_as(path)
    assert path.stat().st_size < 2**17
    with pytest.raises(
        dicom.DicomError, match=r"the deflated file inflates to more than [\d,]+ bytes, above max_bytes"
    ):
        dicom.read(path, max_bytes=2**20)
    assert dicom.read(path, max_bytes=2**26).pixels.shape == (128, 128)


@pytest.mark.parametrize("name", ["MR_small_jp2klossless.dcm", "SC_rgb_dcmtk_+eb+cr.dcm"])
def test_a_compressed_frame_of_another_size_than_the_header_s_is_refused(tmp_path: Path, name: str) -> None:
    dataset = pydicom.dcmread(shipped(name))
    dataset.Rows //= 2
    dataset.save_as(tmp_path / "a.dcm")
    reader = dicom.read_colour if "rgb" in name else dicom.read
    with pytest.raises(
        dicom.DicomError, match=r"a compressed frame of (64 × 64|100 × 100) pixels, (32|50) × \d+ in the"
    ):
        reader(tmp_path / "a.dcm")


# ----------------------------------------------------------------------------------------------- colour

BARS = dicom.read_colour(shipped("SC_rgb_rle.dcm"))  # red, its half, green, its half, blue, its half, black to white


def test_the_colour_bars_are_what_they_are_meant_to_be() -> None:
    expected = pydicom.dcmread(shipped("SC_rgb_rle.dcm")).pixel_array
    np.testing.assert_array_equal(BARS, expected)
    assert BARS[5:60:10, 50].tolist() == [
        [255, 0, 0], [255, 128, 128], [0, 255, 0], [128, 255, 128], [0, 0, 255], [128, 128, 255],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("SC_rgb_rle_16bit.dcm", 0), ("SC_rgb_rle_32bit.dcm", 0), ("SC_rgb_rle_2frame.dcm", 0),
        ("SC_rgb_rle_16bit_2frame.dcm", 0), ("SC_rgb_rle_32bit_2frame.dcm", 0), ("SC_rgb_gdcm_KY.dcm", 0),
        ("SC_rgb_dcmtk_+eb+cr.dcm", 2), ("SC_rgb_dcmtk_+eb+cy+n2.dcm", 6), ("SC_rgb_dcmtk_+eb+cy+s4.dcm", 6),
        ("SC_rgb_dcmtk_+eb+cy+s2.dcm", 6), ("SC_rgb_jpeg_dcmtk.dcm", 6), ("SC_ybr_full_422_uncompressed.dcm", 6),
    ],
)  # fmt: skip
def test_colour_in_many_encodings_is_the_same(name: str, near: int) -> None:
    picture = dicom.read_colour(shipped(name))
    assert picture.dtype == np.uint8
    assert np.abs(picture.astype(int) - BARS).max() <= near


def test_frames_of_a_colour_sequence_are_told_apart() -> None:
    second = dicom.read_colour(shipped("SC_rgb_rle_2frame.dcm"), frame=1)
    np.testing.assert_array_equal(second, 255 - BARS)
    for frame in (-1, 2):
        with pytest.raises(dicom.DicomError, match=f"frame={frame}, but it holds 2; count from 0"):
            dicom.read_colour(shipped("SC_rgb_rle_2frame.dcm"), frame=frame)


def test_palette_colour_becomes_red_green_and_blue() -> None:
    header = pydicom.dcmread(shipped("examples_palette.dcm"))
    picture = dicom.read_colour(shipped("examples_palette.dcm"))
    red = np.frombuffer(header.RedPaletteColorLookupTableData, np.uint16)
    np.testing.assert_array_equal(picture[..., 0], (red[header.pixel_array] >> 8).astype(np.uint8))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("CT_small.dcm", r"a grey image \(MONOCHROME2\); read it with dicom.read"),
        ("rtplan.dcm", "holds no pixel data"),
        ("SC_rgb_jls_lossy_line.dcm", "plug-in missing: .*pyjpegls.*; install the plug-in, or store it uncompressed"),
        ("SC_rgb_jpeg_gdcm.dcm", r"plug-in missing: gdcm\S+, or pylibjpeg\S+ and pylibjpeg-libjpeg\S+\); install"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_read_colour_refuses(name: str, message: str) -> None:
    with pytest.raises(dicom.DicomError, match=message) as caught:
        dicom.read_colour(shipped(name))
    assert "\n" not in str(caught.value)


# -------------------------------------------------------------------------------------------- refusals


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
        ((), {"PixelSpacing": [1e308, 1e308]}, r"is \[1e\+308, 1e\+308\], not two positive lengths"),
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
    good = [path.name for path in SHIPPED if loads(path)]
    assert len(SHIPPED) > 100
    assert {"CT_small.dcm", "MR_small.dcm", "MR_small_RLE.dcm", "rtdose_1frame.dcm"} <= set(good)
    assert len(good) >= 30


READERS = (dicom.read, dicom.read_colour, dicom.read_multiframe, dicom.read_cine, dicom.read_series)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.relative_to(DATA).as_posix())
@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_each_reader_takes_a_shipped_file_or_says_in_one_line_why_not(path: Path) -> None:
    reasons, taken = [], []
    for reader in READERS:
        try:
            taken.append(reader(path))
        except dicom.DicomError as error:
            reasons.append(str(error))
    for reason in reasons:
        assert reason.startswith(f"{path}: ")
        assert reason.isprintable()
        assert "; " in reason, "cause; remedy"
    assert len(reasons) + len(taken) == len(READERS)
    assert len(taken) <= 1 or path.name.startswith("rtdose")  # a dose is a volume, and by read_series too


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
