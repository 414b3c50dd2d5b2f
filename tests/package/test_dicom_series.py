"""Series, multi-frame files and cines against volumes whose every voxel and place is known."""

from __future__ import annotations

import shutil
from itertools import permutations, product
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import RLELossless
from scipy.spatial.transform import Rotation

from medcourse.data import dicom
from medcourse.data.dicom._stack import stacked
from tests.package.dicom_files import (
    AXIAL,
    CORONAL,
    HEAD_CT,
    MEDIA,
    ORIGIN,
    PIXEL_MM,
    SAGITTAL,
    cine_file,
    dose_file,
    enhanced_file,
    item,
    positions,
    shipped,
    slice_file,
    truth,
    write_series,
)

ROTATED = Rotation.from_euler("xyz", [20, -35, 50], degrees=True).apply(AXIAL)


def refused(source: object, message: str, **options: object) -> str:
    with pytest.raises(dicom.DicomError, match=message) as caught:
        dicom.read_series(source, **options)  # type: ignore[arg-type]
    text = str(caught.value)
    assert "\n" not in text
    assert "; " in text, "cause; remedy"
    return text


def place(volume: dicom.Volume, z: int, y: int, x: int) -> np.ndarray:
    return (volume.affine @ [z, y, x, 1])[:3]


# ------------------------------------------------------------------------------------- series in order


@pytest.mark.parametrize("directions", [AXIAL, CORONAL, SAGITTAL, ROTATED], ids=["axial", "coronal", "sagittal", "any"])
def test_series_gives_each_voxel_its_value_and_its_place(tmp_path: Path, directions: np.ndarray) -> None:
    hu = truth()
    write_series(tmp_path / "one", hu, directions=directions)
    volume = dicom.read_series(tmp_path)
    np.testing.assert_array_equal(volume.voxels, hu)
    assert volume.voxels.dtype == np.float32
    np.testing.assert_allclose(volume.spacing_mm, (2.5, *PIXEL_MM), atol=1e-5)
    normal = np.cross(*directions)
    for z, y, x in [(0, 0, 0), (5, 4, 3), (2, 0, 3), (1, 3, 0)]:
        # Equation C.7.6.2.1-1 of the standard, written out: rows count down a column, columns along a row.
        expected = ORIGIN + 2.5 * z * normal + PIXEL_MM[0] * y * directions[1] + PIXEL_MM[1] * x * directions[0]
        np.testing.assert_allclose(place(volume, z, y, x), expected, atol=1e-4)
    assert volume.dataset is not None
    assert "PixelData" not in volume.dataset
    np.testing.assert_allclose(volume.dataset.ImagePositionPatient, ORIGIN, atol=1e-6)


def test_neither_names_nor_instance_numbers_nor_thickness_decide(tmp_path: Path) -> None:
    hu = truth()
    first = write_series(tmp_path / "a", hu, seed=1)
    second = write_series(tmp_path / "b", hu, seed=5)
    assert [path.name for path in first] != [path.name for path in second]
    one, other = dicom.read_series(first[::-1]), dicom.read_series(tmp_path / "b")
    np.testing.assert_array_equal(one.voxels, other.voxels)
    np.testing.assert_array_equal(one.affine, other.affine)
    assert one.spacing_mm[0] == pytest.approx(2.5)  # SliceThickness says 7


def test_the_real_head_ct_is_sorted_from_the_feet_up() -> None:
    volume = dicom.read_series(HEAD_CT)
    headers = [pydicom.dcmread(path) for path in HEAD_CT.iterdir()]
    headers.sort(key=lambda header: header.ImagePositionPatient[2])
    numbers = [int(header.InstanceNumber) for header in headers]
    assert numbers == sorted(numbers, reverse=True)  # an order by instance number would stand the head on its crown
    expected = [header.pixel_array * header.RescaleSlope + header.RescaleIntercept for header in headers]
    np.testing.assert_array_equal(volume.voxels, expected)
    assert dicom.axis_letters(volume.affine) == "SPL"


