"""`medcourse.data.nifti` against nibabel, DICOM's own coordinates, real volumes, and damaged files."""

from __future__ import annotations

import gzip
import os
import struct
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from medcourse.data import dicom, nifti
from medcourse.data.dicom import Volume
from tests.package.dicom_files import AXIAL, CORONAL, HEAD_CT, ORIGIN, SAGITTAL, truth, write_series

ANY = Rotation.from_euler("xyz", [20, -35, 50], degrees=True).apply(AXIAL)


def made(dtype: type = np.float32, turn: tuple[float, float, float] = (20, -35, 50)) -> Volume:
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", turn, degrees=True).as_matrix() * (2.5, 0.9, 0.7)
    affine[:3, 3] = ORIGIN
    return Volume((truth() + 50).astype(dtype), (2.5, 0.9, 0.7), affine, None)


def refused(path: Path, message: str, **options: object) -> None:
    with pytest.raises(nifti.NiftiError, match=message) as caught:
        nifti.read(path, **options)  # type: ignore[arg-type]
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert text.isprintable()
    assert "; " in text, "cause; remedy"


def saved(path: Path, image: object) -> Path:
    nib.save(image, path)
    return path


def inflated(data: bytes) -> bytes | None:
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error):
        return None


# ---------------------------------------------------------------------------------------- coordinates


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("directions", [AXIAL, CORONAL, SAGITTAL, ANY], ids=["axial", "coronal", "sagittal", "any"])
def test_a_dicom_series_keeps_every_place_in_the_patient(tmp_path: Path, directions: np.ndarray, suffix: str) -> None:
    write_series(tmp_path / "series", truth(), directions=directions)
    series = dicom.read_series(tmp_path / "series")
    path = tmp_path / f"volume{suffix}"
    nifti.write(path, series)
    again = nifti.read(path)
    np.testing.assert_array_equal(again.voxels, series.voxels)
    np.testing.assert_allclose(again.affine, series.affine, atol=1e-5)  # NIfTI-1 keeps it in single precision
    np.testing.assert_allclose(again.spacing_mm, series.spacing_mm, rtol=1e-6)
    image = nib.load(path)  # an independent reader: its index is (x, y, z), its world RAS
    for z, y, x in [(0, 0, 0), (5, 4, 3), (2, 0, 3), (1, 3, 0)]:
        right, anterior, superior = nib.affines.apply_affine(image.affine, [x, y, z])
        expected = (series.affine @ [z, y, x, 1])[:3]
        np.testing.assert_allclose([-right, -anterior, superior], expected, atol=1e-4)
        assert image.dataobj[x, y, z] == series.voxels[z, y, x]


def test_the_real_head_ct_keeps_its_places(tmp_path: Path) -> None:
    series = dicom.read_series(HEAD_CT)
    nifti.write(tmp_path / "head.nii.gz", series)
    again = nifti.read(tmp_path / "head.nii.gz")
    np.testing.assert_array_equal(again.voxels, series.voxels)
    np.testing.assert_allclose(again.affine, series.affine, atol=1e-5)
    assert nib.aff2axcodes(nib.load(tmp_path / "head.nii.gz").affine) == ("L", "P", "S")


angles = st.floats(-180, 180)


