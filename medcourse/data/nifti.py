"""Read and write NIfTI volumes, with patient coordinates in DICOM's axes and arrays as (z, y, x)."""

from __future__ import annotations

import gzip
import math
import os
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from medcourse.data.dicom import Volume, lps_to_ras

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["NiftiError", "read", "write"]

MAX_BYTES = 2**31
UNITS_MM = {"mm": 1.0, "unknown": 1.0, "meter": 1000.0, "micron": 0.001}
BLOCK = 2**20


class NiftiError(ValueError):
    """A file cannot be used as one volume; the message names the file, the cause and the remedy.

    Notes
    -----
    Taught in: 1.4.4 Image quality and DICOM geometry.

    Examples
    --------
    >>> issubclass(NiftiError, ValueError)
    True
    """


def read(path: str | os.PathLike[str], *, labels: bool = False, max_bytes: int = MAX_BYTES) -> Volume:
    """Read a NIfTI file as a volume (z, y, x) in DICOM's patient axes.

    Parameters
    ----------
    path
        A ``.nii`` or ``.nii.gz`` file of one three-dimensional volume, NIfTI-1 or NIfTI-2.
    labels
        Keep whole numbers, as a segmentation needs them: voxels come in the file's own whole-number type, or
        in int32 where it holds whole numbers as floating point.
    max_bytes
        Largest volume, in bytes of its voxels in memory; checked before any is read.

    Returns
    -------
    Volume
        `voxels` float32 (or whole numbers, if `labels`), transposed from the file's (x, y, z) to (z, y, x) and
        never resampled; `spacing_mm` (z, y, x); `affine` from voxel (z, y, x) to LPS in millimetres; `dataset` is
        None. NaN is kept. `medcourse.data.dicom.reorient` turns the axes to stated sides.

    Raises
    ------
    FileNotFoundError
        If nothing is at `path`.
    NiftiError
        If it is not NIfTI, is truncated or damaged (a compressed file is checked to its end), is larger than
        `max_bytes`, holds no single 3-D volume of real numbers, says nothing of its orientation, or (`labels`)
        holds other than whole numbers.

    Notes
    -----
    Taught in: 1.4.4 Image quality and DICOM geometry. NIfTI's own axes are RAS (comments in nifti1.h); nibabel
    takes the sform where its code is above 0, else the qform. Where both codes are 0 the standard
    leaves left and right unknown, and so the file is refused.

    Examples
    --------
    >>> import tempfile
    >>> affine = np.array([[0, 0, 2, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1.0]]).T
    >>> volume = Volume(np.arange(24, dtype=np.float32).reshape(2, 3, 4), (2.0, 1.0, 1.0), affine, None)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(f"{folder}/small.nii.gz", volume)
    ...     again = read(f"{folder}/small.nii.gz")
    >>> bool((again.voxels == volume.voxels).all()), again.spacing_mm
    (True, (2.0, 1.0, 1.0))
    """
    path = Path(path)
    try:
        if not path.exists():
            raise FileNotFoundError(f"{path}: no such file; check the path")
        if not path.is_file():
            raise NiftiError(f"{path}: {'a directory' if path.is_dir() else 'not a regular file'}; give a .nii.gz file")
        return _volume(_bytes(path, max_bytes), path, labels=labels)
    except (NiftiError, FileNotFoundError):
        raise
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise NiftiError(f"{path}: compressed data truncated or damaged ({_quoted(error)}); fetch it again") from error
    except OSError as error:
        raise NiftiError(f"{path}: cannot be read ({_quoted(error)}); check its permissions and the disk") from error
    except Exception as error:  # nibabel raises many types on a damaged header
        raise NiftiError(f"{path}: damaged NIfTI file ({_quoted(error)}); fetch it again") from error


def write(path: str | os.PathLike[str], volume: Volume) -> None:
    """Write a volume as NIfTI-1, in scanner coordinates.

    Parameters
    ----------
    path
        File to write, ``.nii`` or ``.nii.gz``; one that is there is replaced.
    volume
        Voxels (z, y, x): float32 or float64 (written as float32), bool (written as uint8), or whole numbers that
        fit in 32 bits. They are stored as they are, without scaling.

    Raises
    ------
    FileNotFoundError
        If the folder of `path` is not there.
    ValueError
        If the name has another ending, or the voxels or the affine cannot be written.
    OSError
        If the disk is full or writing is not permitted.

    Notes
    -----
    Taught in: 1.4.4 Image quality and DICOM geometry. Axes go from (z, y, x) to NIfTI's (x, y, z) and LPS becomes
    RAS; both sform and qform are set, code 1 (a sheared affine fits the sform only). The same volume gives the
    same bytes: no time is stored.

    Examples
    --------
    >>> import tempfile
    >>> mask = np.zeros((2, 3, 4), dtype=bool)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(f"{folder}/mask.nii.gz", Volume(mask, (1.0, 1.0, 1.0), np.eye(4), None))
    ...     read(f"{folder}/mask.nii.gz", labels=True).voxels.dtype
    dtype('uint8')
    """
    nib = _nibabel()
    path = Path(path)
    if not path.name.endswith((".nii", ".nii.gz")):
        raise ValueError(f"path={path}: give a name that ends in .nii or .nii.gz")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: its folder is not there; make it first")
    voxels = _storable(np.asarray(volume.voxels))
    affine = lps_to_ras(volume.affine)[:, [2, 1, 0, 3]]
    image = nib.Nifti1Image(voxels.T, affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, code=1)
    directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    upright = np.allclose(directions.T @ directions, np.eye(3), atol=1e-4)
    image.set_qform(affine if upright else None, code=1 if upright else 0)
    data = image.to_bytes()
    partial = path.with_name(f"{path.name}.part")
    partial.write_bytes(gzip.compress(data, 6, mtime=0) if path.name.endswith(".gz") else data)
    partial.replace(path)