def test_each_slice_is_rescaled_by_its_own_header(tmp_path: Path) -> None:
    hu = truth() * 4
    for index, (plane, at) in enumerate(zip(hu, positions(len(hu)), strict=True)):
        slice_file(plane, at, slope=[1, 2, 4][index % 3], intercept=-600).save_as(tmp_path / f"{index}.dcm")
    np.testing.assert_array_equal(dicom.read_series(tmp_path).voxels, hu)


def test_a_folder_is_searched_and_what_is_no_image_left_out(tmp_path: Path) -> None:
    hu = truth()
    write_series(tmp_path / "IMAGES" / "DEEP", hu)
    (tmp_path / "README.txt").write_text("Scanned on a Monday.")
    (tmp_path / "empty").touch()
    shutil.copy(MEDIA / "DICOMDIR", tmp_path)
    shutil.copy(shipped("test-SR.dcm"), tmp_path / "IMAGES" / "report.dcm")
    np.testing.assert_array_equal(dicom.read_series(tmp_path).voxels, hu)
    assert [len(paths) for paths in dicom.find_series(tmp_path).values()] == [6]


def test_compressed_slices_give_the_same_volume(tmp_path: Path) -> None:
    hu = truth()
    for path in write_series(tmp_path, hu):
        dataset = pydicom.dcmread(path)
        dataset.compress(RLELossless, generate_instance_uid=False)
        dataset.save_as(path)
    np.testing.assert_array_equal(dicom.read_series(tmp_path).voxels, hu)


def test_series_are_told_apart_and_chosen(tmp_path: Path) -> None:
    first, second = truth(seed=0), truth((3, 5, 4), seed=1)
    write_series(tmp_path / "a", first, series="a")
    write_series(tmp_path / "b", second, series="b")
    found = dicom.find_series(tmp_path)
    assert sorted(map(len, found.values())) == [3, 6]
    text = refused(tmp_path, r"2 series, .* \(\d files\), .* \(\d files\); choose one with series_uid=")
    for uid, paths in found.items():
        assert uid in text
        expected = first if len(paths) == 6 else second
        np.testing.assert_array_equal(dicom.read_series(tmp_path, series_uid=uid).voxels, expected)
        np.testing.assert_array_equal(dicom.read_series(paths).voxels, expected)
    refused(tmp_path, "no series 1.2.3; list those that are there", series_uid="1.2.3")


# ------------------------------------------------------------------------------------ what is refused


def moved(**by: float) -> np.ndarray:
    at = positions(6)
    for key, value in by.items():
        at[int(key[1:]), "xyz".index(key[0])] += value
    return at


