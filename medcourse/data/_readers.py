"""Public sets as typed results: images channels last, volumes (z, y, x), sizes in millimetres with them."""

from __future__ import annotations

import gzip
import io
import itertools
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, overload
from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import NDArray

from medcourse.data import _members
from medcourse.data._fetch import ChecksumError
from medcourse.data._schema import RegisteredFile, SetInfo
from medcourse.data._store import Found

_UNPACKED = 4 << 30  # bytes: the most that one volume may unpack to


class Split(NamedTuple):
    """Images of one split: `images` uint8 (n, rows, columns, channels) or (n, z, y, x, 1), `labels` int64 (n,)."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]


class ImageSet(NamedTuple):
    """A classification set in its official splits: `train`, `val`, `test`, names of the `classes`, `source`."""

    train: Split
    val: Split
    test: Split
    classes: tuple[str, ...]
    source: str


class LabelledVolume(NamedTuple):
    """A volume with its labels: `image` float32 and `mask` uint8, both (z, y, x), spacing in millimetres (z, y, x)."""

    name: str
    image: NDArray[np.float32]
    mask: NDArray[np.uint8]
    spacing_mm: tuple[float, float, float]


class Patches(NamedTuple):
    """Patches of one split: `images` float32 (n, rows, columns, 1) from 0 to 1, `masks` uint8 (n, rows, columns)."""

    images: NDArray[np.float32]
    masks: NDArray[np.uint8]


class PatchSet(NamedTuple):
    """Patches with masks in their published splits, and the pixel's size in millimetres (row, column)."""

    val: Patches
    test: Patches
    spacing_mm: tuple[float, float]
    source: str


class Cells(NamedTuple):
    """An image uint8 (rows, columns, 3) with `boxes` int64 (k, 4): top, left, bottom, right; `labels` int64 (k,).

    Boxes count pixels from 0, and bottom and right are the first row and column outside.
    """

    name: str
    image: NDArray[np.uint8]
    boxes: NDArray[np.int64]
    labels: NDArray[np.int64]


class Nuclei(NamedTuple):
    """An image uint8 (rows, columns, 3) and its nuclei: uint16 (rows, columns), 0 outside, else its number."""

    name: str
    image: NDArray[np.uint8]
    nuclei: NDArray[np.uint16]


class Ecg(NamedTuple):
    """A recording: `signal` float32 (n, leads) in millivolt, `rate_hz`, names of the `leads`, and its beats.

    `beats` int64 (m,) are the samples of the annotations and `symbols` (m,) what the cardiologists wrote there:
    N normal, A atrial premature, V ventricular premature, ``+`` a change of rhythm, named in `notes` (m,).
    """

    record: str
    signal: NDArray[np.float32]
    rate_hz: float
    leads: tuple[str, ...]
    beats: NDArray[np.int64]
    symbols: NDArray[np.str_]
    notes: NDArray[np.str_]
    source: str


@dataclass(frozen=True)
class Volumes(Sequence[LabelledVolume]):
    """Volumes with labels, each read when it is asked for: a sequence of `LabelledVolume`, and their `names`."""

    names: tuple[str, ...]
    classes: tuple[str, ...]
    source: str
    _files: _members.Members

    def __len__(self) -> int:
        """Number of volumes."""
        return len(self.names)

    @overload
    def __getitem__(self, index: int) -> LabelledVolume: ...
    @overload
    def __getitem__(self, index: slice) -> list[LabelledVolume]: ...
    def __getitem__(self, index: int | slice) -> LabelledVolume | list[LabelledVolume]:
        """Read one volume, or a list of them."""
        if isinstance(index, slice):
            return [self[k] for k in range(*index.indices(len(self)))]
        name = self.names[index]
        image, spacing = _nifti(self._files.read(f"images/{name}.nii.gz"))
        mask, _ = _nifti(self._files.read(f"labels/{name}.nii.gz"))
        if mask.shape != image.shape:
            raise ChecksumError(f"{name}: labels {mask.shape} do not fit the image {image.shape}; fetch the set again")
        return LabelledVolume(name, image.astype(np.float32), np.rint(mask).astype(np.uint8), spacing)