@given(turn=st.tuples(angles, angles, angles), axes=st.sampled_from(["SPL", "SAR", "LPS", "AIR"]))
@example(turn=(0, 0, 45), axes="SPL")  # a tie: two sides of the patient are equally near
@example(turn=(0, 45, 0), axes="LPS")
@example(turn=(-135, 0, 0), axes="AIR")
def test_sform_and_qform_say_the_same(
    tmp_path_factory: pytest.TempPathFactory, turn: tuple[float, float, float], axes: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "turned.nii"
    volume = dicom.reorient(made(turn=turn), axes)
    nifti.write(path, volume)
    header = nib.load(path).header
    assert (int(header["sform_code"]), int(header["qform_code"])) == (1, 1)
    # Single precision: the quaternion's first part is the root of 1 minus squares, so near a half turn it is good to
    # the root of 1e-7 only.
    np.testing.assert_allclose(header.get_qform(), header.get_sform(), atol=5e-3)
    assert header.get_xyzt_units()[0] == "mm"
    again = nifti.read(path)
    np.testing.assert_allclose(again.affine, volume.affine, atol=1e-4)
    share = np.abs(volume.affine[:3, :3]) / volume.spacing_mm
    gaps = [np.diff(np.sort(part)[:, 1:]) for part in (share, share.T)]  # between the largest two
    if np.min(gaps) > 1e-4:  # half-way between two sides a letter means neither
        assert dicom.axis_letters(again.affine) == axes


def test_a_sheared_affine_is_kept_in_the_sform_alone(tmp_path: Path) -> None:
    volume = made()
    volume.affine[:3, 0] += [0, 0.5, 0]
    nifti.write(tmp_path / "tilted.nii", volume)
    assert int(nib.load(tmp_path / "tilted.nii").header["qform_code"]) == 0
    np.testing.assert_allclose(nifti.read(tmp_path / "tilted.nii").affine, volume.affine, atol=1e-5)


def test_other_writers_files_are_understood(tmp_path: Path) -> None:
    voxels = truth((4, 5, 6)).astype(np.int16)  # (x, y, z) here
    affine = np.diag([-0.7, 0.9, 2.5, 1])
    expected = nib.Nifti1Image(voxels, affine)
    for name, kind in {"one.nii.gz": nib.Nifti1Image, "two.nii.gz": nib.Nifti2Image}.items():
        volume = nifti.read(saved(tmp_path / name, kind(voxels, affine)))
        np.testing.assert_array_equal(volume.voxels, voxels.T)
        assert volume.voxels.dtype == np.float32
        assert volume.spacing_mm == pytest.approx((2.5, 0.9, 0.7))
        assert dicom.axis_letters(volume.affine) == "SAL"
    swapped = nib.Nifti1Image(voxels.astype(">i2"), affine, nib.Nifti1Header(endianness=">"))
    np.testing.assert_array_equal(nifti.read(saved(tmp_path / "big.nii", swapped)).voxels, voxels.T)
    scaled = nib.Nifti1Image(voxels / 8, affine)
    scaled.set_data_dtype(np.int16)
    volume = nifti.read(saved(tmp_path / "scaled.nii", scaled))
    np.testing.assert_allclose(volume.voxels, np.asarray(nib.load(tmp_path / "scaled.nii").dataobj).T, rtol=1e-6)
    four = nib.Nifti1Image(voxels[..., None], affine)
    np.testing.assert_array_equal(nifti.read(saved(tmp_path / "four.nii", four)).voxels, voxels.T)
    metres = nib.Nifti1Image(voxels, np.diag([-0.7e-3, 0.9e-3, 2.5e-3, 1]))
    metres.header.set_xyzt_units("meter")
    np.testing.assert_allclose(
        nifti.read(saved(tmp_path / "metres.nii", metres)).affine,
        dicom.lps_to_ras(expected.affine)[:, [2, 1, 0, 3]],
        rtol=1e-6,
    )
    only_q = nib.Nifti1Image(voxels, affine)
    only_q.set_sform(None, code=0)
    only_q.set_qform(affine, code=1)
    assert dicom.axis_letters(nifti.read(saved(tmp_path / "q.nii", only_q)).affine) == "SAL"


# --------------------------------------------------------------------------------------------- values


@pytest.mark.parametrize(
    ("dtype", "stored"),
    [
        (np.float32, "float32"),
        (np.float64, "float32"),
        (np.uint8, "uint8"),
        (np.int16, "int16"),
        (np.uint16, "uint16"),
        (np.int32, "int32"),
        (np.int64, "int32"),
        (">i2", "int16"),
    ],
)
def test_values_come_back_as_they_were(tmp_path: Path, dtype: type, stored: str) -> None:
    volume = made(dtype)
    nifti.write(tmp_path / "a.nii.gz", volume)
    assert nib.load(tmp_path / "a.nii.gz").get_data_dtype() == stored
    np.testing.assert_array_equal(nifti.read(tmp_path / "a.nii.gz").voxels, volume.voxels)
    labels = nifti.read(tmp_path / "a.nii.gz", labels=True).voxels
    np.testing.assert_array_equal(labels, volume.voxels)
    assert labels.dtype == (stored if np.dtype(dtype).kind in "iu" else "int32")


def test_nan_is_kept_but_is_no_label(tmp_path: Path) -> None:
    volume = made()
    volume.voxels[2] = np.nan
    nifti.write(tmp_path / "a.nii", volume)
    np.testing.assert_array_equal(nifti.read(tmp_path / "a.nii").voxels, volume.voxels)
    refused(tmp_path / "a.nii", "holds other than whole numbers", labels=True)
    volume.voxels[2] = 0.5
    nifti.write(tmp_path / "a.nii", volume)
    refused(tmp_path / "a.nii", "holds other than whole numbers", labels=True)


def test_the_same_volume_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.nii.gz", "b.nii.gz"):
        nifti.write(tmp_path / name, made())
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.nii.gz", "b.nii.gz"]


@pytest.mark.parametrize(
    ("change", "name", "message"),
    [
        ({}, "a.img", "give a name that ends in .nii or .nii.gz"),
        ({"voxels": np.zeros((2, 3))}, "a.nii", r"voxels has shape \(2, 3\)"),
        ({"voxels": np.zeros((2, 0, 3))}, "a.nii", r"voxels has shape \(2, 0, 3\)"),
        ({"voxels": np.zeros((2, 1, 40000), np.uint8)}, "a.nii", "1 to 32767 voxels along each axis"),
        ({"voxels": np.zeros((2, 2, 2), complex)}, "a.nii", "dtype complex128"),
        ({"voxels": np.full((2, 2, 2), 2**31)}, "a.nii", "beyond 32 bits"),
        ({"affine": np.zeros((4, 4))}, "a.nii", "axes that lie in one plane"),
    ],
)
def test_write_refuses(tmp_path: Path, change: dict[str, np.ndarray], name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        nifti.write(tmp_path / name, made()._replace(**change))
    assert not list(tmp_path.iterdir())
    with pytest.raises(FileNotFoundError, match="its folder is not there"):
        nifti.write(tmp_path / "absent" / "a.nii", made())


# --------------------------------------------------------------------------------------- what is wrong


def test_files_that_are_no_volume_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such file; check the path"):
        nifti.read(tmp_path / "absent.nii")
    refused(tmp_path, "a directory; give a .nii.gz file")
    refused(Path("/dev/null"), "not a regular file")
    refused(tmp_path / ("x" * 5000), "cannot be read")
    for name, data in {
        "empty.nii": b"",
        "text.nii": b"no image\n" * 99,
        "gz.nii.gz": gzip.compress(b"no" * 500),
    }.items():
        (tmp_path / name).write_bytes(data)
        refused(tmp_path / name, "not a NIfTI file")
    voxels = truth((4, 5, 6))
    refused(saved(tmp_path / "4d.nii", nib.Nifti1Image(np.zeros((4, 5, 6, 2)), np.eye(4))), r"shape \(4, 5, 6, 2\)")
    refused(saved(tmp_path / "2d.nii", nib.Nifti1Image(voxels[0], np.eye(4))), r"shape \(5, 6\), not one 3-D volume")
    refused(saved(tmp_path / "c.nii", nib.Nifti1Image(voxels.astype(complex), np.eye(4))), "voxels of complex128")
    nib.save(nib.Nifti1Pair(voxels, np.eye(4)), tmp_path / "pair.img")
    refused(tmp_path / "pair.hdr", "header and voxels in two files")
    unknown = nib.Nifti1Image(voxels, np.eye(4))
    unknown.set_sform(None, code=0)
    unknown.set_qform(None, code=0)
    refused(saved(tmp_path / "u.nii", unknown), "left and right are unknown")


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_truncation_anywhere_is_noticed(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    nifti.write(path, made())
    data = path.read_bytes()
    for length in {*range(0, len(data), 7), len(data) - 1, len(data) - 8}:
        path.write_bytes(data[:length])
        refused(path, "truncated|not a NIfTI file")


def test_a_wrong_bit_in_compressed_data_is_noticed_by_its_checksum(tmp_path: Path) -> None:
    path, volume = tmp_path / "a.nii.gz", made()
    nifti.write(path, volume)
    data = path.read_bytes()
    harmless = 0
    for place in range(10, len(data)):  # behind gzip's own header
        path.write_bytes(data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :])
        if inflated(path.read_bytes()) == inflated(data):  # two codes for the same bytes
            np.testing.assert_array_equal(nifti.read(path).voxels, volume.voxels)
            harmless += 1
        else:
            refused(path, "truncated|damaged|not a NIfTI file|claims|begin|two files|more data")
    assert len(data) > 300
    assert harmless < 5


@pytest.mark.parametrize("name", ["bomb.nii", "bomb.nii.gz"])
def test_huge_dimensions_are_refused_before_anything_is_allocated(tmp_path: Path, name: str) -> None:
    image = nib.Nifti1Image(np.zeros((2, 2, 2), np.uint8), np.eye(4))
    data = bytearray(image.to_bytes())
    struct.pack_into("<8h", data, 40, 3, 32767, 32767, 32767, 1, 1, 1, 1)
    (tmp_path / name).write_bytes(gzip.compress(bytes(data)) if name.endswith("gz") else bytes(data))
    refused(tmp_path / name, r"its header claims 32767 × 32767 × 32767 voxels, [\d,]+ bytes, above max_bytes=")
    refused(tmp_path / name, "above max_bytes=1,000;", max_bytes=1000)


def test_the_bound_is_exact_and_trailing_data_is_not_inflated_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    nifti.write(path, made(np.uint8))
    voxels = 6 * 5 * 4
    assert nifti.read(path, max_bytes=4 * voxels).voxels.size == voxels
    refused(path, "above max_bytes", max_bytes=4 * voxels - 1)
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + bytes(2**24)))
    refused(path, "more data than its header announces")