@pytest.mark.parametrize(
    ("at", "message"),
    [
        (moved(z3=1.0), "unevenly spaced, 1.5 to 3.5 mm apart"),
        (moved(z5=0.2), "unevenly spaced"),
        (moved(z3=2.5), r"1 slices repeat a place \(the first at 110 mm along the normal\)"),
        (moved(z5=2.5), r"1 slices are missing, the first between 110 and 115 mm .*\(others are 2.5 mm apart\)"),
        (moved(z0=-25.0), "10 slices are missing, the first between 75 and 102.5 mm"),
        (moved(x2=4.0), "not behind one another"),
        (moved(z5=1e9), r"ImagePositionPatient is .*, beyond a kilometre"),
        (positions(6, 1e-3) + ([[0, 0, 0]] * 5 + [[0, 0, 2e3]]), "slices from 100 to 2100 mm; mend their positions"),
        (positions(6, 0.0), "5 slices repeat a place"),
        (positions(6) + np.arange(6)[:, None] * [0, 0.5, 0], "a tilt of 11.3 degrees"),
    ],
)
def test_slices_that_do_not_fill_a_volume_are_refused(tmp_path: Path, at: np.ndarray, message: str) -> None:
    write_series(tmp_path, truth(), at=at)
    refused(tmp_path, message)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"PixelSpacing": [0.9, 0.71]}, "another pixel spacing than"),
        ({"ImageOrientationPatient": CORONAL.ravel().tolist()}, "another orientation than"),
        ({"ImageOrientationPatient": [1, 0, 0, 0.5, 1, 0]}, "not two perpendicular unit vectors"),
        ({"ImageOrientationPatient": [1, 0, 0]}, r"ImageOrientationPatient is \[1.0, 0.0, 0.0\], not 6 finite numbers"),
        ({"ImagePositionPatient": None}, "no ImagePositionPatient, so its place in the patient is unknown"),
        ({"FrameOfReferenceUID": "1.2.3"}, "FrameOfReferenceUID is 1.2.3"),
        ({"Modality": "MR"}, "Modality is MR, CT in|Modality is CT, MR in"),
        ({"PhotometricInterpretation": "MONOCHROME1"}, "PhotometricInterpretation is MONOCHROME"),
        ({"PhotometricInterpretation": "RGB"}, r"a colour image \(RGB\)"),
        ({"RescaleType": "US"}, "RescaleType is (US|HU)"),
        ({"NumberOfFrames": 2}, "one of several files, with many frames"),
        ({"SeriesInstanceUID": None}, "no Series Instance UID"),
        ({"RescaleSlope": None}, "damaged header"),
    ],
)
def test_a_slice_that_does_not_belong_is_named(tmp_path: Path, values: dict[str, object], message: str) -> None:
    (*_, path) = write_series(tmp_path, truth())
    dataset = pydicom.dcmread(path)
    for name, value in values.items():
        setattr(dataset, name, value)
    dataset.save_as(path)
    assert refused(tmp_path, message).startswith(str(tmp_path / ""))


def test_slices_of_another_shape_copies_and_damage_are_refused(tmp_path: Path) -> None:
    paths = write_series(tmp_path, truth())
    path = paths[3]
    good = path.read_bytes()
    slice_file(truth((1, 4, 4))[0], positions(6)[3]).save_as(path)
    refused(tmp_path, "Rows is 4, 5 in|Rows is 5, 4 in")
    path.write_bytes(good)
    shutil.copy(path, tmp_path / "copy.dcm")
    refused(tmp_path, "the same image as")
    (tmp_path / "copy.dcm").unlink()
    path.write_bytes(good[:-5])
    assert str(path) in refused(tmp_path, "truncated or damaged")
    path.write_bytes(good[:300])
    refused(tmp_path, "holds no image|no Series Instance UID|6 slices|missing|damaged")


def test_a_lost_slice_is_noticed_wherever_it_was(tmp_path: Path) -> None:
    for lost in range(1, 5):
        paths = write_series(tmp_path / str(lost), truth())
        paths[lost].unlink()
        refused(tmp_path / str(lost), "1 slices are missing")


def test_sources_that_hold_no_series_are_refused(tmp_path: Path) -> None:
    refused(tmp_path, "holds no DICOM image; give the folder of a series")
    refused([], "source is empty")
    refused(shipped("CT_small.dcm"), "one slice is no volume, its slice distance is unknown; read it with dicom.read")
    refused([shipped("rtplan.dcm")], "holds no image; give the slices only")
    refused("x" * 5000, "cannot be listed")
    with pytest.raises(FileNotFoundError, match="no such file"):
        dicom.read_series(tmp_path / "absent")


def test_scouts_of_real_media_are_no_volume() -> None:
    refused(MEDIA / "98892003" / "MR700", "another orientation than")
    for paths in dicom.find_series(MEDIA / "98892003" / "MR2").values():
        refused(paths, "another orientation than|one slice is no volume")


# ----------------------------------------------------------------------------------- gaps and tilt


@pytest.mark.parametrize("lost", [(2,), (1, 3), (1, 2, 3)])
def test_gaps_are_filled_with_nan_and_leave_every_place_right(tmp_path: Path, lost: tuple[int, ...]) -> None:
    hu = truth()
    paths = write_series(tmp_path, hu)
    for index in lost:
        paths[index].unlink()
    refused(tmp_path, rf"{len(lost)} slices are missing, the first between .* \(others are 2.5 mm apart\)")
    volume = dicom.read_series(tmp_path, allow_gaps=True)
    assert np.flatnonzero(np.isnan(volume.voxels).any(axis=(1, 2))).tolist() == list(lost)
    kept = [index for index in range(6) if index not in lost]
    np.testing.assert_array_equal(volume.voxels[kept], hu[kept])
    np.testing.assert_allclose(place(volume, 5, 0, 0), positions(6)[5], atol=1e-6)