@dataclass(frozen=True)
class CellImages(Sequence[Cells]):
    """Images with boxes, each read when it is asked for; `splits` holds the indices of each published split."""

    names: tuple[str, ...]
    classes: tuple[str, ...]
    splits: dict[str, tuple[int, ...]]
    source: str
    _files: _members.Members

    def __len__(self) -> int:
        """Number of images."""
        return len(self.names)

    @overload
    def __getitem__(self, index: int) -> Cells: ...
    @overload
    def __getitem__(self, index: slice) -> list[Cells]: ...
    def __getitem__(self, index: int | slice) -> Cells | list[Cells]:
        """Read one image with its boxes, or a list of them."""
        if isinstance(index, slice):
            return [self[k] for k in range(*index.indices(len(self)))]
        name = self.names[index]
        boxes, labels = self.annotations(index)
        return Cells(name, _picture(self._files.read(f"JPEGImages/{name}.jpg")), boxes, labels)

    def annotations(self, index: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Boxes and labels of one image, without reading the image."""
        # The file has the registered checksum, so the plain parser meets no hostile XML.
        root = ET.fromstring(self._files.read(f"Annotations/{self.names[index]}.xml"))  # noqa: S314
        boxes, labels = [], []
        for item in root.iter("object"):
            left, top, right, bottom = (int(item.findtext(f"bndbox/{key}", "0")) for key in _CORNERS)
            boxes.append((top - 1, left - 1, bottom, right))  # Pascal VOC counts from 1 and includes the last pixel
            labels.append(self.classes.index(item.findtext("name", "")))
        return np.array(boxes, np.int64).reshape(-1, 4), np.array(labels, np.int64)


@dataclass(frozen=True)
class NucleiImages:
    """Images of nuclei, read one after the other: iterate over it, or over ``itertools.islice(images, 20)``."""

    source: str
    _path: Path
    _select: str
    _count: int

    def __len__(self) -> int:
        """Number of images."""
        return self._count

    def __iter__(self) -> Iterator[Nuclei]:
        """Read the images in the order of the archive."""
        members = _members.stream(self._path, self._select)
        for name, group in itertools.groupby(members, key=lambda item: item[0].split("/")[0]):
            image, masks = None, []
            for key, content in group:
                if "/images/" in key:
                    image = _picture(content)
                else:
                    masks.append(_picture(content, grey=True) > 0)
            if image is None or not masks:
                raise ChecksumError(f"{name}: no image or no nucleus in the archive; fetch the set again")
            nuclei = np.zeros(image.shape[:2], np.uint16)
            for number, mask in enumerate(masks, start=1):
                nuclei[mask] = number
            yield Nuclei(name, image, nuclei)


Loaded = ImageSet | Volumes | PatchSet | CellImages | NucleiImages | Ecg

_CORNERS = ("xmin", "ymin", "xmax", "ymax")


def read_set(info: SetInfo, found: list[Found]) -> Loaded:
    """Read a verified set by the reader that the registry names."""
    source = "; ".join(dict.fromkeys(item.state.provenance for item in found))
    if info.reader == "medmnist":
        return _medmnist(info, found[0].path, source)
    if info.reader == "volumes":
        return _volumes(info, found[0].path, info.files[0], source)
    if info.reader == "patches":
        val, test = (_patches(item.path) for item in found)
        return PatchSet(val, test, (info.spacing_mm[0], info.spacing_mm[1]), source)
    if info.reader == "voc":
        return _voc(info, found[0].path, info.files[0], source)
    if info.reader == "nuclei":
        select = info.files[0].select
        assert select is not None
        assert info.splits is not None
        return NucleiImages(source, found[0].path, select, sum(info.splits.values()))
    assert info.reader == "wfdb"  # the schema allows no other
    return _wfdb(found, source)


def _medmnist(info: SetInfo, path: Path, source: str) -> ImageSet:
    assert info.splits is not None
    shapes: dict[str, tuple[int, ...]] = {}
    for split, count in info.splits.items():
        shapes[f"{split}_images"] = (count, *(info.shape[:-1] if info.shape[-1] == 1 else info.shape))
        shapes[f"{split}_labels"] = (count, 1)
    try:
        arrays = _npz(path, shapes)
    except (OSError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        cause = str(error).splitlines()[0]
        raise ChecksumError(f"{info.name}: {path} is not the set's archive ({cause}); fetch the set again") from None
    splits = {}
    for split in ("train", "val", "test"):
        images = arrays[f"{split}_images"]
        images = images[..., np.newaxis] if info.shape[-1] == 1 else images
        splits[split] = Split(images, arrays[f"{split}_labels"][:, 0].astype(np.int64))
    return ImageSet(splits["train"], splits["val"], splits["test"], info.classes, source)


def _npz(path: Path, shapes: dict[str, tuple[int, ...]]) -> dict[str, NDArray[np.uint8]]:
    """Read the arrays of these names and shapes, whole numbers from 0 to 255, after a look at their unpacked size."""
    with zipfile.ZipFile(path) as archive:
        sizes = {item.filename.removesuffix(".npy"): item.file_size for item in archive.infolist()}
    if set(sizes) != set(shapes):
        raise ValueError(f"it holds {', '.join(sorted(sizes))}")
    for key, shape in shapes.items():
        if sizes[key] > 8 * int(np.prod(shape)) + 4096:  # before anything is unpacked
            raise ValueError(f"{key} is far larger than {shape}")
    arrays = {}
    with np.load(path, allow_pickle=False) as stored:
        for key, shape in shapes.items():
            array = stored[key]
            if array.shape != shape or array.dtype.kind not in "ui":
                raise ValueError(f"{key} is {array.dtype} {array.shape}, not whole numbers of {shape}")
            arrays[key] = array.astype(np.uint8, copy=False)
    return arrays


def _volumes(info: SetInfo, path: Path, file: RegisteredFile, source: str) -> Volumes:
    assert file.select is not None
    members = _members.Members(path, file.select)
    names = tuple(key.split("/")[1].removesuffix(".nii.gz") for key in members.keys if key.startswith("labels/"))
    return Volumes(names, info.classes, source, members)


def _nifti(content: bytes) -> tuple[NDArray[np.float64], tuple[float, float, float]]:
    """Array (z, y, x) whose axes grow to superior, posterior and left, as in DICOM, and its spacing."""
    import nibabel

    nib: Any = nibabel  # its functions carry few types
    turn = nib.orientations
    with gzip.GzipFile(fileobj=io.BytesIO(content)) as handle:
        raw = handle.read(_UNPACKED + 1)
    if len(raw) > _UNPACKED:
        raise ChecksumError("a volume unpacks to more than 4 GiB; fetch the set again")
    image = nib.Nifti1Image.from_bytes(raw)
    way = turn.ornt_transform(turn.io_orientation(image.affine), turn.axcodes2ornt(("L", "P", "S")))
    turned = image.as_reoriented(way)
    x, y, z = (float(step) for step in turned.header.get_zooms()[:3])
    return np.asarray(turned.dataobj).transpose(2, 1, 0), (z, y, x)


def _patches(path: Path) -> Patches:
    import h5py

    with h5py.File(path, "r") as file:
        images, masks = np.asarray(file["images"][:, 0]), np.asarray(file["labels"][:, 0])
    return Patches(images.astype(np.float32)[..., np.newaxis], masks.astype(np.uint8))


def _voc(info: SetInfo, path: Path, file: RegisteredFile, source: str) -> CellImages:
    assert file.select is not None
    members = _members.Members(path, file.select)
    names = tuple(key.split("/")[1].removesuffix(".xml") for key in members.keys if key.startswith("Annotations/"))
    places = {name: k for k, name in enumerate(names)}
    splits = {}
    for split in info.splits or {}:
        listed = members.read(f"ImageSets/Main/{split}.txt").decode().split()
        splits[split] = tuple(places[name] for name in listed)
    return CellImages(names, info.classes, splits, source, members)


def _picture(content: bytes, *, grey: bool = False) -> NDArray[np.uint8]:
    import cv2

    decoded = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE if grey else cv2.IMREAD_COLOR)
    if decoded is None:
        raise ChecksumError("a picture of the set cannot be decoded; fetch the set again")
    return np.ascontiguousarray(decoded if grey else decoded[..., ::-1], np.uint8)  # OpenCV's order is blue first


def _wfdb(found: list[Found], source: str) -> Ecg:
    (header,) = (item.path for item in found if item.path.suffix == ".hea")
    if any(item.path.parent != header.parent for item in found):
        raise ChecksumError(f"{header.stem}: its files lie in several folders; put them into {header.parent}")
    stem = str(header.with_suffix(""))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # wfdb's own use of pandas
        import wfdb

        record, notes = wfdb.rdrecord(stem), wfdb.rdann(stem, "atr")
    return Ecg(
        record=header.stem,
        signal=np.asarray(record.p_signal, np.float32),
        rate_hz=float(record.fs),
        leads=tuple(record.sig_name),
        beats=np.asarray(notes.sample, np.int64),
        symbols=np.asarray(notes.symbol, np.str_),
        notes=np.asarray([note.rstrip("\x00") for note in notes.aux_note], np.str_),
        source=source,
    )