def _nibabel() -> Any:
    """Load nibabel when it is needed; its functions carry few types."""
    import nibabel

    return nibabel


def _storable(voxels: NDArray[Any]) -> NDArray[Any]:
    if voxels.ndim != 3 or voxels.size == 0 or max(voxels.shape) >= 2**15:
        raise ValueError(f"voxels has shape {voxels.shape}: give (z, y, x) with 1 to 32767 voxels along each axis")
    if voxels.dtype.kind == "f":
        return voxels.astype(np.float32)
    if voxels.dtype == bool:
        return voxels.astype(np.uint8)
    if voxels.dtype.kind not in "iu":
        raise ValueError(f"voxels has dtype {voxels.dtype}: give float32, bool or whole numbers")
    if voxels.dtype.itemsize < 8:
        return voxels.astype(voxels.dtype.newbyteorder("="))
    if not -(2**31) <= int(voxels.min()) <= int(voxels.max()) < 2**31:
        raise ValueError(f"voxels holds {voxels.min()} to {voxels.max()}, beyond 32 bits: give smaller labels")
    return voxels.astype(np.int32)


def _bytes(path: Path, max_bytes: int) -> tuple[type[Any], bytes]:
    """Read the file, inflated, as far as its header says, once that is known to be small enough."""
    nib = _nibabel()
    with path.open("rb") as raw:
        zipped = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        stream: BinaryIO = gzip.GzipFile(fileobj=raw) if zipped else raw  # type: ignore[assignment]
        start = stream.read(540)
        kind = next((one for one in (nib.Nifti1Image, nib.Nifti2Image) if _is(one, start)), None)
        if kind is None:
            raise NiftiError(f"{path}: not a NIfTI file (no header of 348 or 540 bytes); give a .nii or .nii.gz file")
        header = kind.header_class(start[: kind.header_class.template_dtype.itemsize], check=False)
        if bytes(header["magic"].item())[:2] != b"n+":
            raise NiftiError(f"{path}: header and voxels in two files; join them, for example with nibabel")
        shape, itemsize = header.get_data_shape(), header.get_data_dtype().itemsize
        voxels = math.prod(int(side) for side in shape)
        if not shape or min(shape) < 1:
            raise NiftiError(f"{path}: its header claims the shape {shape}; fetch it again")
        need = voxels * max(itemsize, 4)
        if need > max_bytes:
            raise NiftiError(
                f"{path}: its header claims {' × '.join(map(str, shape))} voxels, {need:,} bytes, "
                f"above max_bytes={max_bytes:,}; check it, and raise max_bytes if it is right"
            )
        offset = int(header.get_data_offset())
        if not len(header.binaryblock) < offset <= max(max_bytes // 16, 540):
            raise NiftiError(f"{path}: its voxels begin at byte {offset}; fetch it again")
        size = offset + voxels * itemsize
        data = start + stream.read(max(size - len(start), 0))
        if len(data) < size:
            raise NiftiError(f"{path}: {len(data):,} bytes of the {size:,} announced; truncated, fetch it again")
        if zipped and len(stream.read(BLOCK)) == BLOCK:  # to the end of the stream, where its checksum stands
            raise NiftiError(f"{path}: more data than its header announces; fetch it again")
    return kind, data[:size]


def _is(kind: Any, start: bytes) -> bool:
    size = kind.header_class.template_dtype.itemsize
    return len(start) >= size and size in (int.from_bytes(start[:4], order) for order in ("little", "big"))


def _volume(found: tuple[type[Any], bytes], path: Path, *, labels: bool) -> Volume:
    kind, data = found
    image = kind.from_bytes(data)
    header = image.header
    shape = tuple(int(side) for side in image.shape)
    if len(shape) < 3 or any(side != 1 for side in shape[3:]):
        raise NiftiError(
            f"{path}: of shape {shape}, not one 3-D volume; split it, for example with nibabel.four_to_three"
        )
    if header.get_data_dtype().kind not in "iuf":
        raise NiftiError(f"{path}: voxels of {header.get_data_dtype()}, not real numbers; convert it first")
    if not (int(header["sform_code"]) > 0 or int(header["qform_code"]) > 0):
        raise NiftiError(
            f"{path}: sform and qform code are 0, so left and right are unknown; ask where it is from, "
            "and set them with nibabel"
        )
    unit = header.get_xyzt_units()[0]
    affine_ras = np.asarray(image.affine, dtype=np.float64)
    affine_ras[:3] *= UNITS_MM.get(unit, math.nan)
    affine = lps_to_ras(affine_ras)[:, [2, 1, 0, 3]]
    voxels = _whole(image, path) if labels else np.asarray(image.dataobj, dtype=np.float32)
    z, y, x = (float(side) for side in np.linalg.norm(affine[:3, :3], axis=0))
    return Volume(np.ascontiguousarray(voxels.reshape(shape[:3]).T), (z, y, x), affine, None)


def _whole(image: Any, path: Path) -> NDArray[Any]:
    values = np.asanyarray(image.dataobj)
    if values.dtype.kind in "iu":
        return np.asarray(values, dtype=values.dtype.newbyteorder("="))
    whole = np.isfinite(values) & (np.abs(values) < 2**31)
    if not whole.all() or not (values == np.rint(values)).all():
        raise NiftiError(f"{path}: holds other than whole numbers; read it without labels=True")
    return np.asarray(values, dtype=np.int32)


def _quoted(found: object) -> str:
    text = "".join(letter if letter.isprintable() else " " for letter in str(found) or type(found).__name__)
    text = " ".join(text.split())
    return text if len(text) <= 160 else text[:157] + "..."