def test_the_gap_in_a_real_series_is_found() -> None:
    folder = MEDIA / "77654033" / "CT2"  # slices 18 and 180 to 182 of a CT, 1.25 mm apart
    refused(folder, "161 slices are missing, the first between -99.48 and 103.02 mm")
    volume = dicom.read_series(folder, allow_gaps=True)
    assert volume.voxels.shape == (165, 16, 16)
    assert volume.spacing_mm[0] == pytest.approx(1.25)
    assert np.flatnonzero(np.isfinite(volume.voxels[:, 0, 0])).tolist() == [0, 162, 163, 164]


def test_a_gap_is_not_filled_beyond_the_bound(tmp_path: Path) -> None:
    write_series(tmp_path, truth(), at=moved(z5=2.5 * 10**5))
    refused(tmp_path, "its header claims 100,006 × 5 × 4 pixels .* above max_bytes", allow_gaps=True, max_bytes=10**6)


def test_a_tilted_gantry_is_kept_in_the_affine(tmp_path: Path) -> None:
    hu, shift = truth(), np.array([0, 0.5, 0])
    at = positions(6) + np.arange(6)[:, None] * shift
    write_series(tmp_path, hu, at=at)
    volume = dicom.read_series(tmp_path, allow_tilt=True)
    np.testing.assert_array_equal(volume.voxels, hu)
    for z in range(6):
        np.testing.assert_allclose(place(volume, z, 0, 0), at[z], atol=1e-5)
    assert volume.spacing_mm[0] == pytest.approx(np.hypot(2.5, 0.5))
    assert abs(np.linalg.det(volume.affine[:3, :3])) == pytest.approx(2.5 * PIXEL_MM[0] * PIXEL_MM[1])


@given(jitter=st.lists(st.floats(-0.009, 0.009), min_size=6, max_size=6))
def test_what_headers_round_away_is_no_unevenness(jitter: list[float]) -> None:
    at = positions(6) + np.array(jitter)[:, None] * [0, 0, 1]
    stack = stacked(at, AXIAL, PIXEL_MM, "made")
    assert stack.order.tolist() == stack.slots.tolist() == list(range(6))
    assert stack.spacing_mm[0] == pytest.approx(2.5, abs=0.01)


# ------------------------------------------------------------------------------------- multi-frame


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("directions", [AXIAL, SAGITTAL, ROTATED], ids=["axial", "sagittal", "any"])
def test_enhanced_file_gives_the_volume_of_the_series(tmp_path: Path, directions: np.ndarray, shared: bool) -> None:
    hu, at = truth(), positions(6, 2.5, directions)
    path = tmp_path / "enhanced.dcm"
    enhanced_file(hu, at=at, directions=directions, shared=shared).save_as(path)
    volume = dicom.read_multiframe(path)
    write_series(tmp_path / "classic", hu, directions=directions)
    classic = dicom.read_series(tmp_path / "classic")
    np.testing.assert_array_equal(volume.voxels, hu)
    np.testing.assert_array_equal(volume.voxels, classic.voxels)
    np.testing.assert_allclose(volume.affine, classic.affine, atol=1e-5)
    np.testing.assert_array_equal(dicom.read_series(path).voxels, hu)
    assert dicom.windows(volume.dataset) == [dicom.Window(40, 400, "LINEAR", "")]  # type: ignore[arg-type]


def test_enhanced_file_compressed_frame_by_frame(tmp_path: Path) -> None:
    dataset = enhanced_file(truth(), at=positions(6))
    dataset.compress(RLELossless)
    dataset.save_as(tmp_path / "rle.dcm")
    np.testing.assert_array_equal(dicom.read_multiframe(tmp_path / "rle.dcm").voxels, truth())


