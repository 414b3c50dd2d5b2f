"""Open, bound and decode one DICOM file; every failure becomes one line that names it."""

from __future__ import annotations

import io
import math
import os
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from pydicom import dcmread
from pydicom.encaps import generate_frames
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_dataset, read_preamble
from pydicom.pixels import get_decoder, iter_pixels, pixel_array
from pydicom.uid import (
    JPEG2000,
    DeflatedExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pydicom.dataset import Dataset
    from pydicom.uid import UID

MAX_BYTES = 2**31  # float32 voxels of a chest CT of 512 × 512 × 1000 take half of it
PILLOW_SYNTAXES = (JPEGBaseline8Bit, JPEGExtended12Bit, JPEG2000Lossless, JPEG2000)


class DicomError(ValueError):
    """Files cannot be used as the image that was asked for; the message names the file, the cause and the remedy.

    Notes
    -----
    Taught in: 1.4.1 X-ray and CT.
    """

    __module__ = "medcourse.data.dicom"  # where it is imported from, as tracebacks should say


class _Clipped(io.BufferedReader):
    """A file never asked for more than it has: Python would allocate the length that a damaged header claims."""

    def read(self, size: int | None = -1, /) -> bytes:
        left = max(os.fstat(self.fileno()).st_size - self.tell(), 0)
        return super().read(left if size is None or size < 0 else min(size, left))


def quoted(found: object) -> str:
    """Quote what a library said or a header holds as one short line: damaged files put any bytes into both."""
    text = "".join(letter if letter.isprintable() else " " for letter in str(found) or type(found).__name__)
    text = " ".join(text.split()).removeprefix("Unable to decode as exceptions were raised by all available plugins: ")
    return text if len(text) <= 160 else text[:157] + "..."


@contextmanager
def guarded(path: object) -> Iterator[None]:
    """Turn whatever a damaged header breaks inside into one line; what is already one line passes."""
    try:
        yield
    except (DicomError, FileNotFoundError):
        raise
    except Exception as error:  # a damaged header can break any look-up in it
        raise DicomError(f"{path}: damaged header ({quoted(error)}); fetch it again") from error


def parse(path: Path, *, max_bytes: int, pixels: bool = True) -> Dataset:
    """Read a file's header, and its pixel data unless `pixels` is false, if the file is not larger than allowed."""
    try:
        if not path.exists():
            raise FileNotFoundError(
                f"{path}: no such file; check the path, or start from medcourse.data.samples.ct_path()"
            )
        if not path.is_file():
            kind = "a directory" if path.is_dir() else "not a regular file"
            raise DicomError(f"{path}: {kind}; give one DICOM file")
        size = path.stat().st_size
        if size == 0:
            raise DicomError(f"{path}: an empty file; fetch it again")
        require_below(size, max_bytes, f"{path}: the file has {size:,} bytes")
        with _Clipped(io.FileIO(str(path))) as stream:
            _require_bounded_inflation(stream, path, max_bytes)
            stream.seek(0)
            return dcmread(stream, stop_before_pixels=not pixels)
    except (DicomError, FileNotFoundError):
        raise
    except InvalidDicomError as error:
        raise DicomError(
            f"{path}: not a DICOM file (no 'DICM' at byte 128); give a DICOM file, read pictures with skimage.io.imread"
        ) from error
    except OSError as error:
        raise DicomError(f"{path}: cannot be read ({quoted(error)}); check its permissions and the disk") from error
    except Exception as error:  # pydicom raises many types on a damaged file
        raise DicomError(f"{path}: damaged DICOM file ({quoted(error)}); fetch it again") from error


def require_below(size: int, max_bytes: int, what: str) -> None:
    """Refuse a size before anything of that size is allocated."""
    if size > max_bytes:
        raise DicomError(f"{what}, above max_bytes={max_bytes:,}; check it, and raise max_bytes if it is right")


def _require_bounded_inflation(stream: BinaryIO, path: Path, max_bytes: int) -> None:
    """Refuse a deflated file that inflates beyond the bound: pydicom would inflate it whole (1,000-fold at worst)."""
    read_preamble(stream, force=False)
    if _transfer_syntax(stream) != DeflatedExplicitVRLittleEndian:
        return
    inflater, size = zlib.decompressobj(-zlib.MAX_WBITS), 0
    while not inflater.eof and (block := inflater.unconsumed_tail or stream.read(2**16)):
        size += len(inflater.decompress(block, 2**20))
        require_below(size, max_bytes, f"{path}: the deflated file inflates to more than {size:,} bytes")


def _transfer_syntax(stream: BinaryIO) -> object:
    """Read the file's meta elements (group 2) from behind its preamble, and leave the stream behind them."""
    start = stream.tell()
    for implicit in (False, True):  # some writers break the rule that they are explicit; pydicom bears with them
        stream.seek(start)
        meta = read_dataset(
            stream, is_implicit_VR=implicit, is_little_endian=True, stop_when=lambda tag, _vr, _length: tag >> 16 != 2
        )
        with suppress(Exception):  # dcmread says it better
            if syntax := meta.get("TransferSyntaxUID"):
                return syntax
    return None


def whole(dataset: Dataset, keyword: str, path: object, *, least: int = 1) -> int:
    """Look up a whole number that has to be in the header."""
    value = dataset.get(keyword)
    if value is None or isinstance(value, str) or np.ndim(value) or int(value) < least:
        raise DicomError(f"{path}: {keyword} is {quoted(repr(value))}; fetch it again")
    return int(value)


def frame_count(dataset: Dataset) -> int:
    """Number of frames; an absent or empty element means one."""
    return int(dataset.get("NumberOfFrames") or 1)


def require_size(dataset: Dataset, path: object, *, frames: int, max_bytes: int, itemsize: int = 4) -> None:
    """Refuse, from the header alone, pixels that would not fit: `itemsize` bytes of result per sample and frame."""
    shape = frames, *(whole(dataset, name, path) for name in ("Rows", "Columns"))
    samples = int(dataset.get("SamplesPerPixel") or 1)
    size = math.prod(shape) * samples * max(itemsize, int(dataset.get("BitsAllocated") or 8) // 8)
    text = " × ".join(f"{side:,}" for side in shape)
    require_below(size, max_bytes, f"{path}: its header claims {text} pixels (frames × rows × columns), {size:,} bytes")


def decoded(dataset: Dataset, path: object, *, index: int | None = None) -> NDArray[Any]:
    """Stored values of the only frame, or of frame `index`; colour comes as RGB."""
    with _decoding(dataset, path):
        return np.asarray(pixel_array(dataset, index=index))


def decoded_frames(dataset: Dataset, path: object) -> Iterator[NDArray[Any]]:
    """Stored values, one frame at a time, so that a long file needs the memory of one frame beside its result."""
    with _decoding(dataset, path):
        yield from iter_pixels(dataset)


@contextmanager
def _decoding(dataset: Dataset, path: object) -> Iterator[None]:
    try:
        if dataset.file_meta.TransferSyntaxUID in PILLOW_SYNTAXES:
            _require_codestreams_of_the_stated_size(dataset, path)
        yield
    except DicomError:
        raise
    except Exception as error:  # decoders raise many types
        syntax = dataset.file_meta.TransferSyntaxUID
        if not syntax.is_compressed or syntax == DeflatedExplicitVRLittleEndian:
            raise DicomError(f"{path}: pixel data truncated or damaged ({quoted(error)}); fetch it again") from error
        available, others = _plug_ins(syntax)
        cause = quoted(error) if available else f"plug-in missing: {others}" if others else "pydicom has no decoder"
        remedy = "install the plug-in, or " * bool(others) + "store it uncompressed, for example with DCMTK or GDCM"
        raise DicomError(f"{path}: compressed as {syntax.name}, not decodable here ({cause}); {remedy}") from error


def _plug_ins(syntax: UID) -> tuple[bool, str]:
    """Whether a plug-in for a transfer syntax is installed, and which others pydicom could use."""
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        return False, ""
    others = [text.partition(" requires ")[2].removeprefix("numpy and ") for text in decoder.missing_dependencies]
    return decoder.is_available, ", or ".join(others)


def _require_codestreams_of_the_stated_size(dataset: Dataset, path: object) -> None:
    """Compare each compressed frame's own size with the header's: a decoder allocates what the frame says."""
    from PIL import Image, UnidentifiedImageError

    stated = int(dataset.Columns), int(dataset.Rows)
    for frame in generate_frames(dataset.PixelData, number_of_frames=frame_count(dataset)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            try:
                with Image.open(io.BytesIO(frame), formats=("JPEG", "JPEG2000")) as picture:
                    found = picture.size
            except Image.DecompressionBombError as error:
                raise DicomError(f"{path}: a compressed frame claims a huge size; fetch it again") from error
            except UnidentifiedImageError:
                continue  # pydicom's decoder says more than Pillow does here
        if found != stated:
            size, expected = (f"{rows} × {columns}" for columns, rows in (found, stated))
            raise DicomError(f"{path}: a compressed frame of {size} pixels, {expected} in the header; fetch it again")