# ---------------------------------------------------------------------------------------------- real


REAL = Path(os.environ.get("MEDCOURSE_DATA", "/nowhere")) / "msd_hippocampus"


@pytest.mark.skipif(not REAL.is_dir(), reason="MEDCOURSE_DATA holds no msd_hippocampus (Decathlon Task04)")
def test_real_hippocampi_load_as_nibabel_has_them() -> None:
    names = sorted(path.name for path in (REAL / "labels").iterdir())[::40]
    assert len(names) >= 5
    for name in names:
        image, mask = nifti.read(REAL / "images" / name), nifti.read(REAL / "labels" / name, labels=True)
        np.testing.assert_allclose(image.voxels, nib.load(REAL / "images" / name).get_fdata().T, rtol=1e-6)
        np.testing.assert_array_equal(mask.voxels, nib.load(REAL / "labels" / name).get_fdata().T)
        assert mask.voxels.dtype.kind in "iu"
        assert set(np.unique(mask.voxels)) == {0, 1, 2}
        np.testing.assert_array_equal(image.affine, mask.affine)
        assert image.spacing_mm == (1.0, 1.0, 1.0)
        assert dicom.axis_letters(image.affine) == "SAR"
        assert 1000 < (mask.voxels > 0).sum() < 8000  # mm³ of one hippocampus, head and body