def broken(name: str) -> pydicom.FileDataset:
    dataset = enhanced_file(truth(), at=positions(6), shared=name != "orientation")
    frames = dataset.PerFrameFunctionalGroupsSequence
    if name == "groups":
        del frames[2]
    elif name == "position":
        del frames[2].PlanePositionSequence
    elif name == "orientation":
        frames[2].PlaneOrientationSequence = [item(ImageOrientationPatient=CORONAL.ravel().tolist())]
    elif name == "measures":
        frames[2].PixelMeasuresSequence = [item(PixelSpacing=[2, 2])]
    elif name == "repeated":
        frames[2].PlanePositionSequence = frames[3].PlanePositionSequence
    elif name == "rescale":
        del frames[2].PixelValueTransformationSequence
    elif name == "pixels":
        dataset.PixelData = dataset.PixelData[:-20]
    elif name == "frames":
        dataset.NumberOfFrames = 60000
    elif name == "negative":
        dataset.NumberOfFrames = -3
    elif name == "colour":
        dataset.PhotometricInterpretation = "RGB"
    return dataset


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("groups", "6 frames, functional groups of 5"),
        ("position", "a frame has no PlanePositionSequence"),
        ("orientation", "frames of several orientations"),
        ("measures", "frames of several pixel spacings"),
        ("repeated", "1 slices repeat a place .* time points or echoes; read it frame by frame"),
        ("rescale", "CT without Rescale Slope and Intercept"),
        ("pixels", "pixel data truncated or damaged"),
        ("frames", "60000 frames, functional groups of 6"),
        ("negative", "NumberOfFrames is -3"),
        ("colour", "a colour image"),
    ],
)
def test_enhanced_file_that_cannot_be_trusted_is_refused(tmp_path: Path, name: str, message: str) -> None:
    broken(name).save_as(tmp_path / "broken.dcm")
    with pytest.raises(dicom.DicomError, match=message) as caught:
        dicom.read_multiframe(tmp_path / "broken.dcm")
    assert "\n" not in str(caught.value)


def test_dose_grid_comes_in_gray_by_either_rule_for_its_offsets(tmp_path: Path) -> None:
    gray = truth() + 50  # in quarters of a gray, as the scaling has it
    offsets = (2.5 * np.arange(6)).tolist()
    for name, vector in {"relative": offsets, "absolute": [float(ORIGIN[2]) + step for step in offsets]}.items():
        path = tmp_path / f"{name}.dcm"
        dose_file(gray, vector).save_as(path)
        volume = dicom.read_multiframe(path)
        np.testing.assert_array_equal(volume.voxels, gray)
        np.testing.assert_allclose(place(volume, 5, 0, 0), positions(6)[5])
    downward = tmp_path / "down.dcm"
    dose_file(gray[::-1], [-step for step in offsets], ).save_as(downward)  # fmt: skip
    volume = dicom.read_multiframe(downward)
    np.testing.assert_array_equal(volume.voxels, gray)
    np.testing.assert_allclose(place(volume, 5, 0, 0), ORIGIN)


def test_the_shipped_dose_is_the_same_in_three_encodings() -> None:
    header = pydicom.dcmread(shipped("rtdose.dcm"))
    expected = header.pixel_array * float(header.DoseGridScaling)
    for name in ("rtdose.dcm", "rtdose_expb.dcm", "rtdose_rle.dcm"):
        volume = dicom.read_multiframe(shipped(name))
        np.testing.assert_allclose(volume.voxels, expected, rtol=1e-6)
    single = dicom.read(shipped("rtdose_1frame.dcm"))
    np.testing.assert_allclose(single.pixels, expected[0], rtol=1e-6)


@pytest.mark.parametrize(
    ("offsets", "values", "message"),
    [
        ([1, 2, 3, 4, 5, 6], {}, "Grid Frame Offset Vector begins with 1, not 0"),
        ([0, 1, 2], {}, "GridFrameOffsetVector is .*, not 6 finite numbers"),
        ([0, 1, 2, 3, 4, 6.5], {}, "unevenly spaced"),
        ([0, 1, 2, 3, 4, 5], {"FrameIncrementPointer": 0x00540080}, "have no places; try dicom.read_cine"),
    ],
)
def test_dose_grid_that_cannot_be_trusted_is_refused(
    tmp_path: Path, offsets: list[float], values: dict[str, int], message: str
) -> None:
    dataset = dose_file(truth() + 50, offsets)
    for name, value in values.items():
        setattr(dataset, name, value)
    dataset.save_as(tmp_path / "dose.dcm")
    with pytest.raises(dicom.DicomError, match=message):
        dicom.read_multiframe(tmp_path / "dose.dcm")


# ------------------------------------------------------------------------------------------- cine


def test_cine_gives_frames_in_their_order_with_times(tmp_path: Path) -> None:
    frames = truth() + 50
    cine_file(frames).save_as(tmp_path / "even.dcm")
    cine = dicom.read_cine(tmp_path / "even.dcm")
    np.testing.assert_array_equal(cine.frames, frames)
    np.testing.assert_allclose(cine.times_s, 0.04 * np.arange(6))
    assert cine.spacing_mm is None
    assert "PixelData" not in cine.dataset
    vector = [0, 30, 50, 30, 20, 100]
    cine_file(frames, FrameIncrementPointer=0x00181065, FrameTimeVector=vector, PixelSpacing=[0.5, 0.4]).save_as(
        tmp_path / "uneven.dcm"
    )
    cine = dicom.read_cine(tmp_path / "uneven.dcm")
    np.testing.assert_allclose(cine.times_s, np.cumsum(vector) / 1000)
    assert cine.spacing_mm == (0.5, 0.4)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"FrameTime": None}, "no FrameTime, so its frames have no times"),
        ({"FrameTime": 0}, "times of its frames do not increase"),
        ({"FrameTimeVector": [0, 1, 2]}, "FrameTimeVector is .*, not 6 finite numbers"),
        ({"PhotometricInterpretation": "RGB"}, "a colour image"),
        ({"NumberOfFrames": 1}, "holds one frame; read it with dicom.read"),
        ({"NumberOfFrames": 7}, "truncated or damaged"),
    ],
)
def test_cine_that_cannot_be_trusted_is_refused(tmp_path: Path, values: dict[str, object], message: str) -> None:
    dataset = cine_file(truth() + 50)
    for name, value in values.items():
        setattr(dataset, name, value)
    dataset.save_as(tmp_path / "cine.dcm")
    with pytest.raises(dicom.DicomError, match=message):
        dicom.read_cine(tmp_path / "cine.dcm")


# -------------------------------------------------------------------------------------- orientation

angles = st.floats(-180, 180)
shapes = st.tuples(*[st.integers(1, 4)] * 3)
TRIPLES = ["".join(letters) for pairs in permutations(("LR", "PA", "SI")) for letters in product(*pairs)]
triples = st.sampled_from(TRIPLES)


def made(shape: tuple[int, int, int], turn: tuple[float, float, float], mirror: bool) -> dicom.Volume:
    spacing = (2.5, 0.9, 0.7)
    directions = Rotation.from_euler("xyz", turn, degrees=True).as_matrix()
    if mirror:
        directions[:, 0] *= -1
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = directions * spacing, ORIGIN
    return dicom.Volume(truth(shape), spacing, affine, None)


@given(shape=shapes, turn=st.tuples(angles, angles, angles), mirror=st.booleans(), axes=triples)
def test_reorient_moves_no_voxel_in_the_patient(
    shape: tuple[int, int, int], turn: tuple[float, float, float], mirror: bool, axes: str
) -> None:
    volume = made(shape, turn, mirror)
    turned = dicom.reorient(volume, axes)
    assert dicom.axis_letters(turned.affine) == axes
    assert sorted(turned.voxels.shape) == sorted(shape)
    places = {value: place(volume, *index) for index, value in np.ndenumerate(volume.voxels)}
    for index, value in np.ndenumerate(turned.voxels):
        np.testing.assert_allclose(place(turned, *index), places[value], atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(turned.affine[:3, :3], axis=0), turned.spacing_mm)
    back = dicom.reorient(turned, dicom.axis_letters(volume.affine))
    np.testing.assert_array_equal(back.voxels, volume.voxels)
    np.testing.assert_allclose(back.affine, volume.affine, atol=1e-9)


@given(shape=shapes, turn=st.tuples(angles, angles, angles), mirror=st.booleans())
def test_reorient_agrees_with_nibabel(
    shape: tuple[int, int, int], turn: tuple[float, float, float], mirror: bool
) -> None:
    volume = made(shape, turn, mirror)
    directions = volume.affine[:3, :3] / volume.spacing_mm
    best = np.sort(np.abs(directions), axis=0)
    if (best[-1] - best[-2]).min() < 0.05 or np.unique(np.abs(directions).argmax(axis=0)).size < 3:
        return  # which axis is the nearest is a matter of taste there
    image = nib.Nifti1Image(volume.voxels.T, dicom.lps_to_ras(volume.affine)[:, [2, 1, 0, 3]])
    canonical = nib.as_closest_canonical(image)  # x, y, z towards R, A, S
    ours = dicom.reorient(volume, "SAR")
    np.testing.assert_array_equal(ours.voxels, np.asarray(canonical.dataobj).T)
    np.testing.assert_allclose(dicom.lps_to_ras(ours.affine)[:, [2, 1, 0, 3]], canonical.affine, atol=1e-5)
    assert dicom.axis_letters(volume.affine) == "".join(nib.aff2axcodes(image.affine))[::-1]


@pytest.mark.parametrize(
    ("directions", "edges"),
    [
        (AXIAL, ("R", "L", "A", "P")),
        (CORONAL, ("R", "L", "S", "I")),
        (SAGITTAL, ("A", "P", "S", "I")),
        (-AXIAL, ("L", "R", "P", "A")),
        (AXIAL[::-1], ("A", "P", "R", "L")),
        (np.array([[0.8, 0.6, 0], [0, 0, -1]]), ("RA", "LP", "S", "I")),
        (np.array([[0.6, 0.8, 0], [0, 0, -1]]), ("AR", "PL", "S", "I")),
        (np.array([[0.998, 0.0632, 0], [-0.0632, 0.998, 0]]), ("R", "L", "A", "P")),
    ],
)
def test_edges_of_the_picture_are_named(directions: np.ndarray, edges: tuple[str, ...]) -> None:
    assert dicom.edge_letters(item(ImageOrientationPatient=directions.ravel().tolist())) == edges


@given(turn=st.tuples(angles, angles, angles))
def test_opposite_edges_bear_opposite_letters(turn: tuple[float, float, float]) -> None:
    directions = Rotation.from_euler("xyz", turn, degrees=True).apply(AXIAL)
    edges = dicom.edge_letters(item(ImageOrientationPatient=np.round(directions, 8).ravel().tolist()))
    swap = str.maketrans("LRPASI", "RLAPIS")
    assert edges.left.translate(swap) == edges.right
    assert edges.top.translate(swap) == edges.bottom
    assert edges.left
    assert edges.top


def test_orientation_functions_refuse() -> None:
    volume = made((2, 3, 4), (0, 0, 0), mirror=False)
    for axes in ("SPX", "SSL", "SP", "SPLL", "spl", ""):
        with pytest.raises(ValueError, match="one letter of each pair"):
            dicom.reorient(volume, axes)
    flat = volume.affine.copy()
    flat[:3, 2] = flat[:3, 1]
    for affine, message in ((np.eye(3), "shape"), (np.full((4, 4), np.nan), "finite"), (flat, "in one plane")):
        for function in (dicom.axis_letters, dicom.lps_to_ras):
            with pytest.raises(ValueError, match=message):
                function(affine)
    with pytest.raises(dicom.DicomError, match="no ImageOrientationPatient"):
        dicom.edge_letters(item())
